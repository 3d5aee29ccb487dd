// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// timeout ends a test binary that hangs. That is no kill: it may be the
// machine that hangs.
const timeout = 10 * time.Minute

// goTest is the form of the names of Go tests. All others are texts of specs.
var goTest = regexp.MustCompile(`^(Test|Fuzz)[A-Z0-9]\w*$`)

// test is what a mutant names: where a test is and what it is called.
type test struct{ file, name string }

func (t test) String() string { return t.file + ": " + t.name }

// pkg is the folder of its package, relative to the module.
func (t test) pkg() string { return filepath.Dir(t.file) }

// verdict of a test.
type verdict int

const (
	missing verdict = iota // it did not run
	passed
	failed
)

// endToEnd is the package whose tests start the operator as a program.
const endToEnd = "test/e2e"

// suite is a test binary and how it is started.
type suite struct {
	binary, folder string
	args           []string
	// reports is a folder that the binary can write to.
	reports string
}

// compile makes the suite of a package, with an overlay unless that is empty:
// of the operator that the suite starts, or of the code that its tests call.
func (l *laboratory) compile(ctx context.Context, pkg, overlay, folder string) (suite, error) {
	s := suite{binary: filepath.Join(folder, "suite.test"), folder: filepath.Join(l.root, pkg), reports: folder}
	if pkg != endToEnd {
		return s, l.build(ctx, overlay, "test", "-c", "-o", s.binary, "./"+pkg)
	}
	programs, err := l.programs(folder)
	if err != nil {
		return s, err
	}
	s.folder, s.reports, s.args = l.root, programs, []string{"-bin=" + programs}
	if err := l.build(ctx, overlay, "build", "-o", filepath.Join(programs, "manager"), "./cmd/manager"); err != nil {
		return s, err
	}
	s.binary = filepath.Join(l.work, "e2e")
	if _, err := os.Stat(s.binary); err == nil { // the suite itself is never mutated
		return s, nil
	}
	return s, l.build(ctx, "", "test", "-c", "-tags=e2e", "-o", s.binary, "./"+pkg)
}

func (l *laboratory) build(ctx context.Context, overlay, verb string, args ...string) error {
	if overlay != "" {
		args = append([]string{"-overlay=" + overlay}, args...)
	}
	command := exec.CommandContext(ctx, "go", append([]string{verb}, args...)...)
	command.Dir = l.root
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("it does not compile:\n%s", out)
	}
	return nil
}

// programs makes a folder with links to all programs but the operator.
func (l *laboratory) programs(folder string) (string, error) {
	linked := filepath.Join(folder, "bin")
	if err := os.Mkdir(linked, 0o700); err != nil {
		return "", err
	}
	list, err := os.ReadDir(filepath.Join(l.root, "bin"))
	if err != nil {
		return "", err
	}
	for _, program := range list {
		if program.Name() == "manager" {
			continue
		}
		if err := os.Symlink(filepath.Join(l.root, "bin", program.Name()), filepath.Join(linked, program.Name())); err != nil {
			return "", err
		}
	}
	return linked, nil
}

