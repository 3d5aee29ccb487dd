// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"fmt"
	"strings"
	"time"
)

// keepsNames says whether a Go benchmark is the one that keeps names up to date.
func keepsNames(b goBenchmark) bool {
	return strings.HasSuffix(b.Package, "/internal/discovery/dns") && b.Name == "TenThousandNames"
}

func (r *results) writeNames(d *document) {
	for _, b := range r.Go {
		if !keepsNames(b) {
			continue
		}
		d.heading("Names: 10000 of both families, TTL 30 s")
		row := make([]string, 0, 6)
		for _, unit := range []string{"queries/s", "%core", "cpu-µs/query", "s/first-round", "B/question", "failed"} {
			row = append(row, figure(b.Values[unit]))
		}
		d.table([]string{"queries/s", "CPU, % of a core", "CPU of a query, µs", "first round, s", "memory of a question, B", "failed queries"}, [][]string{row})
	}
	var rows [][]string
	for i, f := range r.Names {
		beside := "no names"
		switch {
		case f.Names > 0:
			beside = fmt.Sprintf("%d names", f.Names)
		case i > 0:
			beside = "no names, again"
		}
		rows = append(rows, []string{
			beside, fmt.Sprint(len(f.Latencies)), millis(f.p50()), millis(f.p99()),
			fmt.Sprintf("%.1f", f.Queries), fmt.Sprintf("%.1f", 100*f.Core),
		})
	}
	if len(rows) > 0 {
		d.heading(fmt.Sprintf("Names: one flip of %d endpoints beside names that no name server answers for", besideNames))
		d.table([]string{"beside", "flips", "p50, ms", "p99, ms", "queries/s", "CPU, % of a core"}, rows)
	}
}

// nameGoals compares the flips beside names with all those without.
func (r *results) nameGoals() []goal {
	var without []time.Duration
	for _, f := range r.Names {
		if f.Names == 0 {
			without = append(without, f.Latencies...)
		}
	}
	var goals []goal
	for _, f := range r.Names {
		if f.Names == 0 || len(without) == 0 {
			continue
		}
		p50, p99 := f.p50().Seconds()/percentile(without, 0.50).Seconds(), f.p99().Seconds()/percentile(without, 0.99).Seconds()
		goals = append(goals, goal{
			fmt.Sprintf("verdict to slice event, one flip of %d endpoints, beside %d names that hang / without", besideNames, f.Names),
			fmt.Sprintf("at most %.1f at p50 and p99", goalBesideNames),
			fmt.Sprintf("%.2f at p50, %.2f at p99", p50, p99),
			p50 <= goalBesideNames && p99 <= goalBesideNames,
		})
	}
	return goals
}
