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

	upcoming heap[*lane] // those that are idle, by when they will be due
	first    *lane       // of those that are ready
	last     *lane
	held     [classes]heap[*lane] // by how many checks they run, then by their last start
	starts   int64                // of all checks, ever
	served   class                // that got the last slot
}

func newDispatcher(limit int) dispatcher {
	limits := [classes]int{live: limit, gone: max(1, limit/2)}
	return dispatcher{limit: limits, free: limits}
}

// inFlight returns how many checks are running.
func (d *dispatcher) inFlight() int { return d.limit[live] - d.free[live] }

// place queues a probe, for whom and as what it counts now.
func (d *dispatcher) place(p *probe) {
	d.withdraw(p)
	c := live
	if p.unhealthy() {
		c = gone
	}
	p.lane = &p.payer().lanes[c]
	d.queue(p)
}

// queue puts a probe into the queue of its lane.
func (d *dispatcher) queue(p *probe) {
	p.in = &p.lane.queue
	p.in.set(p, &p.place, p.due)
	d.rearrange(p.lane)
}

// withdraw takes a probe out of what it is queued in.
func (d *dispatcher) withdraw(p *probe) {
	switch p.in {
	case nil:
	case &p.lane.queue:
		p.in.remove(&p.place)
		p.in = nil
		d.rearrange(p.lane)
		d.resume(p.lane, p.addr)
	default:
		p.lane.unwait(p)
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
func (d *dispatcher) next(now int64) *probe {
	for l := d.turn(); l != nil; l = d.turn() {
		if p := l.pop(now); p != nil {
			d.take(p)
			d.enqueue(l)
			return p
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
func (d *dispatcher) turn() *lane {
	for _, c := range [classes]class{classes - 1 - d.served, d.served} {
		if d.held[c].empty() {
			continue
		}
		if _, l := d.held[c].least(); d.entitled(l) {
			d.held[c].remove(&l.place)
			d.enqueue(l)
		}
	}
	for d.first != nil {
		l := d.first
		if d.first = l.next; d.first == nil {
			d.last = nil
		}
		l.next = nil
		if d.entitled(l) {
			return l
		}
		l.stage = held
		d.hold(l)
	}
	return nil
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

func (d *dispatcher) take(p *probe) {
	l := p.lane
	d.starts++
	d.served, l.lastStart = l.class, d.starts
	l.running++
	l.tenant.perAddress[p.addr]++
	d.free[live]--
	if l.class == gone {
		d.free[gone]--
	}
}

// release gives back the slot of a check that has ended.
func (d *dispatcher) release(p *probe) {
	l := p.lane
	l.running--
	d.free[live]++
	if l.class == gone {
		d.free[gone]++
	}
	if l.stage == held {
		d.hold(l)
	}
	if l.tenant.perAddress[p.addr]--; l.tenant.perAddress[p.addr] == 0 {
		delete(l.tenant.perAddress, p.addr)
	}
	for c := range l.tenant.lanes {
		d.resume(&l.tenant.lanes[c], p.addr)
	}
}

// resume queues one of a lane's probes that waited for their address, if it
// need not wait any longer. It may have to again when it has its turn.
func (d *dispatcher) resume(l *lane, addr netip.Addr) {
	if next := l.resumable(addr); next != nil {
		d.queue(next)
	}
}
