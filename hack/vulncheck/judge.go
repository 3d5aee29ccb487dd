// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/yaml"
)

// longest is how far ahead an exception may reach.
const longest = 92 * 24 * time.Hour

// exception lets a vulnerability pass for a while.
type exception struct {
	ID     string `json:"id"`
	Until  string `json:"until"` // the last day, such as 2026-12-31
	Reason string `json:"reason"`
}

var identifier = regexp.MustCompile(`^GO-\d{4}-\d{4,}$`)

func parseExceptions(text []byte) (list []exception, err error) {
	if err := yaml.UnmarshalStrict(text, &list); err != nil {
		return nil, fmt.Errorf("exceptions.yaml: %w", err)
	}
	for i, e := range list {
		if !identifier.MatchString(e.ID) || strings.TrimSpace(e.Reason) == "" {
			return nil, fmt.Errorf("exceptions.yaml: entry %d needs the id of a vulnerability and a reason", i)
		}
		if _, err := time.Parse(time.DateOnly, e.Until); err != nil {
			return nil, fmt.Errorf("exceptions.yaml: %s: until must be a day: %w", e.ID, err)
		}
	}
	return list, nil
}

// findings are what is vulnerable, by the id of the vulnerability.
type findings map[string]string

// add reads the messages of a scan. What is merely required or imported, and
// not called, is no finding.
func (f findings) add(messages []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(messages))
	scanned := false
	for {
		var message struct {
			Config  *struct{} `json:"config"`
			Finding *struct {
				OSV   string `json:"osv"`
				Fixed string `json:"fixed_version"`
				Trace []struct{ Module, Version, Package, Function string }
			} `json:"finding"`
		}
		err := decoder.Decode(&message)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("reading what govulncheck found: %w", err)
		}
		scanned = scanned || message.Config != nil
		if v := message.Finding; v != nil && len(v.Trace) > 0 && v.Trace[0].Function != "" {
			where := v.Trace[0]
			fixed := "nowhere yet"
			if v.Fixed != "" {
				fixed = "in " + v.Fixed
			}
			f[v.OSV] = fmt.Sprintf("%s@%s: %s.%s, fixed %s: https://pkg.go.dev/vuln/%s",
				where.Module, where.Version, where.Package, where.Function, fixed, v.OSV)
		}
	}
	if !scanned {
		return errors.New("govulncheck has said nothing")
	}
	return nil
}

// judge returns what is wrong, sorted: findings without an exception, and
// exceptions that should not be there. known tells whether the database has a
// vulnerability at all; of one that it lacks, nothing can be said.
func (f findings) judge(exceptions []exception, now time.Time, known func(id string) bool) []string {
	open := maps.Clone(f)
	var problems []string
	for _, e := range exceptions {
		_, found := f[e.ID]
		delete(open, e.ID)
		last, err := time.Parse(time.DateOnly, e.Until)
		switch {
		case !found && known(e.ID):
			problems = append(problems, fmt.Sprintf("the exception for %s is needed no more: delete it", e.ID))
		case err != nil || !now.Before(last.AddDate(0, 0, 1)):
			problems = append(problems, fmt.Sprintf("the exception for %s has run out (%s): %s", e.ID, e.Until, f[e.ID]))
		case last.Sub(now) > longest:
			problems = append(problems, fmt.Sprintf("the exception for %s reaches further than three months (%s)", e.ID, e.Until))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(open)) {
		problems = append(problems, id+": "+open[id])
	}
	slices.Sort(problems)
	return problems
}
