// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"net/netip"

	"externalbackend.dev/operator/internal/discovery/dns"
	"externalbackend.dev/operator/internal/sliceplan"
	"externalbackend.dev/operator/internal/target"
)

// inherit keeps what is published of the entry and was not found, as long as it
// may only not have been heard of yet: the operator has not been told everything
// since it started, and every answer may be a part of what the name stands for.
// What the entry had before it got this name stays until this one has been
// answered for, unless the name before must not be targeted any more. Of hosts
// that are denied, nothing stays.
func (l *lookup) inherit() {
	before, known := l.p.originsBefore[l.entry.Name]
	replaced := known && before != originOf(l.entry)
	denied := replaced && before.hostname != "" && l.w.scope.Hostname(before.hostname) != nil
	l.inherited = l.p.isNamed(l.entry) && l.untold()
	for _, e := range l.p.publishedOf(l.entry.Name) {
		addr, err := netip.ParseAddr(e.Address)
		if err != nil || l.seen[addr] || !l.p.hasFamily(addr) || conditionsOf(e.Conditions).Terminating {
			continue
		}
		t := target.Target{Addr: addr, Entry: l.entry.Name}
		switch {
		case !denied && l.unheard(t, replaced):
			l.seen[addr], l.inherited = true, true
			l.found = append(l.found, t)
			l.p.noteInherited(t, l.entry, e, before, replaced)
		case denied, l.denied:
			l.p.markRefused(addr)
		}
	}
}

// publishedOf returns what is published of an entry.
func (p *pass) publishedOf(entry string) []*sliceplan.Published {
	if p.hereByEntry == nil {
		p.hereByEntry = make(map[string][]*sliceplan.Published)
		for i := range p.here {
			e := &p.here[i]
			p.hereByEntry[e.Entry] = append(p.hereByEntry[e.Entry], e)
		}
	}
	return p.hereByEntry[entry]
}

// unheard says whether an address may be one of the name's though no answer has
// it. What is known to be that of one host of SRV records is so as long as those
// and that host say.
func (l *lookup) unheard(t target.Target, replaced bool) bool {
	host := l.p.provenanceBefore[t].host
	for i := range l.answers {
		a := &l.answers[i]
		switch {
		case a.question.Type == dns.A && !t.Addr.Is4(), a.question.Type == dns.AAAA && t.Addr.Is4():
		case host != "" && a.question.Type != dns.SRV && a.question.Name != host && !replaced:
		case l.expired(a), a.settles(replaced):
		case l.denied && a.definitive(): // it may be one of those that are denied
		default:
			return true
		}
	}
	return false
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

// refuseHost leaves a host out that SRV records name.
func (l *lookup) refuseHost(host string, err error) {
	l.denied = true
	l.p.reject(l.entry.Name, err, denialReason(err))
	for _, kind := range l.p.kinds() {
		if snapshot := l.r.Names.Lookup(l.p.subscriber(), dns.Question{Name: host, Type: kind}); snapshot != nil {
			for _, addr := range snapshot.Addrs {
				l.p.markRefused(addr)
			}
		}
	}
}
