// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// IdentityReport is what AWS says to an identity.
type IdentityReport struct {
	// Caller is zero while it is not known. Failure is why the last attempt to find
	// out failed; nil if it did not.
	Caller  Caller
	Failure *Failure
	// Regions are those that somebody wants to have listed, sorted by name.
	Regions []RegionReport
	// Denied are the actions that an option needs and that are denied, sorted.
	Denied []string
	// Failing are the options that fail for another reason, by region and action. What
	// was known by them stays.
	Failing []OptionReport
	// Queues are the queues that cannot be read, sorted by URL.
	Queues []QueueReport
}

// RegionReport is how the listing of a region goes.
type RegionReport struct {
	Region string
	// Failure is why the last attempt failed, and FailingSince since when none has
	// succeeded; nil and zero if it did.
	Failure      *Failure
	FailingSince time.Time
}

// OptionReport is why what an option needs cannot be had.
type OptionReport struct {
	Action, Region string
	Failure        *Failure
}

// QueueReport is why a queue cannot be read.
type QueueReport struct {
	URL     string
	Failure *Failure
}

// SourceStats are figures about a source.
type SourceStats struct {
	Source
	// Instances that are known.
	Instances int
	// Listed is when the last complete listing ended; zero: never.
	Listed time.Time
}

// Identity returns what AWS says to an identity; false if it is not known.
func (d *Discoverer[S]) Identity(name string) (IdentityReport, bool) {
	d.hub.mu.Lock()
	a := d.hub.accounts[name]
	d.hub.mu.Unlock()
	if a == nil {
		return IdentityReport{}, false
	}
	report := a.report()
	for _, s := range d.hub.sourcesOf(name) {
		s.addTo(&report)
	}
	slices.SortFunc(report.Failing, func(a, b OptionReport) int {
		return cmp.Or(strings.Compare(a.Region, b.Region), strings.Compare(a.Action, b.Action))
	})
	slices.SortFunc(report.Regions, func(a, b RegionReport) int { return strings.Compare(a.Region, b.Region) })
	slices.Sort(report.Denied)
	report.Denied = slices.Compact(report.Denied)
	return report, true
}

// Sources returns figures about all sources, sorted.
func (d *Discoverer[S]) Sources() []SourceStats {
	d.hub.mu.Lock()
	sources := make([]*source, 0, len(d.hub.sources))
	for _, s := range d.hub.sources {
		sources = append(sources, s)
	}
	d.hub.mu.Unlock()
	stats := make([]SourceStats, 0, len(sources))
	for _, s := range sources {
		s.mu.Lock()
		stats = append(stats, SourceStats{Source: s.Source, Instances: len(s.m.records), Listed: s.m.ended})
		s.mu.Unlock()
	}
	slices.SortFunc(stats, func(a, b SourceStats) int {
		return cmp.Or(strings.Compare(a.Identity, b.Identity), strings.Compare(a.Region, b.Region))
	})
	return stats
}

// addTo adds what is known of a source.
func (s *source) addTo(report *IdentityReport) {
	s.mu.Lock()
	defer s.mu.Unlock()
	region := RegionReport{Region: s.Region, Failure: s.m.failure, FailingSince: s.m.since}
	report.Regions = append(report.Regions, region)
	report.Denied = append(report.Denied, s.m.denied()...)
	for _, f := range s.m.failing() {
		report.Failing = append(report.Failing, OptionReport{Action: f.Action, Region: s.Region, Failure: f})
	}
}

func (a *account) report() IdentityReport {
	a.mu.Lock()
	defer a.mu.Unlock()
	report := IdentityReport{Caller: a.caller, Failure: a.failure}
	for queue, failure := range a.failing {
		report.Queues = append(report.Queues, QueueReport{URL: queue.URL, Failure: failure})
	}
	slices.SortFunc(report.Queues, func(a, b QueueReport) int { return strings.Compare(a.URL, b.URL) })
	return report
}
