// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package sliceplan_test

import (
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

// BenchmarkPlan10000OfTenBackends: a Service that many share.
func BenchmarkPlan10000OfTenBackends(b *testing.B) {
	var backends []sliceplan.Backend
	for n := range 10 {
		backends = append(backends, named(string(rune('a'+n)), sequence(1000*n, 1000*n+1000)...))
	}
	benchmark(b, published(b, backends...), 0)
}
