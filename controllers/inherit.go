// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"net/netip"
	"slices"

	"externalbackend.dev/operator/internal/discovery/dns"
	"externalbackend.dev/operator/internal/sliceplan"
	"externalbackend.dev/operator/internal/status"
	"externalbackend.dev/operator/internal/target"
)

// inherit keeps what is published of the entry and was not found, as long as it
// may only not have been heard of yet: the operator has not been told everything
// since it started, and every answer may be a part of what the name stands for.
// What the entry had before it got this name stays until this one has been
// answered for. An entry of which nothing is published may have got another name
// while no operator ran: it has what is there under names that nobody knows.
func (l *lookup) inherit() {
	for _, t := range l.found {
		delete(l.p.former, t)
	}
	if l.p.isNamed(l.entry) && l.untold() {
		for i := range l.answers {
			a := &l.answers[i]
			a.holds = !a.tells() && !l.p.isForeign(a)
		}
	}
	own := l.p.publishedOf(l.entry.Name)
	for _, e := range own {
		l.keep(e)
	}
	if len(own) > 0 || l.entry == l.p.backend.Passthrough() {
		return
	}
	for i := range l.p.published {
		e := &l.p.published[i]
		addr, _ := netip.ParseAddr(e.Address)
		if _, removed := l.p.former[target.Target{Addr: addr, Entry: e.Entry}]; !removed && !e.Disabled && l.p.entries[e.Entry] == nil && l.p.instanceIn(e) == "" {
			l.keep(e)
		}
	}
}

// keep has an address stay as it is published, if it may be one of the name's.
// Nothing stays that a name has brought which must not be targeted any more.
func (l *lookup) keep(e *sliceplan.Published) {
	addr, err := netip.ParseAddr(e.Address)
	if err != nil || l.seen[addr] || l.refused[addr] || !l.p.hasFamily(addr) || conditionsOf(e.Conditions).Terminating && !e.ByState {
		return
	}
	t := target.Target{Addr: addr, Entry: l.entry.Name}
	before, replaced := l.p.former[t]
	switch {
	case l.p.cameByDenied(l.w.scope, t, l.p.lineageBefore.provenance[t].host):
		l.p.markRefused(addr)
	case l.unheard(t, replaced):
		l.seen[addr] = true
		l.found = append(l.found, t)
		l.p.noteInherited(t, l.entry, e, before, replaced)
	case l.denied:
		l.p.markRefused(addr)
	}
}

// publishedOf returns what is published of an entry, first for this Service.
func (p *pass) publishedOf(entry string) []*sliceplan.Published {
	if p.byEntry == nil {
		p.byEntry = make(map[string][]*sliceplan.Published)
		for i := range p.published {
			e := &p.published[i]
			p.byEntry[e.Entry] = append(p.byEntry[e.Entry], e)
		}
	}
	return p.byEntry[entry]
}

// unheard says whether an address may be one of the name's though no answer has
// it. What is known to be that of one host of SRV records is so as long as those
// and that host say.
func (l *lookup) unheard(t target.Target, replaced bool) bool {
	host, unheard := l.p.lineageBefore.provenance[t].host, false
	for i := range l.answers {
		a := &l.answers[i]
		switch {
		case a.question.Type == dns.A && !t.Addr.Is4(), a.question.Type == dns.AAAA && t.Addr.Is4():
		case host != "" && a.question.Type != dns.SRV && a.question.Name != host && !replaced:
		case a.settles(replaced):
		case l.denied && a.definitive(): // it may be one of those that are denied
		default:
			a.holds = true
			unheard = unheard || !l.expired(a)
		}
	}
	return unheard
}

// refuse takes out at once what is published of the entry.
func (l *lookup) refuse(err error) {
	l.p.reject(l.entry.Name, err, denialReason(err))
	for _, e := range l.p.publishedOf(l.entry.Name) {
		if addr, err := netip.ParseAddr(e.Address); err == nil {
			l.p.markRefused(addr)
		} else {
			l.p.refusedName = true
		}
	}
	l.p.refuseName(l.entry)
}

// refuseAddress leaves an address out that came by way of a name that must not be
// targeted.
func (l *lookup) refuseAddress(addr netip.Addr, err error) {
	if l.refused == nil {
		l.refused = make(map[netip.Addr]bool)
	}
	l.refused[addr] = true
	l.reject(err)
	l.p.markRefused(addr)
	l.p.refuseName(l.entry)
}

// reject tells an error once.
func (l *lookup) reject(err error) {
	if !slices.ContainsFunc(l.p.rejected, func(r status.Rejection) bool { return r.Entry == l.entry.Name && r.Err.Error() == err.Error() }) {
		l.p.reject(l.entry.Name, err, denialReason(err))
	}
}

// refuseHost leaves a host out that SRV records name.
func (l *lookup) refuseHost(host string, err error) {
	l.denied = true
	l.reject(err)
	for _, kind := range l.p.kinds() {
		if snapshot := l.r.Names.Lookup(l.p.subscriber(), dns.Question{Name: host, Type: kind}); snapshot != nil {
			for _, addr := range snapshot.Addrs {
				l.p.markRefused(addr)
			}
		}
	}
}
