// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// subject is a module with a rule, a test that proves it, and one that proves
// nothing.
var subject = map[string]string{
	"go.mod": "module example.com/subject\n\ngo 1.26\n",
	"sum/sum.go": `package sum

// Sum adds.
func Sum(a, b int) int { return a + b }
`,
	"sum/zero.go": `package sum

const zero = 0
`,
	"sum/sum_test.go": `package sum

import "testing"

func TestSum(t *testing.T) {
	if got := Sum(2, 3); got != 5 {
		t.Errorf("Sum(2, 3) = %d", got)
	}
}

func TestWeak(t *testing.T) { Sum(0, 0) }

func TestRed(t *testing.T) { t.Error("always") }
`,
}

const mutation = `- id: ID
  rule: 7
  file: sum/sum.go
  find: FIND
  replace: REPLACE
  tests:
    sum/sum_test.go: [TEST]
  breaks: Sums are wrong.
`

func list(id, find, replace, test string) string {
	return strings.NewReplacer("ID", id, "FIND", find, "REPLACE", replace, "TEST", test).Replace(mutation)
}

// try runs mutants on a copy of the subject.
func try(t *testing.T, mutants string, chosen ...string) (string, error) {
	t.Helper()
	root := t.TempDir()
	write := func(name, text string) {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range subject {
		write(name, text)
	}
	write("hack/mutants/list.yaml", mutants)
	var out bytes.Buffer
	err := run(t.Context(), &out, root, 2, chosen)
	for name, text := range subject {
		now, readErr := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if readErr != nil || string(now) != text {
			t.Errorf("%s was changed: %v", name, readErr)
		}
	}
	return out.String(), err
}

func TestMutants(t *testing.T) {
	for _, tt := range []struct {
		name    string
		mutants string
		chosen  []string
		// table and failure are expressions that the output and the error match.
		table, failure string
	}{
		{"killed", list("minus", "a + b", "a - b", "TestSum"), nil, `(?m)^ +7 +minus +killed .* sum/sum_test.go: TestSum$`, ""},
		{"killed by a panic", list("panics", "return a + b", `panic("no")`, "TestSum"), nil, "panics +killed", ""},
		{"survived", list("minus", "a + b", "a - b", "TestWeak"), nil, `minus +SURVIVED(.|\n)*TestWeak does not notice: Sums are wrong`, "not all mutants were killed"},
		{
			"survived beside one that is killed", list("weak", "a + b", "a - b", "TestWeak") + list("strong", "a + b", "a - b", "TestSum"), nil,
			`weak +SURVIVED(.|\n)*strong +killed(.|\n)*2 mutants in .*: 1 killed, 1 survived, 0 could not be tested`, "not all mutants were killed",
		},
		{"by one of two tests", list("minus", "a + b", "a - b", "TestSum, TestWeak"), nil, `minus +SURVIVED(.|\n)*TestWeak does not notice(.|\n)*1 survived, 0 could not be tested; 1 tests were red`, "not all mutants were killed"},
		{"killed by both of two tests", list("panics", "return a + b", `panic("no")`, "TestWeak, TestSum"), nil, "panics +killed(.|\n)*1 trials(.|\n)*2 tests were red", ""},
		{"no mutant is chosen by a rule without one", list("minus", "a + b", "a - b", "TestSum"), []string{"8"}, "^$", `"8" is neither`},
		{
			"chosen by rule or name", list("weak", "a + b", "a - b", "TestWeak") + list("strong", "a + b", "a - b", "TestSum"),
			[]string{"strong"},
			`strong +killed(.|\n)*1 mutants in`, "",
		},
		{"chosen by package", list("minus", "a + b", "a - b", "TestSum"), []string{"sum"}, `minus +killed`, ""},
		{
			"in two files", list("one", "a + b", "a + b + zero", "TestSum") + "  also: [{file: sum/zero.go, find: zero = 0, replace: zero = 1}]\n", nil,
			`one +killed`, "",
		},
		{
			"twice in one file", list("one", "a + b", "a - b", "TestSum") + "  also: [{file: sum/sum.go, find: Sum adds, replace: Sum}]\n", nil,
			"^$", "it changes sum/sum.go twice",
		},
		{"without tests", list("minus", "a + b", "a - b", ""), nil, "^$", "it has no tests"},
		{"does not compile", list("broken", "a + b", "a +", "TestSum"), nil, `broken +ERROR(.|\n)*does not compile(.|\n)*syntax error`, "not all mutants were killed"},
		{"does not apply", list("stale", "a * b", "a - b", "TestSum"), nil, "^$", "stale: the text to replace occurs 0 times in sum/sum.go"},
		{"applies twice", list("vague", "Sum", "Mus", "TestSum"), nil, "^$", "vague: the text to replace occurs 2 times in sum/sum.go"},
		{"without such a test", list("minus", "a + b", "a - b", "TestNone"), nil, `minus +ERROR(.|\n)*there is no such test as sum/sum_test.go: TestNone`, "not all mutants were killed"},
		{"with a test that is red without it", list("minus", "a + b", "a - b", "TestRed") + list("strong", "a + b", "a - b", "TestSum"), nil, `minus +ERROR(.|\n)*red: sum/sum_test.go: TestRed(.|\n)*strong +killed`, "not all mutants were killed"},
		{"that changes nothing", list("same", "a + b", "a + b", "TestSum"), nil, "^$", "it changes nothing"},
		{"called as another one", list("minus", "a + b", "a - b", "TestSum") + list("minus", "a + b", "b", "TestSum"), nil, "^$", `two mutants are called "minus"`},
		{"with a field that does not exist", list("minus", "a + b", "a - b", "TestSum") + "  why: none\n", nil, "^$", "unknown field"},
		{"without a reason", strings.Replace(list("minus", "a + b", "a - b", "TestSum"), "Sums are wrong.", `""`, 1), nil, "^$", "it has no breaks"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, err := try(t, tt.mutants, tt.chosen...)
			if !regexp.MustCompile(tt.table).MatchString(out) {
				t.Errorf("the output does not match %s:\n%s", tt.table, out)
			}
			switch {
			case tt.failure == "" && err != nil:
				t.Errorf("error: %v", err)
			case tt.failure != "" && (err == nil || !strings.Contains(err.Error(), tt.failure)):
				t.Errorf("error %v, want one with %q", err, tt.failure)
			}
		})
	}
}

