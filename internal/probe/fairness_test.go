// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"externalbackend.dev/operator/internal/health"
)

// flood is the namespace that tries to keep others from being checked.
var flood = health.Subscriber{Namespace: "flood", Name: "flood", UID: "f"}

// hanging makes a check occupy its slot for as long as a check can.
func hanging(interval time.Duration) func(*health.Check) {
	return func(c *health.Check) { c.Timing = health.Timing{Interval: interval, Timeout: interval} }
}

// few returns n targets that are not among those of targets.
func few(n int, seed health.Verdict, checks ...*health.Check) []health.Target {
	out := make([]health.Target, n)
	addr := netip.MustParseAddr("192.0.2.1")
	for i := range out {
		out[i] = health.Target{Addr: addr, Checks: checks, Seed: seed}
		addr = addr.Next()
	}
	return out
}

// answering makes hosts answer at once, in a world where all others hang.
func (w *world) answering(list []health.Target, port uint16) {
	for _, t := range list {
		w.tell(t.Addr.String(), port, func(h *host) { h.latency = 5 * time.Millisecond })
	}
}

// worstLag returns the greatest lag of the checks that ended with a result.
func (w *world) worstLag(result health.Result) (worst time.Duration, checks int) {
	seen := w.seen()
	for i, r := range seen.done {
		if r == result {
			worst = max(worst, seen.lags[i])
			checks++
		}
	}
	return worst, checks
}

// wantPunctual checks that every check that passed was started on time, and
// that every one of count targets was checked in every second.
func (w *world) wantPunctual(count int, over time.Duration) {
	w.t.Helper()
	lag, checks := w.worstLag(pass)
	if lag > 2*batch {
		w.t.Errorf("the checks of another namespace started up to %s late", lag)
	}
	if want := count * int(over/time.Second-1); checks < want {
		w.t.Errorf("%d checks of another namespace, want at least %d", checks, want)
	}
}

// TestHangingTargetsDelayNobodyElse has a namespace with far more targets than
// there are slots, all of which hang for the whole interval.
func TestHangingTargetsDelayNobodyElse(t *testing.T) {
	for name, seed := range map[string]health.Verdict{"never seen": health.Unknown, "healthy before": health.Healthy, "gone": health.Unhealthy} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, Options{MaxInFlight: 160}, func(w *world) {
				w.standard = host{result: pass, latency: time.Hour}
				w.Ensure(flood, health.Thresholds{Healthy: 20, Unhealthy: 20}, targets(500, seed, tcp(80, hanging(time.Second))))
				w.run()
				w.after(5 * time.Second)
				good := few(50, health.Healthy, tcp(80, every(time.Second)))
				w.answering(good, 80)
				w.Ensure(shop, usual, good)
				w.after(10 * time.Second)
				w.wantPunctual(len(good), 10*time.Second)
				if slices.Contains(w.verdicts(shop), health.Unhealthy) {
					t.Error("targets that answer became Unhealthy")
				}
				w.Forget(flood)
			})
		})
	}
}

// TestGoneTargetsOfTwoNamespaces: those of one take turns with those of another
// for the slots that gone targets may have.
func TestGoneTargetsOfTwoNamespaces(t *testing.T) {
	inWorld(t, Options{MaxInFlight: 64}, func(w *world) {
		w.standard = host{result: pass, latency: time.Hour}
		w.Ensure(flood, usual, targets(500, health.Unhealthy, tcp(80, hanging(time.Second))))
		w.run()
		w.after(10 * time.Second)
		gone := few(3, health.Unhealthy, tcp(80, every(5*time.Second)))
		w.Ensure(shop, usual, gone)
		w.after(20 * time.Second)
		w.answering(gone, 80) // they are back
		w.after(11 * time.Second)
		w.wantVerdicts(shop, health.Healthy, health.Healthy, health.Healthy)
	})
}

