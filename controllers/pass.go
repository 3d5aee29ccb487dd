// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"net/netip"
	"slices"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/discovery/ec2"
	"externalbackend.dev/operator/internal/guard"
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
	// published is what its slices say, here the first of it: what those of this
	// Service do.
	published, here []sliceplan.Published
	// byAddress finds what is published here, and byEntry all, once they are asked.
	byAddress map[string]*sliceplan.Published
	byEntry   map[string][]*sliceplan.Published
	// staleEntries are those that the status has, once it is asked for.
	staleEntries map[string]time.Time
	// kept are the addresses that have the ports that they are published with, as
	// an index in translate.Backend.PortSets: those that drain, and all if nothing
	// can be published anew.
	kept map[netip.Addr]int
	// lineage is where addresses come from, and lineageBefore what was known of it
	// before.
	lineage
	lineageBefore lineage
	// hosts are the names that addresses which drain are asked for.
	hosts map[netip.Addr]string

	// occupants are the instances that have the addresses of instances.
	occupants map[target.Target]occupant
	// snapshots are what the pass was told of the instances of entries, and impaired
	// is what AWS says is wrong with them.
	snapshots map[string]*ec2.Snapshot
	impaired  []status.Impairment
	// warned are the instances that drained when the operator started, and until when
	// they are to be left alone for that.
	warned map[string]time.Time

	candidates []target.Target
	// answers are those to what was asked about names, and sources what is known of
	// the names and instances of entries.
	answers []answer
	sources map[string]status.Source
	// ending is true if time alone will change what was found.
	ending   bool
	rejected []status.Rejection
	// refused are those of the rejected that may not be targeted.
	refused map[netip.Addr]bool
	// pending are denials that take effect later, and frozen is what they leave as
	// it is published until then. The last of them is pendingSince.
	pending      []status.Rejection
	pendingSince time.Time
	frozen       map[netip.Addr]*sliceplan.Published
	excluded     []target.Target
	// refusedName is true if the name that is or would be published must not be, and
	// yields names the ExternalBackend that this one must not publish anything beside.
	refusedName bool
	yields      *target.Owner
	// naming is the name that is published in the place of addresses; nil: none is.
	naming *naming
	// stays is true if addresses stay as they are published, but for their health,
	// until a name takes their place.
	stays bool
	// began are the deadlines of the drains that had begun before this pass; that of
	// a name is that of no address.
	began map[netip.Addr]time.Time
	// portless are the entries that have no port that is resolved.
	portless map[string]bool
	// byState are the addresses of names that drain since the state of their entry
	// says so.
	byState map[target.Target]bool
	// awaiting is true as long as its first publication is held.
	awaiting bool

	grant target.Grant
	// draining is published, not wanted any more, and stays for a while.
	draining []departure
	leaving  []target.Departure // is published as well, and this pass ends that
	// checks that are carried out: where the spec does not say what to check, the
	// ones before; nil if there were none.
	checks entryChecks
	// health of the granted targets, then of those that drain.
	health []health.Status
	// missing are targets that the last answers lack, and that may come back.
	missing map[target.Target]bool
	// tiers are those of the granted targets, if there are several.
	tiers []int
	// standby are granted targets that are healthy, and whose tier does not serve.
	standby map[netip.Addr]bool
	// before is their health in the pass before, if that one found out everything
	// else and nothing of it has changed; nil if this one did. standbyBefore are those
	// that stood by then.
	before        []health.Status
	standbyBefore map[netip.Addr]bool
}

// departure is an address that drains as it is published.
type departure struct {
	target.Departure
	published *sliceplan.Published
}

func (p *pass) subscriber() health.Subscriber { return subscriberOf(p.eb) }

func (r *ServiceReconciler) translate(w *world) []*pass {
	passes := make([]*pass, len(w.backends))
	least := w.scope.MinInterval(guard.CheckUse{})
	for i, eb := range w.backends {
		p := &pass{eb: eb, published: sliceplan.ReadBack(w.slices, eb.UID)}
		var ports []discoveryv1.EndpointPort
		if len(p.published) > 0 {
			ports = p.published[0].Ports
		}
		p.backend = translate.ForService(eb, w.service, least, ports...)
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
		p.keep(w.key.Name)
		p.lineageBefore = r.known.lineage(p.subscriber())
		p.trace()
		p.began = r.known.drains(p.subscriber())
		if p.checks = r.known.checks(p.subscriber(), p.checksByEntry()); p.backend.Checks == nil && p.checks != nil {
			p.checks = p.checks.atLeast(least)
		}
		passes[i] = p
	}
	return passes
}

