// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"externalbackend.dev/operator/internal/health"
)

// TestStop ends the scheduler with checks in flight. That no goroutine is left
// is what the synctest bubble insists on.
func TestStop(t *testing.T) {
	inWorld(t, Options{MaxInFlight: 24}, func(w *world) {
		w.standard.latency = 2 * time.Second
		w.Ensure(shop, usual, targets(100, health.Unknown, tcp(80)))
		w.run()
		w.after(time.Second)
		if stats := w.Stats(); stats.InFlight != 21 {
			t.Fatalf("%d checks in flight, want 21", stats.InFlight)
		}
		w.stop()
		if len(w.seen().done) != 0 || len(w.seen().notified) != 0 {
			t.Errorf("checks cancelled by the stop were counted: %v, %v", w.seen().done, w.seen().notified)
		}
		if w.seen().inFlight != 0 || w.Stats().InFlight != 0 {
			t.Errorf("%d checks outlived Start", w.seen().inFlight)
		}
		n := len(w.allStarts())
		w.Ensure(other, usual, targets(1, health.Unknown, tcp(90)))
		w.after(time.Minute)
		if len(w.allStarts()) != n {
			t.Error("checks were started after the stop")
		}
		if err := w.Start(context.Background()); err == nil {
			t.Error("a second Start did not fail")
		}
	})
}

func TestIdleSchedulerSleeps(t *testing.T) {
	inWorld(t, Options{}, func(w *world) {
		w.run()
		w.after(24 * time.Hour)
		w.Ensure(shop, usual, targets(1, health.Unknown, tcp(80)))
		w.after(100 * time.Millisecond)
		w.wantVerdicts(shop, health.Healthy)
	})
}

func TestOnlyTheLeaderChecks(t *testing.T) {
	if !New(Options{}).NeedLeaderElection() {
		t.Error("the scheduler would run on every replica")
	}
}

// TestNotifyCoalesces blocks the first notification while more verdicts
// change: checks go on, and one more notification covers all of it.
func TestNotifyCoalesces(t *testing.T) {
	inWorld(t, Options{}, func(w *world) {
		release := make(chan struct{})
		w.onNotify = func(health.Subscriber) { <-release }
		w.run()
		w.Ensure(shop, usual, targets(50, health.Unknown, tcp(80)))
		w.after(5 * time.Second)
		if len(w.seen().done) < 50 || len(w.seen().notified) != 1 {
			t.Errorf("%d checks done and %d notifications begun, want all and one", len(w.seen().done), len(w.seen().notified))
		}
		close(release)
		synctest.Wait()
		if len(w.seen().notified) != 2 {
			t.Errorf("%d notifications, want one for the first change and one for the other 49", len(w.seen().notified))
		}
	})
}

func TestForgottenSubscribersAreNotNotified(t *testing.T) {
	inWorld(t, Options{}, func(w *world) {
		release := make(chan struct{})
		w.onNotify = func(health.Subscriber) { <-release }
		w.run()
		w.Ensure(shop, usual, targets(1, health.Unknown, tcp(80)))
		w.after(time.Second)
		w.Ensure(other, usual, targets(1, health.Unknown, tcp(81)))
		w.after(time.Second)
		w.Forget(other)
		close(release)
		synctest.Wait()
		if len(w.seen().notified) != 1 {
			t.Errorf("notified %v", w.seen().notified)
		}
	})
}

// TestStuckCheckerIsVisible has checks that never end, in spite of their
// deadline.
func TestStuckCheckerIsVisible(t *testing.T) {
	inWorld(t, Options{}, func(w *world) {
		w.Ensure(shop, usual, targets(3, health.Unknown, tcp(80)))
		w.after(time.Hour)
		if age := w.Stats().OldestResult; age != 0 {
			t.Errorf("the oldest result is %s old before anything was started", age)
		}
		w.run()
		w.after(5 * time.Minute)
		if age := w.Stats().OldestResult; age > 11*time.Second {
			t.Errorf("the oldest result is %s old while all is well", age)
		}
		w.tell("198.18.0.2", 80, func(h *host) { h.stubborn, h.latency = true, 10*time.Minute })
		w.after(5 * time.Minute)
		if age := w.Stats().OldestResult; age < 4*time.Minute {
			t.Errorf("the oldest result is %s old although a check hangs", age)
		}
	})
}
