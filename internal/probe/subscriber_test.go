// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"net/netip"
	"testing"
	"time"

	"externalbackend.dev/operator/internal/health"
)

// TestSharedProbe has two subscribers ask for the same check, each with its own
// definition object and thresholds.
func TestSharedProbe(t *testing.T) {
	inWorld(t, Options{}, func(w *world) {
		w.Ensure(shop, health.Thresholds{Healthy: 1, Unhealthy: 1}, targets(1, health.Healthy, tcp(80)))
		w.Ensure(other, health.Thresholds{Healthy: 1, Unhealthy: 3}, targets(1, health.Healthy, tcp(80)))
		w.run()
		w.after(25 * time.Second)
		if stats := w.Stats(); stats.Probes != 1 || stats.Targets != 2 {
			t.Errorf("%d probes for %d targets, want one probe for two", stats.Probes, stats.Targets)
		}
		if w.seen().prepared != 1 {
			t.Errorf("the definition was prepared %d times", w.seen().prepared)
		}
		w.tell("198.18.0.1", 80, func(h *host) { h.result, h.starts = refused, nil })
		for len(w.starts("198.18.0.1", 80)) == 0 {
			w.after(100 * time.Millisecond)
		}
		w.after(100 * time.Millisecond)
		w.wantVerdicts(shop, health.Unhealthy)
		w.wantVerdicts(other, health.Healthy)
		w.after(7 * time.Second)
		w.wantVerdicts(other, health.Unhealthy)
		if gaps := w.gaps("198.18.0.1", 80); gaps[0] != 3*time.Second || gaps[1] != 3*time.Second {
			t.Errorf("gaps %v, want the edge interval that one of the subscribers needs", gaps)
		}
		w.Forget(other)
		w.after(time.Minute)
		if n := len(w.starts("198.18.0.1", 80)); n < 8 {
			t.Errorf("%d checks: the one subscriber's leaving ended the other's", n)
		}
	})
}

func TestNewcomerOfASharedProbeDoesNotWaitForARound(t *testing.T) {
	inWorld(t, Options{}, func(w *world) {
		check := tcp(80, every(time.Hour))
		w.Ensure(shop, usual, targets(1, health.Unknown, check))
		w.run()
		w.after(10 * time.Minute)
		w.Ensure(other, usual, targets(1, health.Unknown, check))
		w.wantVerdicts(other, health.Unknown)
		w.after(500 * time.Millisecond)
		w.wantVerdicts(other, health.Healthy)
	})
}

func TestSeedsNeedFullThresholds(t *testing.T) {
	inWorld(t, Options{}, func(w *world) {
		w.tell("192.0.2.1", 80, func(h *host) { h.result = refused })
		w.run()
		w.Ensure(shop, usual, []health.Target{
			target("192.0.2.1", health.Healthy, tcp(80)),
			target("192.0.2.2", health.Unhealthy, tcp(80)),
			target("192.0.2.3", health.Unknown, tcp(80)),
		})
		w.after(time.Second)
		w.wantVerdicts(shop, health.Healthy, health.Unhealthy, health.Healthy)
		for _, status := range w.Statuses(shop, nil) {
			if !status.Fresh {
				t.Errorf("%+v had a check, but is not fresh", status)
			}
		}
		w.after(3 * time.Second)
		w.wantVerdicts(shop, health.Healthy, health.Healthy, health.Healthy)
		w.after(3 * time.Second)
		w.wantVerdicts(shop, health.Unhealthy, health.Healthy, health.Healthy)
	})
}

func TestSeedCountsForNewTargetsOnly(t *testing.T) {
	inWorld(t, Options{}, func(w *world) {
		w.run()
		w.Ensure(shop, usual, targets(1, health.Unknown, tcp(80)))
		w.after(time.Second)
		w.Ensure(shop, usual, targets(1, health.Unhealthy, tcp(80)))
		w.wantVerdicts(shop, health.Healthy)
		w.Ensure(shop, usual, nil)
		w.Ensure(shop, usual, targets(1, health.Unhealthy, tcp(80)))
		w.wantVerdicts(shop, health.Unhealthy)
	})
}

func TestEditedCheckKeepsTheVerdictAndResetsCounters(t *testing.T) {
	inWorld(t, Options{}, func(w *world) {
		w.run()
		w.Ensure(shop, usual, targets(1, health.Unknown, tcp(80)))
		w.after(20 * time.Second)
		w.tell("198.18.0.1", 80, func(h *host) { h.result, h.starts = refused, nil })
		w.tell("198.18.0.1", 81, func(h *host) { h.result = refused })
		for len(w.starts("198.18.0.1", 80)) < 2 {
			w.after(100 * time.Millisecond)
		}
		w.after(100 * time.Millisecond)
		w.Ensure(shop, usual, targets(1, health.Unknown, tcp(81)))
		w.after(4 * time.Second) // two fails with the new definition: at once and after 3 s
		if n := len(w.starts("198.18.0.1", 81)); n != 2 {
			t.Fatalf("%d checks with the new definition, want 2", n)
		}
		w.wantVerdicts(shop, health.Healthy)
		w.after(3 * time.Second)
		w.wantVerdicts(shop, health.Unhealthy)
		if stats := w.Stats(); stats.Probes != 1 {
			t.Errorf("%d probes, want the old one gone", stats.Probes)
		}
		if n := len(w.starts("198.18.0.1", 80)); n != 2 {
			t.Errorf("the old definition was checked %d times, want no more than before the edit", n)
		}
	})
}

