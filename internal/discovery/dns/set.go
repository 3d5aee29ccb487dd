// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"net/netip"
	"time"
)

const (
	// confirmations are how many definitive answers in a row, with no failure
	// among them, it takes at least to believe that a name has lost everything it
	// had.
	confirmations = 3
	// maxBackoff bounds the pauses between queries that fail, unless the TTL is
	// longer.
	maxBackoff = 30 * time.Second
	// sameExpiry is by how much the time can seem to differ at which a cache
	// forgets what it says: TTLs are whole seconds.
	sameExpiry = 2 * time.Second
)

// set is the state of one question. It reads no clock: step is told the time.
//
// Absences are measured on a clock of its own, which runs only while answers
// come: nobody can be missed while nobody knows.
type set struct {
	minTTL, maxTTL time.Duration
	least          time.Duration // as Options.MinRetention

	snapshot *Snapshot // nil before the first step
	addrs    pool[netip.Addr]
	services pool[Service]

	ttl      time.Duration // of the last definitive answer, within the bounds
	heard    time.Time     // when that came
	pause    time.Duration // that was to follow it
	clock    time.Duration
	returned peak[time.Duration] // absences after which records came back
	excess   peak[int]           // records of an answer for which a full pool had no room
	novel    time.Duration       // when, on the clock, an answer last had a record that was not known
	emptied  emptied
	failures int // in a row
}

// emptied is what has been said in a row that a name has nothing.
type emptied struct {
	answers int           // how often
	counted int           // how many of those confirm one another
	since   time.Duration // on the clock of the set
	ttl     time.Duration // the longest, of what is to be lost as well
	expires time.Time     // when caches forget the last one that counts
}

func newSet(minTTL, maxTTL time.Duration) *set {
	return &set{
		minTTL: minTTL, maxTTL: maxTTL, ttl: minTTL, least: DefaultMinRetention,
		addrs:    pool[netip.Addr]{compare: netip.Addr.Compare, limit: MaxAddrs, most: maxAnswerAddrs},
		services: pool[Service]{compare: compareHosts, order: compareServices, limit: MaxServices, most: maxAnswerServices},
		returned: peak[time.Duration]{window: time.Hour},
		excess:   peak[int]{window: maxStretch},
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
	s.emptied = emptied{}
	if next.FailingSince.IsZero() {
		next.FailingSince = now
		s.advance(now)
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

// advance has the clock run on to the end of a query, unless the ones before
// failed. What lies farther back than it was due was missed, and not seen.
func (s *set) advance(now time.Time) {
	if s.failures == 0 && !s.heard.IsZero() {
		s.clock += max(0, min(now.Sub(s.heard), 2*s.pause))
	}
}

func (s *set) learn(a *answer, now time.Time, next *Snapshot) (pause time.Duration) {
	s.advance(now)
	if next.Definitive.IsZero() {
		next.Definitive = now
	}
	s.failures, next.FailingSince = 0, time.Time{}
	s.heard, s.ttl = now, min(max(a.ttl, s.minTTL), s.maxTTL)
	if a.outcome == Answered {
		s.pause = s.ttl
		s.answered(a, next)
	} else {
		s.pause = s.empty(a, next)
	}
	return s.pause
}

func (s *set) answered(a *answer, next *Snapshot) {
	s.emptied = emptied{}
	var novel bool
	if len(a.services) > 0 {
		novel, next.Dropped = s.services.take(s, a, a.services)
		next.Services, next.chains = s.services.members(s)
		next.missing = s.services.missing(s, next.Services)
	} else {
		novel, next.Dropped = s.addrs.take(s, a, a.addrs)
		next.Addrs, next.chains = s.addrs.members(s)
		next.missing = s.addrs.missing(s, next.Addrs)
	}
	if full := len(next.Addrs) == MaxAddrs || len(next.Services) == MaxServices; full {
		s.excess.add(next.Dropped, s.clock)
		next.Dropped = s.excess.at(s.clock)
	}
	if novel {
		s.novel = s.clock
	}
	enough := s.retention(s.ttl)
	next.Settled = next.Settled || s.clock-s.novel >= enough || s.clock >= max(enough, maxStretch)
}

// empty takes the word of an answer that a name has nothing, if there is nothing
// to be lost by it, or it has been confirmed.
func (s *set) empty(a *answer, next *Snapshot) (pause time.Duration) {
	next.Dropped = 0
	if !s.confirm(a) {
		next.Unconfirmed = len(next.Addrs)+len(next.Services) > 0
		if next.Unconfirmed && a.ttl == 0 { // which does not tell for how long caches say it
			return max(s.minTTL, min(s.least/2, s.maxTTL))
		}
		return s.ttl
	}
	s.addrs.clear()
	s.services.clear()
	s.returned.recent, s.returned.before = 0, 0
	next.Addrs, next.Services, next.chains, next.missing, next.Settled = nil, nil, nil, nil, true
	return s.ttl
}

// confirm says whether it has been said often enough that a name has nothing, and
// for no less time than a single record must be missing. What a cache says again
// until it forgets it confirms nothing.
func (s *set) confirm(a *answer) bool {
	e := &s.emptied
	if e.answers == 0 {
		e.since = s.clock
	}
	e.answers++
	expires := s.heard.Add(a.ttl)
	if e.counted == 0 || !s.heard.Before(e.expires) || expires.Sub(e.expires) > sameExpiry {
		e.counted++
		e.expires = expires
	}
	e.ttl = max(e.ttl, s.ttl, s.addrs.longest(), s.services.longest())
	return e.counted >= confirmations && s.clock-e.since >= s.retention(e.ttl)
}

// first is which server the next query begins with: another one for each
// confirmation, so that a server that is wrong does not confirm itself.
func (s *set) first() int {
	if s.snapshot == nil || s.snapshot.Settled && !s.snapshot.Unconfirmed {
		return 0
	}
	return s.emptied.answers
}
