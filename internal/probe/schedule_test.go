// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"

	"externalbackend.dev/operator/internal/health"
)

func genInterval(t *rapid.T) time.Duration {
	return time.Duration(rapid.Int64Range(int64(time.Second), int64(time.Hour)).Draw(t, "interval"))
}

func genInstant(t *rapid.T) int64 {
	return rapid.Int64Range(int64(50*365*24*time.Hour), int64(100*365*24*time.Hour)).Draw(t, "now")
}

// TestGridDoesNotDrift follows a probe over many rounds, each of which starts
// late by anything up to half of the interval: every start stays next to its
// place on the grid, and no place is left out.
func TestGridDoesNotDrift(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hash, interval := rapid.Uint64().Draw(t, "hash"), genInterval(t)
		tolerance := int64(interval) / 100 / 2
		now := genInstant(t)
		first := onGrid(hash, now, now, interval)
		start := first
		for round := range int64(50) {
			want := first + round*int64(interval)
			if drift := start - want; drift < -2*tolerance || drift > 2*tolerance {
				t.Fatalf("round %d starts %s away from its place", round, time.Duration(drift))
			}
			late := rapid.Int64Range(0, int64(interval)/2).Draw(t, "late")
			start = onGrid(hash, start+late, start+late, interval)
		}
	})
}

// TestGridGaps checks what a user reads from the interval: the next check
// starts no later than promised, and never at once after the last one.
func TestGridGaps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hash, interval, started := rapid.Uint64().Draw(t, "hash"), genInterval(t), genInstant(t)
		took := rapid.Int64Range(0, 3*int64(interval)).Draw(t, "took")
		due := onGrid(hash, started, started+took, interval)
		if due < started+took {
			t.Fatal("the next check overlaps with the last one")
		}
		gap := due - started
		if gap < int64(interval)/20 {
			t.Fatalf("the gap is %s", time.Duration(gap))
		}
		if latest := max(took, int64(interval)*112/100); gap > latest {
			t.Fatalf("the gap is %s", time.Duration(gap))
		}
	})
}

// TestJitter checks that rounds differ, within bounds and evenly.
func TestJitter(t *testing.T) {
	const rounds, limit = 10000, 1000
	var sum, below int64
	for round := range int64(rounds) {
		j := jitter(42, round, limit)
		if j < -limit || j > limit {
			t.Fatalf("jitter %d is out of bounds", j)
		}
		sum += j
		if j < -limit/2 {
			below++
		}
	}
	if mean := sum / rounds; mean < -limit/20 || mean > limit/20 {
		t.Errorf("the mean jitter is %d", mean)
	}
	if below < rounds/5 || below > rounds*3/10 {
		t.Errorf("%d of %d rounds in the first quarter", below, rounds)
	}
	start := onGrid(42, 0, 0, time.Hour)
	if next := onGrid(42, start, start, time.Hour); next-start == int64(time.Hour) {
		t.Error("two rounds have the same jitter")
	}
}

// TestPhases checks that consecutive addresses, and several checks of one
// address, are spread evenly over the interval.
func TestPhases(t *testing.T) {
	const targets, buckets = 10000, 20
	interval := 10 * time.Second
	var counts [buckets]int
	addr := netip.MustParseAddr("192.0.2.0")
	for range targets {
		addr = addr.Next()
		counts[hashOf(addr, health.Digest{1})%uint64(interval)/(uint64(interval)/buckets)]++
	}
	for i, n := range counts {
		if mean := targets / buckets; n < mean*8/10 || n > mean*12/10 {
			t.Errorf("%d checks in part %d of the interval, want about %d", n, i, mean)
		}
	}
	if hashOf(addr, health.Digest{1}) == hashOf(addr, health.Digest{2}) {
		t.Error("two checks of one address have the same phase")
	}
}
