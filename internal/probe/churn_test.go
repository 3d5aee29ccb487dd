// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"externalbackend.dev/operator/internal/health"
)

// TestOthersDoNotHastenVerdicts: a namespace that wants the checks of another, and
// comes and goes all the time, makes none of them follow each other faster, and a
// target that is away for a moment stays Healthy.
func TestOthersDoNotHastenVerdicts(t *testing.T) {
	for _, seed := range []health.Verdict{health.Unknown, health.Healthy, health.Unhealthy} {
		t.Run(seed.String(), func(t *testing.T) {
			inWorld(t, Options{}, func(w *world) {
				c := tcp(80, every(30*time.Second)) // and 3 s at the edge
				w.run()
				w.Ensure(shop, usual, []health.Target{target("198.18.0.1", health.Healthy, c)})
				w.after(70 * time.Second)
				w.tell("198.18.0.1", 80, func(h *host) { h.result = refused })
				for range 100 {
					w.Ensure(other, usual, []health.Target{target("198.18.0.1", seed, c)})
					w.after(20 * time.Millisecond)
					w.Forget(other)
				}
				w.tell("198.18.0.1", 80, func(h *host) { h.result = pass })
				w.after(time.Minute)
				w.wantVerdicts(shop, health.Healthy)
				if gaps := w.gaps("198.18.0.1", 80); slices.Min(gaps) < 2700*time.Millisecond {
					t.Errorf("checks are %s apart", slices.Min(gaps))
				}
			})
		})
	}
}

// TestChecksKeepTheirDistance, whatever a target answers and whoever wants it when.
func TestChecksKeepTheirDistance(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		timing := health.Timing{
			Interval: time.Duration(rapid.IntRange(1, 20).Draw(r, "interval")) * time.Second, Timeout: 500 * time.Millisecond,
			EdgeInterval: time.Duration(rapid.IntRange(1, 20).Draw(r, "edge")) * time.Second,
		}
		steps := rapid.SliceOfN(rapid.IntRange(0, 9), 1, 40).Draw(r, "steps")
		inWorld(t, Options{}, func(w *world) {
			c := tcp(80, func(c *health.Check) { c.Timing = timing })
			w.run()
			w.Ensure(shop, usual, []health.Target{target("198.18.0.1", health.Healthy, c)})
			for _, step := range steps {
				switch step {
				case 0:
					w.Forget(other)
				case 1, 2, 3:
					w.Ensure(other, usual, []health.Target{target("198.18.0.1", health.Verdict(step-1), c)})
				case 4:
					w.tell("198.18.0.1", 80, func(h *host) { h.result = refused })
				case 5:
					w.tell("198.18.0.1", 80, func(h *host) { h.result = pass })
				default:
					w.after(time.Duration(step) * 300 * time.Millisecond)
				}
			}
			starts := w.starts("198.18.0.1", 80)
			for i := 1; i < len(starts); i++ {
				if gap := starts[i].Sub(starts[i-1]); gap < c.Timing.Edge()*9/10 {
					r.Fatalf("checks are %s apart, want %s", gap, c.Timing.Edge())
				}
			}
		})
	})
}
