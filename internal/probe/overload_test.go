// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"net/netip"
	"slices"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"externalbackend.dev/operator/internal/health"
)

// TestLimitPerAddress asks for many checks of one address and one of another.
func TestLimitPerAddress(t *testing.T) {
	inWorld(t, Options{}, func(w *world) {
		w.standard.latency = 2 * time.Second
		var checks []*health.Check
		for port := range uint16(30) {
			checks = append(checks, tcp(1000+port))
		}
		w.run()
		w.Ensure(shop, usual, []health.Target{{Addr: netip.MustParseAddr("192.0.2.1"), Checks: checks}})
		w.after(200 * time.Millisecond)
		w.Ensure(other, usual, []health.Target{target("192.0.2.2", health.Unknown, tcp(80))})
		w.after(200 * time.Millisecond)
		if stats := w.Stats(); stats.Waiting != 22 || stats.Lag == 0 {
			t.Errorf("%+v: want 22 waiting, visibly late", stats)
		}
		if n := len(w.starts("192.0.2.2", 80)); n != 1 {
			t.Error("a busy address holds up another")
		}
		w.after(8 * time.Second)
		if w.seen().maxFlight > maxInFlightPerAddress+1 {
			t.Errorf("up to %d checks at a time, want at most %d of one address", w.seen().maxFlight, maxInFlightPerAddress)
		}
		w.wantVerdicts(shop, health.Healthy)
		if slices.ContainsFunc(w.seen().done, func(r health.Result) bool { return r.Outcome != health.Pass }) {
			t.Error("checks that had to wait did not pass")
		}
	})
}

// TestGoneTargetsDoNotStarveLiveOnes has far more Unhealthy targets that time
// out than there are slots, beside a few live ones.
func TestGoneTargetsDoNotStarveLiveOnes(t *testing.T) {
	inWorld(t, Options{MaxInFlight: 10}, func(w *world) {
		w.standard.latency = time.Hour
		gone := targets(100, health.Unhealthy, tcp(80))
		w.Ensure(shop, usual, gone)
		var live []health.Target
		for _, addr := range []string{"192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"} {
			w.tell(addr, 80, func(h *host) { h.latency = 5 * time.Millisecond })
			live = append(live, target(addr, health.Healthy, tcp(80)))
		}
		w.Ensure(other, usual, live)
		w.run()
		w.after(2 * time.Minute)
		if w.seen().maxFlight > 5+len(live) {
			t.Errorf("up to %d checks at a time, want at most 5 of Unhealthy targets", w.seen().maxFlight)
		}
		for _, l := range live {
			starts := w.starts(l.Addr.String(), 80)
			for i := 2; i < len(starts); i++ {
				if gap := starts[i].Sub(starts[i-1]); gap > 10100*time.Millisecond {
					t.Errorf("%s was not checked for %s", l.Addr, gap)
				}
			}
		}
		tried := 0
		for _, g := range gone {
			if len(w.starts(g.Addr.String(), 80)) > 0 {
				tried++
			}
		}
		if tried != len(gone) {
			t.Errorf("only %d of %d Unhealthy targets got their turn", tried, len(gone))
		}
		w.wantVerdicts(other, health.Healthy, health.Healthy, health.Healthy, health.Healthy)
	})
}

// TestMissingCapacityNeverFails runs ten times more checks than there are slots
// for: all of them wait and pass, and the lag shows.
func TestMissingCapacityNeverFails(t *testing.T) {
	inWorld(t, Options{MaxInFlight: 4}, func(w *world) {
		w.standard.latency = 2 * time.Second
		w.Ensure(shop, usual, targets(200, health.Unknown, tcp(80)))
		w.run()
		w.after(3 * time.Minute)
		if w.seen().maxFlight != 4 {
			t.Errorf("up to %d checks at a time, want 4", w.seen().maxFlight)
		}
		if slices.ContainsFunc(w.verdicts(shop), func(v health.Verdict) bool { return v != health.Healthy }) {
			t.Error("not every target is Healthy")
		}
		if slices.Max(w.seen().lags) < 10*time.Second || w.Stats().Lag < 10*time.Second || w.Stats().Waiting < 100 {
			t.Errorf("the overload is not visible: lag %s, %+v", slices.Max(w.seen().lags), w.Stats())
		}
		for _, r := range w.seen().done {
			if r != pass {
				t.Fatalf("a check that waited ended with %v", r)
			}
		}
	})
}