func TestChoose(t *testing.T) {
	nine, ten := &mutant{ID: "nine", Rule: 9}, &mutant{ID: "ten", Rule: 10}
	all := []trial{{nine, "pure", nil}, {nine, "suite", nil}, {ten, "suite", nil}}
	for _, tt := range []struct {
		names string
		want  []trial
	}{
		{"", all},
		{"9", all[:2]},
		{"ten", all[2:]},
		{"9 ten", all},
		{"suite", all[1:]},
		{"suite pure", all},
		{"9 suite", all[1:2]},
		{"10 pure", nil},
		{"9 11", nil},
	} {
		got, err := choose(slices.Clone(all), strings.Fields(tt.names))
		if !slices.EqualFunc(got, tt.want, func(a, b trial) bool { return a.mutant == b.mutant && a.pkg == b.pkg }) || (err != nil) != (tt.want == nil) {
			t.Errorf("%q: %v, %v", tt.names, got, err)
		}
	}
}

// What Ginkgo reports is taken from the nodes of specs alone.
func TestSpecVerdicts(t *testing.T) {
	const spec = `{"ContainerHierarchyTexts": ["A slice"], "LeafNodeType": "It", "LeafNodeText": "is repaired",
		"LeafNodeLocation": {"FileName": "/x/repair_test.go"}, "State": "STATE"}`
	const suite = `{"LeafNodeType": "BeforeSuite", "State": "STATE", "Failure": {"Message": "no etcd"}}`
	named := test{"controllers/repair_test.go", "slice is rep"}
	for _, tt := range []struct {
		name  string
		nodes []string
		want  verdict
		fails bool
	}{
		{"passed", []string{set(suite, "passed"), set(spec, "passed")}, passed, false},
		{"failed", []string{set(suite, "passed"), set(spec, "failed")}, failed, false},
		{"panicked", []string{set(spec, "panicked")}, failed, false},
		{"one of several failed", []string{set(spec, "passed"), set(spec, "timedout"), set(spec, "passed")}, failed, false},
		{"skipped", []string{set(spec, "skipped")}, missing, false},
		{"the suite did not start", []string{set(suite, "failed"), set(spec, "skipped")}, missing, true},
		{"the suite broke at its end, and all passed", []string{set(spec, "passed"), set(suite, "failed")}, passed, true},
		{"in another file", []string{strings.Replace(set(spec, "failed"), "repair_test", "other_test", 1)}, missing, false},
		{"of another name", []string{strings.Replace(set(spec, "failed"), "repaired", "written", 1)}, missing, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "report.json")
			text := `[{"SpecReports": [` + strings.Join(tt.nodes, ",") + `]}]`
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			verdicts := map[test]verdict{}
			err := specVerdicts(file, []test{named}, verdicts)
			if verdicts[named] != tt.want || (err != nil) != tt.fails {
				t.Errorf("verdict %v, error %v", verdicts[named], err)
			}
		})
	}
}

func set(node, state string) string { return strings.Replace(node, "STATE", state, 1) }