// TestAddedCheck gives a healthy target a second check: the target stays
// Healthy until the new check has failed often enough, and the counters of the
// first go on.
func TestAddedCheck(t *testing.T) {
	inWorld(t, Options{}, func(w *world) {
		w.run()
		w.Ensure(shop, usual, targets(1, health.Unknown, tcp(80)))
		w.after(time.Second)
		w.tell("198.18.0.1", 81, func(h *host) { h.result = refused })
		w.Ensure(shop, usual, targets(1, health.Unknown, tcp(80), tcp(81)))
		w.after(4 * time.Second)
		w.wantVerdicts(shop, health.Healthy)
		w.after(3 * time.Second)
		w.wantVerdicts(shop, health.Unhealthy)
		w.Ensure(shop, usual, targets(1, health.Unknown, tcp(80)))
		w.wantVerdicts(shop, health.Healthy)
	})
}

// TestOneChangePerTarget has both checks of a target fail, one after the other.
func TestOneChangePerTarget(t *testing.T) {
	inWorld(t, Options{}, func(w *world) {
		w.standard.result = refused
		w.run()
		w.Ensure(shop, usual, targets(1, health.Healthy, tcp(80), tcp(81)))
		w.after(time.Minute)
		if seen := w.seen(); len(seen.changes) != 1 || len(seen.notified) != 1 {
			t.Errorf("changes %v and %d notifications, want one: the target was down already", seen.changes, len(seen.notified))
		}
	})
}

func TestThresholdEditAppliesWithoutRestart(t *testing.T) {
	inWorld(t, Options{}, func(w *world) {
		w.run()
		w.Ensure(shop, usual, targets(1, health.Unknown, tcp(80)))
		w.after(20 * time.Second)
		w.tell("198.18.0.1", 80, func(h *host) { h.result, h.starts = refused, nil })
		for len(w.starts("198.18.0.1", 80)) < 1 {
			w.after(100 * time.Millisecond)
		}
		w.Ensure(shop, health.Thresholds{Healthy: 2, Unhealthy: 2}, targets(1, health.Unknown, tcp(80)))
		w.after(2500 * time.Millisecond)
		if n := len(w.starts("198.18.0.1", 80)); n != 1 {
			t.Errorf("%d checks: the edit of a threshold started one", n)
		}
		w.after(time.Second)
		w.wantVerdicts(shop, health.Unhealthy)
	})
}

func TestOrderAndDuplicates(t *testing.T) {
	inWorld(t, Options{}, func(w *world) {
		a, b := target("192.0.2.1", health.Healthy, tcp(80)), target("192.0.2.2", health.Unhealthy, tcp(80))
		again := target("192.0.2.1", health.Unhealthy, tcp(81))
		w.Ensure(shop, usual, []health.Target{a, b, again})
		w.wantVerdicts(shop, health.Healthy, health.Unhealthy, health.Healthy)
		w.Ensure(shop, usual, []health.Target{b, a})
		w.wantVerdicts(shop, health.Unhealthy, health.Healthy)
		if stats := w.Stats(); stats.Targets != 2 || stats.Probes != 2 {
			t.Errorf("%+v, want two targets and probes", stats)
		}
		w.wantVerdicts(other)
	})
}

func TestTheSameCheckTwiceRunsOnce(t *testing.T) {
	inWorld(t, Options{}, func(w *world) {
		w.run()
		w.Ensure(shop, usual, targets(1, health.Unknown, tcp(80), tcp(80)))
		w.after(time.Second)
		w.wantVerdicts(shop, health.Healthy)
		if n := len(w.starts("198.18.0.1", 80)); n != 1 {
			t.Errorf("%d executions, want one", n)
		}
		w.Ensure(shop, usual, targets(1, health.Unknown, tcp(80)))
		w.Forget(shop)
		if stats := w.Stats(); stats.Probes != 0 || stats.Targets != 0 {
			t.Errorf("%+v is left of a forgotten subscriber", stats)
		}
	})
}

func TestWithoutChecksATargetIsHealthy(t *testing.T) {
	inWorld(t, Options{}, func(w *world) {
		w.Ensure(shop, usual, targets(1, health.Unhealthy))
		w.wantVerdicts(shop, health.Healthy)
	})
}

