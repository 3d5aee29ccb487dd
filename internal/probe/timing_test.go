// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"slices"
	"testing"
	"time"

	"externalbackend.dev/operator/internal/health"
)

// allStarts returns the start times of all checks so far, sorted.
func (w *world) allStarts() []time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []time.Time
	for _, h := range w.hosts {
		out = append(out, h.starts...)
	}
	slices.SortFunc(out, time.Time.Compare)
	return out
}

func TestAdditionsAreCheckedSoon(t *testing.T) {
	for _, seed := range []health.Verdict{health.Unknown, health.Healthy, health.Unhealthy} {
		t.Run(seed.String(), func(t *testing.T) {
			inWorld(t, Options{}, func(w *world) {
				w.run()
				w.Ensure(shop, usual, targets(300, seed, tcp(80, every(time.Hour))))
				w.after(500 * time.Millisecond)
				if n := len(w.allStarts()); n != 300 {
					t.Errorf("%d of 300 new targets were checked within 500 ms", n)
				}
			})
		})
	}
}

// TestStartUp checks that a cold start is spread: done within the promised
// time, and at no moment faster than twice its mean rate or 1,000 checks/s.
func TestStartUp(t *testing.T) {
	for name, tc := range map[string]struct {
		interval, within time.Duration
		limit            int // starts in 100 ms
	}{
		"over ten seconds":       {time.Minute, 10 * time.Second, 170},
		"over a short interval":  {2 * time.Second, 2 * time.Second, 400},
		"the interval is enough": {5 * time.Second, 5 * time.Second, 220},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, Options{}, func(w *world) {
				w.Ensure(shop, usual, targets(5000, health.Unknown, tcp(80, every(tc.interval))))
				w.after(time.Hour) // before Start nothing happens
				w.run()
				begin := time.Now()
				w.after(tc.within)
				counts := map[int]int{}
				for _, at := range w.allStarts() {
					counts[int(at.Sub(begin).Milliseconds())/100]++
				}
				for tenth, n := range counts {
					if n > tc.limit {
						t.Errorf("%d checks started in tenth %d of a second", n, tenth)
					}
				}
				if slices.Contains(w.verdicts(shop), health.Unknown) {
					t.Errorf("not every target was checked within %s", tc.within)
				}
			})
		})
	}
}

func TestUnknownTargetsGoFirst(t *testing.T) {
	inWorld(t, Options{}, func(w *world) {
		w.Ensure(other, usual, targets(5000, health.Healthy, tcp(80)))
		w.Ensure(shop, usual, targets(200, health.Unknown, tcp(81)))
		w.run()
		w.after(250 * time.Millisecond)
		if slices.Contains(w.verdicts(shop), health.Unknown) {
			t.Error("Unknown targets queue behind those whose verdict was taken over")
		}
	})
}

// TestRegularity checks, over ten rounds of 500 targets, that gaps keep to the
// interval and that the load is even.
func TestRegularity(t *testing.T) {
	inWorld(t, Options{}, func(w *world) {
		w.standard.latency = 700 * time.Millisecond // response time must not matter
		w.Ensure(shop, usual, targets(500, health.Healthy, tcp(80)))
		w.run()
		w.after(20 * time.Second)
		begin := time.Now()
		w.after(100 * time.Second)
		perSecond := map[time.Duration]int{}
		for _, at := range w.allStarts() {
			if since := at.Sub(begin); since >= 0 {
				perSecond[since/time.Second]++
			}
		}
		for second := range time.Duration(100) {
			if n := perSecond[second]; n < 25 || n > 75 {
				t.Errorf("%d checks in second %d, want about 50", n, second)
			}
		}
		for _, target := range targets(500, health.Healthy) {
			starts := w.starts(target.Addr.String(), 80)
			for i := 3; i < len(starts); i++ { // the second may come off the grid, not to be too near the first
				if gap := starts[i].Sub(starts[i-1]); gap < 9900*time.Millisecond || gap > 10100*time.Millisecond {
					t.Fatalf("a gap of %s between two checks of one target", gap)
				}
			}
		}
	})
}

