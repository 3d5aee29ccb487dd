// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package sliceplan

import (
	"cmp"
	"slices"
)

// compact frees slices of a group that endpoints are taken away from, by the
// rule that the package states. limit is the size of a slice.
func (g *group) compact(limit int) {
	if !g.shrunk {
		return
	}
	list := g.byCount()
	freed := surplus(list, limit)
	if freed == 0 {
		return
	}
	receivers := receiversOf(list[freed:], limit)
	for _, donor := range list[:freed] {
		moving := donor.endpoints()
		for len(moving) > 0 {
			r := receivers[0]
			n := min(len(moving), r.room(limit))
			r.add(moving[:n]...)
			moving = moving[n:]
			if r.room(limit) == 0 {
				receivers = receivers[1:]
			}
		}
		donor.kept, donor.count = donor.kept[:0], 0
	}
}

// byCount lists the slices that have endpoints, the emptiest first. Of those
// with as many, one that is written anyway stays, then the one that was named
// first. New slices stay, so they are behind all others.
func (g *group) byCount() []*draft {
	var list []*draft
	for _, d := range slices.Backward(g.drafts) {
		if d.count > 0 {
			list = append(list, d)
		}
	}
	slices.SortStableFunc(list, func(a, b *draft) int {
		return cmp.Or(
			compareBool(a.live == nil, b.live == nil),
			cmp.Compare(a.count, b.count),
			compareBool(a.dirty, b.dirty),
		)
	})
	return list
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// room for other endpoints.
func (d *draft) room(limit int) int {
	if d.gives {
		return 0
	}
	return max(limit-d.count, 0)
}

// surplus is how many slices from the beginning of the list to free: as many as
// gives the largest surplus over the others that are written only for that,
// and the fewest of those.
func surplus(list []*draft, limit int) int {
	room, written := 0, 0 // in all slices, and in those that are written anyway
	for _, d := range list {
		room += d.room(limit)
		if d.dirty {
			written += d.room(limit)
		}
	}
	best, most, moving := 0, 0, 0
	for i, d := range list {
		moving += d.count
		room -= d.room(limit)
		if moving > room { // at the latest for a new slice, since all of those but one are full
			break
		}
		if d.dirty {
			written -= d.room(limit)
		}
		if gain := i + 1 - touch(list[i+1:], limit, moving-written, i+1-most); gain > most {
			best, most = i+1, gain
		}
	}
	return best
}

// touch counts the slices, not written otherwise, that it takes to make room
// for so many endpoints, or bound if it takes that many. The list begins with
// those that have the most room.
func touch(list []*draft, limit, endpoints, bound int) int {
	touched := 0
	for _, d := range list {
		if endpoints <= 0 {
			break
		}
		if room := d.room(limit); !d.dirty && room > 0 {
			if touched+(endpoints+room-1)/room >= bound {
				return bound
			}
			endpoints -= room
			touched++
		}
	}
	return touched
}

// receiversOf lists the slices that have room: those that are written anyway,
// the fullest first, then the others, the emptiest first.
func receiversOf(list []*draft, limit int) []*draft {
	var written, others []*draft
	for _, d := range list {
		switch {
		case d.room(limit) == 0:
		case d.dirty:
			written = append(written, d)
		default:
			others = append(others, d)
		}
	}
	slices.SortStableFunc(written, func(a, b *draft) int { return cmp.Compare(b.count, a.count) })
	return append(written, others...)
}