// execute runs tests of one package with its binary, and tells what became of
// each. Ginkgo specs and Go tests need runs of their own.
func (l *laboratory) execute(ctx context.Context, s suite, tests []test) (map[test]verdict, string, error) {
	verdicts := make(map[test]verdict, len(tests))
	var log strings.Builder
	specs, functions := partition(tests)
	if len(functions) > 0 {
		names := make([]string, len(functions))
		for i, f := range functions {
			names[i] = f.name
		}
		out, err := l.start(ctx, s, "-test.v", "-test.run=^("+strings.Join(names, "|")+")$")
		log.Write(out)
		for _, f := range functions {
			verdicts[f] = functionVerdict(out, f.name)
		}
		if err != nil && !slices.ContainsFunc(functions, func(f test) bool { return verdicts[f] == failed }) {
			return verdicts, log.String(), fmt.Errorf("the tests: %w", err)
		}
	}
	if len(specs) > 0 {
		report := filepath.Join(s.reports, "report.json")
		args := []string{"-ginkgo.no-color", "-ginkgo.json-report=" + report}
		for _, spec := range specs {
			args = append(args, "-ginkgo.focus="+regexp.QuoteMeta(spec.name), "-ginkgo.focus-file="+regexp.QuoteMeta(filepath.Base(spec.file))+"$")
		}
		if len(tests) == 1 {
			args = append(args, "-ginkgo.fail-fast")
		}
		out, err := l.start(ctx, s, args...)
		log.Write(out)
		if broken := specVerdicts(report, specs, verdicts); broken != nil {
			return verdicts, log.String(), fmt.Errorf("%w (%w)", broken, err)
		}
	}
	return verdicts, log.String(), nil
}

func partition(tests []test) (specs, functions []test) {
	for _, t := range tests {
		if goTest.MatchString(t.name) {
			functions = append(functions, t)
		} else {
			specs = append(specs, t)
		}
	}
	return specs, functions
}

// start runs a test binary.
func (l *laboratory) start(ctx context.Context, s suite, args ...string) ([]byte, error) {
	args = slices.Concat(s.args, args, []string{"-test.timeout=" + timeout.String(), "-test.count=1"})
	command := exec.CommandContext(ctx, s.binary, args...)
	command.Dir = s.folder
	command.Env = append(os.Environ(), "KUBEBUILDER_ASSETS="+filepath.Join(l.root, "bin"), "RAPID_NOFAILFILE=true")
	// What is interrupted cleans up.
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = time.Minute
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	err := command.Run()
	return out.Bytes(), err
}

// functionVerdict reads the output of go test -v. One that panics has failed,
// one that was given up for its time has not.
func functionVerdict(out []byte, name string) verdict {
	switch {
	case bytes.Contains(out, []byte("\n--- PASS: "+name+" ")), bytes.HasPrefix(out, []byte("--- PASS: "+name+" ")):
		return passed
	case bytes.Contains(out, []byte("panic: test timed out")):
		return missing
	case bytes.Contains(out, []byte("--- FAIL: "+name+" ")),
		bytes.Contains(out, []byte("=== RUN   "+name+"\n")) && bytes.Contains(out, []byte("\npanic: ")):
		return failed
	}
	return missing
}

// specVerdicts reads a report of Ginkgo. A failure outside of specs is an
// error, since the suite itself did not work.
func specVerdicts(file string, specs []test, verdicts map[test]verdict) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("the suite wrote no report: %w", err)
	}
	var suites []struct {
		SpecReports []struct {
			ContainerHierarchyTexts    []string
			LeafNodeType, LeafNodeText string
			LeafNodeLocation           struct{ FileName string }
			State                      string
			Failure                    struct{ Message string }
		}
	}
	if err := json.Unmarshal(text, &suites); err != nil {
		return fmt.Errorf("the report of the suite: %w", err)
	}
	var broken error
	red := false
	for _, suite := range suites {
		for _, r := range suite.SpecReports {
			full := strings.Join(append(r.ContainerHierarchyTexts, r.LeafNodeText), " ")
			switch {
			case r.State == "skipped" || r.State == "pending":
			case r.LeafNodeType != "It":
				if r.State != "passed" {
					broken = fmt.Errorf("%s %s: %s", r.LeafNodeType, r.State, r.Failure.Message)
				}
			default:
				for _, s := range specs {
					if !strings.Contains(full, s.name) || filepath.Base(r.LeafNodeLocation.FileName) != filepath.Base(s.file) {
						continue
					}
					if r.State != "passed" {
						verdicts[s], red = failed, true
					} else if verdicts[s] == missing {
						verdicts[s] = passed
					}
				}
			}
		}
	}
	if red { // what a red spec leaves behind may well break the end of its suite
		return nil
	}
	return broken
}
