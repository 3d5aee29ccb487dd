// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// goTest runs `go test -json` on a module of the given files and feeds what it
// prints to a summary, as make test does.
func goTest(t *testing.T, files map[string]string) (report string, ok bool) {
	t.Helper()
	dir := t.TempDir()
	files["go.mod"] = "module example.org/m\n\ngo 1.26\n"
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "go", "test", "-json", "-timeout=60s", "./...")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	events, err := cmd.Output() // fails as its tests do
	if err != nil && len(events) == 0 {
		t.Fatalf("go test: %v", err)
	}
	return summarise(t, string(events))
}

func summarise(t *testing.T, events string) (report string, ok bool) {
	t.Helper()
	var out bytes.Buffer
	s := newSummary(&out, "example.org/m/")
	if err := feed(s, strings.NewReader(events)); err != nil {
		t.Fatal(err)
	}
	ok = s.close()
	return out.String(), ok
}

func wantReport(t *testing.T, report string, ok, wantOK bool, last string, parts ...string) {
	t.Helper()
	if ok != wantOK {
		t.Errorf("success is %t, want %t", ok, wantOK)
	}
	lines := strings.Split(strings.TrimSuffix(report, "\n"), "\n")
	if got := lines[len(lines)-1]; got != last {
		t.Errorf("last line is %q, want %q", got, last)
	}
	for _, p := range parts {
		if !strings.Contains(report, p) {
			t.Errorf("report lacks %q", p)
		}
	}
	if t.Failed() {
		t.Log(report)
	}
}

func TestGoTestRuns(t *testing.T) {
	const head = "package a\n\nimport (\"os\"; \"testing\")\n\nvar _ = os.Exit\n\n"
	for name, c := range map[string]struct {
		files map[string]string
		ok    bool
		last  string
		parts []string
	}{
		"all pass; a test with subtests counts as its subtests": {
			files: map[string]string{
				"a/a_test.go": head + `func TestA(t *testing.T) { t.Run("x", f); t.Run("y/z", f); t.Run("s", func(t *testing.T) { t.Skip() }) }
func TestB(t *testing.T) {}
func f(*testing.T) {}`,
				"b/b.go": "package b\n",
			},
			ok: true, last: "3 passed, 0 failed, 1 skipped",
			parts: []string{"ok    a ", "-     b "},
		},
		"a failing subtest is one failure and shows its output": {
			files: map[string]string{"a/a_test.go": head + `func TestA(t *testing.T) { t.Run("x", func(t *testing.T) { t.Error("not that") }); t.Run("y", func(t *testing.T) {}) }`},
			last:  "1 passed, 1 failed",
			parts: []string{"FAIL  a ", "a_test.go:7: not that", "Failed:\n  a TestA/x\n"},
		},
		"a test that fails after its subtests passed counts itself": {
			files: map[string]string{"a/a_test.go": head + `func TestA(t *testing.T) { t.Run("x", func(t *testing.T) {}); t.Error("late") }`},
			last:  "1 passed, 1 failed",
			parts: []string{"late", "Failed:\n  a TestA\n"},
		},
		"a package that does not compile is one failure, others run": {
			files: map[string]string{
				"a/a_test.go": head + `func TestA(t *testing.T) { undefined() }`,
				"b/b_test.go": "package b\n\nimport \"testing\"\n\nfunc TestB(*testing.T) {}\n",
			},
			last:  "1 passed, 1 failed",
			parts: []string{"undefined: undefined", "Failed:\n  a\n"},
		},
		"an import that does not compile fails every package that needs it": {
			files: map[string]string{
				"c/c.go":      "package c\n\nvar X int = \"\"\n",
				"a/a_test.go": head + "import _ \"example.org/m/c\"\nfunc TestA(t *testing.T) {}",
				"b/b_test.go": "package b\n\nimport \"testing\"\nimport _ \"example.org/m/c\"\n\nfunc TestB(*testing.T) {}\n",
			},
			last:  "0 passed, 3 failed",
			parts: []string{"c.go:3:13"},
		},
		"what vet finds is a failure": {
			files: map[string]string{"a/a_test.go": head + `func TestA(t *testing.T) { t.Logf("%d", "x") }`},
			last:  "0 passed, 1 failed",
			parts: []string{"of wrong type string"},
		},
		"a panic fails the test that it is in": {
			files: map[string]string{"a/a_test.go": head + `func TestA(t *testing.T) {}
func TestB(t *testing.T) { t.Run("x", func(t *testing.T) { panic("oh") }) }
func TestC(t *testing.T) {}`},
			last:  "1 passed, 1 failed",
			parts: []string{"panic: oh", "goroutine ", "a TestB/x"},
		},
		"an exit in a test fails it": {
			files: map[string]string{"a/a_test.go": head + `func TestA(t *testing.T) { os.Exit(3) }`},
			last:  "0 passed, 1 failed",
			parts: []string{"=== RUN   TestA", "Failed:\n  a TestA\n"},
		},
		"a failure after the last test is the package's": {
			files: map[string]string{"a/a_test.go": head + `func TestA(t *testing.T) {}
func TestMain(m *testing.M) { m.Run(); println("leaked"); os.Exit(1) }`},
			last:  "1 passed, 1 failed",
			parts: []string{"leaked", "Failed:\n  a\n"},
		},
		"no test ran": {
			files: map[string]string{"a/a.go": "package a\n"},
			last:  "0 passed, 0 failed",
			parts: []string{"no test ran"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			report, ok := goTest(t, c.files)
			wantReport(t, report, ok, c.ok, c.last, c.parts...)
		})
	}
}

func TestInputThatEndsEarly(t *testing.T) {
	report, ok := summarise(t, `{"Action":"start","Package":"example.org/m/a"}
{"Action":"run","Package":"example.org/m/a","Test":"TestA"}
{"Action":"pass","Package":"example.org/m/a","Test":"TestA"}
{"Action":"run","Package":"example.org/m/a","Test":"TestB"}
{"Action":"output","Package":"example.org/m/a","Test":"TestB","Output":"halfway\n"}
signal: killed
`)
	wantReport(t, report, ok, false, "1 passed, 1 failed", "signal: killed\n", "halfway", "a TestB")
}

func TestNoInput(t *testing.T) {
	report, ok := summarise(t, "")
	wantReport(t, report, ok, false, "0 passed, 0 failed", "no test ran")
}
