// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	proven  = regexp.MustCompile("^`([^`]+)`: `([^`]+)`$")
	planned = regexp.MustCompile(`^planned: [a-zA-Z0-9 ]+$`)
)

// TestFaultsAndThreatsAreProven reads the pages that name tests in the fourth
// cell of their rows: every row has a proof that exists, or says which feature
// it comes with.
func TestFaultsAndThreatsAreProven(t *testing.T) {
	for _, page := range []struct {
		file, first string // and the head of the first cell
		cells       int
	}{
		{"docs/faults.md", "fault", 4},
		{"docs/threat-model.md", "threat", 5},
	} {
		text, err := os.ReadFile(filepath.Join(root, page.file))
		if err != nil {
			t.Fatal(err)
		}
		rows, inside := 0, false
		for line := range strings.Lines(string(text)) {
			line = strings.TrimSpace(line)
			switch {
			case !strings.HasPrefix(line, "|"):
				inside = false
			case strings.HasPrefix(line, "| "+page.first+" |"):
				inside = true
				continue
			}
			if !inside || strings.HasPrefix(line, "|---") {
				continue
			}
			rows++
			cells := strings.Split(strings.TrimSuffix(strings.TrimPrefix(line, "| "), " |"), " | ")
			if len(cells) != page.cells {
				t.Errorf("%s: %q has %d cells", page.file, cells[0], len(cells))
				continue
			}
			checkProofs(t, page.file+": "+cells[0], cells[3])
		}
		if rows == 0 {
			t.Errorf("%s has no rows", page.file)
		}
	}
}

// checkProofs reads the cell that names the tests of a row.
func checkProofs(t *testing.T, row, cell string) {
	t.Helper()
	for item := range strings.SplitSeq(cell, "<br>") {
		proof := proven.FindStringSubmatch(item)
		switch {
		case proof != nil:
			if err := (test{proof[1], proof[2]}).exists(); err != nil {
				t.Errorf("%s: %v", row, err)
			}
		case !planned.MatchString(item):
			t.Errorf("%s: %q is neither a file and a test nor a plan", row, item)
		}
	}
}
