// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package sliceplan_test

import (
	"fmt"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"externalbackend.dev/operator/internal/sliceplan"
)

// published returns an input all of whose endpoints are published, 100 a slice.
func published(b *testing.B, in sliceplan.Input) sliceplan.Input {
	b.Helper()
	in.MaxEndpoints = sliceplan.DefaultMaxEndpoints
	in.Existing = sliceplan.Compute(in).Create
	wanted := 0
	for _, backend := range in.Backends {
		wanted += len(backend.Endpoints) / in.MaxEndpoints
	}
	if len(in.Existing) != wanted {
		b.Fatalf("%d slices, want %d", len(in.Existing), wanted)
	}
	return in
}

// BenchmarkPlan plans for a Service with 100 to 10,000 endpoints, 100 a slice.
func BenchmarkPlan(b *testing.B) {
	for _, size := range []int{100, 1000, 10000} {
		single := func() sliceplan.Input { return input(backend(sequence(0, size)...)) }
		b.Run(fmt.Sprintf("%d/unchanged", size), func(b *testing.B) {
			plan(b, published(b, single()), 0)
		})
		b.Run(fmt.Sprintf("%d/one flip", size), func(b *testing.B) {
			plan(b, flipped(published(b, single()), size), 1)
		})
		b.Run(fmt.Sprintf("%d/one in 10 flips", size), func(b *testing.B) {
			plan(b, flipped(published(b, single()), 10), size/100)
		})
		b.Run(fmt.Sprintf("%d/all new", size), func(b *testing.B) {
			in := published(b, single())
			in.Existing = nil
			plan(b, in, size/100)
		})
	}
	b.Run("10000/unchanged in ten backends", func(b *testing.B) {
		var backends []sliceplan.Backend
		for n := range 10 {
			backends = append(backends, named(string(rune('a'+n)), sequence(1000*n, 1000*n+1000)...))
		}
		plan(b, published(b, input(backends...)), 0)
	})
	b.Run("10000/unchanged with hints", func(b *testing.B) {
		plan(b, hinted(b, 10000), 0)
	})
	b.Run("10000/one flip with hints", func(b *testing.B) {
		plan(b, flipped(hinted(b, 10000), 10000), 1)
	})
}

// flipped has every endpoint whose number is a multiple of step be unready.
func flipped(in sliceplan.Input, step int) sliceplan.Input {
	endpoints := in.Backends[0].Endpoints
	for i := 0; i < len(endpoints); i += step {
		endpoints[i].Conditions = sliceplan.Conditions{}
	}
	return in
}

// hinted is a Service whose endpoints in three zones are published with hints.
func hinted(b *testing.B, size int) sliceplan.Input {
	b.Helper()
	in := input(backend(sequence(0, size)...))
	in.Service.TrafficDistribution = new(corev1.ServiceTrafficDistributionPreferSameZone)
	for i := range in.Backends[0].Endpoints {
		in.Backends[0].Endpoints[i].Zone = fmt.Sprintf("eu-west-1%c", 'a'+i%3)
	}
	in = published(b, in)
	for _, slice := range in.Existing {
		for i := range slice.Endpoints {
			if slice.Endpoints[i].Hints == nil {
				b.Fatalf("%s is published without hints", slice.Endpoints[i].Addresses[0])
			}
		}
	}
	return in
}

func plan(b *testing.B, in sliceplan.Input, writes int) {
	b.Helper()
	b.ReportAllocs()
	for b.Loop() {
		plan := sliceplan.Compute(in)
		if got := len(plan.Create) + len(plan.Update) + len(plan.Delete); got != writes {
			b.Fatalf("%d writes, want %d", got, writes)
		}
	}
}

// BenchmarkPlanPortSets plans for endpoints that each have ports of their own, and
// so a slice each.
func BenchmarkPlanPortSets(b *testing.B) {
	for _, size := range []int{500, 5000} {
		own := backend(sequence(0, size)...)
		own.PortSets = nil
		for i := range own.Endpoints {
			own.Endpoints[i].Ports = i
			own.PortSets = append(own.PortSets, portSets(port("http", int32(10000+i)))...)
		}
		in := input(own)
		in.MaxEndpoints = sliceplan.DefaultMaxEndpoints
		in.Existing = sliceplan.Compute(in).Create
		b.Run(fmt.Sprintf("%d/unchanged", size), func(b *testing.B) { plan(b, in, 0) })
		in.Existing = nil
		b.Run(fmt.Sprintf("%d/all new", size), func(b *testing.B) { plan(b, in, size) })
	}
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
	plan(b, elaborate(b), 0)
}

func BenchmarkPlan10000ElaborateOneFlip(b *testing.B) {
	in := elaborate(b)
	in.Backends[0].Endpoints[5001].Conditions = sliceplan.Conditions{}
	plan(b, in, 1)
}

// BenchmarkPlan10000ElaborateTenthEndsDraining takes a tenth away: 90 slices
// are enough for the rest.
func BenchmarkPlan10000ElaborateTenthEndsDraining(b *testing.B) {
	in := elaborate(b)
	in.Backends[0].Endpoints = slices.DeleteFunc(in.Backends[0].Endpoints, func(e sliceplan.Endpoint) bool { return e.Conditions.Terminating })
	plan(b, in, 100)
}

// BenchmarkPlan10000HintsOff writes all slices.
func BenchmarkPlan10000HintsOff(b *testing.B) {
	in := elaborate(b)
	in.Service.TrafficDistribution = nil
	plan(b, in, 100)
}

func BenchmarkPlan10000PortsChange(b *testing.B) {
	in := elaborate(b)
	in.Backends[0].PortSets = append(portSets(port("http", 1)), portSets(port("http", 2))...)
	plan(b, in, 100)
}

// BenchmarkPlan10000InSlicesOfTwo takes one of the many away that could be
// merged.
func BenchmarkPlan10000InSlicesOfTwo(b *testing.B) {
	in := input(backend(sequence(0, 10000)...))
	in.MaxEndpoints = 1
	in.Existing = sliceplan.Compute(in).Create
	in.MaxEndpoints = 2
	in.Backends[0].Endpoints = in.Backends[0].Endpoints[1:]
	plan(b, in, 1)
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