// TestForgetCancels ends a subscription while its check is running.
func TestForgetCancels(t *testing.T) {
	for name, end := range map[string]func(*world){
		"forgotten":          func(w *world) { w.Forget(shop) },
		"target removed":     func(w *world) { w.Ensure(shop, usual, nil) },
		"definition changed": func(w *world) { w.Ensure(shop, usual, targets(1, health.Unknown, tcp(81))) },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, Options{}, func(w *world) {
				w.tell("198.18.0.1", 80, func(h *host) { h.latency = time.Second })
				w.tell("198.18.0.1", 81, func(h *host) { h.latency = time.Second })
				w.run()
				w.Ensure(shop, usual, targets(1, health.Unknown, tcp(80)))
				w.after(500 * time.Millisecond)
				end(w)
				w.after(100 * time.Millisecond)
				w.tell("198.18.0.1", 80, func(h *host) {
					if h.canceled != 1 || h.running != 0 {
						t.Errorf("the running check was cancelled %d times and %d are running", h.canceled, h.running)
					}
				})
				if len(w.seen().done) != 0 || len(w.seen().changes) != 0 {
					t.Errorf("a cancelled check was counted: %v, %v", w.seen().done, w.seen().changes)
				}
				w.after(time.Minute)
				if n := len(w.starts("198.18.0.1", 80)); n != 1 {
					t.Errorf("checked %d times, want no more after the end", n)
				}
				if len(w.definitions) != len(w.probes) {
					t.Errorf("%d definitions are kept for %d probes", len(w.definitions), len(w.probes))
				}
			})
		})
	}
}

// TestReturnWhileTheOldCheckIsStillRunning removes a target whose check does
// not end when cancelled, and adds it again.
func TestReturnWhileTheOldCheckIsStillRunning(t *testing.T) {
	inWorld(t, Options{}, func(w *world) {
		w.tell("198.18.0.1", 80, func(h *host) { h.latency, h.stubborn, h.result = 2*time.Second, true, refused })
		w.run()
		w.Ensure(shop, health.Thresholds{Healthy: 1, Unhealthy: 1}, targets(1, health.Healthy, tcp(80)))
		w.after(time.Second)
		w.Ensure(shop, usual, nil)
		w.tell("198.18.0.1", 80, func(h *host) { h.latency, h.result = time.Millisecond, pass })
		w.Ensure(shop, health.Thresholds{Healthy: 1, Unhealthy: 1}, targets(1, health.Unknown, tcp(80)))
		w.after(5 * time.Second)
		w.wantVerdicts(shop, health.Healthy)
		if len(w.seen().changes) != 1 || w.seen().changes[0] != health.Healthy {
			t.Errorf("verdict changes %v: the discarded check had an effect", w.seen().changes)
		}
		if stats := w.Stats(); stats.InFlight != 0 {
			t.Errorf("%d checks count as running, but none is", stats.InFlight)
		}
	})
}

func TestObserverLearnsWhichTargetChanged(t *testing.T) {
	inWorld(t, Options{}, func(w *world) {
		w.run()
		w.Ensure(shop, usual, []health.Target{{Addr: netip.MustParseAddr("2001:db8::1"), Checks: []*health.Check{tcp(80)}}})
		w.after(time.Second)
		if len(w.seen().changes) != 1 || w.seen().changes[0] != health.Healthy || len(w.seen().notified) != 1 || w.seen().notified[0] != shop {
			t.Errorf("changes %v, notified %v", w.seen().changes, w.seen().notified)
		}
		if len(w.seen().done) != 1 || w.seen().done[0] != pass {
			t.Errorf("finished checks %v", w.seen().done)
		}
		w.after(time.Minute)
		if len(w.seen().notified) != 1 {
			t.Errorf("notified %d times, want only when a verdict changes", len(w.seen().notified))
		}
	})
}

// TestObstaclesAreTold: what keeps checks from being carried out changes no
// verdict, but somebody has to report it, and that it is over.
func TestObstaclesAreTold(t *testing.T) {
	inWorld(t, Options{}, func(w *world) {
		w.tell("198.18.0.1", 80, func(h *host) { h.result = local })
		w.Ensure(shop, usual, targets(1, health.Healthy, tcp(80)))
		w.run()
		w.after(2 * time.Minute)
		if told := w.seen().notified; len(told) != 1 || told[0] != shop {
			t.Errorf("notified %v, want once", told)
		}
		if got := w.Statuses(shop, nil)[0]; got.Obstacle != health.LocalResources || got.Verdict != health.Healthy {
			t.Errorf("status is %+v", got)
		}
		w.tell("198.18.0.1", 80, func(h *host) { h.result = pass })
		w.after(time.Minute)
		if told := w.seen().notified; len(told) != 2 {
			t.Errorf("notified %d times, want a second time when the obstacle is gone", len(told))
		}
		if got := w.Statuses(shop, nil)[0]; got.Obstacle != "" {
			t.Errorf("status is %+v", got)
		}
	})
}
