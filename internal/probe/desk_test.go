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
	p := &probe{addr: addr, due: d.now, place: nowhere}
	for _, n := range namespaces {
		t := d.tenants[n]
		t.checks++
		m := &member{sub: &subscription{tenant: t}, states: []health.State{health.Seed(verdict)}}
		p.links = append(p.links, link{m, 0})
	}
	d.probes = append(d.probes, p)
	d.place(p)
	return p
}

// start starts all that may be started, and checks each of these decisions.
func (d *desk) start(fatalf func(string, ...any)) {
	d.advance(d.now)
	for p := d.next(d.now); p != nil; p = d.next(d.now) {
		switch before := d.free[live] + 1; {
		case p.due > d.now || p.in != nil || slices.Contains(d.running, p):
			fatalf("a check was started that is not due, or queued, or running")
		case p.lane.running-1 >= shareOfFree*before:
			fatalf("%s got slot %d with %d free", p.lane.tenant.namespace, p.lane.running, before)
		case p.lane.class == gone && p.lane.running-1 >= shareOfFree*(d.free[gone]+1):
			fatalf("%s got slot %d for gone targets with %d free", p.lane.tenant.namespace, p.lane.running, d.free[gone]+1)
		}
		d.running = append(d.running, p)
	}
}

// end ends a running check; its next one is due after a pause.
func (d *desk) end(i int, pause int64) {
	p := d.running[i]
	d.running = slices.Delete(d.running, i, i+1)
	d.release(p)
	if slices.Contains(d.probes, p) {
		p.due = d.now + pause
		d.place(p)
	}
}

// drop makes a probe unwanted.
func (d *desk) drop(i int) {
	d.withdraw(d.probes[i])
	d.probes = slices.Delete(d.probes, i, i+1)
}

// check compares the accounts with what is running, and looks for checks that
// wait without a reason.
func (d *desk) check(fatalf func(string, ...any)) {
	type address struct {
		*tenant
		netip.Addr
	}
	total, lanes, addresses := [classes]int{}, map[*lane]int{}, map[address]int{}
	for _, p := range d.running {
		total[p.lane.class]++
		lanes[p.lane]++
		addresses[address{p.lane.tenant, p.addr}]++
	}
	if total[live]+total[gone] > d.limit[live] || total[gone] > d.limit[gone] || d.inFlight() != len(d.running) {
		fatalf("%v running, %d counted, with limits %v", total, d.inFlight(), d.limit)
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
		if p.in == nil {
			fatalf("a probe is lost")
		}
		if busy := addresses[address{p.lane.tenant, p.addr}] >= maxInFlightPerAddress; p.due <= d.now && d.entitled(p.lane) && !busy {
			fatalf("a check of %s waits although there is room for it", p.lane.tenant.namespace)
		}
	}
}