// TestOneAddressInTwoNamespaces: a namespace that makes as many checks of an
// address hang as may run at a time keeps no other from checking it.
func TestOneAddressInTwoNamespaces(t *testing.T) {
	inWorld(t, Options{}, func(w *world) {
		w.standard = host{result: pass, latency: time.Hour}
		var checks []*health.Check
		for port := range uint16(100) {
			checks = append(checks, tcp(1000+port, hanging(10*time.Second)))
		}
		w.Ensure(flood, usual, []health.Target{target("192.0.2.1", health.Unknown, checks...)})
		w.run()
		w.after(5 * time.Second)
		good := few(1, health.Healthy, tcp(80, every(time.Second)))
		w.answering(good, 80)
		w.Ensure(shop, usual, good)
		w.after(20 * time.Second)
		w.wantPunctual(len(good), 20*time.Second)
	})
}

// TestNewTargetsOfAnotherNamespaceAreCheckedSoon: they do not queue behind the
// first checks of a namespace that has just come with very many.
func TestNewTargetsOfAnotherNamespaceAreCheckedSoon(t *testing.T) {
	inWorld(t, Options{}, func(w *world) {
		w.run()
		w.Ensure(flood, usual, targets(20000, health.Unknown, tcp(80, every(time.Hour))))
		w.Ensure(shop, usual, few(100, health.Unknown, tcp(80, every(time.Hour))))
		w.after(500 * time.Millisecond)
		if slices.Contains(w.verdicts(shop), health.Unknown) {
			t.Error("new targets were not checked within 500 ms")
		}
	})
}

// TestANamespaceAloneMayUseNearlyAll: fairness costs an eighth of the slots.
func TestANamespaceAloneMayUseNearlyAll(t *testing.T) {
	inWorld(t, Options{MaxInFlight: 800}, func(w *world) {
		w.standard = host{result: pass, latency: time.Hour}
		w.Ensure(flood, usual, targets(2000, health.Unknown, tcp(80, hanging(10*time.Second))))
		w.run()
		w.after(9 * time.Second)
		if got := w.Stats().InFlight; got != 700 {
			t.Errorf("%d of 800 slots are in use, want 700", got)
		}
	})
}

// TestStartsWaitForProcessors: what is due at once is started as fast as it is
// taken on, no faster.
func TestStartsWaitForProcessors(t *testing.T) {
	inWorld(t, Options{}, func(w *world) {
		most := 0
		w.standard = host{result: pass}
		w.Scheduler.opts.Guard = func([]string, netip.AddrPort) error {
			w.mu.Lock()
			most = max(most, int(w.launching.Load()))
			w.mu.Unlock()
			return nil
		}
		w.Ensure(flood, usual, targets(200, health.Healthy, tcp(80, every(time.Second))))
		w.mu.Lock()
		for _, p := range w.probes {
			p.hash = 0 // all at the same time
		}
		w.mu.Unlock()
		w.run()
		w.after(4 * time.Second)
		if most > w.launchLimit {
			t.Errorf("up to %d checks were started and had not begun, want at most %d", most, w.launchLimit)
		}
		if n := len(w.seen().done); n < 600 {
			t.Errorf("%d checks in 4 s, want 200 a second", n)
		}
	})
}

// TestStartUpOfManyNamespaces: the more of them come at the same time, the
// farther apart the first checks of each are.
func TestStartUpOfManyNamespaces(t *testing.T) {
	inWorld(t, Options{}, func(w *world) {
		list := targets(3000, health.Unknown, tcp(80, every(time.Minute)))
		for i := range 30 {
			w.Ensure(health.Subscriber{Namespace: fmt.Sprintf("ns-%d", i)}, usual, list[100*i:100*(i+1)])
		}
		w.run()
		begin := time.Now()
		w.after(10 * time.Second)
		counts := map[time.Duration]int{}
		for _, at := range w.allStarts() {
			counts[at.Sub(begin)/(100*time.Millisecond)]++
		}
		for tenth, n := range counts {
			if n > 170 {
				t.Errorf("%d checks started in tenth %d of a second", n, tenth)
			}
		}
		if n := len(w.allStarts()); n < len(list) {
			t.Errorf("%d of %d targets were checked within 10 s", n, len(list))
		}
	})
}
