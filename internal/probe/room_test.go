// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"externalbackend.dev/operator/internal/health"
)

// turnedAway returns how many targets of a subscriber are not checked because
// there is no room.
func (w *world) turnedAway(sub health.Subscriber) int {
	n := 0
	for _, status := range w.Statuses(sub, nil) {
		if status.Obstacle == health.TooManyChecks {
			n++
		}
	}
	return n
}

// TestRoomIsOffered: who was turned away is told when there is room, whatever
// made it, in the order in which they came, as long as there is any.
func TestRoomIsOffered(t *testing.T) {
	second := health.Subscriber{Namespace: "shop", Name: "second"}
	third := health.Subscriber{Namespace: "shop", Name: "third"}
	for name, tc := range map[string]struct {
		edit func(*world)
		want []health.Subscriber
		left int // turned away of each of the two, summed up
	}{
		"forgotten":        {func(w *world) { w.Forget(shop) }, []health.Subscriber{second, third}, 0},
		"half is dropped":  {func(w *world) { w.Ensure(shop, usual, targets(2, health.Healthy, tcp(80), tcp(81))) }, []health.Subscriber{second}, 8},
		"fewer checks":     {func(w *world) { w.Ensure(shop, usual, targets(5, health.Healthy, tcp(80))) }, []health.Subscriber{second, third}, 7},
		"too little of it": {func(w *world) { w.Ensure(shop, usual, targets(5, health.Healthy, tcp(80), tcp(81))[:4]) }, []health.Subscriber{third}, 8},
		"nothing changes":  {func(w *world) { w.Ensure(shop, usual, targets(5, health.Healthy, tcp(80), tcp(82))) }, nil, 10},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, Options{MaxChecksPerNamespace: 10}, func(w *world) {
				wanted := map[health.Subscriber][]health.Target{
					second: few(3, health.Healthy, tcp(80), tcp(81), tcp(82)),
					third:  targets(7, health.Healthy, tcp(90)),
				}
				if name == "forgotten" {
					wanted[third] = wanted[third][:1]
				}
				var told []health.Subscriber
				w.onNotify = func(sub health.Subscriber) { // as a controller does
					told = append(told, sub)
					w.Ensure(sub, usual, wanted[sub])
				}
				w.run()
				w.Ensure(shop, usual, targets(5, health.Healthy, tcp(80), tcp(81)))
				w.Ensure(second, usual, wanted[second])
				w.Ensure(third, usual, wanted[third])
				w.after(time.Minute)
				if len(told) > 0 || w.turnedAway(second) != 3 || w.turnedAway(third) != len(wanted[third]) {
					t.Errorf("%v were told although nothing changed", told)
				}
				tc.edit(w)
				w.after(time.Minute)
				if left := w.turnedAway(second) + w.turnedAway(third); !slices.Equal(told, tc.want) || left != tc.left {
					t.Errorf("%v were told, and %d targets are turned away, want %v, %d", told, left, tc.want, tc.left)
				}
				for sub := range wanted {
					w.Forget(sub)
				}
				if len(w.away) > 0 {
					t.Error("subscribers are kept that have been forgotten")
				}
			})
		})
	}
}

// TestRoomOverAll: whoever comes first, and with however many checks, everybody
// gets as many as are assured, and all of them together take no more than is
// allowed beyond that.
func TestRoomOverAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const most = 4 * assuredChecks
		s := New(Options{MaxChecks: most})
		check := tcp(80)
		sizes := rapid.SliceOfN(rapid.SampledFrom([]int{0, 1, 500, assuredChecks, 2 * assuredChecks, 2 * most}), 1, 8).Draw(t, "checks of each namespace")
		for i, size := range sizes {
			sub := health.Subscriber{Namespace: fmt.Sprintf("ns-%d", i%6)}
			before := s.tenantOf(sub.Namespace).checks
			s.Ensure(sub, usual, targets(size, health.Unknown, check))
			account := s.tenants[sub.Namespace]
			if account.checks < min(size, assuredChecks) {
				t.Fatalf("%s has %d checks, wants %d", sub.Namespace, account.checks, size)
			}
			if grown := account.checks > max(before, assuredChecks); grown && s.checks == most {
				t.Fatalf("nothing is left for others")
			}
			sum := 0
			for _, account := range s.tenants {
				sum += account.checks
			}
			if sum != s.checks || sum > most+assuredChecks*len(s.tenants) {
				t.Fatalf("%d checks of all namespaces, %d counted, want at most %d", sum, s.checks, most)
			}
		}
	})
}

