// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import "time"

// undisturbed is how long every check may run, whoever waits for its slot. Those
// with the usual timeout, 3 s, are never ended before their time.
const undisturbed = 5 * time.Second

// evicted bounds how many more checks are ended at a time; the next ones follow
// when the first have ended.
const evicted = 64

// evict chooses running checks that are to be ended for the sake of lanes that
// have checks due and no slots for them: of the lane that runs the most, the
// check that has run for the longest. Without it, slots would be shared fairly
// among those only who are there when slots become free, and checks may take an
// hour.
//
// No more are chosen than wait, nor than it takes for the least lane to catch up
// with the greatest, so that nobody gains by it who has as much as others.
func (d *dispatcher) evict(now int64) (ended []*probe) {
	for c := range d.held {
		for !d.held[c].empty() {
			_, l := d.held[c].least()
			if l.ready(now) != nil {
				for due := l.due(now, d.leaving+evicted); d.leaving < due; {
					p := d.evictFor(l, now)
					if p == nil {
						break
					}
					ended = append(ended, p)
				}
				break
			}
			d.held[c].remove(&l.place)
			l.stage = idle
			d.rearrange(l)
		}
	}
	return ended
}

// evictFor chooses a check that is to be ended for a lane, or returns nil.
func (d *dispatcher) evictFor(l *lane, now int64) *probe {
	for {
		from := d.busiestFor(l)
		if from == nil || len(from.oldest.slots) <= l.running+d.leaving+1 {
			return nil
		}
		started, p := from.oldest.least()
		if now-started < int64(undisturbed) {
			return nil
		}
		if d.handOver(p, started) {
			continue
		}
		from.oldest.remove(&p.place)
		from.most, from.curbed = len(from.oldest.slots), now+int64(undisturbed)
		d.sort(from)
		d.leaving++
		return p
	}
}

// busiestFor returns the lane that runs the most of those whose slots would do
// for another, or nil.
func (d *dispatcher) busiestFor(l *lane) *lane {
	var most *lane
	for c := range d.busiest {
		if d.busiest[c].empty() || l.class == gone && class(c) == live && d.free[gone] <= d.free[live] {
			continue
		}
		if _, b := d.busiest[c].least(); most == nil || len(b.oldest.slots) > len(most.oldest.slots) {
			most = b
		}
	}
	return most
}

// handOver has a running check count for another namespace that wants it too and
// runs fewer, instead of being ended: it is no worse off than if it had started
// the check itself.
func (d *dispatcher) handOver(p *probe, started int64) bool {
	from := p.payer
	for _, c := range p.claims {
		to := &c.lane.tenant.lanes[c.class()]
		switch {
		case to.tenant == from.tenant || to.running+1 >= len(from.oldest.slots):
		case to.tenant.perAddress[p.addr] >= maxInFlightPerAddress:
		case to.class == gone && from.class == live && d.free[gone] == 0:
		default:
			d.release(p)
			d.charge(p, to, started)
			return true
		}
	}
	return false
}
