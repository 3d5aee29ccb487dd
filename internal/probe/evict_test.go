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

var doubted = health.Result{Outcome: health.Indeterminate, Reason: health.SchedulingDelay}

// TestLatecomersGetTheirShare has namespaces take all slots that they can get,
// for ever, and then others come that want as many: as soon as the first have
// run long enough, all come to have the same. When the slots that went round
// have been used long enough, too, they may go on to who still runs two fewer
// than another; then nothing more is ended.
func TestLatecomersGetTheirShare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first, late := rapid.IntRange(1, 8).Draw(t, "first"), rapid.IntRange(1, 3).Draw(t, "late")
		limit := rapid.IntRange(8, 200).Draw(t, "limit")
		d := newDesk(limit, first+late)
		addr := netip.MustParseAddr("198.18.0.1")
		want := func(n int) {
			for range limit + 5 {
				d.want(addr, health.Healthy, n)
				addr = addr.Next()
			}
		}
		for n := range first {
			want(n)
		}
		d.start(t.Fatalf)
		for n := range late {
			want(first + n)
		}
		d.now = int64(undisturbed) - 1
		d.start(t.Fatalf)
		if d.evict(d.now) != nil {
			t.Fatal("a check was ended too early")
		}
		d.now++
		d.settle(t.Fatalf)
		share := limit * shareOfFree / (1 + shareOfFree*(first+late))
		for again := range 3 {
			for _, tenant := range d.tenants {
				if got := tenant.running(); got < share || got > share+shareOfFree {
					t.Fatalf("%s has %d of %d slots, want about %d", tenant.namespace, got, limit, share)
				}
			}
			d.now += int64(time.Hour)
			switch ended := d.settle(t.Fatalf); {
			case again == 0 && ended > 1:
				t.Fatalf("%d checks were ended although all have about the same", ended)
			case again > 0 && ended > 0:
				t.Fatal("a check was ended although nobody runs fewer than others")
			}
		}
	})
}

// TestHangingForAnHour has namespaces hold all slots that they can get, for an
// hour, when another comes with targets that are slow to answer: it needs more
// slots than are free, and fewer than its share.
func TestHangingForAnHour(t *testing.T) {
	for _, hostile := range []int{1, 5, 10, 50} {
		t.Run(fmt.Sprint(hostile), func(t *testing.T) {
			inWorld(t, Options{MaxInFlight: 800}, func(w *world) {
				w.standard = host{result: pass, latency: 2 * time.Hour}
				list := targets(1500, health.Healthy, tcp(80, forAnHour))
				w.run()
				n := len(list) / hostile
				for i := range hostile {
					w.Ensure(health.Subscriber{Namespace: fmt.Sprintf("flood-%d", i)}, usual, list[n*i:n*(i+1)])
				}
				w.after(10 * time.Minute)
				slow := few(800*shareOfFree/(1+shareOfFree*(hostile+1)), health.Healthy, tcp(80, every(time.Second)))
				for _, target := range slow {
					w.tell(target.Addr.String(), 80, func(h *host) { h.latency = 700 * time.Millisecond })
				}
				w.Ensure(shop, usual, slow)
				w.after(2 * time.Second)
				before := len(w.seen().done)
				w.after(20 * time.Second)
				w.wantSlow(before, 19*len(slow))
				for i := range hostile {
					if slices.Contains(w.verdicts(health.Subscriber{Namespace: fmt.Sprintf("flood-%d", i)}), health.Unhealthy) {
						t.Error("a check that was ended counts against its target")
					}
				}
			})
		})
	}
}

// wantSlow checks that so many checks passed, nearly all of them started on time,
// after a number of results, and that the others were ended.
func (w *world) wantSlow(before, want int) {
	w.t.Helper()
	seen, passed, late := w.seen(), 0, 0
	for i, r := range seen.done[before:] {
		switch {
		case r == doubted:
		case r != pass:
			w.t.Errorf("a check ended with %v", r)
		default:
			passed++
			if seen.lags[before+i] > beat {
				late++
			}
		}
	}
	if passed < want || late > passed/10 {
		w.t.Errorf("%d checks passed, %d of them started late, want %d on time", passed, late, want)
	}
}

// TestEndedChecksAreMadeAgain: a check that was ended is due again at once, and
// told as what it is.
func TestEndedChecksAreMadeAgain(t *testing.T) {
	inWorld(t, Options{MaxInFlight: 8}, func(w *world) {
		w.standard = host{result: pass, latency: 2 * time.Hour}
		w.run()
		w.Ensure(flood, usual, targets(7, health.Healthy, tcp(80, forAnHour)))
		w.after(time.Hour)
		slow := few(3, health.Unknown, tcp(80, hanging(time.Second)))
		w.Ensure(shop, usual, slow)
		w.after(time.Minute)
		if !slices.Contains(w.seen().done, doubted) {
			t.Error("no check was ended for others")
		}
		w.Forget(shop)
		w.after(time.Second)
		if stats := w.Stats(); stats.InFlight != 7 || stats.Waiting != 0 {
			t.Errorf("%+v, want all checks to be running again", stats)
		}
	})
}

// TestUsualChecksAreLeftAlone: no check with the usual timeout is ended for
// others, however many wait.
func TestUsualChecksAreLeftAlone(t *testing.T) {
	inWorld(t, Options{MaxInFlight: 40}, func(w *world) {
		w.standard = host{result: pass, latency: time.Hour}
		w.run()
		for i := range 5 {
			w.Ensure(health.Subscriber{Namespace: fmt.Sprintf("ns-%d", i)}, usual, targets(100, health.Healthy, tcp(uint16(80+i))))
			w.after(time.Minute)
		}
		for _, r := range w.seen().done {
			if r != timeout {
				t.Errorf("a check ended with %v", r)
			}
		}
	})
}
