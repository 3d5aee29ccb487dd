// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"net/netip"
	"slices"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/discovery/dns"
	"externalbackend.dev/operator/internal/guard"
	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/internal/sliceplan"
	"externalbackend.dev/operator/internal/target"
	"externalbackend.dev/operator/internal/translate"
)

// A pass over an ExternalBackend with a name to be published itself finds out
// about the addresses behind it as if those were to be published. Two things are
// different: before addresses are shared out, it is decided who publishes anything
// at all (yield), and in the end the addresses are made one endpoint (passThrough).

// yield has names and addresses exclude each other on a Service (rule 29): the
// first in rank that has something to publish decides, and one name at most is
// published. A name that has no address gives way to all that have.
func yield(w *world, passes []*pass) {
	named := func(p *pass) bool { return p.backend.Passthrough() != nil }
	if !slices.ContainsFunc(passes, named) {
		return
	}
	var winner *pass
	for _, p := range passes {
		if p.contends(w) && (winner == nil || p.precedes(winner)) {
			winner = p
		}
	}
	for _, p := range passes {
		if winner != nil && p != winner && (named(p) || named(winner)) {
			p.yields = &winner.backend.Owner
		}
	}
}

// contends says whether anything is published in this pass that is not on its way
// out.
func (p *pass) contends(w *world) bool {
	entry := p.backend.Passthrough()
	switch {
	case p.awaiting:
		return false
	case !p.backend.Publishable:
		return onHold(w) && len(p.here) > 0 && (entry == nil || translate.IsHeadless(w.service))
	case entry == nil:
		return len(p.candidates) > 0
	}
	return !p.refusedName && entry.State != v1alpha1.TargetDrain && (len(p.candidates)+len(p.here) > 0 || !p.unanswered())
}

// precedes compares two that contend.
func (p *pass) precedes(other *pass) bool {
	if p.isEmpty() != other.isEmpty() {
		return other.isEmpty()
	}
	return p.backend.Owner.Compare(other.backend.Owner) < 0
}

// isEmpty says whether it is known of a name that there is nothing behind it.
func (p *pass) isEmpty() bool {
	return p.backend.Passthrough() != nil && p.backend.Publishable && len(p.candidates) == 0 && !p.unanswered()
}

// naming is a name that is published in the place of addresses, without its
// conditions; one without an address is none.
type naming struct {
	sliceplan.Endpoint
	state   v1alpha1.TargetState
	verdict health.Verdict
	// gone is a name that was published and has drained; else empty.
	gone string
}

func (n *naming) drains() bool { return n != nil && n.state == v1alpha1.TargetDrain }

func (n *naming) endpoints(publishNotReady bool) []sliceplan.Endpoint {
	if n.Address == "" {
		return nil
	}
	e := n.Endpoint
	e.Conditions = translate.Conditions(n.verdict, n.state, publishNotReady)
	return []sliceplan.Endpoint{e}
}

// passThrough makes one endpoint of the addresses behind a name that is to be
// published itself. Between a name and addresses, what is published stays until
// enough is known of what takes its place.
func (r *ServiceReconciler) passThrough(w *world, passes []*pass) {
	for _, p := range passes {
		entry, published := p.backend.Passthrough(), p.publishedName(w.scope)
		if entry == nil && published == nil {
			continue
		}
		p.ending = true // the health of one address may be that of all
		p.refusedName = p.refusedName || w.service != nil && !translate.IsHeadless(w.service)
		switch {
		case p.yields != nil, p.awaiting:
		case entry != nil:
			p.naming, p.stays = p.nameOf(entry, published)
		case !p.refusedName && !servedByOthers(passes, p) && p.judge() == health.Unknown:
			p.naming = p.remain(published)
		}
		if p.naming != nil || p.stays {
			p.draining, p.leaving, p.health = nil, nil, p.health[:len(p.grant.Targets)]
		}
		if p.naming.drains() && published != nil {
			r.drainName(w, p, published)
		}
	}
}

// publishedName returns the name that is published, here if it is in several
// places; nil if there is none that may be.
func (p *pass) publishedName(scope *guard.Scope) *sliceplan.Published {
	for _, list := range [][]sliceplan.Published{p.here, p.published} {
		for i := range list {
			if e := &list[i]; isName(*e) && scope.Hostname(e.Address) == nil {
				return e
			}
		}
	}
	return nil
}

// refuseName has the name of an entry not published, neither any more nor anew: it
// must not be targeted, or leads to what must not.
func (p *pass) refuseName(entry *translate.Entry) {
	same := func(e sliceplan.Published) bool { return isName(e) && e.Address == entry.Host() }
	p.refusedName = p.refusedName || entry == p.backend.Passthrough() || slices.ContainsFunc(p.published, same)
}

// isNamed says whether a name is published for the entry, and is to be.
func (p *pass) isNamed(entry *translate.Entry) bool {
	return entry == p.backend.Passthrough() && slices.ContainsFunc(p.here, isName)
}

func isName(e sliceplan.Published) bool { return e.Family == discoveryv1.AddressTypeFQDN }