// keep finds what is published for the Service. A slice without label is read
// by those who knew it before.
func (p *pass) keep(service string) {
	p.here, p.kept = p.published, make(map[netip.Addr]int)
	here := func(e sliceplan.Published) bool { return e.Service == "" || e.Service == service }
	if elsewhere := slices.DeleteFunc(slices.Clone(p.published), here); len(elsewhere) > 0 {
		p.here = slices.DeleteFunc(p.published, func(e sliceplan.Published) bool { return !here(e) })
		p.published = slices.Concat(p.here, elsewhere)
	}
	if p.backend.Publishable {
		return
	}
	for i := range p.here {
		e := &p.here[i]
		addr, err := netip.ParseAddr(e.Address)
		if _, again := p.kept[addr]; err == nil && !again {
			p.kept[addr] = p.backend.PortSet(e.Ports)
		}
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

// planInput says what should be published.
func (r *ServiceReconciler) planInput(w *world, passes []*pass) sliceplan.Input {
	in := sliceplan.Input{Existing: w.slices, MaxEndpoints: r.MaxEndpoints}
	in.Service.Namespace, in.Service.Name = w.key.Namespace, w.key.Name
	if w.service != nil {
		in.Service = translate.Service(w.service)
		if slices.ContainsFunc(passes, func(p *pass) bool { return p.naming != nil }) {
			in.Service.Families = append(in.Service.Families, discoveryv1.AddressTypeFQDN)
		}
	}
	for _, p := range passes {
		backend := sliceplan.Backend{Owner: p.backend.SliceOwner(), PortSets: p.backend.PortSets}
		switch {
		case p.awaiting, p.yields != nil:
		case p.before != nil, p.stays, w.restoring && w.service != nil:
			// Everything else is as it should be, or has to wait.
			backend.Hold = true
			backend.Endpoints = p.endpoints(w, r.known.settledAt(p.subscriber()))
		case p.backend.Publishable:
			backend.Endpoints = p.endpoints(w, r.known.settledAt(p.subscriber()))
		default:
			// Slices of a Service that we must not serve go; those of one that
			// is only away, has no port for us, or is to be put right, stay.
			backend.Hold = w.service == nil || onHold(w)
			if w.service != nil && backend.Hold {
				backend.Endpoints = p.endpoints(w, r.known.settledAt(p.subscriber()))
				backend.Gone = p.gone()
			}
		}
		if backend.Hold {
			backend.Gone = p.expelled(w.scope, p.published, backend.Gone)
		}
		in.Backends = append(in.Backends, backend)
	}
	return in
}

// endpoints lists what is to be published, or if everything else is known to be
// as it should, what is to be published otherwise than before. A verdict that was
// reached before the last settled pass is not what changes an endpoint now.
func (p *pass) endpoints(w *world, settled time.Time) []sliceplan.Endpoint {
	if p.naming != nil {
		return p.naming.endpoints(w.service.Spec.PublishNotReadyAddresses)
	}
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
		if p.before != nil && h.Verdict == p.before[i].Verdict && p.standby[t.Addr] == p.standbyBefore[t.Addr] {
			continue
		}
		entry := p.entries[t.Entry]
		e := sliceplan.Endpoint{
			Address: t.Addr.String(), Family: familyOf(t.Addr), Entry: t.Entry, Ports: p.portSetOf(t), Zone: p.zoneOf(t),
			Hostname:   p.hostname(t, headless),
			Conditions: translate.Conditions(h.Verdict, entry.State, publishNotReady), Changed: changed(h),
			Disabled: entry.State == v1alpha1.TargetDisabled, Priority: p.provenance[t].priority,
		}
		if p.standby[t.Addr] {
			e.Conditions = sliceplan.Conditions{}
		}
		if was := p.frozen[t.Addr]; was != nil && entry.State == v1alpha1.TargetActive {
			e.Conditions = conditionsOf(was.Conditions)
		}
		list = append(list, e)
	}
	for i, d := range p.draining {
		h := &p.health[len(p.grant.Targets)+i]
		e := sliceplan.Endpoint{
			Address: d.Addr.String(), Family: familyOf(d.Addr), Entry: d.Entry, Ports: p.kept[d.Addr],
			Hostname: p.hostname(d.Target, headless),
			Zone:     d.published.Zone, DrainUntil: d.Deadline, Changed: changed(h),
			Conditions: translate.Conditions(h.Verdict, v1alpha1.TargetDrain, publishNotReady),
			ByState:    p.byState[d.Target], Priority: p.provenance[d.Target].priority,
		}
		list = append(list, e)
	}
	return list
}
