// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// counts are numbers of tests by result.
type counts struct{ passed, failed, skipped int }

func (c *counts) add(d counts) {
	c.passed += d.passed
	c.failed += d.failed
	c.skipped += d.skipped
}

func (c counts) String() string {
	s := fmt.Sprintf("%d passed, %d failed", c.passed, c.failed)
	if c.skipped > 0 {
		s += fmt.Sprintf(", %d skipped", c.skipped)
	}
	return s
}

// testPackage holds the events of one package.
type testPackage struct {
	tests  map[string]*test // by name; a subtest's has slashes
	output strings.Builder  // of no test
	ended  bool
}

func (p *testPackage) test(name string) *test {
	t, ok := p.tests[name]
	if !ok {
		t = &test{}
		p.tests[name] = t
	}
	return t
}

// test holds the events of one test or subtest.
type test struct {
	action string // pass, fail, skip; empty if it never ended
	output strings.Builder
}

func (t *test) add(e event) {
	switch e.Action {
	case "output":
		t.output.WriteString(e.Output)
	case "pass", "fail", "skip":
		t.action = e.Action
	}
}

// tally counts the package's tests and returns the sorted names of those that
// failed. A test with subtests counts as its subtests, and a test that hosts a
// Ginkgo suite as its specs; either counts itself only if it failed while
// nothing in it did. So does a package: its build may have failed, TestMain, or
// a check after the last test. The specs of a suite that the ginkgo command ran
// are in no test.
func (p *testPackage) tally(packageFailed bool) (counts, []string) {
	c, _ := ginkgoSpecs(p.output.String())
	var names []string
	parents, failedParents := map[string]bool{}, map[string]bool{}
	// A subtest's name sorts after that of the test that holds it.
	for _, name := range slices.Backward(slices.Sorted(maps.Keys(p.tests))) {
		t := p.tests[name]
		failed := t.action == "fail" || t.action == "" && packageFailed
		c.add(t.tally(failed, parents[name], failedParents[name]))
		if failed {
			names = append(names, name)
		}
		for i := range name {
			if name[i] == '/' {
				parents[name[:i]] = true
				failedParents[name[:i]] = failedParents[name[:i]] || failed
			}
		}
	}
	if packageFailed && c.failed == 0 {
		c.failed = 1
	}
	slices.Reverse(names)
	return c, names
}

// tally counts one test, leaving out what its subtests have counted.
func (t *test) tally(failed, parent, childFailed bool) counts {
	c, hosts := ginkgoSpecs(t.output.String())
	switch {
	case failed && c.failed == 0 && !childFailed:
		c.failed = 1
	case failed || hosts || parent:
	case t.action == "skip":
		c.skipped = 1
	case t.action == "pass":
		c.passed = 1
	}
	return c
}

var (
	// colour is an ANSI escape sequence that sets a colour or a weight.
	colour = regexp.MustCompile(`\x1b\[[0-9;]*m`)
	// closing is how Ginkgo ends a suite. Between the two parts it says whether
	// the suite failed, and why if no spec did.
	closing = regexp.MustCompile(`(?s)\nRan \d+ of \d+ Specs in [\d.]+ seconds\n.{0,1000}?` +
		`(\d+) Passed \| (\d+) Failed \| (?:\d+ \w+ \| )*(\d+) Pending \| (\d+) Skipped\n`)
)

// failedSpec is how Ginkgo names a spec that failed, in the list at the end of a suite.
var failedSpec = regexp.MustCompile(`(?m)^  \[(?:FAIL|PANICKED!|TIMEDOUT|INTERRUPTED|ABORTED)\] .+\n(?:  .+\n)?`)

// failedSpecs returns the names of the specs that failed, each with where it did:
// those that the ginkgo command ran, and those in tests that failed.
func (p *testPackage) failedSpecs(failed []string) []string {
	outputs := []string{p.output.String()}
	for _, name := range failed {
		outputs = append(outputs, p.tests[name].output.String())
	}
	var specs []string
	for _, output := range outputs {
		_, list, _ := strings.Cut(colour.ReplaceAllString(output, ""), "\nSummarizing ")
		for _, spec := range failedSpec.FindAllString(list, -1) {
			specs = append(specs, strings.Join(strings.Fields(spec), " "))
		}
	}
	return specs
}

// ginkgoSpecs finds the result of a Ginkgo suite in the output of the test that
// hosts it.
func ginkgoSpecs(output string) (counts, bool) {
	m := closing.FindStringSubmatch(colour.ReplaceAllString(output, ""))
	if m == nil {
		return counts{}, false
	}
	n := func(i int) int { v, _ := strconv.Atoi(m[i]); return v } // the expression admits digits alone
	return counts{passed: n(1), failed: n(2), skipped: n(3) + n(4)}, true
}
