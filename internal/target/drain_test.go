// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package target_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"externalbackend.dev/operator/internal/target"
)

// departures of the given deadlines, in seconds after the epoch; 0 is none.
func departures(deadlines ...int) []target.Departure {
	list := make([]target.Departure, len(deadlines))
	for i, seconds := range deadlines {
		list[i].Target = target.Target{Addr: addressPool[i], Entry: "gone"}
		if seconds != 0 {
			list[i].Deadline = epoch.Add(time.Duration(seconds) * time.Second)
		}
	}
	return list
}

func TestDrain(t *testing.T) {
	for _, tt := range []struct {
		name       string
		departures []target.Departure
		duration   time.Duration
		now        time.Duration // after the epoch
		want       []int         // deadlines in seconds after the epoch, -1: gone
		next       int           // 0: none
	}{
		{name: "nothing departs", duration: time.Minute},
		{name: "a drain begins", departures: departures(0, 0), duration: 30 * time.Second, now: time.Minute, want: []int{90, 90}, next: 90},
		{name: "one that began keeps its deadline, however long it would be now", departures: departures(70, 0, 500), duration: 30 * time.Second, now: time.Minute, want: []int{70, 90, 500}, next: 70},
		{name: "one that is over goes", departures: departures(59, 61), duration: 30 * time.Second, now: time.Minute, want: []int{-1, 61}, next: 61},
		{name: "it is over at its deadline", departures: departures(60), duration: 30 * time.Second, now: time.Minute, want: []int{-1}},
		{name: "just before that, it is not", departures: departures(60), duration: 30 * time.Second, now: time.Minute - 1, want: []int{60}, next: 60},
		{name: "a deadline is a whole second, no earlier than asked for", departures: departures(0), duration: time.Second, now: time.Minute + 1, want: []int{62}, next: 62},
		{name: "nor much later", departures: departures(0), duration: 1500 * time.Millisecond, now: time.Minute + 500*time.Millisecond, want: []int{62}, next: 62},
		{name: "at least one second", departures: departures(0), duration: 1, now: time.Minute, want: []int{61}, next: 61},
		{name: "no drain wanted", departures: departures(0, 70, 500), now: time.Minute, want: []int{-1, -1, -1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var want []target.Departure
			for i, seconds := range tt.want {
				if seconds > 0 {
					d := tt.departures[i]
					d.Deadline = epoch.Add(time.Duration(seconds) * time.Second)
					want = append(want, d)
				}
			}
			staying, next := target.Drain(tt.departures, tt.duration, epoch.Add(tt.now))
			if diff := cmp.Diff(want, staying, cmpopts.EquateComparable(target.Target{}.Addr), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("staying (-want +got):\n%s", diff)
			}
			if wantNext := epoch.Add(time.Duration(tt.next) * time.Second); tt.next == 0 != next.IsZero() || tt.next != 0 && !next.Equal(wantNext) {
				t.Errorf("next is %v, want %v", next, wantNext)
			}
		})
	}
}

// TestEveryDrainTakesItsTime: asked again whenever somebody likes, with what it
// said before, an address stays for its duration, less than a second more, and
// is gone for good then. What was passed in is left alone.
func TestEveryDrainTakesItsTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		duration := time.Duration(rapid.Int64Range(1, int64(time.Hour)).Draw(t, "duration"))
		began := epoch.Add(time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "began")))
		now, list := began, departures(0)
		for range rapid.IntRange(1, 20).Draw(t, "asked") {
			asked := slices.Clone(list)
			staying, next := target.Drain(list, duration, now)
			if !slices.Equal(asked, list) {
				t.Fatalf("the input was changed from %v to %v", asked, list)
			}
			switch over := !now.Before(began.Add(duration)); {
			case len(staying) == 0 && !over:
				t.Fatalf("gone after %s of %s", now.Sub(began), duration)
			case len(staying) == 0 && !next.IsZero():
				t.Fatalf("nothing stays, and next is %v", next)
			case len(staying) == 1 && !now.Before(began.Add(duration+time.Second)):
				t.Fatalf("still there after %s of %s", now.Sub(began), duration)
			case len(staying) == 1 && (!next.Equal(staying[0].Deadline) || !next.After(now)):
				t.Fatalf("at %v next is %v, the deadline %v", now, next, staying[0].Deadline)
			}
			if list = staying; len(list) == 0 {
				return
			}
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(duration)).Draw(t, "later")))
		}
		if staying, _ := target.Drain(list, duration, began.Add(duration+time.Second)); len(staying) != 0 {
			t.Fatalf("still there when all of %s is over", duration)
		}
	})
}

// A deadline that has lost the reading of the monotonic clock would follow every
// step of the wall clock.
func TestDrainsDoNotFollowTheWallClock(t *testing.T) {
	staying, next := target.Drain(departures(0), time.Minute, time.Now())
	for _, deadline := range []time.Time{staying[0].Deadline, next} {
		if wall := deadline.Round(0); deadline.String() == wall.String() { // which tell that reading, too
			t.Errorf("%v was read from the wall clock", deadline)
		}
		if deadline.Nanosecond() != 0 {
			t.Errorf("%v is no whole second", deadline)
		}
	}
}
