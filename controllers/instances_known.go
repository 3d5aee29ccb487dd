// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"net/netip"
	"time"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/discovery/ec2"
	"externalbackend.dev/operator/internal/sliceplan"
	"externalbackend.dev/operator/internal/target"
	"externalbackend.dev/operator/internal/translate"
)

// instanceIn returns the id of the instance that an address was published for;
// empty if it was not for one. Endpoints of headless Services that are for none have
// the name of their entry, which may look like an id.
func (p *pass) instanceIn(e *sliceplan.Published) string {
	if entry := p.entries[e.Entry]; e.Hostname == e.Entry && entry != nil && entry.EC2 == nil || !translate.IsInstanceID(e.Hostname) {
		return ""
	}
	return e.Hostname
}

// inherit keeps what is published of the entry and was not found, for as long as it
// is not known that it is to go. What is known to be no address of its instance any
// more goes at once, since somebody else may have it by now; the rest drains.
func (f *fleet) inherit() {
	for _, t := range f.found {
		delete(f.p.former, t)
	}
	own := f.p.publishedOf(f.entry.Name)
	for _, e := range own {
		f.keepOrRelease(e)
	}
	if len(own) > 0 || f.listed() {
		return
	}
	// The entry may have got another name while no operator ran.
	for i := range f.p.published {
		e := &f.p.published[i]
		if f.p.instanceIn(e) != "" && f.p.entries[e.Entry] == nil && !f.p.isReplaced(e) && !e.Disabled {
			f.keep(e)
		}
	}
}

// isReplaced says whether it is known that an address was published for something
// else than its entry is now, or for an entry that was removed.
func (p *pass) isReplaced(e *sliceplan.Published) bool {
	addr, err := netip.ParseAddr(e.Address)
	if err != nil {
		return false
	}
	_, replaced := p.former[target.Target{Addr: addr, Entry: e.Entry}]
	return replaced
}

func (f *fleet) keepOrRelease(e *sliceplan.Published) {
	addr, err := netip.ParseAddr(e.Address)
	if err != nil || f.seen[addr] {
		return
	}
	id := f.p.instanceIn(e)
	i := f.byID[id]
	switch {
	case f.r.isLost(f.w, f.p, e):
		f.release(e)
	case !f.listed():
		f.keep(e)
	case id == "" || f.p.isReplaced(e): // it leaves as any other that was removed
	case i != nil && f.deniesInstance(i):
		f.release(e)
	case i != nil && i.Holds(addr): // it drains
	case i == nil && f.isMissing(id):
		f.keep(e)
	default:
		f.release(e)
	}
}

// deniesInstance says whether an instance must not be targeted, be it selected or
// not any more.
func (f *fleet) deniesInstance(i *ec2.Instance) bool {
	return f.w.topology.isNode(i.ID) || f.w.scope.Instance(f.w.key.Namespace, f.entry.EC2.Identity, f.entry.EC2.Region, i.Tags) != nil
}

// keep has an address stay as it is published.
func (f *fleet) keep(e *sliceplan.Published) {
	addr, err := netip.ParseAddr(e.Address)
	switch {
	case err != nil || f.seen[addr] || !f.p.hasFamily(addr):
		return
	case f.p.isRevoked(f.w, addr, e):
		f.release(e)
		return
	case conditionsOf(e.Conditions).Terminating && !e.ByState:
		return
	}
	f.seen[addr] = true
	f.take(target.Target{Addr: addr, Entry: f.entry.Name}, occupant{id: f.p.instanceIn(e), zone: f.publishedZone(e)})
}

// isRevoked says whether what is published of an instance must go whatever AWS says:
// the instance is a Node, or the entry that it was published for used an AWSIdentity
// or region that it must not use any more.
func (p *pass) isRevoked(w *world, addr netip.Addr, e *sliceplan.Published) bool {
	if w.topology.isNode(p.instanceIn(e)) {
		return true
	}
	source := p.former[target.Target{Addr: addr, Entry: e.Entry}].source
	if source == (ec2.Source{}) || w.isEarly() {
		return false
	}
	_, err := w.permits(source)
	return err != nil
}

// release has an address taken out at once, without a grace.
func (f *fleet) release(e *sliceplan.Published) {
	if addr, err := netip.ParseAddr(e.Address); err == nil {
		f.p.markRefused(addr)
	}
}

// warnedFor is how long before it reclaims an instance AWS warns.
const warnedFor = 2 * time.Minute

// warned returns the instances that drained when the operator started and may do so
// because AWS is about to reclaim them: the message that said so is gone. They are
// left alone for as long as that takes.
func (r *ServiceReconciler) warned(p *pass) map[string]time.Time {
	if p.lineageBefore.origins != nil {
		return r.known.warned(p.subscriber())
	}
	until := make(map[string]time.Time)
	for i := range p.published {
		e := &p.published[i]
		entry := p.entries[e.Entry]
		if entry == nil || entry.EC2 == nil || !entry.EC2.DrainOnInterruption || entry.State != v1alpha1.TargetActive {
			continue
		}
		if id := p.instanceIn(e); id != "" && conditionsOf(e.Conditions).Terminating && !e.ByState {
			until[id] = r.Clock.Now().Add(warnedFor)
		}
	}
	r.known.setWarned(p.subscriber(), until)
	return until
}

// isWarned says whether an instance is to be left alone since it drained when the
// operator started.
func (f *fleet) isWarned(id string) bool {
	left := f.p.warned[id].Sub(f.now)
	if left <= 0 {
		return false
	}
	f.p.ending = true
	f.w.again(left)
	return true
}

// occupantOf returns the instance that an address which is served or drains belongs
// to; empty if it belongs to none.
func (p *pass) occupantOf(t target.Target) string {
	if o, ok := p.occupants[t]; ok {
		return o.id
	}
	if e := p.publishedAt(t.Addr); e != nil && e.Entry == t.Entry && !p.serves(t.Addr) {
		return p.instanceIn(e)
	}
	return ""
}

// isSameInstance says whether what is published of an address tells of the instance
// that has it now.
func (p *pass) isSameInstance(t target.Target, e *sliceplan.Published) bool {
	now, before := p.occupants[t].id, p.instanceIn(e)
	return now == "" || before == "" || now == before
}

// hostname is that of an endpoint: the id of its instance, or for headless Services
// the name of its entry.
func (p *pass) hostname(t target.Target, headless bool) string {
	if id := p.occupantOf(t); id != "" {
		return id
	}
	if headless {
		return t.Entry
	}
	return ""
}

// zone returns the one that Nodes say an instance is in, or have said before the
// last of them there went.
func (f *fleet) zone(addr netip.Addr, i *ec2.Instance) string {
	if zone := f.w.topology.zone(i.ZoneID); zone != "" {
		return zone
	}
	if e := f.p.publishedAt(addr); e != nil && f.p.instanceIn(e) == i.ID {
		return f.publishedZone(e)
	}
	return ""
}

// publishedZone returns the zone that an instance is published with, unless it is
// what the entry said.
func (f *fleet) publishedZone(e *sliceplan.Published) string {
	if f.p.lineageBefore.zoned[e.Entry] {
		return ""
	}
	return e.Zone
}

// zoneOf returns the zone of an address that is served: what its entry says, or else
// that of its instance.
func (p *pass) zoneOf(t target.Target) string {
	return cmp.Or(p.entries[t.Entry].Zone, p.occupants[t].zone)
}