// TestFreeSlotsAreUsedAtOnce has a single slot and short checks.
func TestFreeSlotsAreUsedAtOnce(t *testing.T) {
	inWorld(t, Options{MaxInFlight: 1}, func(w *world) {
		w.standard.latency = 10 * time.Millisecond
		w.Ensure(shop, usual, targets(100, health.Unknown, tcp(80, every(time.Hour))))
		w.run()
		w.after(1300 * time.Millisecond)
		if n := len(w.seen().done); n != 100 {
			t.Errorf("%d of 100 checks of 10 ms were done after 1.3 s", n)
		}
	})
}

func TestIndeterminateNeverCounts(t *testing.T) {
	inWorld(t, Options{}, func(w *world) {
		w.standard.result = local
		w.Ensure(shop, usual, []health.Target{
			target("192.0.2.1", health.Healthy, tcp(80)),
			target("192.0.2.2", health.Unhealthy, tcp(80)),
			target("192.0.2.3", health.Unknown, tcp(80)),
		})
		w.run()
		w.after(10 * time.Minute)
		w.wantVerdicts(shop, health.Healthy, health.Unhealthy, health.Unknown)
		for _, status := range w.Statuses(shop, nil) {
			if status.Fresh || status.Obstacle != health.LocalResources {
				t.Errorf("%+v: want no fresh evidence, and the obstacle", status)
			}
		}
	})
}

// stalling is an Executor whose one check ends when told to.
type stalling struct {
	begun chan struct{}
	end   chan health.Result
	done  chan health.Result
}

func (s *stalling) Prepare(*health.Check) Run {
	return func(ctx context.Context, _ netip.Addr) health.Result {
		select {
		case s.begun <- struct{}{}:
			return <-s.end
		case <-ctx.Done(): // a further check, when the test is over
			return health.Result{}
		}
	}
}

func (s *stalling) CheckDone(_ health.Kind, r health.Result, _ time.Duration) { s.done <- r }

func (s *stalling) VerdictChanged(health.Subscriber, netip.Addr, health.Verdict, health.Verdict) {}

// TestStalledProcess lets the clock jump while a check is running, as it does
// for a process that was stopped or starved.
func TestStalledProcess(t *testing.T) {
	doubted := health.Result{Outcome: health.Indeterminate, Reason: health.SchedulingDelay}
	for name, tc := range map[string]struct {
		stall  time.Duration
		result health.Result
		want   health.Result
	}{
		"a timeout long after the deadline":    {10 * time.Second, timeout, doubted},
		"a timeout after half of it was lost":  {1500 * time.Millisecond, timeout, doubted},
		"a timeout with a little stall counts": {500 * time.Millisecond, timeout, timeout},
		"a refused connection always counts":   {10 * time.Second, refused, refused},
		"a pass always counts":                 {10 * time.Second, pass, pass},
	} {
		t.Run(name, func(t *testing.T) {
			world := &stalling{begun: make(chan struct{}), end: make(chan health.Result), done: make(chan health.Result)}
			clock := clocktesting.NewFakeClock(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
			s := New(Options{Executor: world, Observer: world, Clock: clock})
			s.Ensure(shop, usual, targets(1, health.Unknown, tcp(80)))
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error)
			go func() { ended <- s.Start(ctx) }()
			<-world.begun
			clock.Step(tc.stall)
			world.end <- tc.result
			if got := <-world.done; got != tc.want {
				t.Errorf("the check counts as %v, want %v", got, tc.want)
			}
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}
