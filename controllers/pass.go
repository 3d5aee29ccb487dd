// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"net/netip"
	"slices"

	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"

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
	families []discoveryv1.AddressType // nil: not known
	// published are the ports that its slices have at the moment.
	published []discoveryv1.EndpointPort

	candidates []target.Target
	rejected   []status.Rejection
	excluded   []target.Target

	grant  target.Grant
	health []health.Status
}

func (p *pass) subscriber() health.Subscriber { return subscriberOf(p.eb) }

func (r *ServiceReconciler) translate(w *world) []*pass {
	passes := make([]*pass, len(w.backends))
	for i, eb := range w.backends {
		ports := publishedPorts(w.slices, eb.UID)
		passes[i] = &pass{eb: eb, backend: translate.ForService(eb, w.service, ports...), published: ports}
		if w.service != nil && len(w.service.Spec.IPFamilies) > 0 {
			passes[i].families = translate.Service(w.service).Families
		}
	}
	return passes
}

// discover finds the addresses of every entry and keeps those that may be
// targeted and that the Service can have.
func (r *ServiceReconciler) discover(passes []*pass) {
	for _, p := range passes {
		for _, entry := range p.backend.Entries {
			found, problems := r.Literals(entry.Name, entry.Literals)
			for _, err := range problems {
				p.rejected = append(p.rejected, status.Rejection{Entry: entry.Name, Err: err})
			}
			for _, t := range found {
				p.admit(t, r.Guard)
			}
		}
	}
}

func (p *pass) admit(t target.Target, guard Guard) {
	if err := guard.Check(t.Addr); err != nil {
		p.rejected = append(p.rejected, status.Rejection{Entry: t.Entry, Err: err, Denied: true})
		return
	}
	if p.families != nil && !slices.Contains(p.families, familyOf(t.Addr)) {
		p.excluded = append(p.excluded, t)
		return
	}
	p.candidates = append(p.candidates, t)
}

func familyOf(addr netip.Addr) discoveryv1.AddressType {
	if addr.Is4() {
		return discoveryv1.AddressTypeIPv4
	}
	return discoveryv1.AddressTypeIPv6
}

// arbitrate decides which ExternalBackend serves an address that several want.
// One that cannot be published competes with what it has published still; if
// that is nothing, it takes no address from the others.
func arbitrate(passes []*pass) {
	var claims []target.Claim
	var rivals []*pass
	for _, p := range passes {
		claim := target.Claim{Owner: p.backend.Owner, Ports: translate.TargetPorts(p.backend.Ports), Targets: p.candidates}
		if !p.backend.Publishable {
			claim.Ports = translate.TargetPorts(p.published)
			if len(claim.Ports) == 0 {
				p.grant = target.Arbitrate([]target.Claim{claim})[0]
				continue
			}
		}
		claims, rivals = append(claims, claim), append(rivals, p)
	}
	for i, grant := range target.Arbitrate(claims) {
		rivals[i].grant = grant
	}
}

func publishedPorts(list []*discoveryv1.EndpointSlice, owner types.UID) []discoveryv1.EndpointPort {
	for _, slice := range list {
		if sliceplan.OwnerUID(slice) == owner {
			return slice.Ports
		}
	}
	return nil
}

// check has the targets checked and reads their health. Where the spec does not
// say what to check, the checks before go on; where it never did, what is
// published stands: no evidence, no change.
func (r *ServiceReconciler) check(w *world, passes []*pass) {
	for _, p := range passes {
		r.known.add(w.key, p.subscriber())
		published := publishedHealth(w.slices, p)
		p.backend.Checks = r.known.checks(p.subscriber(), p.backend.Checks)
		if p.backend.Checks == nil {
			p.health = published.statuses(p)
			continue
		}
		r.Health.Ensure(p.subscriber(), p.backend.Thresholds, published.seeded(p))
		p.health = r.Health.Statuses(p.subscriber(), make([]health.Status, 0, len(p.grant.Targets)))
	}
}

// publication is the health that the slices of an ExternalBackend tell, by
// address. An address that is not there was never published.
type publication map[netip.Addr]health.Verdict

func publishedHealth(list []*discoveryv1.EndpointSlice, p *pass) publication {
	published := make(publication, len(p.grant.Targets))
	for _, slice := range list {
		if sliceplan.OwnerUID(slice) != p.eb.UID {
			continue
		}
		for i := range slice.Endpoints {
			e := &slice.Endpoints[i]
			for _, address := range e.Addresses {
				if addr, err := netip.ParseAddr(address); err == nil {
					published[addr] = verdictOf(e.Conditions)
				}
			}
		}
	}
	return published
}

// verdictOf reads what was published back. Serving tells the truth even where
// the Service wants unready addresses published as ready (rule 34).
func verdictOf(c discoveryv1.EndpointConditions) health.Verdict {
	serving := c.Serving
	if serving == nil {
		serving = c.Ready
	}
	if serving == nil || *serving {
		return health.Healthy
	}
	return health.Unhealthy
}

// seed is the verdict that a target starts with if nothing is known of it yet.
func (published publication) seed(p *pass, addr netip.Addr) health.Verdict {
	if verdict, ok := published[addr]; ok {
		return verdict
	}
	return p.backend.Initial
}

func (published publication) seeded(p *pass) []health.Target {
	targets := make([]health.Target, len(p.grant.Targets))
	for i, t := range p.grant.Targets {
		targets[i] = health.Target{Addr: t.Addr, Checks: p.backend.Checks, Seed: published.seed(p, t.Addr)}
	}
	return targets
}

// statuses is the health of targets that cannot be checked: what is published
// as healthy stands, and nothing is known of the others.
func (published publication) statuses(p *pass) []health.Status {
	list := make([]health.Status, len(p.grant.Targets))
	for i, t := range p.grant.Targets {
		if published[t.Addr] == health.Healthy {
			list[i].Verdict = health.Healthy
		}
	}
	return list
}

// planInput says what should be published.
func (r *ServiceReconciler) planInput(w *world, passes []*pass) sliceplan.Input {
	in := sliceplan.Input{Existing: w.slices, MaxEndpoints: r.MaxEndpoints}
	in.Service.Namespace, in.Service.Name = w.key.Namespace, w.key.Name
	publishNotReady := false
	if w.service != nil {
		in.Service = translate.Service(w.service)
		publishNotReady = w.service.Spec.PublishNotReadyAddresses
	}
	for _, p := range passes {
		backend := sliceplan.Backend{Owner: p.backend.SliceOwner(), PortSets: [][]discoveryv1.EndpointPort{p.backend.Ports}}
		if p.backend.Publishable {
			backend.Endpoints = p.endpoints(publishNotReady)
		} else {
			// Slices of a Service that we must not serve go; those of one that
			// is only away, or has no port for us, stay.
			backend.Hold = w.service == nil || translate.Servable(w.service)
			if w.service != nil && backend.Hold {
				backend.Endpoints = p.endpoints(publishNotReady)
			}
		}
		in.Backends = append(in.Backends, backend)
	}
	return in
}

func (p *pass) endpoints(publishNotReady bool) []sliceplan.Endpoint {
	list := make([]sliceplan.Endpoint, len(p.grant.Targets))
	for i, t := range p.grant.Targets {
		list[i] = sliceplan.Endpoint{
			Address: t.Addr.String(), Family: familyOf(t.Addr), Entry: t.Entry,
			Conditions: translate.Conditions(p.health[i].Verdict, publishNotReady),
		}
	}
	return list
}
