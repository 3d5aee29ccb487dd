// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"
)

// mutant is one change of the code that breaks a rule.
type mutant struct {
	// ID is what the documentation calls it: lower-case words with hyphens.
	ID string `json:"id"`
	// Rule is its number in docs/endpointslice-rules.md.
	Rule int `json:"rule"`
	edit
	// Also are edits of other files that the first one needs.
	Also []edit `json:"also"`
	// Tests are those that turn red, by their files, which are relative to the
	// module: names of Go tests, and texts of Ginkgo specs or of their container.
	Tests map[string][]string `json:"tests"`
	// Breaks tells in a sentence what goes wrong.
	Breaks string `json:"breaks"`
}

// edit of a file.
type edit struct {
	// File to change, relative to the module.
	File string `json:"file"`
	// Find is the text to replace. It occurs exactly once in the file.
	Find string `json:"find"`
	// Replace is the text in its place.
	Replace string `json:"replace"`
}

func (e *edit) complete() error {
	for field, value := range map[string]string{"file": e.File, "find": e.Find} {
		if strings.TrimSpace(value) == "" {
			return fmt.Errorf("it has no %s", field)
		}
	}
	if e.Find == e.Replace {
		return errors.New("it changes nothing")
	}
	return nil
}

// load reads all lists of a folder, in the order of their rules.
func load(folder string) ([]mutant, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil {
		return nil, err
	}
	var all []mutant
	seen := make(map[string]bool)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var list []mutant
		if err := yaml.UnmarshalStrict(text, &list); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		for i := range list {
			if err := list[i].complete(); err != nil {
				return nil, fmt.Errorf("%s: mutant %d %q: %w", file, i+1, list[i].ID, err)
			}
			if seen[list[i].ID] {
				return nil, fmt.Errorf("%s: two mutants are called %q", file, list[i].ID)
			}
			seen[list[i].ID] = true
		}
		all = append(all, list...)
	}
	slices.SortStableFunc(all, func(a, b mutant) int { return a.Rule - b.Rule })
	return all, nil
}

func (m *mutant) complete() error {
	if m.Rule < 1 {
		return errors.New("it has no rule")
	}
	if len(m.tests()) == 0 {
		return errors.New("it has no tests")
	}
	for field, value := range map[string]string{"id": m.ID, "breaks": m.Breaks} {
		if strings.TrimSpace(value) == "" {
			return fmt.Errorf("it has no %s", field)
		}
	}
	changed := make(map[string]bool)
	for _, e := range m.edits() {
		if err := e.complete(); err != nil {
			return err
		}
		if changed[e.File] {
			return fmt.Errorf("it changes %s twice", e.File)
		}
		changed[e.File] = true
	}
	return nil
}

func (m *mutant) edits() []edit { return append([]edit{m.edit}, m.Also...) }

// tests lists the tests of a mutant in the order of their files.
func (m *mutant) tests() []test {
	var list []test
	for _, file := range slices.Sorted(maps.Keys(m.Tests)) {
		for _, name := range m.Tests[file] {
			list = append(list, test{filepath.Clean(file), name})
		}
	}
	return list
}

// trial is a mutant and those of its tests that are in one package.
type trial struct {
	*mutant
	pkg   string
	tests []test
}

// trials lists all of them, those that take an installation at the end.
func trials(list []mutant) []trial {
	var all []trial
	for i := range list {
		for _, named := range list[i].tests() {
			if last := len(all) - 1; last >= 0 && all[last].mutant == &list[i] && all[last].pkg == named.pkg() {
				all[last].tests = append(all[last].tests, named)
			} else {
				all = append(all, trial{&list[i], named.pkg(), []test{named}})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b trial) int {
		switch {
		case (a.pkg == endToEnd) == (b.pkg == endToEnd):
			return 0
		case b.pkg == endToEnd:
			return -1
		}
		return 1
	})
	return all
}

// choose keeps the trials that names name, or all if there are none: of these
// rules and mutants, in these packages. Every name must name some.
func choose(all []trial, names []string) ([]trial, error) {
	var subjects, packages []string
	for _, name := range names {
		switch {
		case slices.ContainsFunc(all, func(t trial) bool { return t.pkg == name }):
			packages = append(packages, name)
		case slices.ContainsFunc(all, func(t trial) bool { return t.ID == name || strconv.Itoa(t.Rule) == name }):
			subjects = append(subjects, name)
		default:
			return nil, fmt.Errorf("%q is neither a rule that has a mutant, nor a mutant, nor a package with its tests", name)
		}
	}
	kept := slices.DeleteFunc(all, func(t trial) bool {
		named := len(subjects) == 0 || slices.Contains(subjects, t.ID) || slices.Contains(subjects, strconv.Itoa(t.Rule))
		return !named || len(packages) > 0 && !slices.Contains(packages, t.pkg)
	})
	if len(kept) == 0 {
		return nil, fmt.Errorf("no test of %s is in %s", strings.Join(subjects, " "), strings.Join(packages, " "))
	}
	return kept, nil
}

// apply returns the texts of the mutated files, by their paths.
func (m *mutant) apply(root string) (map[string][]byte, error) {
	mutated := make(map[string][]byte)
	for _, e := range m.edits() {
		path := filepath.Join(root, e.File)
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("mutant %s: %w", m.ID, err)
		}
		if n := strings.Count(string(text), e.Find); n != 1 {
			return nil, fmt.Errorf("mutant %s: the text to replace occurs %d times in %s instead of once: adapt it to the code", m.ID, n, e.File)
		}
		mutated[path] = []byte(strings.Replace(string(text), e.Find, e.Replace, 1))
	}
	return mutated, nil
}
