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

const faults = "docs/faults.md"

var (
	proven  = regexp.MustCompile("^`([^`]+)`: `([^`]+)`$")
	planned = regexp.MustCompile(`^planned: [a-zA-Z0-9 ]+$`)
)

// TestFaultsAreProven reads the page of faults: every row has a proof that
// exists, or says which feature it comes with.
func TestFaultsAreProven(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, faults))
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for line := range strings.Lines(string(text)) {
		line, ok := strings.CutPrefix(strings.TrimSpace(line), "| ")
		if !ok || strings.HasPrefix(line, "fault |") {
			continue
		}
		rows++
		cells := strings.Split(strings.TrimSuffix(line, " |"), " | ")
		if len(cells) != 4 {
			t.Errorf("%q has %d cells", cells[0], len(cells))
			continue
		}
		for item := range strings.SplitSeq(cells[3], "<br>") {
			proof := proven.FindStringSubmatch(item)
			switch {
			case proof != nil:
				if err := (test{proof[1], proof[2]}).exists(); err != nil {
					t.Errorf("%q: %v", cells[0], err)
				}
			case !planned.MatchString(item):
				t.Errorf("%q: %q is neither a file and a test nor a plan", cells[0], item)
			}
		}
	}
	if rows == 0 {
		t.Errorf("%s has no rows", faults)
	}
}
