// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
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
	// File to change, relative to the module.
	File string `json:"file"`
	// Find is the text to replace. It occurs exactly once in the file.
	Find string `json:"find"`
	// Replace is the text in its place.
	Replace string `json:"replace"`
	// In is the file of the test that turns red, relative to the module.
	In string `json:"in"`
	// Test is the name of a Go test, or the text of Ginkgo specs or of their
	// container.
	Test string `json:"test"`
	// Breaks tells in a sentence what goes wrong.
	Breaks string `json:"breaks"`
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
	for field, value := range map[string]string{
		"id": m.ID, "file": m.File, "find": m.Find, "in": m.In, "test": m.Test, "breaks": m.Breaks,
	} {
		if strings.TrimSpace(value) == "" {
			return fmt.Errorf("it has no %s", field)
		}
	}
	if m.Find == m.Replace {
		return errors.New("it changes nothing")
	}
	return nil
}

// choose keeps the mutants that arguments name by rule or ID, or all if there
// are none. Every argument must name some.
func choose(list []mutant, chosen []string) ([]mutant, error) {
	if len(chosen) == 0 {
		return list, nil
	}
	var kept []mutant
	for i := range list {
		if slices.Contains(chosen, list[i].ID) || slices.Contains(chosen, strconv.Itoa(list[i].Rule)) {
			kept = append(kept, list[i])
		}
	}
	for _, name := range chosen {
		if !slices.ContainsFunc(kept, func(m mutant) bool { return m.ID == name || strconv.Itoa(m.Rule) == name }) {
			return nil, fmt.Errorf("%q is neither a rule that has a mutant nor a mutant", name)
		}
	}
	return kept, nil
}

// apply returns the text of the mutated file.
func (m *mutant) apply(root string) ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(root, m.File))
	if err != nil {
		return nil, fmt.Errorf("mutant %s: %w", m.ID, err)
	}
	if n := strings.Count(string(text), m.Find); n != 1 {
		return nil, fmt.Errorf("mutant %s: the text to replace occurs %d times in %s instead of once: adapt it to the code", m.ID, n, m.File)
	}
	return []byte(strings.Replace(string(text), m.Find, m.Replace, 1)), nil
}
