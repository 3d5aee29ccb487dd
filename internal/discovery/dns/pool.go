// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"cmp"
	"slices"
	"time"
)

// maxStretch bounds by how much returning records lengthen the retention, and how
// long those that left are remembered.
const maxStretch = 15 * time.Minute

// retention returns how long a record with a TTL stays a member while answers lack
// it: three TTLs, and twice the absence after which others came back of late.
func (s *set) retention(ttl time.Duration) time.Duration {
	return max(s.least, 3*ttl, min(2*s.returned.at(s.clock), maxStretch))
}

// pool is the records of a question: the members, and those that left and may
// come back.
//
// Members that are in an answer stay, however many records it has. At its limit
// of members it lets only those in, in the place of members that are missing,
// which two answers in a row had: letting each answer push out others would never
// come to rest where answers are parts of a greater pool.
type pool[R any] struct {
	compare func(a, b R) int // 0: the same record
	order   func(a, b R) int // of the members, for readers; nil: as compare
	limit   int              // of members
	most    int              // members that are in one answer, unless they were members before
	known   []record[R]      // sorted; at most limit members and as many that left
	waiting []R              // sorted; what the last answer had and there was no room for
	chains  []*chain         // by which known records came, the last one first
}

type record[R any] struct {
	data R
	// ttl is the longest of the answers since the last one that had it, inclusive:
	// caches tell what is left of it.
	ttl time.Duration
	// missing, since a time on the clock of the set, from all answers.
	missing bool
	since   time.Duration
	left    bool   // is no member any more
	fresh   bool   // is in the answer being taken
	by      *chain // of the last answer that had it
}

// take makes an answer's records members and judges those that it lacks, unless
// it has more than were read. It returns whether there was one that was not known,
// and how many are no members.
func (p *pool[R]) take(s *set, a *answer, data []R) (novel bool, excess int) {
	by := p.via(a.chain)
	var candidates []R
	room := p.most
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
		} else {
			room--
		}
		r.data, r.ttl, r.missing, r.fresh, r.by = d, s.ttl, false, true, by
	}
	p.judge(s, a.dropped == 0)
	before := len(p.known)
	admitted := p.admit(candidates, room)
	for _, d := range admitted {
		if i, found := slices.BinarySearchFunc(p.known[:before], d, p.find); found {
			p.known[i].left = false
		} else {
			p.known = append(p.known, record[R]{data: d, ttl: s.ttl, by: by})
		}
	}
	if novel = len(p.known) > before; novel {
		slices.SortFunc(p.known, func(a, b record[R]) int { return p.compare(a.data, b.data) })
	}
	p.forget(s)
	p.keepChains()
	return novel, len(candidates) - len(admitted) + a.dropped
}

func (p *pool[R]) find(r record[R], data R) int { return p.compare(r.data, data) }

// judge lets go of members that have been missing for long enough.
func (p *pool[R]) judge(s *set, whole bool) {
	for i := range p.known {
		r := &p.known[i]
		if r.fresh || !whole {
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

// admit returns the candidates that become members, of which there may be so many,
// and makes room for them.
func (p *pool[R]) admit(candidates []R, most int) (admitted []R) {
	free, absent := p.limit, 0
	for i := range p.known {
		if r := &p.known[i]; !r.left {
			free--
			if r.missing {
				absent++
			}
		}
	}
	evicted := 0
	var waiting []R
	for _, d := range candidates {
		switch {
		case len(admitted) >= most:
			continue
		case free > 0:
			free--
		case evicted < absent && p.waits(d):
			evicted++
		default:
			if len(waiting) < p.most {
				waiting = append(waiting, d)
			}
			continue
		}
		admitted = append(admitted, d)
	}
	slices.SortFunc(waiting, p.compare)
	p.waiting = waiting
	p.evict(evicted)
	return admitted
}

// waits says whether the last answer had a record, and there was no room for it.
func (p *pool[R]) waits(data R) bool {
	_, found := slices.BinarySearchFunc(p.waiting, data, p.compare)
	return found
}

// evict lets go of the members that have been missing for the longest time.
func (p *pool[R]) evict(n int) {
	if n == 0 {
		return
	}
	var absent []*record[R]
	for i := range p.known {
		if r := &p.known[i]; !r.left && r.missing {
			absent = append(absent, r)
		}
	}
	slices.SortStableFunc(absent, func(a, b *record[R]) int { return cmp.Compare(a.since, b.since) })
	for _, r := range absent[:n] {
		r.left = true
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

// longest returns the longest TTL of a member.
func (p *pool[R]) longest() (ttl time.Duration) {
	for i := range p.known {
		if !p.known[i].left {
			ttl = max(ttl, p.known[i].ttl)
		}
	}
	return ttl
}

// members returns them with the chain by which each came: nil if there is none. If
// they have an order of their own, those that answers lack come last, unless records
// come back, which each answer would reorder.
func (p *pool[R]) members(s *set) (members []R, chains []*chain) {
	known := p.known
	if p.order != nil {
		known = slices.SortedFunc(slices.Values(known), func(a, b record[R]) int { return p.order(a.data, b.data) })
		if s.returned.at(s.clock) == 0 {
			missing := func(r record[R]) bool { return r.missing }
			known = slices.Concat(slices.DeleteFunc(slices.Clone(known), missing), slices.DeleteFunc(known, func(r record[R]) bool { return !r.missing }))
		}
	}
	for i := range known {
		if r := &known[i]; !r.left {
			if members = append(members, r.data); len(p.chains) > 0 {
				chains = append(chains, r.by)
			}
		}
	}
	return members, chains
}

// clear forgets all records.
func (p *pool[R]) clear() { p.known, p.waiting, p.chains = nil, nil, nil }

// missing says which members answers lack; nil: none, or records come back.
func (p *pool[R]) missing(s *set, members []R) (list []bool) {
	if s.returned.at(s.clock) > 0 {
		return nil
	}
	for i, m := range members {
		if n, found := slices.BinarySearchFunc(p.known, m, p.find); found && p.known[n].missing {
			if list == nil {
				list = make([]bool, len(members))
			}
			list[i] = true
		}
	}
	return list
}
