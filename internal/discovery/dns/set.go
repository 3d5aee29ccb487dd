// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"net/netip"
	"slices"
	"time"
)

const (
	// confirmations are how many definitive answers in a row, with no failure
	// among them, it takes to believe that a name has lost everything it had.
	confirmations = 3
	// maxConfirmPause bounds the pauses between those. In the TTL, a cache says the
	// same again, which confirms nothing.
	maxConfirmPause = 30 * time.Second
	// maxBackoff bounds the pauses between queries that fail, unless the TTL is
	// longer.
	maxBackoff = 30 * time.Second
)

// set is the state of one question. It reads no clock: step is told the time.
//
// Absences are measured on a clock of its own, which runs only while answers
// come: nobody can be missed while nobody knows.
type set struct {
	minTTL, maxTTL time.Duration

	snapshot *Snapshot // nil before the first step
	addrs    pool[netip.Addr]
	services pool[Service]

	ttl      time.Duration // of the last definitive answer, within the bounds
	heard    time.Time     // when that came
	clock    time.Duration
	returned peak // absences after which records came back
	emptied  int  // definitive answers in a row that had nothing
	failures int  // in a row
}

func newSet(minTTL, maxTTL time.Duration) *set {
	return &set{
		minTTL: minTTL, maxTTL: maxTTL, ttl: minTTL,
		addrs:    pool[netip.Addr]{compare: netip.Addr.Compare, limit: MaxAddrs},
		services: pool[Service]{compare: compareHosts, limit: MaxServices},
	}
}

// step takes what a query brought and returns the pause until the next one.
func (s *set) step(a *answer, now time.Time) (pause time.Duration) {
	var next Snapshot
	if s.snapshot != nil {
		next = *s.snapshot
	}
	next.Outcome, next.Unconfirmed = a.outcome, false
	if a.outcome.Definitive() {
		pause = s.learn(a, now, &next)
	} else {
		pause = s.fail(now, &next)
	}
	if !s.snapshot.equal(&next) {
		s.snapshot = &next
	}
	return pause
}

// fail leaves everything as it is. It asks again soon, and ever more seldom.
func (s *set) fail(now time.Time, next *Snapshot) (pause time.Duration) {
	s.emptied = 0
	if next.FailingSince.IsZero() {
		next.FailingSince = now
	}
	most := min(max(s.minTTL, s.ttl, maxBackoff), s.maxTTL)
	pause = s.minTTL
	for range s.failures {
		if pause *= 2; pause >= most {
			return most
		}
	}
	s.failures++
	return min(pause, most)
}

func (s *set) learn(a *answer, now time.Time, next *Snapshot) (pause time.Duration) {
	s.failures = 0
	next.FailingSince = time.Time{}
	if next.Definitive.IsZero() {
		next.Definitive = now
	} else {
		// What lies farther back was missed, and not seen.
		s.clock += max(0, min(now.Sub(s.heard), 2*s.ttl))
	}
	s.heard, s.ttl = now, min(max(a.ttl, s.minTTL), s.maxTTL)
	next.Chain, next.Dropped = a.chain, a.dropped
	if a.outcome == Answered {
		s.emptied = 0
		next.Settled = next.Settled || s.clock >= s.retention(s.ttl)
		s.addrs.take(s, a.addrs)
		s.services.take(s, a.services)
		next.Addrs, next.Services = s.addrs.members(), s.services.members()
		slices.SortFunc(next.Services, compareServices)
		return s.ttl
	}
	if s.emptied++; s.emptied < confirmations {
		next.Unconfirmed = len(next.Addrs)+len(next.Services) > 0
		if next.Unconfirmed || !next.Settled {
			return max(s.minTTL, min(s.ttl, maxConfirmPause))
		}
		return s.ttl
	}
	s.addrs.known, s.services.known, s.returned = nil, nil, peak{}
	next.Addrs, next.Services, next.Settled = nil, nil, true
	return s.ttl
}
