// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package sliceplan_test

import (
	"fmt"
	"slices"
	"testing"

	"externalbackend.dev/operator/internal/sliceplan"
)

// published returns an input with 10,000 endpoints that are all published, 100
// a slice.
func published(b *testing.B, backends ...sliceplan.Backend) sliceplan.Input {
	b.Helper()
	in := input(backends...)
	in.MaxEndpoints = sliceplan.DefaultMaxEndpoints
	in.Existing = sliceplan.Compute(in).Create
	if len(in.Existing) != 100 {
		b.Fatalf("%d slices, want 100", len(in.Existing))
	}
	return in
}

func benchmark(b *testing.B, in sliceplan.Input, writes int) {
	b.Helper()
	b.ReportAllocs()
	for b.Loop() {
		plan := sliceplan.Compute(in)
		if got := len(plan.Create) + len(plan.Update) + len(plan.Delete); got != writes {
			b.Fatalf("%d writes, want %d", got, writes)
		}
	}
}

func BenchmarkPlan10000Unchanged(b *testing.B) {
	benchmark(b, published(b, backend(sequence(0, 10000)...)), 0)
}

func BenchmarkPlan10000OneFlip(b *testing.B) {
	in := published(b, backend(sequence(0, 10000)...))
	in.Backends[0].Endpoints[5000].Conditions = sliceplan.Conditions{}
	benchmark(b, in, 1)
}

func BenchmarkPlan10000TenthFlips(b *testing.B) {
	in := published(b, backend(sequence(0, 10000)...))
	for i := 0; i < 10000; i += 10 {
		in.Backends[0].Endpoints[i].Conditions = sliceplan.Conditions{}
	}
	benchmark(b, in, 100)
}

func BenchmarkPlan10000Created(b *testing.B) {
	in := published(b, backend(sequence(0, 10000)...))
	in.Existing = nil
	benchmark(b, in, 100)
}

// elaborate is an input with everything that endpoints can have: two port sets,
// hostnames, zones and hints; every tenth drains.
func elaborate(b *testing.B) sliceplan.Input {
	b.Helper()
	all := backend(sequence(0, 10000)...)
	all.PortSets = append(all.PortSets, portSets(port("http", 9090))...)
	for i := range all.Endpoints {
		e := &all.Endpoints[i]
		e.Ports, e.Hostname, e.Zone, e.Changed = i/100%2, "rack", fmt.Sprint("zone-", i%3), noon
		if i%10 == 0 {
			draining(e, i)
		}
	}
	in := input(all)
	in.Service.TrafficDistribution = new("PreferClose")
	in.MaxEndpoints = sliceplan.DefaultMaxEndpoints
	in.Existing = sliceplan.Compute(in).Create
	return in
}

func BenchmarkPlan10000ElaborateUnchanged(b *testing.B) {
	benchmark(b, elaborate(b), 0)
}

func BenchmarkPlan10000ElaborateOneFlip(b *testing.B) {
	in := elaborate(b)
	in.Backends[0].Endpoints[5001].Conditions = sliceplan.Conditions{}
	benchmark(b, in, 1)
}

// BenchmarkPlan10000ElaborateTenthEndsDraining takes a tenth away: 90 slices
// are enough for the rest.
func BenchmarkPlan10000ElaborateTenthEndsDraining(b *testing.B) {
	in := elaborate(b)
	in.Backends[0].Endpoints = slices.DeleteFunc(in.Backends[0].Endpoints, func(e sliceplan.Endpoint) bool { return e.Conditions.Terminating })
	benchmark(b, in, 100)
}

// BenchmarkPlan10000HintsOff writes all slices.
func BenchmarkPlan10000HintsOff(b *testing.B) {
	in := elaborate(b)
	in.Service.TrafficDistribution = nil
	benchmark(b, in, 100)
}

func BenchmarkPlan10000PortsChange(b *testing.B) {
	in := elaborate(b)
	in.Backends[0].PortSets = append(portSets(port("http", 1)), portSets(port("http", 2))...)
	benchmark(b, in, 100)
}

// BenchmarkPlan10000InSlicesOfTwo takes one of the many away that could be
// merged.
func BenchmarkPlan10000InSlicesOfTwo(b *testing.B) {
	in := input(backend(sequence(0, 10000)...))
	in.MaxEndpoints = 1
	in.Existing = sliceplan.Compute(in).Create
	in.MaxEndpoints = 2
	in.Backends[0].Endpoints = in.Backends[0].Endpoints[1:]
	benchmark(b, in, 1)
}

func BenchmarkReadBack10000(b *testing.B) {
	in := elaborate(b)
	b.ReportAllocs()
	for b.Loop() {
		if got := len(sliceplan.ReadBack(in.Existing, in.Backends[0].Owner.UID)); got != 10000 {
			b.Fatalf("%d endpoints", got)
		}
	}
}

// BenchmarkPlan10000OfTenBackends: a Service that many share.
func BenchmarkPlan10000OfTenBackends(b *testing.B) {
	var backends []sliceplan.Backend
	for n := range 10 {
		backends = append(backends, named(string(rune('a'+n)), sequence(1000*n, 1000*n+1000)...))
	}
	benchmark(b, published(b, backends...), 0)
}
