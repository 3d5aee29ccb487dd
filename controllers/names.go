// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/discovery/dns"
	"externalbackend.dev/operator/internal/status"
	"externalbackend.dev/operator/internal/target"
	"externalbackend.dev/operator/internal/translate"
)

// answer is what a pass was told about a question.
type answer struct {
	question dns.Question
	snapshot *dns.Snapshot // nil: nothing yet
}

// definitive says whether it was ever said what the name has.
func (a *answer) definitive() bool { return a.snapshot != nil && !a.snapshot.Definitive.IsZero() }

// failing says whether the last query failed, and a first one has ended.
func (a *answer) failing() bool { return a.snapshot != nil && !a.snapshot.FailingSince.IsZero() }

// named returns the addresses that the name of an entry stands for, and notes
// what is known of it.
func (r *ServiceReconciler) named(w *world, p *pass, entry *translate.Entry) []target.Target {
	l := &lookup{r: r, w: w, p: p, entry: entry, now: r.Clock.Now(), seen: make(map[netip.Addr]bool)}
	if err := w.scope.Hostname(entry.FQDN.Hostname); err != nil {
		l.refuse(err)
		return nil
	}
	if err := l.find(); err != nil {
		l.refuse(err)
		l.found = nil
	} else {
		l.inherit()
	}
	p.answers = append(p.answers, l.answers...)
	if p.names == nil {
		p.names = make(map[string]status.Name)
	}
	p.names[entry.Name] = l.name()
	return l.found
}

// ensureAsked has everything asked that the pass wants to know, and nothing else.
func (r *ServiceReconciler) ensureAsked(p *pass) {
	questions := make([]dns.Question, len(p.answers))
	for i, a := range p.answers {
		questions[i] = a.question
	}
	r.Names.Ensure(p.subscriber(), questions)
	r.known.setNames(p.subscriber(), p.answered())
}

// answersHold says whether everything that was asked has the same answer as then.
func (r *ServiceReconciler) answersHold(p *pass) bool {
	return !slices.ContainsFunc(p.answers, func(a answer) bool { return r.Names.Lookup(a.question) != a.snapshot })
}

// answered returns the name of every entry, "" for those that have none. One
// that no definitive answer is known of has the name that it had before, and so
// has one that is gone, as long as something of it is published.
func (p *pass) answered() map[string]string {
	names := make(map[string]string, len(p.entries))
	for entry, e := range p.entries {
		if e.FQDN == nil {
			names[entry] = ""
		} else if p.names[entry].Answered {
			names[entry] = e.FQDN.Hostname
		} else if before, ok := p.namesBefore[entry]; ok {
			names[entry] = before
		}
	}
	for i := range p.here {
		entry := p.here[i].Entry
		if before, ok := p.namesBefore[entry]; ok && p.entries[entry] == nil {
			names[entry] = before
		}
	}
	return names
}

// lookup finds the addresses of one entry.
type lookup struct {
	r       *ServiceReconciler
	w       *world
	p       *pass
	entry   *translate.Entry
	now     time.Time
	answers []answer
	found   []target.Target
	seen    map[netip.Addr]bool
	// inherited is true if published addresses stay that no answer has named yet.
	inherited bool
}

func (l *lookup) ask(name string, kind dns.Type) *answer {
	question := dns.Question{Name: name, Type: kind}
	l.answers = append(l.answers, answer{question, l.r.Names.Lookup(question)})
	return &l.answers[len(l.answers)-1]
}

// find returns an error if an answer leads to a name that must not be targeted.
func (l *lookup) find() error {
	if l.entry.FQDN.Resolution != v1alpha1.ResolutionSRV {
		return l.addresses(l.entry.FQDN.Hostname, func(netip.Addr) {})
	}
	records := l.ask(l.entry.FQDN.Hostname, dns.SRV)
	if err := l.vetChain(records); err != nil || records.snapshot == nil {
		return err
	}
	if l.expired(records) {
		return nil
	}
	for _, s := range records.snapshot.Services {
		if err := l.w.scope.Hostname(s.Host); err != nil {
			l.refuseHost(s.Host, err)
			continue
		}
		err := l.addresses(s.Host, func(addr netip.Addr) { l.p.place(addr, l.entry, s) })
		if err != nil {
			l.refuseHost(s.Host, err)
		}
	}
	return nil
}

// addresses finds those of a name, and calls placed for each that is new.
func (l *lookup) addresses(name string, placed func(netip.Addr)) error {
	for _, kind := range l.p.kinds() {
		a := l.ask(name, kind)
		if err := l.vetChain(a); err != nil {
			return err
		}
		if a.snapshot == nil || l.expired(a) {
			continue
		}
		for _, addr := range a.snapshot.Addrs {
			if !l.seen[addr] {
				l.seen[addr] = true
				l.found = append(l.found, target.Target{Addr: addr, Entry: l.entry.Name})
				placed(addr)
			}
		}
	}
	return nil
}

