// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

// Command vulncheck runs govulncheck over the module and over the operator's
// binary, and fails for every known vulnerability that exceptions.yaml does not
// let pass. `make verify-vulnerabilities` runs it in the root of the repository.
package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// scans are what is looked at, as arguments of govulncheck.
var scans = []struct {
	what string
	args []string
}{
	// What can be reached from the product's code, its tests and its tools.
	{"the module", []string{"-test", "-tags=archrules,e2e", "./..."}},
	// The binary as it is shipped. It has no symbols, so that every package in
	// it that has a vulnerability is found, reached or not: what the scanner of
	// an image reports.
	{"the binary", []string{"-mode=binary", "bin/manager"}},
}

func main() {
	if err := run(os.Stdout, os.Getenv("VULNDB")); err != nil {
		fmt.Fprintln(os.Stderr, "vulncheck:", err)
		os.Exit(1)
	}
}

// run reports to w. folder holds a database; empty means the live one.
func run(w io.Writer, folder string) error {
	database, err := source(folder)
	if err != nil {
		return err
	}
	text, err := os.ReadFile("hack/vulncheck/exceptions.yaml")
	if err != nil {
		return err
	}
	exceptions, err := parseExceptions(text)
	if err != nil {
		return err
	}
	fmt.Fprintln(w, "database:", describe(folder, time.Now()))
	found := findings{}
	for _, scan := range scans {
		fmt.Fprintln(w, "scanning", scan.what)
		output, err := govulncheck(append(database, scan.args...))
		if err != nil {
			return fmt.Errorf("scanning %s: %w", scan.what, err)
		}
		if err := found.add(output); err != nil {
			return fmt.Errorf("scanning %s: %w", scan.what, err)
		}
	}
	problems := found.judge(exceptions, time.Now(), func(id string) bool {
		if folder == "" {
			return true
		}
		_, err := os.Stat(filepath.Join(folder, id+".json"))
		return err == nil
	})
	for _, problem := range problems {
		fmt.Fprintln(w, problem)
	}
	if len(problems) > 0 {
		return fmt.Errorf("%d problems: upgrade what is vulnerable, or see hack/vulncheck/exceptions.yaml", len(problems))
	}
	fmt.Fprintf(w, "ok: no known vulnerability, %d exceptions\n", len(exceptions))
	return nil
}

// source returns the arguments that make govulncheck use a database.
func source(folder string) ([]string, error) {
	if folder == "" {
		return nil, nil
	}
	files, err := filepath.Glob(filepath.Join(folder, "GO-*.json"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("VULNDB is %s, which holds no GO-*.json: name a folder of OSV files, or nothing for the live database", folder)
	}
	absolute, err := filepath.Abs(folder)
	if err != nil {
		return nil, err
	}
	return []string{"-db", "file://" + absolute}, nil
}

// stale is the age from which on a copy of the database is warned of.
const stale = 30 * 24 * time.Hour

// describe tells which database is used, and how old it is: a copy says nothing
// of what was found since.
func describe(folder string, now time.Time) string {
	if folder == "" {
		return "https://vuln.go.dev"
	}
	const live = "; `make verify VULNDB=` asks the live one"
	id, newest := newestEntry(folder)
	switch {
	case newest.IsZero():
		return fmt.Sprintf("%s\nWARNING: it is unknown how old this copy is: its last entry is %s, which has no date%s", folder, id, live)
	case now.Sub(newest) > stale:
		return fmt.Sprintf("%s\nWARNING: the newest entry of this copy is of %s (the last one: %s)%s", folder, newest.Format(time.DateOnly), id, live)
	}
	return fmt.Sprintf("%s, whose newest entry is of %s (the last one: %s)%s", folder, newest.Format(time.DateOnly), id, live)
}

// newestEntry returns the last id of a folder, and when an entry was last
// published or modified; zero if the last one does not say, as in copies of the
// sources of the database.
func newestEntry(folder string) (last string, newest time.Time) {
	files, _ := filepath.Glob(filepath.Join(folder, "GO-*.json"))
	dated := make(map[string]bool)
	for _, file := range files {
		id := strings.TrimSuffix(filepath.Base(file), ".json")
		if later(id, last) {
			last = id
		}
		text, err := os.ReadFile(file)
		var entry struct{ Published, Modified time.Time }
		if err != nil || json.Unmarshal(text, &entry) != nil {
			continue // govulncheck complains of it
		}
		for _, at := range []time.Time{entry.Published, entry.Modified} {
			dated[id] = dated[id] || !at.IsZero()
			if at.After(newest) {
				newest = at
			}
		}
	}
	if !dated[last] {
		return last, time.Time{}
	}
	return last, newest
}

// later orders ids such as GO-2026-0999 and GO-2026-12345.
func later(a, b string) bool {
	yearA, _, _ := strings.Cut(strings.TrimPrefix(a, "GO-"), "-")
	yearB, _, _ := strings.Cut(strings.TrimPrefix(b, "GO-"), "-")
	return cmp.Or(cmp.Compare(yearA, yearB), cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) > 0
}

// govulncheck returns the messages of a scan. Findings are no error.
func govulncheck(args []string) ([]byte, error) {
	var problems bytes.Buffer
	command := exec.CommandContext(context.Background(), "bin/govulncheck", append([]string{"-format=json"}, args...)...)
	command.Stderr = &problems
	output, err := command.Output()
	if _, failed := errors.AsType[*exec.ExitError](err); failed {
		return nil, fmt.Errorf("%s\nif the live database cannot be reached from here, name a local copy, a folder of OSV files, in VULNDB", bytes.TrimSpace(problems.Bytes()))
	}
	return output, err
}