// nameOf returns how the name of an entry is to be published. It is nil if none is
// now, and addresses may be: those that are stay, or drain.
func (p *pass) nameOf(entry *translate.Entry, published *sliceplan.Published) (n *naming, stays bool) {
	ports := p.backend.PortSets[entry.Ports]
	switch {
	case p.refusedName, p.backend.Publishable && !p.backend.Portless && len(ports) == 0:
		return &naming{}, false
	case published == nil && (!p.backend.Publishable || entry.State == v1alpha1.TargetDrain):
		return nil, false
	}
	n = &naming{state: entry.State, verdict: p.judge(), Endpoint: sliceplan.Endpoint{
		Address: entry.FQDN.Hostname, Family: discoveryv1.AddressTypeFQDN, Entry: entry.Name, Ports: entry.Ports,
		Hostname: entry.Name, Zone: entry.Zone, Disabled: entry.State == v1alpha1.TargetDisabled, Changed: p.lastChange(),
	}}
	switch {
	case !p.backend.Publishable, n.verdict == health.Unknown && published != nil:
		n.Address = published.Address
		if n.verdict == health.Unknown {
			n.verdict = verdictOf(published.Conditions)
		}
	case n.verdict == health.Unknown && slices.ContainsFunc(p.here, func(e sliceplan.Published) bool { return !isName(e) }):
		return nil, true
	case len(p.grant.Targets) == 0 && p.unanswered():
		return &naming{}, false
	}
	return n, false
}

// remain returns a name as it is published that is not wanted any more.
func (p *pass) remain(published *sliceplan.Published) *naming {
	n := &naming{state: v1alpha1.TargetActive, verdict: verdictOf(published.Conditions), Endpoint: sliceplan.Endpoint{
		Address: published.Address, Family: published.Family, Entry: published.Entry, Ports: p.backend.PortSet(published.Ports),
		Hostname: published.Hostname, Zone: published.Zone, Disabled: published.Disabled,
	}}
	if published.Disabled {
		n.state = v1alpha1.TargetDisabled
	}
	return n
}

// judge returns how the addresses that are not disabled are as a whole. Those
// that no answer has told of yet may be healthy. If all that are known fail, only
// answers that are sure to come soon are waited for.
func (p *pass) judge() health.Verdict {
	var verdicts []health.Verdict
	for i, t := range p.grant.Targets {
		gone := p.missing[t] && p.health[i].Verdict == health.Unhealthy // as in a tier
		if p.entries[t.Entry].State != v1alpha1.TargetDisabled && !gone {
			verdicts = append(verdicts, p.health[i].Verdict)
		}
	}
	verdict := p.backend.Tiers.Judge(verdicts...)
	dead := len(verdicts) > 0 && !slices.ContainsFunc(verdicts, func(v health.Verdict) bool { return v != health.Unhealthy })
	if verdict == health.Unhealthy && p.unanswered() && (!dead || p.outstanding()) {
		return health.Unknown
	}
	return verdict
}

// outstanding says whether a first query or a confirmation is still to come.
func (p *pass) outstanding() bool {
	return slices.ContainsFunc(p.answers, func(a answer) bool { return !a.tells() && !a.failing() })
}

// untold says whether nothing is found though there may be something.
func (l *lookup) untold() bool {
	found := func(t target.Target) bool { return l.p.hasFamily(t.Addr) }
	untold := func(a answer) bool { return !a.tells() && !l.p.isForeign(&a) }
	return !slices.ContainsFunc(l.found, found) && slices.ContainsFunc(l.answers, untold)
}

// isForeign says whether something was only asked to have the answer vetted: it is of
// a family that the Service does not have.
func (p *pass) isForeign(a *answer) bool {
	family := map[dns.Type]discoveryv1.AddressType{dns.A: discoveryv1.AddressTypeIPv4, dns.AAAA: discoveryv1.AddressTypeIPv6}[a.question.Type]
	return family != "" && p.families != nil && !slices.Contains(p.families, family)
}

// unanswered says whether there is a name of which not everything is known.
func (p *pass) unanswered() bool {
	for _, name := range p.sources {
		if !name.Answered && !name.Expired {
			return true
		}
	}
	return false
}

// lastChange is when the last verdict was reached.
func (p *pass) lastChange() (last time.Time) {
	for i := range p.grant.Targets {
		if since := p.health[i].Since; since.After(last) {
			last = since
		}
	}
	return last
}

func servedByOthers(passes []*pass, but *pass) bool {
	return slices.ContainsFunc(passes, func(p *pass) bool {
		return p != but && p.yields == nil && !p.awaiting && len(p.grant.Targets) > 0
	})
}

// drainName has a name drain as the addresses behind it would.
func (r *ServiceReconciler) drainName(w *world, p *pass, published *sliceplan.Published) {
	now := r.Clock.Now()
	name := target.Departure{Target: target.Target{Entry: published.Entry}, Deadline: p.deadline(p.began[netip.Addr{}], published, now)}
	staying, next := target.Drain([]target.Departure{name}, p.backend.Drain, now)
	r.known.setDrains(p.subscriber(), staying, nil)
	if len(staying) > 0 {
		w.again(next.Sub(now))
		name, p.naming.DrainUntil = staying[0], next
	} else {
		p.naming = &naming{gone: published.Address}
	}
	for _, t := range p.grant.Targets {
		d := target.Departure{Target: t, Deadline: name.Deadline}
		if len(staying) > 0 {
			p.draining = append(p.draining, departure{d, published})
		} else {
			p.leaving = append(p.leaving, d)
		}
	}
	p.grant.Targets, p.health = nil, p.health[:len(p.draining)]
}
