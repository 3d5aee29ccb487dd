// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// print writes a row for each test of a trial.
func (t *trial) print(out io.Writer, r *result) {
	word := "killed"
	switch {
	case r.err != nil:
		word = "ERROR"
	case len(r.survived) > 0:
		word = "SURVIVED"
	}
	for i, named := range t.tests {
		if i == 0 {
			fmt.Fprintf(out, "%4d  %-44s %-8s %6.1f  %s\n", t.Rule, t.ID, word, r.took.Seconds(), named)
		} else {
			fmt.Fprintf(out, "%68s%s\n", "", named)
		}
	}
	if r.err != nil {
		fmt.Fprintf(out, "      %s\n", strings.ReplaceAll(r.err.Error(), "\n", "\n      "))
	}
	for _, named := range r.survived {
		fmt.Fprintf(out, "      %s does not notice: %s\n", named, t.Breaks)
	}
}

// summarize prints how many mutants were killed and what each package took. It
// is an error if one was not.
func summarize(out io.Writer, all []trial, results []result, took time.Duration) error {
	outcome := make(map[*mutant]string)
	red := make(map[test]bool)
	var packages []string
	spent, count := make(map[string]time.Duration), make(map[string]int)
	for i := range all {
		t, r := &all[i], &results[i]
		switch {
		case r.err != nil:
			outcome[t.mutant] = "error"
		case len(r.survived) > 0 && outcome[t.mutant] != "error":
			outcome[t.mutant] = "survived"
		case outcome[t.mutant] == "":
			outcome[t.mutant] = "killed"
		}
		for _, named := range t.tests {
			if r.err == nil && !slices.Contains(r.survived, named) {
				red[named] = true
			}
		}
		if count[t.pkg]++; count[t.pkg] == 1 {
			packages = append(packages, t.pkg)
		}
		spent[t.pkg] += r.took
	}
	for _, pkg := range packages {
		fmt.Fprintf(out, "%-40s %3d trials %6.0f s\n", pkg, count[pkg], spent[pkg].Seconds())
	}
	tally := make(map[string]int)
	for _, word := range outcome {
		tally[word]++
	}
	fmt.Fprintf(out, "%d mutants in %s: %d killed, %d survived, %d could not be tested; %d tests were red\n",
		len(outcome), took.Round(time.Second), tally["killed"], tally["survived"], tally["error"], len(red))
	if tally["killed"] < len(outcome) {
		return errors.New("not all mutants were killed: mend the tests that the table names, or the mutation")
	}
	return nil
}