// kinds are those of the families that the Service has, or may have.
func (p *pass) kinds() []dns.Type {
	var kinds []dns.Type
	for _, known := range []struct {
		family discoveryv1.AddressType
		kind   dns.Type
	}{{discoveryv1.AddressTypeIPv4, dns.A}, {discoveryv1.AddressTypeIPv6, dns.AAAA}} {
		if p.families == nil || slices.Contains(p.families, known.family) {
			kinds = append(kinds, known.kind)
		}
	}
	return kinds
}

// vetChain returns an error if CNAME records lead to a name that nothing outside
// the cluster has.
func (l *lookup) vetChain(a *answer) error {
	if a.snapshot == nil {
		return nil
	}
	for _, name := range a.snapshot.Chain {
		if err := l.w.scope.Alias(name); err != nil {
			return fmt.Errorf("%q leads to another name: %w", a.question.Name, err)
		}
	}
	return nil
}

// expired says whether an answer is too old to go by.
func (l *lookup) expired(a *answer) bool {
	since := l.staleSince(a)
	if since.IsZero() || l.entry.FQDN.MaxStale <= 0 {
		return false
	}
	left := since.Add(l.entry.FQDN.MaxStale).Sub(l.now)
	if left > 0 {
		l.p.ending = true
		l.w.again(left)
	}
	return left <= 0
}

// staleSince returns since when there is no answer; zero if there is one. What
// the operator knew before it started counts until it knows better.
func (l *lookup) staleSince(a *answer) time.Time {
	before := l.p.staleBefore(l.entry.Name)
	switch {
	case a.definitive() && !a.failing():
		return time.Time{}
	case a.definitive() || before.IsZero() && a.failing():
		return a.snapshot.FailingSince
	}
	return before
}

// staleBefore returns since when an entry is stale, as the status has it.
func (p *pass) staleBefore(entry string) time.Time {
	for i := range p.eb.Status.Sources {
		if s := &p.eb.Status.Sources[i]; s.Target == entry && s.StaleSince != nil {
			return s.StaleSince.Time
		}
	}
	return time.Time{}
}

// inherit keeps what is published of the entry and was not found, as long as it
// may only not have been heard of yet: the operator has not been told everything
// since it started, or it was a moment ago, and every answer may be a part of what
// the name stands for. What another name has brought stays until this one has
// been answered.
func (l *lookup) inherit() {
	before, known := l.p.namesBefore[l.entry.Name]
	renamed := known && before != l.entry.FQDN.Hostname
	l.inherited = l.p.isNamed(l.entry) && len(l.found) == 0 && slices.ContainsFunc(l.answers, func(a answer) bool { return !a.definitive() })
	for i := range l.p.here {
		e := &l.p.here[i]
		addr, err := netip.ParseAddr(e.Address)
		if err != nil || e.Entry != l.entry.Name || l.seen[addr] || !l.p.hasFamily(addr) || conditionsOf(e.Conditions).Terminating {
			continue
		}
		if left, stays := l.unheard(addr, renamed); stays {
			if left > 0 {
				l.w.again(left)
			}
			l.seen[addr], l.inherited, l.p.ending = true, true, true
			l.found = append(l.found, target.Target{Addr: addr, Entry: l.entry.Name})
			l.p.keepPorts(addr, l.entry, e.Ports)
		}
	}
}

// unheard says whether an address may be one of the name's though no answer has
// named it, and for how much longer if that ends with time.
func (l *lookup) unheard(addr netip.Addr, renamed bool) (left time.Duration, stays bool) {
	for i := range l.answers {
		a := &l.answers[i]
		if a.question.Type == dns.A && !addr.Is4() || a.question.Type == dns.AAAA && addr.Is4() {
			continue
		}
		switch {
		case l.expired(a):
			return 0, false
		case !a.definitive():
			stays = true
		case !renamed && a.snapshot.Outcome == dns.Answered:
			left = max(left, a.snapshot.Definitive.Add(a.snapshot.Retention).Sub(l.now))
		}
	}
	if stays {
		return 0, true
	}
	return left, left > 0
}

// refuse takes out at once what is published of the entry.
func (l *lookup) refuse(err error) {
	l.p.reject(l.entry.Name, err, denialReason(err))
	for i := range l.p.here {
		if e := &l.p.here[i]; e.Entry == l.entry.Name {
			if addr, err := netip.ParseAddr(e.Address); err == nil {
				l.p.markRefused(addr)
			}
		}
	}
	l.p.refusedName = true
}

// refuseHost leaves a host out that SRV records name.
func (l *lookup) refuseHost(host string, err error) {
	l.p.reject(l.entry.Name, err, denialReason(err))
	for _, kind := range l.p.kinds() {
		if snapshot := l.r.Names.Lookup(dns.Question{Name: host, Type: kind}); snapshot != nil {
			for _, addr := range snapshot.Addrs {
				l.p.markRefused(addr)
			}
		}
	}
}
