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

// fleetMarkdown returns all results about EC2 instances.
func (r *results) fleetMarkdown() string {
	d := &document{}
	d.machine(&r.Machine)
	r.Fleet.writeCalls(d)
	r.Fleet.writeStarts(d)
	r.Fleet.writeIdle(d)
	return d.String()
}

func (f *fleet) writeCalls(d *document) {
	var rows [][]string
	for _, c := range f.Calls {
		rows = append(rows, []string{
			c.Selecting, fmt.Sprint(c.Backends), fmt.Sprintf("%.1f", c.Listings.each()), fmt.Sprintf("%.1f", c.Statuses.each()),
			fmt.Sprintf("%.1f", c.Listings.perMinute()), fmt.Sprintf("%.1f", c.Statuses.perMinute()), fmt.Sprint(c.Others),
		})
	}
	d.heading(fmt.Sprintf("Requests to AWS: one AWSIdentity, one region with %d instances", callInstances))
	d.table([]string{
		"ExternalBackends select by", "ExternalBackends", "DescribeInstances a refresh", "DescribeInstanceStatus a round",
		"DescribeInstances a minute", "DescribeInstanceStatus a minute", "others altogether",
	}, rows)
}

func (f *fleet) writeStarts(d *document) {
	if len(f.Starts) == 0 {
		return
	}
	var rows [][]string
	for n, s := range f.Starts {
		rows = append(rows, []string{
			fmt.Sprint(n + 1), seconds(s.First), seconds(s.All), s.Writes.String(), countsText(s.Calls), seconds(s.CPU),
			megabytes(s.Memory), megabytes(s.Peak),
		})
	}
	d.heading(fmt.Sprintf("First publication of %d instances, checks every %s", f.Size, checkInterval))
	d.table([]string{
		"run", "to the first slice, s", "to all endpoints ready, s", "writes", "requests to AWS", "CPU, s",
		"memory, MB", "peak, MB",
	}, rows)
	d.line("\nWithout any instances, the operator has %s MB of memory.", megabytes(f.Before))
}

func (f *fleet) writeIdle(d *document) {
	i := &f.Idle
	if i.Refreshes == 0 {
		return
	}
	patched := "none"
	if i.Patched {
		patched = "some"
	}
	d.heading(fmt.Sprintf("%d instances of which nothing changes", f.Size))
	d.table([]string{
		"for, s", "refreshes", "requests to AWS", "CPU of a refresh, ms", "CPU besides, % of a core", "slice writes",
		"other writes", "memory, MB",
	}, [][]string{{
		seconds(i.Took), fmt.Sprint(i.Refreshes), countsText(i.Calls), millis(i.CPU), fmt.Sprintf("%.2f", 100*i.Idle),
		i.Writes.String(), patched, megabytes(i.Memory),
	}})
}

// countsText names counts.
func countsText(counts map[string]int) string {
	var texts []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		texts = append(texts, fmt.Sprintf("%d %s", counts[name], name))
	}
	return strings.Join(texts, ", ")
}
