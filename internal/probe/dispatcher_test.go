// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"externalbackend.dev/operator/internal/health"
)

// TestDispatcher drives it with any order of wishes, ends and withdrawals: the
// limits and shares hold, no slot stays free without a reason, and nothing is
// lost or left behind.
func TestDispatcher(t *testing.T) {
	addrs := []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("192.0.2.3")}
	rapid.Check(t, func(t *rapid.T) {
		d := newDesk(rapid.IntRange(1, 60).Draw(t, "limit"), 3)
		pick := func(t *rapid.T, n int) int {
			if n == 0 {
				t.Skip("nothing there")
			}
			return rapid.IntRange(0, n-1).Draw(t, "which")
		}
		t.Repeat(map[string]func(*rapid.T){
			"want": func(t *rapid.T) {
				namespaces := rapid.SampledFrom([][]int{{0}, {0}, {1}, {2}, {0, 1}, {1, 2}, {2, 0, 1}}).Draw(t, "namespaces")
				verdict := rapid.SampledFrom([]health.Verdict{health.Healthy, health.Unhealthy}).Draw(t, "verdict")
				addr := rapid.SampledFrom(addrs).Draw(t, "addr")
				for range rapid.IntRange(1, 12).Draw(t, "how many") {
					d.want(addr, verdict, namespaces...)
				}
			},
			"time passes": func(t *rapid.T) { d.now += rapid.Int64Range(1, 20).Draw(t, "time") },
			"end": func(t *rapid.T) {
				d.end(pick(t, len(d.running)), rapid.Int64Range(0, 30).Draw(t, "pause"))
			},
			"verdict changes": func(t *rapid.T) {
				p := d.probes[pick(t, len(d.probes))]
				*p.claims[0].links[0].state() = health.Seed(rapid.SampledFrom([]health.Verdict{health.Healthy, health.Unhealthy}).Draw(t, "verdict"))
			},
			"again": func(t *rapid.T) { // as when somebody else wants it too
				if p := d.probes[pick(t, len(d.probes))]; !p.running() {
					d.place(p.claims[0])
				}
			},
			"room is made": func(t *rapid.T) {
				d.now += int64(undisturbed)
				d.evictAll(t.Fatalf)
			},
			"drop": func(t *rapid.T) { d.drop(pick(t, len(d.probes))) },
			"": func(t *rapid.T) {
				d.start(t.Fatalf)
				d.check(t.Fatalf)
			},
		})
		for len(d.probes) > 0 {
			d.drop(0)
		}
		for len(d.running) > 0 {
			d.end(0, 0)
		}
		d.start(t.Fatalf)
		if !d.upcoming.empty() || d.first != nil || !d.held[live].empty() || !d.held[gone].empty() || !d.busiest[live].empty() || !d.busiest[gone].empty() {
			t.Fatal("lanes without probes are left in the dispatcher")
		}
		for _, tenant := range d.tenants {
			if n := len(tenant.perAddress) + len(tenant.lanes[live].waiting) + len(tenant.lanes[gone].waiting); n > 0 || tenant.running() != 0 {
				t.Fatalf("%d addresses are left of %s", n, tenant.namespace)
			}
		}
	})
}

// TestAddressResumes drops the very check that was let go on by the end of
// another one of its address, before it was started.
func TestAddressResumes(t *testing.T) {
	d := newDesk(40, 1)
	for range maxInFlightPerAddress + 3 {
		d.want(netip.MustParseAddr("192.0.2.1"), health.Healthy, 0)
	}
	d.start(t.Fatalf)
	d.end(0, 1000)
	for i, p := range d.probes {
		if c := p.claims[0]; c.in == &c.lane.queue && c.due <= d.now {
			d.drop(i)
			break
		}
	}
	d.start(t.Fatalf)
	d.check(t.Fatalf)
	if len(d.running) != maxInFlightPerAddress {
		t.Errorf("%d checks are running, want %d", len(d.running), maxInFlightPerAddress)
	}
}

