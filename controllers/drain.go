// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"net/netip"
	"slices"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"

	"externalbackend.dev/operator/internal/guard"
	"externalbackend.dev/operator/internal/sliceplan"
	"externalbackend.dev/operator/internal/target"
	"externalbackend.dev/operator/internal/translate"
)

// drain finds the addresses that are published and no longer wanted, and says
// which of them stay for now, also where nothing can be published anew.
func (r *ServiceReconciler) drain(w *world, passes []*pass) {
	now := r.Clock.Now()
	for _, p := range passes {
		hosts := r.known.drainHosts(p.subscriber())
		if !p.backend.Publishable && !onHold(w) || p.yields != nil {
			continue
		}
		departures, from := p.departures(w, passes, hosts, now)
		staying, next := target.Drain(departures, p.backend.Drain, now)
		if !next.IsZero() {
			w.again(next.Sub(now))
		}
		p.hosts = make(map[netip.Addr]string, len(staying))
		for _, d := range staying {
			published := from[d.Addr]
			p.hosts[d.Addr] = p.hostLeaving(d.Target, hosts)
			p.draining = append(p.draining, departure{d, published})
			p.kept[d.Addr] = p.backend.PortSet(published.Ports)
			delete(from, d.Addr)
		}
		r.known.setDrains(p.subscriber(), staying, p.hosts)
		for _, d := range departures {
			if from[d.Addr] != nil {
				p.leaving = append(p.leaving, d)
			}
		}
	}
}

// onHold says whether what cannot be published anew stays for a Service that is
// there.
func onHold(w *world) bool {
	return w.service != nil && (w.retrying || translate.Servable(w.service))
}

// departures lists what may drain, and as what each is published. What is
// disabled, denied, has come by a name that is denied, of a family that the Service has lost, without ports though
// the Service has some, or served by another ExternalBackend goes at once.
func (p *pass) departures(w *world, passes []*pass, hosts map[netip.Addr]string, now time.Time) (list []target.Departure, from map[netip.Addr]*sliceplan.Published) {
	from = make(map[netip.Addr]*sliceplan.Published)
	for i := range p.here {
		e := &p.here[i]
		addr, err := netip.ParseAddr(e.Address)
		if err != nil || p.serves(addr) {
			continue
		}
		t := target.Target{Addr: addr, Entry: e.Entry}
		if p.cameByDenied(w.scope, t, p.hostLeaving(t, hosts)) || p.isRevoked(w, addr, e) {
			p.markRefused(addr)
		}
		lacksPorts := p.backend.Publishable && len(e.Ports) == 0 != p.backend.Portless
		if from[addr] != nil || e.Disabled || lacksPorts || p.denies(w.scope, addr, e.Ports) || !p.hasFamily(addr) ||
			servedByAnother(passes, p, addr, e) {
			continue
		}
		from[addr] = e
		list = append(list, target.Departure{Target: t, Deadline: p.deadline(p.began[addr], e, now)})
	}
	return list, from
}

// deadline returns when a drain ends that has begun, zero if none has: as this
// process remembers, else as the slice records. One that is further away than
// any drain lasts is not ours, or the clock was set back: the drain begins anew.
func (p *pass) deadline(remembered time.Time, e *sliceplan.Published, now time.Time) time.Time {
	deadline := remembered
	if deadline.IsZero() && e.Conditions.Terminating != nil && *e.Conditions.Terminating {
		deadline = e.DrainUntil
	}
	if deadline.After(now.Add(p.backend.Drain)) {
		return time.Time{}
	}
	return deadline
}

// grantIndex finds an address among those that are granted.
func (p *pass) grantIndex(addr netip.Addr) (int, bool) {
	return slices.BinarySearchFunc(p.grant.Targets, addr, func(t target.Target, a netip.Addr) int { return t.Addr.Compare(a) })
}

func (p *pass) serves(addr netip.Addr) bool {
	_, ok := p.grantIndex(addr)
	return ok
}

func servedByAnother(passes []*pass, but *pass, addr netip.Addr, e *sliceplan.Published) bool {
	return slices.ContainsFunc(passes, func(p *pass) bool {
		if p == but || !p.publishes(addr) {
			return false
		}
		n, ok := p.grantIndex(addr)
		return ok && target.PortsOverlap(translate.TargetPorts(e.Ports), translate.TargetPorts(p.portsOf(p.grant.Targets[n])))
	})
}

// ownPorts returns the ports that an address has of its own, if it does.
func (p *pass) ownPorts(t target.Target) (set int, ok bool) {
	if set, ok = p.kept[t.Addr]; ok {
		return set, true
	}
	at, ok := p.provenance[t]
	return at.ports, ok
}

// portSetOf returns the ports of a target as an index in translate.Backend.PortSets.
func (p *pass) portSetOf(t target.Target) int {
	if set, ok := p.ownPorts(t); ok {
		return set
	}
	return p.entries[t.Entry].Ports
}

func (p *pass) portsOf(t target.Target) []discoveryv1.EndpointPort {
	return p.backend.PortSets[p.portSetOf(t)]
}

// gone are the addresses, as they are published, that neither stay nor drain.
func (p *pass) gone() map[string]bool {
	stays := make(map[netip.Addr]bool, len(p.draining))
	for _, d := range p.draining {
		stays[d.Addr] = true
	}
	gone := make(map[string]bool)
	for i := range p.here {
		addr, err := netip.ParseAddr(p.here[i].Address)
		if p.naming == nil && err == nil && !stays[addr] && !p.serves(addr) || p.naming != nil && p.naming.gone == p.here[i].Address {
			gone[p.here[i].Address] = true
		}
	}
	return gone
}

// expelled adds to the addresses that are gone those that must not be published
// any longer as they are. They go whatever keeps the rest of their slices as it is.
func (p *pass) expelled(scope *guard.Scope, published []sliceplan.Published, gone map[string]bool) map[string]bool {
	for i := range published {
		e := &published[i]
		addr, err := netip.ParseAddr(e.Address)
		if err == nil && !p.denies(scope, addr, e.Ports) || err != nil && !p.refusedName && scope.Hostname(e.Address) == nil {
			continue
		}
		if gone == nil {
			gone = make(map[string]bool)
		}
		gone[e.Address] = true
	}
	return gone
}
