// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package sliceplan_test

import (
	"fmt"
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
