// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import "net/netip"

// class of a check by what is known about its target. Targets that are gone
// mostly time out, and take far more time each than live ones; they must not
// starve them.
type class int

const (
	live class = iota
	gone       // the namespace holds the target to be Unhealthy
	classes
)

// tenant is the account of one namespace.
type tenant struct {
	namespace string
	alone     []string // the namespace, for probes that nobody else wants
	lanes     [classes]lane

	subscriptions int
	checks        int // that its subscribers want, whoever else wants them too
	// away are the subscriptions of which targets were turned away, in the order
	// in which they are told of room.
	away []*subscription
	// unknown and seeded are its first checks: of Unknown targets, and of those
	// whose verdict was taken over.
	unknown, seeded firstChecks

	perAddress map[netip.Addr]int // running checks
}

func newTenant(namespace string, unknown, seeded *int) *tenant {
	t := &tenant{
		namespace:  namespace,
		alone:      []string{namespace},
		unknown:    firstChecks{namespaces: unknown},
		seeded:     firstChecks{namespaces: seeded},
		perAddress: map[netip.Addr]int{},
	}
	for c := range t.lanes {
		t.lanes[c] = lane{tenant: t, class: class(c), waiting: map[netip.Addr]*heap[*claim]{}, place: nowhere, rank: nowhere}
	}
	return t
}

func (t *tenant) running() int { return t.lanes[live].running + t.lanes[gone].running }

// lane is the checks of one class of a namespace: those that run, and those
// that are to be started, by when they are due.
type lane struct {
	tenant *tenant
	class  class
	queue  heap[*claim]
	// waiting are claims to probes that must not start before a check of their address
	// has ended, by when they are due.
	waiting map[netip.Addr]*heap[*claim]

	running int
	// oldest are those that run and are not about to be ended, by their starts.
	oldest heap[*probe]
	rank   int // among the busiest
	// Of a lane of which a check was ended for others, no more than so many run
	// until so long after: or it would take the slot back as soon as it is free.
	most      int
	curbed    int64
	lastStart int64 // its number among all starts
	stage     stage
	place     int   // in the heap of its stage
	next      *lane // of those that are ready
}

// stage is where a lane is in the dispatcher.
type stage int

const (
	idle   stage = iota // nothing of it is known to be due
	ready               // has its turn after those that were ready before
	held                // has its share of the slots already
	barred              // has as many as it may until it is not curbed any more
)

// ready returns the claim that is to be started next, or nil. Those whose address
// is busy are set aside.
func (l *lane) ready(now int64) *claim {
	for !l.queue.empty() {
		due, c := l.queue.least()
		if due > now {
			break
		}
		if l.tenant.perAddress[c.probe.addr] < maxInFlightPerAddress {
			return c
		}
		l.queue.remove(&c.place)
		l.wait(c)
	}
	return nil
}

// due counts the claims in the queue that are due, up to a limit.
func (l *lane) due(now int64, limit int) int { return min(limit, l.queue.count(0, now, limit)) }

// wait sets a claim aside until a check of its address has ended.
func (l *lane) wait(c *claim) {
	w := l.waiting[c.probe.addr]
	if w == nil {
		w = &heap[*claim]{}
		l.waiting[c.probe.addr] = w
	}
	c.in = w
	w.set(c, &c.place, c.due)
}

// resumable takes out the first claim that waits for its address, if it need
// not wait any longer, or returns nil.
func (l *lane) resumable(addr netip.Addr) *claim {
	w := l.waiting[addr]
	if w == nil || l.tenant.perAddress[addr] >= maxInFlightPerAddress {
		return nil
	}
	_, c := w.least()
	l.unwait(c)
	return c
}

// unwait takes out a claim that was set aside.
func (l *lane) unwait(c *claim) {
	c.in.remove(&c.place)
	if c.in.empty() {
		delete(l.waiting, c.probe.addr)
	}
	c.in = nil
}

// firstChecks spreads the first checks of a namespace.
type firstChecks struct {
	slot       int64 // next free time
	expected   int   // claims to probes that have not been checked yet
	namespaces *int  // that expect any, of all
}

// take returns the next free time, and takes it if it comes before latest. The
// more namespaces expect first checks, the farther apart those of each are.
func (f *firstChecks) take(now, latest int64) int64 {
	next := max(now, f.slot)
	if next >= latest {
		return latest
	}
	f.slot = next + int64(firstGap)*int64(max(1, *f.namespaces))
	return next
}