// TestPhaseSurvivesRestart compares the places on the grid of two processes.
func TestPhaseSurvivesRestart(t *testing.T) {
	phase := func(delay time.Duration) (phase time.Duration) {
		inWorld(t, Options{}, func(w *world) {
			w.after(delay)
			w.Ensure(shop, usual, targets(1, health.Healthy, tcp(80)))
			w.run()
			w.after(30 * time.Second)
			starts := w.starts("198.18.0.1", 80)
			phase = time.Duration(starts[len(starts)-1].UnixNano() % int64(10*time.Second))
		})
		return phase
	}
	first, second := phase(0), phase(123456*time.Millisecond)
	if difference := (first - second).Abs(); difference > 100*time.Millisecond {
		t.Errorf("phases %s and %s of the same check differ", first, second)
	}
}

// TestNoOverlap gives a host answers that take longer than the interval: one
// check runs at a time, and of the missed ticks one is made up for at once.
func TestNoOverlap(t *testing.T) {
	inWorld(t, Options{}, func(w *world) {
		w.standard.latency, w.standard.stubborn = 2500*time.Millisecond, true
		w.Ensure(shop, usual, targets(1, health.Healthy, tcp(80, every(time.Second))))
		w.run()
		w.after(26 * time.Second)
		w.tell("198.18.0.1", 80, func(h *host) {
			if h.maxRunning != 1 {
				t.Errorf("%d checks of one target at a time", h.maxRunning)
			}
		})
		for _, gap := range w.gaps("198.18.0.1", 80) {
			if gap != 2500*time.Millisecond {
				t.Errorf("a gap of %s, want the next check as soon as the last has ended", gap)
			}
		}
		w.tell("198.18.0.1", 80, func(h *host) { h.stubborn, h.latency, h.starts = false, 0, nil })
		w.after(10 * time.Second)
		if n := len(w.starts("198.18.0.1", 80)); n < 8 || n > 11 {
			t.Errorf("%d checks in 10 s after the host recovered, want one per interval", n)
		}
	})
}

func TestIntervalsFollowTheVerdict(t *testing.T) {
	const s = time.Second
	inWorld(t, Options{}, func(w *world) {
		check := tcp(80, func(c *health.Check) {
			c.Timing = health.Timing{Interval: 10 * s, Timeout: s, EdgeInterval: 2 * s, UnhealthyInterval: 30 * s}
		})
		w.Ensure(shop, usual, targets(1, health.Healthy, check))
		w.run()
		w.after(15 * s)
		w.tell("198.18.0.1", 80, func(h *host) { h.result, h.starts = refused, nil })
		w.after(80 * s)
		gaps := w.gaps("198.18.0.1", 80)
		if len(gaps) < 4 || gaps[0] != 2*s || gaps[1] != 2*s {
			t.Fatalf("gaps while the verdict was pending: %v, want 2s, 2s", gaps)
		}
		if settled := gaps[3]; settled < 29700*time.Millisecond || settled > 30300*time.Millisecond {
			t.Errorf("gap while Unhealthy: %s, want 30s", settled)
		}
		w.wantVerdicts(shop, health.Unhealthy)
	})
}

func TestUnknownIsCheckedAtTheEdgeInterval(t *testing.T) {
	inWorld(t, Options{}, func(w *world) {
		w.standard.result = local
		w.Ensure(shop, usual, targets(1, health.Unknown, tcp(80)))
		w.run()
		w.after(20 * time.Second)
		for _, gap := range w.gaps("198.18.0.1", 80) {
			if gap != 3*time.Second {
				t.Errorf("a gap of %s, want the edge interval, which covers the timeout of 3s", gap)
			}
		}
		w.wantVerdicts(shop, health.Unknown)
	})
}
