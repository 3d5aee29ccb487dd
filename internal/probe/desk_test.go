// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"fmt"
	"net/netip"
	"slices"

	"externalbackend.dev/operator/internal/health"
)

// desk drives a dispatcher without a scheduler. Its time is a number.
type desk struct {
	dispatcher

	now     int64
	tenants []*tenant
	probes  []*probe // that are wanted
	running []*probe // in the order of their starts, with those not wanted any more
}

func newDesk(limit, namespaces int) *desk {
	d := &desk{dispatcher: newDispatcher(limit)}
	for i := range namespaces {
		d.tenants = append(d.tenants, newTenant(fmt.Sprintf("ns-%d", i), new(int), new(int)))
	}
	return d
}

// want makes a probe that is due now, wanted by some of the namespaces.
func (d *desk) want(addr netip.Addr, verdict health.Verdict, namespaces ...int) *probe {
	p := &probe{addr: addr, place: nowhere}
	for _, n := range namespaces {
		m := &member{sub: &subscription{tenant: d.tenants[n]}, states: []health.State{health.Seed(verdict)}}
		c, _ := p.claimOf(d.tenants[n])
		c.links, c.due = append(c.links, link{m, 0}), d.now
		d.place(c)
	}
	d.probes = append(d.probes, p)
	return p
}

// start starts all that may be started, and checks each of these decisions.
func (d *desk) start(fatalf func(string, ...any)) {
	d.advance(d.now)
	for c := d.next(d.now); c != nil; c = d.next(d.now) {
		queued := func(c *claim) bool { return c.in != nil }
		switch before := d.free[live] + 1; {
		case c.due > d.now || slices.ContainsFunc(c.probe.claims, queued) || slices.Contains(d.running, c.probe):
			fatalf("a check was started that is not due, or queued, or running")
		case c.lane.running-1 >= shareOfFree*before:
			fatalf("%s got slot %d with %d free", c.lane.tenant.namespace, c.lane.running, before)
		case c.lane.class == gone && c.lane.running-1 >= shareOfFree*(d.free[gone]+1):
			fatalf("%s got slot %d for gone targets with %d free", c.lane.tenant.namespace, c.lane.running, d.free[gone]+1)
		}
		d.running = append(d.running, c.probe)
	}
}

// end ends a running check; its next one is due after a pause.
func (d *desk) end(i int, pause int64) {
	p := d.running[i]
	d.running = slices.Delete(d.running, i, i+1)
	d.release(p)
	if slices.Contains(d.probes, p) {
		for _, c := range p.claims {
			c.due = d.now + pause
			d.place(c)
		}
	}
}

// evictAll ends what is to be ended for others, and checks each of these
// decisions. It returns how many they are.
func (d *desk) evictAll(fatalf func(string, ...any)) (ended int) {
	waiting := 0
	for _, p := range d.probes {
		if !p.running() && p.due() <= d.now {
			waiting++
		}
	}
	for _, p := range d.evict(d.now) {
		least := d.limit[live]
		for _, q := range d.probes {
			for _, c := range q.claims {
				if c.in != nil && c.due <= d.now {
					least = min(least, c.lane.running)
				}
			}
		}
		if len(p.payer.oldest.slots) <= least {
			fatalf("a check was ended of a lane that runs %d, for one that runs %d", p.payer.running, least)
		}
		ended++
	}
	if ended > waiting {
		fatalf("%d checks were ended for %d that wait", ended, waiting)
	}
	return ended
}

// settle ends checks for others, and starts those that come to their turn by it,
// until none is to be ended any more. It returns how many were ended.
func (d *desk) settle(fatalf func(string, ...any)) (ended int) {
	for range d.limit[live] {
		d.start(fatalf)
		d.check(fatalf)
		n := d.evictAll(fatalf)
		if n == 0 {
			return ended
		}
		ended += n
		for i, p := range slices.Backward(slices.Clone(d.running)) {
			if p.place == nowhere {
				d.end(i, 0)
			}
		}
	}
	fatalf("checks are ended for others without an end")
	return ended
}

// drop makes a probe unwanted.
func (d *desk) drop(i int) {
	for _, c := range d.probes[i].claims {
		d.withdraw(c)
	}
	d.probes[i].claims = nil
	d.probes = slices.Delete(d.probes, i, i+1)
}

// check compares the accounts with what is running, and looks for checks that
// wait without a reason: each waits in the queue of every namespace that wants
// it, for a slot that this namespace may not have, or for an address that this
// namespace keeps busy.
func (d *desk) check(fatalf func(string, ...any)) {
	type address struct {
		*tenant
		netip.Addr
	}
	total, lanes, addresses, leaving := [classes]int{}, map[*lane]int{}, map[address]int{}, 0
	for _, p := range d.running {
		total[p.payer.class]++
		lanes[p.payer]++
		addresses[address{p.payer.tenant, p.addr}]++
		if p.place == nowhere {
			leaving++
		}
	}
	if total[live]+total[gone] > d.limit[live] || total[gone] > d.limit[gone] || d.inFlight() != len(d.running) || leaving != d.leaving {
		fatalf("%v running, %d counted, with limits %v; %d are to end, %d counted", total, d.inFlight(), d.limit, leaving, d.leaving)
	}
	for a, n := range addresses {
		if n > maxInFlightPerAddress || n != a.perAddress[a.Addr] {
			fatalf("%d checks of one address, %d counted", n, a.perAddress[a.Addr])
		}
	}
	for _, t := range d.tenants {
		for c := range t.lanes {
			if l := &t.lanes[c]; l.running != lanes[l] {
				fatalf("%d checks count for %s, want %d", l.running, t.namespace, lanes[l])
			}
		}
	}
	for _, p := range d.probes {
		if slices.Contains(d.running, p) {
			continue
		}
		for _, c := range p.claims {
			busy := addresses[address{c.lane.tenant, p.addr}] >= maxInFlightPerAddress
			switch {
			case c.in == nil:
				fatalf("a probe is lost for %s", c.lane.tenant.namespace)
			case c.due <= d.now && d.entitled(c.lane) && !busy && (c.lane.curbed <= d.now || c.lane.running < c.lane.most):
				fatalf("a check of %s waits although there is room for it", c.lane.tenant.namespace)
			}
		}
	}
}
