// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// planner is the package whose benchmarks have a table of their own.
const planner = "externalbackend.dev/operator/internal/sliceplan"

// planCase is the name of a planning benchmark: Plan/10000/unchanged.
func planCase(b goBenchmark) (endpoints, change string, ok bool) {
	parts := strings.Split(b.Name, "/")
	if b.Package != planner || len(parts) != 3 || parts[0] != "Plan" {
		return "", "", false
	}
	return parts[1], strings.ReplaceAll(parts[2], "_", " "), true
}

func (r *results) writePlanning(d *document) {
	var rows [][]string
	for _, b := range r.Go {
		if endpoints, change, ok := planCase(b); ok {
			rows = append(rows, []string{
				endpoints + ", " + change, fmt.Sprintf("%.3f", b.Values["ns/op"]/1e6),
				fmt.Sprintf("%.0f", b.Values["allocs/op"]), fmt.Sprintf("%.1f", b.Values["B/op"]/1024),
			})
		}
	}
	if len(rows) > 0 {
		d.heading("Planning")
		d.table([]string{"endpoints, change", "ms", "allocations", "KiB"}, rows)
	}
}

// writeOtherBenchmarks lists what packages measure of themselves and no table has.
func (r *results) writeOtherBenchmarks(d *document) {
	var rows [][]string
	for _, b := range r.Go {
		if _, _, ok := planCase(b); ok || keepsNames(b) {
			continue
		}
		var figures []string
		for _, unit := range slices.Sorted(maps.Keys(b.Values)) {
			figures = append(figures, fmt.Sprintf("%s %s", figure(b.Values[unit]), unit))
		}
		name := strings.TrimPrefix(b.Package, "externalbackend.dev/operator/") + " " + strings.ReplaceAll(b.Name, "_", " ")
		rows = append(rows, []string{name, strings.Join(figures, ", ")})
	}
	if len(rows) > 0 {
		d.heading("Other Go benchmarks")
		d.table([]string{"benchmark", "figures"}, rows)
	}
}

// figure writes a number without digits that say nothing.
func figure(v float64) string {
	if v >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}
