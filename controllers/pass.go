// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"net/netip"
	"slices"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/internal/sliceplan"
	"externalbackend.dev/operator/internal/status"
	"externalbackend.dev/operator/internal/target"
	"externalbackend.dev/operator/internal/translate"
)

// pass collects what one Reconcile finds out about one ExternalBackend.
type pass struct {
	eb       *v1alpha1.ExternalBackend
	backend  translate.Backend
	entries  map[string]*translate.Entry
	families []discoveryv1.AddressType // nil: not known
	// published is what its slices say.
	published []sliceplan.Published

	candidates []target.Target
	rejected   []status.Rejection
	excluded   []target.Target
	// awaiting is true as long as its first publication is held.
	awaiting bool

	grant target.Grant
	// draining is published, not wanted any more, and stays for a while.
	draining []departure
	drained  []netip.Addr
	// checked is true if the targets can be checked.
	checked bool
	// health of the granted targets, then of those that drain.
	health []health.Status
	// before is their health in the pass before, if that one found out everything
	// else and nothing of it has changed; nil if this one did.
	before []health.Status
}

// departure is an address that drains as it is published.
type departure struct {
	target.Departure
	published *sliceplan.Published
	ports     int // index in translate.Backend.PortSets
}

func (p *pass) subscriber() health.Subscriber { return subscriberOf(p.eb) }

func (r *ServiceReconciler) translate(w *world) []*pass {
	passes := make([]*pass, len(w.backends))
	for i, eb := range w.backends {
		p := &pass{eb: eb, published: sliceplan.ReadBack(w.slices, eb.UID)}
		var ports []discoveryv1.EndpointPort
		if len(p.published) > 0 {
			ports = p.published[0].Ports
		}
		p.backend = translate.ForService(eb, w.service, ports...)
		if problem := r.Annotations.Problem(eb); problem != nil && p.backend.SpecProblem == nil {
			p.backend.SpecProblem = problem
		}
		if w.service != nil && len(w.service.Spec.IPFamilies) > 0 {
			p.families = translate.Service(w.service).Families
		}
		p.entries = make(map[string]*translate.Entry, len(p.backend.Entries))
		for j := range p.backend.Entries {
			p.entries[p.backend.Entries[j].Name] = &p.backend.Entries[j]
		}
		passes[i] = p
	}
	return passes
}

// discover finds the addresses of every entry and keeps those that may be
// targeted and that the Service can have.
func (r *ServiceReconciler) discover(passes []*pass) {
	for _, p := range passes {
		for i := range p.backend.Entries {
			entry := &p.backend.Entries[i]
			found, problems := r.Literals(entry.Name, entry.Literals)
			for _, err := range problems {
				p.rejected = append(p.rejected, status.Rejection{Entry: entry.Name, Err: err})
			}
			for _, t := range found {
				p.admit(t, entry, r.Guard)
			}
		}
	}
}

func (p *pass) admit(t target.Target, entry *translate.Entry, guard Guard) {
	if err := guard.Check(t.Addr); err != nil {
		p.rejected = append(p.rejected, status.Rejection{Entry: t.Entry, Err: err, Denied: true})
		return
	}
	switch {
	case !p.hasFamily(t.Addr):
		p.excluded = append(p.excluded, t)
	case entry.State == v1alpha1.TargetDrain:
		// What of it is published drains, the rest is not wanted.
	case p.backend.Publishable && !p.backend.Portless && len(p.backend.PortSets[entry.Ports]) == 0:
		// It has no port that is resolved, unlike other entries.
	default:
		p.candidates = append(p.candidates, t)
	}
}

func (p *pass) hasFamily(addr netip.Addr) bool {
	return p.families == nil || slices.Contains(p.families, familyOf(addr))
}

func familyOf(addr netip.Addr) discoveryv1.AddressType {
	if addr.Is4() {
		return discoveryv1.AddressTypeIPv4
	}
	return discoveryv1.AddressTypeIPv6
}

