// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"net/netip"
	"slices"

	"externalbackend.dev/operator/internal/discovery/dns"
	"externalbackend.dev/operator/internal/status"
	"externalbackend.dev/operator/internal/target"
)

// inherit keeps what is published of the entry and was not found, as long as it
// may only not have been heard of yet: the operator has not been told everything
// since it started, and every answer may be a part of what the name stands for.
// What the entry had before it got this name stays until this one has been
// answered for, unless the name before must not be targeted any more. Of hosts
// that are denied, nothing stays, nor what came by way of a name that is.
func (l *lookup) inherit() {
	before, known := l.p.originsBefore[l.entry.Name]
	replaced := known && before != originOf(l.entry)
	denied := replaced && before.hostname != "" && l.w.scope.Hostname(before.hostname) != nil
	l.inherited = l.p.isNamed(l.entry) && len(l.found) == 0 && slices.ContainsFunc(l.answers, func(a answer) bool { return !a.definitive() })
	for i := range l.p.here {
		e := &l.p.here[i]
		addr, err := netip.ParseAddr(e.Address)
		if err != nil || e.Entry != l.entry.Name || l.judged(addr) || !l.p.hasFamily(addr) || conditionsOf(e.Conditions).Terminating {
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

// judged says whether an answer has an address.
func (l *lookup) judged(addr netip.Addr) bool { return l.seen[addr] || l.refused[addr] }

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
	for i := range l.p.here {
		if e := &l.p.here[i]; e.Entry == l.entry.Name {
			if addr, err := netip.ParseAddr(e.Address); err == nil {
				l.p.markRefused(addr)
			} else {
				l.p.refusedName = true
			}
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
		if snapshot := l.r.Names.Lookup(dns.Question{Name: host, Type: kind}); snapshot != nil {
			for _, addr := range snapshot.Addrs {
				l.p.markRefused(addr)
			}
		}
	}
}
