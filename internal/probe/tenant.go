// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"cmp"
	"net/netip"
	"slices"
)

// class of a check by what is known about its target. Targets that are gone
// mostly time out, and take far more time each than live ones; they must not
// starve them.
type class int

const (
	live class = iota
	gone       // everybody holds the target to be Unhealthy
	classes
)

// tenant is the account of one namespace.
type tenant struct {
	namespace string
	alone     []string // the namespace, for probes that nobody else wants
	lanes     [classes]lane

	subscriptions int
	checks        int // that its subscribers want, whoever else wants them too
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
		t.lanes[c] = lane{tenant: t, class: class(c), waiting: map[netip.Addr]*heap[*probe]{}, place: nowhere}
	}
	return t
}

func (t *tenant) running() int { return t.lanes[live].running + t.lanes[gone].running }

// lane is the checks of one class of a namespace: those that run, and those
// that are to be started, by when they are due.
type lane struct {
	tenant *tenant
	class  class
	queue  heap[*probe]
	// waiting are probes that must not start before a check of their address
	// has ended, by when they are due.
	waiting map[netip.Addr]*heap[*probe]

	running   int
	lastStart int64 // its number among all starts
	stage     stage
	place     int   // in the heap of its stage
	next      *lane // of those that are ready
}

// stage is where a lane is in the dispatcher.
type stage int

const (
	idle  stage = iota // nothing of it is known to be due
	ready              // has its turn after those that were ready before
	held               // has its share of the slots already
)

// pop takes out the probe that is to be started next, or returns nil. Those
// whose address is busy are set aside.
func (l *lane) pop(now int64) *probe {
	for !l.queue.empty() {
		due, p := l.queue.least()
		if due > now {
			break
		}
		l.queue.remove(&p.place)
		p.in = nil
		if l.tenant.perAddress[p.addr] < maxInFlightPerAddress {
			return p
		}
		l.wait(p)
	}
	return nil
}

// wait sets a probe aside until a check of its address has ended.
func (l *lane) wait(p *probe) {
	w := l.waiting[p.addr]
	if w == nil {
		w = &heap[*probe]{}
		l.waiting[p.addr] = w
	}
	p.in = w
	w.set(p, &p.place, p.due)
}

// resumable takes out the first probe that waits for its address, if it need
// not wait any longer, or returns nil.
func (l *lane) resumable(addr netip.Addr) *probe {
	w := l.waiting[addr]
	if w == nil || l.tenant.perAddress[addr] >= maxInFlightPerAddress {
		return nil
	}
	_, p := w.least()
	l.unwait(p)
	return p
}

// unwait takes out a probe that was set aside.
func (l *lane) unwait(p *probe) {
	p.in.remove(&p.place)
	if p.in.empty() {
		delete(l.waiting, p.addr)
	}
	p.in = nil
}

// firstChecks spreads the first checks of a namespace.
type firstChecks struct {
	slot       int64 // next free time
	expected   int   // probes that have not been checked yet
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

// expect counts a probe that has never been checked.
func (f *firstChecks) expect(p *probe) {
	if p.first == f {
		return
	}
	p.settle()
	p.first = f
	if f.expected++; f.expected == 1 {
		*f.namespaces++
	}
}

// settle ends what expect began.
func (p *probe) settle() {
	if p.first == nil {
		return
	}
	if p.first.expected--; p.first.expected == 0 {
		*p.first.namespaces--
		p.first.slot = 0 // of targets that have gone, before they were checked
	}
	p.first = nil
}

// firstChecks returns those that a probe's first check is one of.
func (p *probe) firstChecks() *firstChecks {
	t := p.payer()
	if p.undecided() {
		return &t.unknown
	}
	return &t.seeded
}

// payer returns the namespace for which a probe's checks count: of those that
// want it, the one that wants the fewest checks, so that a namespace with very
// many cannot draw those of another into its own queue.
func (p *probe) payer() *tenant {
	t := p.links[0].tenant()
	for _, l := range p.links[1:] {
		if o := l.tenant(); o != t && cmp.Or(cmp.Compare(o.checks, t.checks), cmp.Compare(o.namespace, t.namespace)) < 0 {
			t = o
		}
	}
	return t
}

// wantedBy returns the namespaces that want a probe, each once, in order. It
// makes a list only if there are several.
func (p *probe) wantedBy() []string {
	first := p.links[0].tenant()
	if !slices.ContainsFunc(p.links, func(l link) bool { return l.tenant() != first }) {
		return first.alone
	}
	var names []string
	for _, l := range p.links {
		names = append(names, l.tenant().namespace)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
