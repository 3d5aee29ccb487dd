// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	root     = "../.."
	document = "docs/endpointslice-rules.md"
	lastRule = 61
)

// rule is a row of the document.
type rule struct {
	number  int
	tests   []test
	mutants []string
}

var (
	proof = regexp.MustCompile("^[AKX] `([^`]+)`: `([^`]+)`$")
	named = regexp.MustCompile("`([^`]+)`")
)

// readRules parses the tables of the document.
func readRules(t *testing.T) []rule {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, document))
	if err != nil {
		t.Fatal(err)
	}
	var rules []rule
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.TrimSpace(line), " | ")
		number, err := strconv.Atoi(strings.TrimPrefix(cells[0], "| "))
		if err != nil {
			continue
		}
		if len(cells) != 4 || strings.TrimSpace(cells[1]) == "" {
			t.Fatalf("rule %d does not have the cells of its table: %s", number, line)
		}
		r := rule{number: number}
		for item := range strings.SplitSeq(cells[2], "<br>") {
			match := proof.FindStringSubmatch(item)
			if match == nil {
				t.Fatalf("rule %d: %q is not a letter, a file and a test", number, item)
			}
			r.tests = append(r.tests, test{match[1], match[2]})
		}
		for _, match := range named.FindAllStringSubmatch(cells[3], -1) {
			r.mutants = append(r.mutants, match[1])
		}
		rules = append(rules, r)
	}
	return rules
}

func TestDocumentHasEveryRule(t *testing.T) {
	rules := readRules(t)
	for i := range lastRule {
		if i >= len(rules) || rules[i].number != i+1 {
			t.Fatalf("%s: rule %d is not where it belongs", document, i+1)
		}
		if len(rules[i].tests) == 0 || len(rules[i].mutants) == 0 {
			t.Errorf("%s: rule %d has %d tests and %d mutants", document, i+1, len(rules[i].tests), len(rules[i].mutants))
		}
	}
	if len(rules) > lastRule {
		t.Errorf("%s: rules beyond %d", document, lastRule)
	}
}

func TestNamedTestsExist(t *testing.T) {
	for _, r := range readRules(t) {
		for _, proof := range r.tests {
			if err := proof.exists(); err != nil {
				t.Errorf("rule %d: %v", r.number, err)
			}
		}
	}
}

// exists returns an error if the file has no such test.
func (t test) exists() error {
	text, err := os.ReadFile(filepath.Join(root, t.file))
	if err != nil {
		return err
	}
	definition := `(?m)^\s*(var _ = )?(Describe|Context|When|It|Entry|DescribeTable)\("[^"\n]*` + regexp.QuoteMeta(t.name)
	if goTest.MatchString(t.name) {
		definition = `(?m)^func ` + t.name + `\(\w+ \*testing\.[TF]\)`
	}
	if !regexp.MustCompile(definition).Match(text) {
		return fmt.Errorf("%s has no test %q", t.file, t.name)
	}
	return nil
}

func TestDocumentAndMutantsAgree(t *testing.T) {
	list, err := load(".")
	if err != nil {
		t.Fatal(err)
	}
	rules := readRules(t)
	red := make(map[int][]test) // by rule
	for i := range list {
		m := &list[i]
		if _, err := m.apply(root); err != nil {
			t.Error(err)
		}
		if m.Rule > len(rules) {
			t.Errorf("mutant %s: there is no rule %d", m.ID, m.Rule)
			continue
		}
		r := rules[m.Rule-1]
		if !slices.Contains(r.mutants, m.ID) {
			t.Errorf("%s does not name mutant %s of rule %d", document, m.ID, m.Rule)
		}
		for _, kills := range m.tests() {
			red[m.Rule] = append(red[m.Rule], kills)
			if !slices.Contains(r.tests, kills) {
				t.Errorf("%s does not name %s, which kills mutant %s of rule %d", document, kills, m.ID, m.Rule)
			}
		}
	}
	for _, r := range rules {
		for _, named := range r.tests {
			if !slices.Contains(red[r.number], named) {
				t.Errorf("no mutant of rule %d shows %s red", r.number, named)
			}
		}
		for _, id := range r.mutants {
			if !slices.ContainsFunc(list, func(m mutant) bool { return m.ID == id && m.Rule == r.number }) {
				t.Errorf("rule %d names mutant %s, which is not in the lists", r.number, id)
			}
		}
	}
}