// arbitrate decides which ExternalBackend serves an address that several want.
// One that cannot be published competes with what it has published still; if
// that is nothing, or its first publication is held, it takes no address from
// the others.
func arbitrate(passes []*pass) {
	var claims []target.Claim
	var rivals []*pass
	for _, p := range passes {
		claim := target.Claim{
			Owner: p.backend.Owner, Targets: p.candidates,
			Ports: translate.TargetPorts(p.backend.PortSets[0]), EntryPorts: p.backend.EntryPorts(),
		}
		if !p.backend.Publishable && len(p.published) > 0 {
			claim.Ports, claim.EntryPorts = translate.TargetPorts(p.published[0].Ports), nil
		}
		if p.servesNothing() {
			p.grant = target.Arbitrate([]target.Claim{claim})[0]
			continue
		}
		claims, rivals = append(claims, claim), append(rivals, p)
	}
	for i, grant := range target.Arbitrate(claims) {
		rivals[i].grant = grant
	}
}

// servesNothing is true as long as no address is published, and none will be in
// this pass.
func (p *pass) servesNothing() bool {
	return p.awaiting || !p.backend.Publishable && len(p.published) == 0
}

// planInput says what should be published.
func (r *ServiceReconciler) planInput(w *world, passes []*pass) sliceplan.Input {
	in := sliceplan.Input{Existing: w.slices, MaxEndpoints: r.MaxEndpoints}
	in.Service.Namespace, in.Service.Name = w.key.Namespace, w.key.Name
	if w.service != nil {
		in.Service = translate.Service(w.service)
	}
	for _, p := range passes {
		backend := sliceplan.Backend{Owner: p.backend.SliceOwner(), PortSets: p.backend.PortSets}
		switch {
		case p.awaiting:
		case p.before != nil:
			// Everything else is as it should be.
			backend.Hold = true
			backend.Endpoints = p.endpoints(w, r.known.settledAt(p.subscriber()))
		case p.backend.Publishable:
			backend.Endpoints = p.endpoints(w, r.known.settledAt(p.subscriber()))
		default:
			// Slices of a Service that we must not serve go; those of one that
			// is only away, or has no port for us, stay.
			backend.Hold = w.service == nil || translate.Servable(w.service)
			if w.service != nil && backend.Hold {
				backend.Endpoints = p.endpoints(w, r.known.settledAt(p.subscriber()))
			}
		}
		in.Backends = append(in.Backends, backend)
	}
	return in
}

// endpoints lists what is to be published, or if everything else is known to be
// as it should, what is to be published otherwise than before. A verdict that was
// reached before the last settled pass is not what changes an endpoint now.
func (p *pass) endpoints(w *world, settled time.Time) []sliceplan.Endpoint {
	changed := func(h *health.Status) time.Time {
		if h.Since.After(settled) {
			return h.Since
		}
		return time.Time{}
	}
	var list []sliceplan.Endpoint
	if p.before == nil {
		list = make([]sliceplan.Endpoint, 0, len(p.grant.Targets)+len(p.draining))
	}
	publishNotReady := w.service.Spec.PublishNotReadyAddresses
	headless := translate.IsHeadless(w.service)
	for i, t := range p.grant.Targets {
		h := &p.health[i]
		if p.before != nil && h.Verdict == p.before[i].Verdict {
			continue
		}
		entry := p.entries[t.Entry]
		e := sliceplan.Endpoint{
			Address: t.Addr.String(), Family: familyOf(t.Addr), Entry: t.Entry, Ports: entry.Ports, Zone: entry.Zone,
			Conditions: translate.Conditions(h.Verdict, entry.State, publishNotReady), Changed: changed(h),
		}
		if headless {
			e.Hostname = t.Entry
		}
		list = append(list, e)
	}
	for i, d := range p.draining {
		h := &p.health[len(p.grant.Targets)+i]
		list = append(list, sliceplan.Endpoint{
			Address: d.Addr.String(), Family: familyOf(d.Addr), Entry: d.Entry, Ports: d.ports,
			Zone: d.published.Zone, Hostname: d.published.Hostname, DrainUntil: d.Deadline, Changed: changed(h),
			Conditions: translate.Conditions(h.Verdict, v1alpha1.TargetDrain, publishNotReady),
		})
	}
	return list
}
