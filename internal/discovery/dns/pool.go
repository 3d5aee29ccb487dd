// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"slices"
	"time"
)

const (
	// minRetention is the least time for which a record that is missing from
	// answers stays a member.
	minRetention = time.Minute
	// maxStretch bounds by how much returning records lengthen it.
	maxStretch = 15 * time.Minute
)

// retention returns how long a record with a TTL stays a member while answers lack
// it: three TTLs, and twice the absence after which others came back of late.
func (s *set) retention(ttl time.Duration) time.Duration {
	return max(minRetention, 3*ttl, min(2*s.returned.at(s.clock), maxStretch))
}

// pool is the records of a question: the members, and those that left and may
// come back. It is full of members at its limit, and then keeps those it has:
// letting each answer push out others would never come to rest.
type pool[R any] struct {
	compare func(a, b R) int // 0: the same record
	limit   int
	known   []record[R] // sorted; at most limit members and as many that left
}

type record[R any] struct {
	data R
	// ttl is the longest of the answers since the last one that had it, inclusive:
	// caches tell what is left of it.
	ttl time.Duration
	// missing, since a time on the clock of the set, from all answers.
	missing bool
	since   time.Duration
	left    bool // is no member any more
	fresh   bool // is in the answer being taken
}

// take makes an answer's records members and judges those that it lacks.
func (p *pool[R]) take(s *set, data []R) {
	var candidates []R
	for _, d := range data {
		i, found := slices.BinarySearchFunc(p.known, d, p.find)
		if !found {
			candidates = append(candidates, d)
			continue
		}
		r := &p.known[i]
		if r.missing {
			s.returned.add(s.clock-r.since, s.clock)
		}
		if r.left {
			candidates = append(candidates, d)
		}
		r.data, r.ttl, r.missing, r.fresh = d, s.ttl, false, true
	}
	p.judge(s)
	p.admit(s, candidates)
	p.forget(s)
}

func (p *pool[R]) find(r record[R], data R) int { return p.compare(r.data, data) }

// judge lets go of members that have been missing for long enough.
func (p *pool[R]) judge(s *set) {
	for i := range p.known {
		r := &p.known[i]
		if r.fresh {
			r.fresh = false
			continue
		}
		if !r.missing {
			r.missing, r.since = true, s.clock
		}
		r.ttl = max(r.ttl, s.ttl)
		r.left = r.left || s.clock-r.since >= s.retention(r.ttl)
	}
}

// admit makes records members as long as there is room.
func (p *pool[R]) admit(s *set, candidates []R) {
	room := p.limit
	for i := range p.known {
		if !p.known[i].left {
			room--
		}
	}
	for _, d := range candidates[:min(len(candidates), room)] {
		if i, found := slices.BinarySearchFunc(p.known, d, p.find); found {
			p.known[i].left = false
		} else {
			p.known = slices.Insert(p.known, i, record[R]{data: d, ttl: s.ttl})
		}
	}
}

// forget drops those that left so long ago that their return would mean nothing,
// and if they are too many, the last to go missing: of a pool that takes long to
// come round, some must be remembered until they do.
func (p *pool[R]) forget(s *set) {
	var since []time.Duration
	for i := range p.known {
		if p.known[i].left && p.known[i].missing {
			since = append(since, p.known[i].since)
		}
	}
	newest := s.clock + 1
	if len(since) > p.limit {
		slices.Sort(since)
		newest = since[p.limit]
	}
	p.known = slices.DeleteFunc(p.known, func(r record[R]) bool {
		return r.left && r.missing && (r.since >= newest || r.since <= s.clock-maxStretch)
	})
}

func (p *pool[R]) members() []R {
	var members []R
	for i := range p.known {
		if !p.known[i].left {
			members = append(members, p.known[i].data)
		}
	}
	return members
}

// peak is the greatest value of the last hour, or two.
type peak struct {
	recent, before time.Duration
	turned         time.Duration // when recent began
}

const peakWindow = time.Hour

func (p *peak) turn(now time.Duration) {
	if now-p.turned < peakWindow {
		return
	}
	if p.before = p.recent; now-p.turned >= 2*peakWindow {
		p.before = 0
	}
	p.recent, p.turned = 0, now
}

func (p *peak) add(value, now time.Duration) {
	p.turn(now)
	p.recent = max(p.recent, value)
}

func (p *peak) at(now time.Duration) time.Duration {
	p.turn(now)
	return max(p.recent, p.before)
}
