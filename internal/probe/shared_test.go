// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"externalbackend.dev/operator/internal/health"
)

// forAnHour makes a check occupy its slot for as long as the API lets it.
var forAnHour = hanging(time.Hour)

// TestSharedChecksAreNotDrawnIn: a namespace that floods the checker, and asks
// for the very checks of another one as well, does not delay them, whichever of
// the two has more checks.
func TestSharedChecksAreNotDrawnIn(t *testing.T) {
	for _, own := range []int{0, 300, 700} { // of the other namespace, beside those that are shared
		for name, first := range map[string]bool{"the flood was there first": true, "the flood came later": false} {
			t.Run(fmt.Sprintf("%s, %d of its own", name, own), func(t *testing.T) {
				inWorld(t, Options{MaxInFlight: 80}, func(w *world) {
					w.standard = host{result: pass, latency: time.Hour}
					good := few(20, health.Healthy, tcp(80, every(time.Second)))
					w.answering(good, 80)
					all := targets(500+own, health.Unknown, tcp(80, forAnHour))
					both := append(all[:500:500], good...)
					quiet := tcp(81, every(time.Hour))
					for i := range all[500:] {
						all[500+i].Checks = []*health.Check{quiet}
					}
					w.answering(all[500:], 81)
					theirs := append(all[500:], good...)
					w.run()
					if first {
						w.Ensure(flood, usual, both)
						w.after(3 * time.Second)
						w.Ensure(shop, usual, theirs)
					} else {
						w.Ensure(shop, usual, theirs)
						w.after(3 * time.Second)
						w.Ensure(flood, usual, both)
					}
					w.after(time.Minute)
					w.wantPunctual(len(good), time.Minute)
				})
			})
		}
	}
}

// TestSharedChecksCostNobodyMore: what one namespace does not know yet makes
// checks follow each other closely for itself alone.
func TestSharedChecksCostNobodyMore(t *testing.T) {
	inWorld(t, Options{MaxInFlight: 80}, func(w *world) {
		w.standard = host{result: pass, latency: time.Hour}
		good := few(1, health.Healthy, tcp(80))
		w.answering(good, 80)
		w.run()
		w.Ensure(flood, usual, targets(500, health.Unknown, tcp(80, forAnHour)))
		w.after(3 * time.Second)
		w.Ensure(shop, usual, good)
		w.after(11 * time.Second)
		good[0].Seed = health.Unknown
		w.Ensure(health.Subscriber{Namespace: "flood", Name: "more"}, health.Thresholds{Healthy: 20, Unhealthy: 20}, good)
		before := len(w.starts(good[0].Addr.String(), 80))
		w.after(time.Minute)
		if n := len(w.starts(good[0].Addr.String(), 80)) - before; n < 5 || n > 7 {
			t.Errorf("%d checks in a minute for a namespace that wants 6", n)
		}
	})
}

// TestSharedChecksWaitNoLonger compares two dispatchers, in one of which a
// namespace whose checks never end wants those of another as well: of these, as
// many have been started at any time as in the other, at least.
func TestSharedChecksWaitNoLonger(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const theirs, hostile = 0, 1
		limit := rapid.IntRange(4, 60).Draw(t, "limit")
		alone, shared := newDesk(limit, 2), newDesk(limit, 2)
		addr := netip.MustParseAddr("198.18.0.1")
		next := func() netip.Addr {
			addr = addr.Next()
			return addr
		}
		size := rapid.IntRange(1, 80)
		for range size.Draw(t, "hanging") {
			a := next()
			alone.want(a, health.Healthy, hostile)
			shared.want(a, health.Healthy, hostile)
		}
		alone.start(t.Fatalf)
		shared.start(t.Fatalf)
		ofTheirs := map[*probe]bool{}
		for range size.Draw(t, "of the other") {
			a := next()
			ofTheirs[alone.want(a, health.Healthy, theirs)] = true
			ofTheirs[shared.want(a, health.Healthy, rapid.SampledFrom([][]int{{theirs}, {theirs, hostile}}).Draw(t, "who")...)] = true
		}
		round := func(d *desk) (started int) {
			before := len(d.running)
			d.now++
			d.start(t.Fatalf)
			d.check(t.Fatalf)
			for _, p := range d.running[before:] {
				if ofTheirs[p] {
					started++
				}
			}
			for i, p := range slices.Backward(slices.Clone(d.running)) {
				if ofTheirs[p] {
					d.end(i, 0)
				}
			}
			return started
		}
		a, b := 0, 0
		for i := range 20 {
			a, b = a+round(alone), b+round(shared)
			if b < a {
				t.Fatalf("after round %d, %d checks were started, %d while nobody else wanted them", i, b, a)
			}
		}
	})
}

// TestSharedChecksAreHandedOver: a check that would be ended for the sake of
// others goes on, at the expense of another namespace that wants it, if that
// runs fewer.
func TestSharedChecksAreHandedOver(t *testing.T) {
	d := newDesk(16, 3)
	addr := netip.MustParseAddr("198.18.0.1")
	both := d.want(addr, health.Healthy, 0, 1)
	for range 20 {
		addr = addr.Next()
		d.want(addr, health.Healthy, 0)
	}
	d.start(t.Fatalf)
	if both.payer == nil || both.payer.tenant != d.tenants[0] {
		t.Fatal("the shared check does not run for the first namespace")
	}
	for range 5 {
		addr = addr.Next()
		d.want(addr, health.Healthy, 2)
	}
	d.now += int64(undisturbed)
	d.start(t.Fatalf)
	if d.evictAll(t.Fatalf) == 0 {
		t.Error("nothing was ended for who came later")
	}
	d.check(t.Fatalf)
	if both.place == nowhere || both.payer.tenant != d.tenants[1] {
		t.Errorf("it counts for %s, and is about to end: %t", both.payer.tenant.namespace, both.place == nowhere)
	}
	if slices.ContainsFunc(d.running, func(p *probe) bool { return p != both && p.place == nowhere && p.payer.tenant != d.tenants[0] }) {
		t.Error("checks of others than the one with the most were ended")
	}
}
