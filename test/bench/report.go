// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
)

// marks are what a generated part of a report stands between.
type marks struct{ begin, end string }

// The generated parts: what is about EC2, and the rest. One that was not measured
// stays as it is.
var (
	mainMarks = marks{"<!-- results: begin; made by `make bench-report` -->", "<!-- results: end -->"}
	ec2Marks  = marks{"<!-- EC2: begin; made by `make bench-report` -->", "<!-- EC2: end -->"}
)

// part is a generated part of a report.
type part struct {
	marks
	text string
}

// parts returns those that were measured.
func (r *results) parts() (list []part) {
	if r.Go != nil || r.ColdStarts != nil || r.Flips != nil || r.Names != nil {
		list = append(list, part{mainMarks, r.markdown()})
	}
	if r.Fleet.Calls != nil {
		list = append(list, part{ec2Marks, r.fleetMarkdown()})
	}
	return list
}

// writeReport puts results into a file between their marks. What stands around them
// is written by people.
func writeReport(path string, at marks, results string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, begun := strings.Cut(string(content), at.begin)
	_, after, ended := strings.Cut(rest, at.end)
	if !begun || !ended {
		return fmt.Errorf("%s lacks the lines %q and %q between which the results go", path, at.begin, at.end)
	}
	return os.WriteFile(path, []byte(before+at.begin+"\n\n"+strings.TrimSpace(results)+"\n\n"+at.end+after), 0o600)
}

// document is Markdown in the making.
type document struct{ strings.Builder }

func (d *document) line(format string, args ...any) { fmt.Fprintf(d, format+"\n", args...) }

// machine says what the figures were taken on.
func (d *document) machine(m *machine) {
	d.line("Taken on %s, at revision %s, on %s with %d cores (%s), load average %s before; %s, Kubernetes %s.",
		m.Date.Format("2006-01-02 15:04 UTC"), m.Revision, m.CPU, m.Cores, m.Kernel, m.LoadBefore, m.Go, m.Kubernetes)
}

func (d *document) heading(text string) { d.line("\n### %s\n", text) }

// table writes a table; the first column is text, the others are figures.
func (d *document) table(header []string, rows [][]string) {
	d.line("| %s |", strings.Join(header, " | "))
	d.line("| --- |%s", strings.Repeat(" ---: |", len(header)-1))
	for _, row := range rows {
		d.line("| %s |", strings.Join(row, " | "))
	}
}

// markdown returns all results that there are.
func (r *results) markdown() string {
	d := &document{}
	d.machine(&r.Machine)
	r.writeTargets(d)
	if len(r.Flips) > 0 {
		r.writeLatencies(d)
		r.writeWrites(d)
		r.writeCPU(d)
	}
	r.writeLifecycle(d)
	r.writeNames(d)
	r.writePlanning(d)
	r.writeOtherBenchmarks(d)
	return strings.TrimLeft(d.String(), "\n")
}

func (r *results) writeLatencies(d *document) {
	d.heading("From the verdict to the event of the slice")
	var rows [][]string
	r.eachPair(func(mine, other *flips) {
		row := []string{fmt.Sprintf("%d, %s", mine.Endpoints, mine.Kind), fmt.Sprint(len(mine.Latencies)), millis(mine.p50()), millis(mine.p99())}
		if other != nil {
			row = append(row, millis(other.p50()), millis(other.p99()),
				ratio(mine.p50(), other.p50()), ratio(mine.p99(), other.p99()), millis(other.Took))
		}
		rows = append(rows, row)
	})
	d.table(r.headerOf(rows, "endpoints, flip", "flips", "operator p50, ms", "p99, ms", "kcm p50, ms", "p99, ms", "ratio p50", "ratio p99", "Pods' updates took, ms"), rows)
}

func (r *results) writeWrites(d *document) {
	d.heading("Requests that write slices")
	var rows [][]string
	r.eachPair(func(mine, other *flips) {
		row := []string{fmt.Sprintf("%d, %s", mine.Endpoints, mine.Kind), writesText(mine), perFlip(mine), fmt.Sprintf("%.2f", mine.perTouched())}
		if other != nil {
			row = append(row, writesText(other), perFlip(other), fmt.Sprintf("%.2f", other.perTouched()))
		}
		rows = append(rows, row)
	})
	d.table(r.headerOf(rows, "endpoints, flip", "operator", "a flip", "a touched slice", "kcm", "a flip", "a touched slice"), rows)
}

func (r *results) writeCPU(d *document) {
	d.heading("Processor time of a flip")
	var rows [][]string
	r.eachPair(func(mine, other *flips) {
		row := []string{fmt.Sprintf("%d, %s", mine.Endpoints, mine.Kind), millis(mine.cpuPerFlip())}
		if other != nil {
			row = append(row, millis(other.cpuPerFlip()), ratio(mine.cpuPerFlip(), other.cpuPerFlip()))
		}
		rows = append(rows, row)
	})
	d.table(r.headerOf(rows, "endpoints, flip", "operator, ms", "kcm, ms", "ratio"), rows)
}

// eachPair calls show for every kind of flip, in the order in which they were
// measured. other is nil if kube-controller-manager was not measured.
func (r *results) eachPair(show func(mine, other *flips)) {
	for _, f := range r.Flips {
		if f.Side == sideOurs {
			show(f, r.of(f.Endpoints, f.Kind, sideTheirs))
		}
	}
}

// headerOf cuts the header to the columns that there are.
func (r *results) headerOf(rows [][]string, header ...string) []string { return header[:len(rows[0])] }

func writesText(f *flips) string { return f.Writes.String() }

func perFlip(f *flips) string {
	return fmt.Sprintf("%.2f", float64(f.Writes.total())/float64(f.count()))
}

// String names the writes by their verb.
func (w writes) String() string {
	if len(w) == 0 {
		return "none"
	}
	var texts []string
	for _, verb := range slices.Sorted(maps.Keys(w)) {
		texts = append(texts, fmt.Sprintf("%d %s", w[verb], verb))
	}
	return strings.Join(texts, ", ")
}

func ratio(a, b time.Duration) string { return fmt.Sprintf("%.2f", a.Seconds()/b.Seconds()) }

func (r *results) writeLifecycle(d *document) {
	if len(r.ColdStarts) > 0 {
		d.heading(fmt.Sprintf("Cold start at %d endpoints, checks every %s", r.ColdSize, checkInterval))
		var rows [][]string
		for i, s := range r.ColdStarts {
			rows = append(rows, []string{fmt.Sprint(i + 1), seconds(s.First), seconds(s.All), seconds(s.All - s.First), s.Writes.String(), seconds(s.CPU)})
		}
		d.table([]string{"run", "to the first slice, s", "to all endpoints ready, s", "between, s", "writes", "CPU, s"}, rows)
	}
	if len(r.Restarts) > 0 {
		d.heading(fmt.Sprintf("Restart at %d endpoints", r.ColdSize))
		var rows [][]string
		for i, s := range r.Restarts {
			rows = append(rows, []string{fmt.Sprint(i + 1), s.Writes.String(), seconds(s.FirstFlip), seconds(s.CPU)})
		}
		d.table([]string{"run", "writes with nothing changed", "start of the process to the event of a first flip, s", "CPU until then, s"}, rows)
	}
}