// TestShares lets one namespace take all it can get, and then others as well:
// as its checks end, all come to have the same.
func TestShares(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit, greedy := rapid.IntRange(8, 120).Draw(t, "limit"), rapid.IntRange(1, 6).Draw(t, "namespaces")
		d := newDesk(limit, greedy)
		addr := netip.MustParseAddr("198.18.0.1")
		want := func(n int) {
			for range limit + 5 {
				d.want(addr, health.Healthy, n)
				addr = addr.Next()
			}
			d.start(t.Fatalf)
		}
		want(0)
		if got := d.tenants[0].running(); got < limit*shareOfFree/(shareOfFree+1) || limit >= 16 && got > limit*shareOfFree/(shareOfFree+1)+1 {
			t.Fatalf("alone, a namespace has %d of %d slots", got, limit)
		}
		for n := 1; n < greedy; n++ {
			want(n)
		}
		for range 10 * limit {
			d.now++
			d.end(0, 0)
			d.start(t.Fatalf)
		}
		share := limit * shareOfFree / (1 + shareOfFree*greedy)
		for _, tenant := range d.tenants {
			if got := tenant.running(); got < share || got > share+shareOfFree {
				t.Fatalf("%s has %d of %d slots, want about %d", tenant.namespace, got, limit, share)
			}
		}
	})
}

// TestNobodyStarves has namespaces with too much to do beside others with
// little, in any mixture: however long some run, a check that waits is started
// before others of its namespace have had two rounds.
func TestNobodyStarves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SliceOfN(rapid.IntRange(1, 60), 2, 5).Draw(t, "checks of each namespace")
		d := newDesk(rapid.IntRange(1, 40).Draw(t, "limit"), len(sizes))
		addr, total := netip.MustParseAddr("198.18.0.1"), 0
		for n, size := range sizes {
			verdict := rapid.SampledFrom([]health.Verdict{health.Healthy, health.Unhealthy}).Draw(t, "verdict")
			for range size {
				d.want(addr, verdict, n)
				addr = addr.Next()
			}
			total += size
		}
		laneOf := func(p *probe) *lane { return p.claims[0].lane }
		starts, size := map[*lane]int{}, map[*lane]int{}
		for _, p := range d.probes {
			size[laneOf(p)]++
		}
		ended := map[*probe]int{} // how many of its lane had been started by then
		waits := func(p *probe) {
			if others := starts[laneOf(p)] - ended[p]; others > 2*size[laneOf(p)] {
				t.Fatalf("a check of %s waits while %d others of its %d are started", laneOf(p).tenant.namespace, others, size[laneOf(p)])
			}
		}
		for range 10 * total * len(sizes) {
			d.now++
			before := len(d.running)
			d.start(t.Fatalf)
			for _, p := range d.running[before:] {
				waits(p)
				starts[laneOf(p)]++
			}
			which := rapid.IntRange(0, len(d.running)-1).Draw(t, "which")
			ended[d.running[which]] = starts[laneOf(d.running[which])]
			d.end(which, 0)
		}
		for _, p := range d.probes {
			if !slices.Contains(d.running, p) {
				waits(p)
			}
		}
		for lane, n := range starts {
			if n < size[lane] {
				t.Fatalf("%s had %d starts for %d checks", lane.tenant.namespace, n, size[lane])
			}
		}
	})
}

// TestTurns has one slot after the other become free: namespaces take turns,
// however much each has to do and for how long.
func TestTurns(t *testing.T) {
	d := newDesk(8, 3)
	addr := netip.MustParseAddr("198.18.0.1")
	for n, size := range []int{100, 50, 1} {
		for range size {
			d.want(addr, health.Healthy, n)
			addr = addr.Next()
		}
		d.now++
	}
	var order []string
	for range 20 {
		d.start(t.Fatalf)
		order = order[:0]
		for _, p := range d.running {
			order = append(order, p.payer.tenant.namespace)
		}
		d.end(0, 1000)
	}
	counts := map[string]int{}
	for _, namespace := range order {
		counts[namespace]++
	}
	if counts["ns-0"] > 5 || counts["ns-1"] < 3 {
		t.Errorf("slots are held by %v, want about as many by each of the two that have more to do", counts)
	}
}
