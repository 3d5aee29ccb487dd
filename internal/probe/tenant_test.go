// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"externalbackend.dev/operator/internal/health"
)

func TestTooManyChecks(t *testing.T) {
	inWorld(t, Options{MaxChecksPerNamespace: 10}, func(w *world) {
		w.run()
		second := health.Subscriber{Namespace: "shop", Name: "second", UID: "3"}
		w.Ensure(shop, usual, targets(4, health.Unknown, tcp(80), tcp(81)))
		w.Ensure(second, usual, few(3, health.Healthy, tcp(80)))
		w.Ensure(other, usual, targets(10, health.Unknown, tcp(80))) // has its own
		w.after(time.Second)
		w.wantVerdicts(shop, health.Healthy, health.Healthy, health.Healthy, health.Healthy)
		w.wantVerdicts(second, health.Healthy, health.Healthy, health.Healthy)
		if slices.Contains(w.verdicts(other), health.Unknown) {
			t.Error("a namespace is kept from its checks by another")
		}
		obstacles := func() (out []health.Reason) {
			for _, status := range w.Statuses(second, nil) {
				out = append(out, status.Obstacle)
			}
			return out
		}
		if want := []health.Reason{"", "", health.TooManyChecks}; !slices.Equal(obstacles(), want) {
			t.Errorf("obstacles are %q, want %q", obstacles(), want)
		}
		w.Ensure(shop, usual, targets(4, health.Unknown, tcp(80)))
		w.Ensure(second, usual, few(3, health.Healthy, tcp(80)))
		w.after(time.Second)
		if want := []health.Reason{"", "", ""}; !slices.Equal(obstacles(), want) {
			t.Errorf("obstacles are %q although there is room again", obstacles())
		}
		w.Ensure(second, usual, few(3, health.Healthy, tcp(80), tcp(81), tcp(82)))
		if want := []health.Reason{"", health.TooManyChecks, health.TooManyChecks}; !slices.Equal(obstacles(), want) {
			t.Errorf("obstacles are %q, want those of what exceeds the bound after an edit, %q", obstacles(), want)
		}
		w.wantVerdicts(second, health.Healthy, health.Healthy, health.Healthy)
		if stats := w.Stats(); stats.Probes > 30 {
			t.Errorf("%d checks are kept", stats.Probes)
		}
	})
}

// TestNothingIsLeftOfNamespaces lets subscribers come, change and go while
// their checks hang, wait for an address, and wait for slots.
func TestNothingIsLeftOfNamespaces(t *testing.T) {
	inWorld(t, Options{MaxInFlight: 16}, func(w *world) {
		w.standard = host{result: pass, latency: time.Hour}
		w.run()
		for round := range 20 {
			for i := range 5 {
				sub := health.Subscriber{Namespace: fmt.Sprintf("ns-%d", i), Name: "payments"}
				var checks []*health.Check
				for port := range uint16(12) {
					checks = append(checks, tcp(uint16(100*round+1)+port, hanging(time.Second)))
				}
				w.Ensure(sub, usual, targets(5, health.Verdict(i%3), checks...))
				w.after(300 * time.Millisecond)
				if round%3 == i%3 {
					w.Forget(sub)
				}
			}
		}
		for i := range 5 {
			w.Forget(health.Subscriber{Namespace: fmt.Sprintf("ns-%d", i), Name: "payments"})
		}
		w.after(2 * time.Second)
		d := &w.Scheduler.dispatcher
		if len(w.tenants)+len(w.probes)+len(w.definitions) != 0 || w.unknown+w.seeded != 0 || d.inFlight() != 0 || d.free[gone] != d.limit[gone] {
			t.Errorf("%d namespaces, %d probes, %d definitions, %d+%d expecting first checks and %d running checks are left",
				len(w.tenants), len(w.probes), len(w.definitions), w.unknown, w.seeded, d.inFlight())
		}
	})
}

// TestStopWithAFlood: Start ends at once, with checks running and waiting in
// every way.
func TestStopWithAFlood(t *testing.T) {
	inWorld(t, Options{MaxInFlight: 16}, func(w *world) {
		w.standard = host{result: pass, latency: time.Hour}
		w.Ensure(flood, usual, targets(500, health.Unknown, tcp(80, hanging(time.Minute))))
		w.Ensure(shop, usual, few(500, health.Unhealthy, tcp(80, hanging(time.Minute))))
		w.run()
		w.after(30 * time.Second)
		begin := time.Now()
		w.stop()
		if took := time.Since(begin); took > 0 {
			t.Errorf("it took %s", took)
		}
		if w.Stats().InFlight != 0 {
			t.Errorf("%d checks are left", w.Stats().InFlight)
		}
	})
}

// TestConcurrentEdits has goroutines change, read and forget the same
// subscribers: what the last edit says is what holds.
func TestConcurrentEdits(t *testing.T) {
	inWorld(t, Options{}, func(w *world) {
		w.run()
		var edits sync.WaitGroup
		for i := range 4 {
			edits.Go(func() {
				for round := range 6 {
					sub := []health.Subscriber{shop, other}[(i+round)%2]
					w.Ensure(sub, usual, targets(300*(i+1), health.Unknown, tcp(uint16(80+round))))
					if n := len(w.Statuses(sub, nil)); n%300 != 0 {
						t.Errorf("%d targets, want those of some edit", n)
					}
					if round%2 == i%2 {
						w.Forget(sub)
					}
					time.Sleep(time.Millisecond)
				}
			})
		}
		edits.Wait()
		w.Ensure(shop, usual, targets(50, health.Unknown, tcp(80)))
		w.Forget(other)
		w.after(11 * time.Second) // the spread of first checks, if earlier edits took the next times
		if stats := w.Stats(); stats.Targets != 50 || stats.Probes != 50 || len(w.tenants) != 1 || w.tenants["shop"].checks != 50 {
			t.Errorf("%+v and %d namespaces, want what the last edits left", stats, len(w.tenants))
		}
		if slices.Contains(w.verdicts(shop), health.Unknown) {
			t.Error("not every target was checked")
		}
	})
}
