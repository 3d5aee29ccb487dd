// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package ec2

import "time"

const (
	// recheck is the time between two listings while an instance is missing, and
	// after the first failures of a source that was never listed.
	recheck = 5 * time.Second
	// soonAfter is how long a new query waits for others, and gap the least time
	// between the beginnings of two listings.
	soonAfter = 200 * time.Millisecond
	gap       = time.Second
	// Bounds of the time between two listings that fail.
	maxThrottled = 5 * time.Minute
	maxFailing   = 2 * time.Minute
	// widened is how long a listing that was refused is not narrowed again.
	widened = time.Hour
	// jitter is by how much of its length a wait is drawn out at most.
	jitter = 0.1
)

// pace is when the next listing is due.
type pace struct {
	period time.Duration
	due    time.Time
	begun  time.Time // when the last one began
	// failure is why the last one failed, since when, and how many times in a row.
	failure  *Failure
	since    time.Time
	failures int
}

// soon has a listing follow soon, but not sooner than a failure allows.
func (p *pace) soon(now time.Time) {
	if p.failure != nil {
		return
	}
	at := now.Add(soonAfter)
	if least := p.begun.Add(gap); at.Before(least) {
		at = least
	}
	if at.Before(p.due) {
		p.due = at
	}
}

// failed notes that a listing failed, and says whether that is news.
func (p *pace) failed(f *Failure, now time.Time, everListed bool, chance float64) bool {
	p.failures++
	wait, most := p.period, max(p.period, maxFailing)
	if !everListed {
		wait = min(recheck, p.period)
	}
	if f.Kind == Throttled {
		most = max(p.period, maxThrottled)
	}
	for n := 1; n < p.failures && wait < most; n++ {
		wait *= 2
	}
	p.wait(min(wait, most), now, chance)
	return p.note(f, now)
}

// succeeded notes that a listing was complete, and says whether that is news.
func (p *pace) succeeded(now time.Time, again bool, chance float64) bool {
	p.failures = 0
	wait := p.period
	if again {
		wait = min(recheck, wait)
	}
	p.wait(wait, now, chance)
	return p.note(nil, now)
}

func (p *pace) wait(d time.Duration, now time.Time, chance float64) {
	p.due = now.Add(d + time.Duration(jitter*chance*float64(d)))
}

// note keeps a failure, and says whether it is another than before.
func (p *pace) note(f *Failure, now time.Time) bool {
	switch {
	case f == nil:
		p.since = time.Time{}
	case p.failure == nil:
		p.since = now
	}
	if sameFailure(p.failure, f) {
		return false
	}
	p.failure = f
	return true
}