// TestRoomAlone: a namespace that is alone has half of all checks, the next one
// half of what is left, and what one gives up is offered to another.
func TestRoomAlone(t *testing.T) {
	inWorld(t, Options{MaxChecks: 8 * assuredChecks}, func(w *world) {
		check := tcp(80, every(time.Hour))
		lists := map[health.Subscriber][]health.Target{
			flood: targets(10*assuredChecks, health.Healthy, check),
			shop:  few(2*assuredChecks+1, health.Healthy, check),
		}
		w.onNotify = func(sub health.Subscriber) { w.Ensure(sub, usual, lists[sub]) }
		w.run()
		w.Ensure(flood, usual, lists[flood])
		w.Ensure(shop, usual, lists[shop])
		if a, b := w.turnedAway(flood), w.turnedAway(shop); a != 6*assuredChecks || b != 1 {
			t.Errorf("%d and %d targets are turned away", a, b)
		}
		w.Ensure(flood, usual, lists[flood][:3*assuredChecks])
		w.after(time.Second)
		if n := w.turnedAway(shop); n != 0 {
			t.Errorf("%d targets are turned away although another namespace has made room", n)
		}
	})
}

// TestChangeIsTakenBack: a change for which there is no room leaves nothing behind
// once it is taken back, not even a place among those that wait for room.
func TestChangeIsTakenBack(t *testing.T) {
	s := New(Options{MaxChecksPerNamespace: 1})
	w := &world{t: t, Scheduler: s}
	for _, step := range []struct {
		checks     []*health.Check
		turnedAway int
	}{{[]*health.Check{tcp(80)}, 0}, {[]*health.Check{tcp(80), tcp(81)}, 1}, {[]*health.Check{tcp(80)}, 0}} {
		w.Ensure(shop, usual, targets(1, health.Healthy, step.checks...))
		if n := w.turnedAway(shop); n != step.turnedAway || len(s.away) != step.turnedAway {
			t.Errorf("with %d checks wanted, %d targets are turned away and %d namespaces wait, want %d", len(step.checks), n, len(s.away), step.turnedAway)
		}
	}
}

// TestOldChecksGoOn: a target whose new checks find no room keeps those that it has,
// until they do or nobody wants them.
func TestOldChecksGoOn(t *testing.T) {
	inWorld(t, Options{MaxChecksPerNamespace: 3}, func(w *world) {
		w.run()
		old, wanted := targets(2, health.Healthy, tcp(80)), targets(2, health.Healthy, tcp(81), tcp(82))
		w.Ensure(shop, usual, old)
		w.after(time.Second)
		w.Ensure(shop, usual, wanted)
		w.tell("198.18.0.2", 80, func(h *host) { h.result = refused })
		w.after(time.Minute)
		w.wantVerdicts(shop, health.Healthy, health.Unhealthy)
		if n := w.turnedAway(shop); n != 1 || w.tenants["shop"].checks != 3 || len(w.starts("198.18.0.2", 81)) > 0 {
			t.Errorf("%d targets are told to be turned away and %d checks are counted, want 1, 3", n, w.tenants["shop"].checks)
		}
		w.Ensure(shop, usual, old)
		if n := w.turnedAway(shop); n != 0 {
			t.Errorf("%d targets are turned away though they have the checks that are wanted", n)
		}
		w.Ensure(shop, usual, wanted)
		w.Ensure(shop, usual, wanted[1:])
		w.after(time.Minute)
		w.wantVerdicts(shop, health.Healthy)
		if n := w.turnedAway(shop); n != 0 || w.tenants["shop"].checks != 2 {
			t.Errorf("%d targets are turned away and %d checks are counted, want 0, 2", n, w.tenants["shop"].checks)
		}
	})
}
