// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package target

import "time"

// Departure is an address that is published though it is no longer wanted.
type Departure struct {
	Target
	// Deadline is when it goes; zero if its drain has not begun.
	Deadline time.Time
}

// Drain says which of the departures stay for now, each with its deadline: a
// drain that has not begun begins now and takes duration, rounded up to the
// whole second in which deadlines are recorded; one that has keeps its deadline.
// A duration of zero ends all drains at once. next is the first deadline, zero
// if nothing drains.
func Drain(departures []Departure, duration time.Duration, now time.Time) (staying []Departure, next time.Time) {
	if duration <= 0 {
		return nil, time.Time{}
	}
	for _, d := range departures {
		if d.Deadline.IsZero() {
			d.Deadline = deadline(duration, now)
		}
		if !d.Deadline.After(now) {
			continue
		}
		staying = append(staying, d)
		if next.IsZero() || d.Deadline.Before(next) {
			next = d.Deadline
		}
	}
	return staying, next
}

// deadline keeps the reading of the monotonic clock, so that a step of the wall
// clock does not change how long a drain takes.
func deadline(duration time.Duration, now time.Time) time.Time {
	second := now.Add(duration + time.Second - 1).Truncate(time.Second)
	return now.Add(second.Sub(now))
}
