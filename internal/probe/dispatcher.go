// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import "net/netip"

// shareOfFree: a lane may start a check while it runs fewer than shareOfFree
// times as many as there are free slots. So a namespace alone leaves an eighth
// of the slots free, k that want all they can get settle at equal shares, and
// in any case whoever runs fewer than the others gets the next slot.
const shareOfFree = 7

// dispatcher decides which check is started next: within a namespace the one
// that is due first, between namespaces each in turn, and of those that have
// their share of the slots already the one that runs the fewest.
//
// Every decision takes O(log n) time, amortised, in checks and namespaces, and
// depends on nothing but what was asked for before. No slot stays free while a
// check is due that may have it.
type dispatcher struct {
	limit [classes]int // of running checks: of all, and of gone targets
	free  [classes]int

	upcoming heap[*lane] // those that are idle or barred, by when they will be due
	first    *lane       // of those that are ready
	last     *lane
	held     [classes]heap[*lane] // by how many checks they run, then by their last start
	starts   int64                // of all checks, ever
	served   class                // that got the last slot

	busiest [classes]heap[*lane] // those that run checks, the one with the most first
	leaving int                  // checks that run and were told to end for the sake of others
}

func newDispatcher(limit int) dispatcher {
	limits := [classes]int{live: limit, gone: max(1, limit/2)}
	return dispatcher{limit: limits, free: limits}
}

// inFlight returns how many checks are running.
func (d *dispatcher) inFlight() int { return d.limit[live] - d.free[live] }

// place queues a claim, as what it counts now.
func (d *dispatcher) place(c *claim) {
	d.withdraw(c)
	c.lane = &c.lane.tenant.lanes[c.class()]
	d.queue(c)
}

// queue puts a claim into the queue of its lane.
func (d *dispatcher) queue(c *claim) {
	c.in = &c.lane.queue
	c.in.set(c, &c.place, c.due)
	d.rearrange(c.lane)
}

// withdraw takes a claim out of what it is queued in.
func (d *dispatcher) withdraw(c *claim) {
	switch c.in {
	case nil:
	case &c.lane.queue:
		c.in.remove(&c.place)
		c.in = nil
		d.rearrange(c.lane)
		d.resume(c.lane, c.probe.addr)
	default:
		c.lane.unwait(c)
	}
}

// rearrange puts an idle lane where its first probe belongs.
func (d *dispatcher) rearrange(l *lane) {
	switch {
	case l.stage != idle:
	case l.queue.empty():
		d.upcoming.remove(&l.place)
	default:
		due, _ := l.queue.least()
		d.upcoming.set(l, &l.place, due)
	}
}

// advance gives a turn to the lanes of which a check is due now.
func (d *dispatcher) advance(now int64) {
	for !d.upcoming.empty() {
		due, l := d.upcoming.least()
		if due > now {
			return
		}
		d.upcoming.remove(&l.place)
		d.enqueue(l)
	}
}

// next takes a slot for the check that is to be started now, or returns nil. It
// looks at lanes that have or had a turn only.
func (d *dispatcher) next(now int64) *claim {
	for l := d.turn(now); l != nil; l = d.turn(now) {
		if c := l.ready(now); c != nil {
			d.take(c, now)
			d.enqueue(l)
			return c
		}
		l.stage = idle
		d.rearrange(l)
	}
	return nil
}

// due returns when a check will be due, apart from those that wait for a turn
// or a slot already.
func (d *dispatcher) due() (due int64, ok bool) {
	if d.upcoming.empty() {
		return 0, false
	}
	due, _ = d.upcoming.least()
	return due, true
}

// turn takes out the lane whose turn it is, or returns nil if none may start
// anything. Lanes that were held come back when they may, one of each class at
// a time.
func (d *dispatcher) turn(now int64) *lane {
	for _, c := range [classes]class{classes - 1 - d.served, d.served} {
		for !d.held[c].empty() {
			_, l := d.held[c].least()
			if !d.entitled(l) {
				break
			}
			d.held[c].remove(&l.place)
			if !d.bar(l, now) {
				d.enqueue(l)
				break
			}
		}
	}
	for d.first != nil {
		l := d.first
		if d.first = l.next; d.first == nil {
			d.last = nil
		}
		l.next = nil
		switch {
		case !d.entitled(l):
			l.stage = held
			d.hold(l)
		case !d.bar(l, now):
			return l
		}
	}
	return nil
}

// bar sets a lane aside that runs as many checks as it may while it is curbed.
func (d *dispatcher) bar(l *lane, now int64) bool {
	if l.curbed <= now || l.running < l.most {
		return false
	}
	l.stage = barred
	d.upcoming.set(l, &l.place, l.curbed)
	return true
}

// hold puts a lane that is held where it belongs.
func (d *dispatcher) hold(l *lane) {
	const bits = 42 // for more starts than ever happen, below any number of slots
	d.held[l.class].set(l, &l.place, int64(l.running)<<bits|l.lastStart)
}

// enqueue gives a lane a turn after all that have one.
func (d *dispatcher) enqueue(l *lane) {
	l.stage = ready
	if d.last == nil {
		d.first = l
	} else {
		d.last.next = l
	}
	d.last = l
}

// entitled says whether a lane may start a check.
func (d *dispatcher) entitled(l *lane) bool {
	free := d.free[live]
	if l.class == gone {
		free = min(free, d.free[gone])
	}
	return l.running < shareOfFree*free
}

// take gives a slot to the probe of a claim, which waits for nobody any more.
func (d *dispatcher) take(c *claim, now int64) {
	for _, o := range c.probe.claims {
		d.withdraw(o)
	}
	d.starts++
	d.served, c.lane.lastStart = c.lane.class, d.starts
	d.charge(c.probe, c.lane, now)
}

// charge has a check that started at a time count for a lane.
func (d *dispatcher) charge(p *probe, l *lane, started int64) {
	p.payer = l
	l.running++
	l.tenant.perAddress[p.addr]++
	d.free[live]--
	if l.class == gone {
		d.free[gone]--
	}
	l.oldest.set(p, &p.place, started)
	d.sort(l)
}

// release gives back the slot of a check that has ended.
func (d *dispatcher) release(p *probe) {
	l := p.payer
	p.payer = nil
	l.running--
	d.free[live]++
	if l.class == gone {
		d.free[gone]++
	}
	if p.place == nowhere {
		d.leaving--
	}
	l.oldest.remove(&p.place)
	d.sort(l)
	if l.tenant.perAddress[p.addr]--; l.tenant.perAddress[p.addr] == 0 {
		delete(l.tenant.perAddress, p.addr)
	}
	for c := range l.tenant.lanes {
		d.resume(&l.tenant.lanes[c], p.addr)
	}
}

// sort puts a lane where it belongs by how many checks it runs.
func (d *dispatcher) sort(l *lane) {
	switch {
	case l.stage == held:
		d.hold(l)
	case l.stage == barred && l.running < l.most:
		d.upcoming.remove(&l.place)
		d.enqueue(l)
	}
	if l.oldest.empty() {
		d.busiest[l.class].remove(&l.rank)
	} else {
		d.busiest[l.class].set(l, &l.rank, -int64(len(l.oldest.slots)))
	}
}

// resume queues one of a lane's claims that waited for their address, if it
// need not wait any longer. It may have to again when it has its turn.
func (d *dispatcher) resume(l *lane, addr netip.Addr) {
	if next := l.resumable(addr); next != nil {
		d.queue(next)
	}
}
