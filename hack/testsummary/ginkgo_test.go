// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// suite makes the events of a test TestSuite that prints output, line by line,
// and of a plain test beside it. Without a name for the former it is a suite
// that the ginkgo command ran.
func suite(t *testing.T, name, output, result string) string {
	t.Helper()
	var b strings.Builder
	enc := json.NewEncoder(&b)
	emit := func(e event) {
		e.Package = "example.org/m/a"
		if err := enc.Encode(e); err != nil {
			t.Fatal(err)
		}
	}
	for line := range strings.Lines(output) {
		emit(event{Action: "output", Test: name, Output: line})
	}
	if name != "" {
		emit(event{Action: result, Test: name})
	}
	emit(event{Action: "pass", Test: "TestPlain"})
	emit(event{Action: result})
	return b.String()
}

func TestGinkgoSuites(t *testing.T) {
	const ran = "Running Suite: X - /x\n•••\n\nRan 5 of 8 Specs in 12.345 seconds\n"
	for name, c := range map[string]struct {
		output, result, last string
	}{
		"specs count one by one, the test that hosts them not": {
			ran + "SUCCESS! -- 5 Passed | 0 Failed | 1 Pending | 2 Skipped\n--- PASS: TestSuite (12.35s)\n",
			"pass", "6 passed, 0 failed, 3 skipped",
		},
		"in colour": {
			"\n\x1b[38;5;10m\x1b[1mRan 5 of 5 Specs in 1.000 seconds\x1b[0m\n\x1b[38;5;10m\x1b[1mSUCCESS!\x1b[0m -- \x1b[38;5;10m\x1b[1m5 Passed\x1b[0m | " +
				"\x1b[38;5;9m\x1b[1m0 Failed\x1b[0m | \x1b[38;5;11m\x1b[1m0 Pending\x1b[0m | \x1b[38;5;14m\x1b[1m0 Skipped\x1b[0m\n",
			"pass", "6 passed, 0 failed",
		},
		"failed specs": {
			ran + "FAIL! -- 3 Passed | 2 Failed | 1 Flaked | 0 Pending | 0 Skipped\n--- FAIL: TestSuite (12.35s)\n",
			"fail", "4 passed, 2 failed",
		},
		"a suite that failed though no spec did": {
			ran + "FAIL! - Suite Timeout Elapsed -- 5 Passed | 0 Failed | 0 Pending | 0 Skipped\n",
			"fail", "6 passed, 1 failed",
		},
		"several reasons for it": {
			ran + "FAIL! - Interrupted by User, Detected pending specs and --fail-on-pending is set\n\n4 Passed | 1 Failed | 0 Pending | 0 Skipped\n",
			"fail", "5 passed, 1 failed",
		},
		"no spec ran because the set-up failed": {
			"\nRan 0 of 8 Specs in 1.000 seconds\nFAIL! -- A BeforeSuite node failed so all tests were skipped.\n",
			"fail", "1 passed, 1 failed",
		},
		"a log line that looks like an end is none": {
			"seen: 5 Passed | 0 Failed | 0 Pending | 0 Skipped\n",
			"pass", "2 passed, 0 failed",
		},
	} {
		t.Run(name, func(t *testing.T) {
			report, ok := summarise(t, suite(t, "TestSuite", c.output, c.result))
			wantReport(t, report, ok, c.result == "pass", c.last)
			if shown := strings.Contains(report, "Ran "); shown != (c.result == "fail" && strings.Contains(c.output, "Ran ")) {
				t.Errorf("a suite's output is shown when it fails, and only then; got:\n%s", report)
			}
		})
	}
}

func TestSuitesThatTheGinkgoCommandRan(t *testing.T) {
	const ran = "PASS\nRunning in parallel across 4 processes\n•••\n\nRan 5 of 5 Specs in 12.345 seconds\n"
	for name, c := range map[string]struct {
		output, result, last string
	}{
		"all pass":       {ran + "SUCCESS! -- 5 Passed | 0 Failed | 0 Pending | 0 Skipped\n", "pass", "6 passed, 0 failed"},
		"failed specs":   {ran + "FAIL! -- 3 Passed | 2 Failed | 0 Pending | 0 Skipped\n", "fail", "4 passed, 2 failed"},
		"a race":         {ran + "SUCCESS! -- 5 Passed | 0 Failed | 0 Pending | 0 Skipped\n", "fail", "6 passed, 1 failed"},
		"a process died": {"Ginkgo timed out waiting for all parallel procs to report back\n", "fail", "1 passed, 1 failed"},
	} {
		t.Run(name, func(t *testing.T) {
			report, ok := summarise(t, suite(t, "", c.output, c.result))
			wantReport(t, report, ok, c.result == "pass", c.last)
			if shown := strings.Contains(report, c.output); shown != (c.result == "fail") {
				t.Errorf("a suite's output is shown when it fails, and only then; got:\n%s", report)
			}
		})
	}
}

// Of a long output only the beginning may be kept, so what failed comes first.
func TestFailedSpecsComeFirst(t *testing.T) {
	const output = "Running Suite: X - /x\n••\n  [FAILED] Expected\n\nSummarizing 2 Failures:\n" +
		"  \x1b[38;5;9m[FAIL]\x1b[0m \x1b[0mA host \x1b[1m[It] is taken out\x1b[0m\n  \x1b[38;5;243m/x/a_test.go:12\x1b[0m\n" +
		"  [TIMEDOUT] [BeforeSuite] \n  /x/suite_test.go:3\n\n" +
		"Ran 5 of 5 Specs in 1.000 seconds\nFAIL! -- 3 Passed | 2 Failed | 0 Pending | 0 Skipped\n"
	for _, name := range []string{"", "TestSuite"} {
		report, _ := summarise(t, suite(t, name, output, "fail"))
		_, after, _ := strings.Cut(report, "\n")
		if want := "      [FAIL] A host [It] is taken out /x/a_test.go:12\n      [TIMEDOUT] [BeforeSuite] /x/suite_test.go:3\n"; !strings.HasPrefix(after, want) {
			t.Errorf("the report begins\n%s\nwant after its first line\n%s", report, want)
		}
	}
}
