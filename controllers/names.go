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

// tells says whether it is known what the name has. That it has nothing must have
// been confirmed.
func (a *answer) tells() bool {
	return a.definitive() && (a.snapshot.Settled || len(a.snapshot.Addrs)+len(a.snapshot.Services) > 0)
}

// failing says whether the last query failed, and a first one has ended.
func (a *answer) failing() bool { return a.snapshot != nil && !a.snapshot.FailingSince.IsZero() }

// settles says whether an answer tells of an address that it does not have, and
// that was published before, that it is none of the name's. It takes more to let
// go of the name's own, which may only be missing, than of what another name has
// brought.
func (a *answer) settles(replaced bool) bool {
	return a.definitive() && (a.snapshot.Settled || replaced && a.snapshot.Outcome == dns.Answered)
}

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
// What was answered before it was asked on behalf of this ExternalBackend would
// not be told.
func (r *ServiceReconciler) ensureAsked(w *world, p *pass) {
	questions := make([]dns.Question, len(p.answers))
	for i, a := range p.answers {
		questions[i] = a.question
	}
	r.Names.Ensure(p.subscriber(), questions)
	if !r.answersHold(p) {
		w.again(time.Millisecond)
	}
	r.known.setNames(p.subscriber(), p.answered(), p.provenance)
}

// answersHold says whether everything that was asked has the same answer as then.
func (r *ServiceReconciler) answersHold(p *pass) bool {
	return !slices.ContainsFunc(p.answers, func(a answer) bool { return r.Names.Lookup(p.subscriber(), a.question) != a.snapshot })
}

// origin is what an entry got its addresses from: a name, or if it is empty, the
// entry itself.
type origin struct {
	hostname string
	srv      bool
}

func originOf(e *translate.Entry) origin {
	if e.FQDN == nil {
		return origin{}
	}
	return origin{e.FQDN.Hostname, e.FQDN.Resolution == v1alpha1.ResolutionSRV}
}

// answered returns the origin of every entry. One that no definitive answer is
// known of has the one that it had before, and so has one that is gone, as long
// as something of it is published.
func (p *pass) answered() map[string]origin {
	origins := make(map[string]origin, len(p.entries))
	for name, e := range p.entries {
		if e.FQDN == nil || p.names[name].Answered {
			origins[name] = originOf(e)
		} else if before, ok := p.originsBefore[name]; ok {
			origins[name] = before
		}
	}
	for i := range p.here {
		entry := p.here[i].Entry
		if before, ok := p.originsBefore[entry]; ok && p.entries[entry] == nil {
			origins[entry] = before
		}
	}
	return origins
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
	// denied is true if a host of SRV records is left out, and passedOver says which
	// records are not served as they say.
	denied     bool
	passedOver []string
	// dropped counts the records beyond what an entry may have.
	dropped int
}

// maxHosts bounds those that the SRV records of an ExternalBackend lead to, which
// its entries share equally: each is a question for every family.
const maxHosts = 512

func (p *pass) srvEntries() int {
	n := 0
	for _, e := range p.entries {
		if e.FQDN != nil && e.FQDN.Resolution == v1alpha1.ResolutionSRV {
			n++
		}
	}
	return n
}

func (l *lookup) ask(name string, kind dns.Type) *answer {
	question := dns.Question{Name: name, Type: kind}
	snapshot := l.r.Names.Lookup(l.p.subscriber(), question)
	l.answers = append(l.answers, answer{question, snapshot})
	l.p.ending = l.p.ending || snapshot != nil && snapshot.Outcome == dns.TooManyQuestions // it is to be asked again
	return &l.answers[len(l.answers)-1]
}

// find returns an error if an answer leads to a name that must not be targeted.
func (l *lookup) find() error {
	if l.entry.FQDN.Resolution != v1alpha1.ResolutionSRV {
		return l.addresses(l.entry.FQDN.Hostname, nil)
	}
	records := l.ask(l.entry.FQDN.Hostname, dns.SRV)
	if err := l.vetChain(records); err != nil || records.snapshot == nil {
		return err
	}
	if l.expired(records) {
		return nil
	}
	served := records.snapshot.Services
	if most := maxHosts / l.p.srvEntries(); len(served) > most {
		l.dropped, served = len(served)-most, served[:most]
	}
	for _, s := range served {
		if err := l.w.scope.Hostname(s.Host); err != nil {
			l.refuseHost(s.Host, err)
			continue
		}
		if err := l.addresses(s.Host, &s); err != nil {
			l.refuseHost(s.Host, err)
		}
	}
	return nil
}

// addresses finds those of a name, which an SRV record gives if there is one. Of
// several records that lead to an address, the first one holds.
func (l *lookup) addresses(name string, record *dns.Service) error {
	for _, kind := range l.p.kinds() {
		a := l.ask(name, kind)
		if err := l.vetChain(a); err != nil {
			return err
		}
		if a.snapshot == nil || l.expired(a) {
			continue
		}
		for _, addr := range a.snapshot.Addrs {
			t := target.Target{Addr: addr, Entry: l.entry.Name}
			if l.seen[addr] {
				l.passOver(t, record)
				continue
			}
			l.seen[addr], l.found = true, append(l.found, t)
			if record != nil {
				l.p.note(t, l.entry, provenance{host: record.Host, priority: int(record.Priority), number: record.Port})
			}
		}
	}
	return nil
}

// passOver notes that a record leads to an address that has another port already.
func (l *lookup) passOver(t target.Target, record *dns.Service) {
	if record == nil || l.p.provenance[t].number == record.Port {
		return
	}
	text := fmt.Sprintf("the SRV record for port %d of %q is not served where a record before gives the same address another port: an address is served on one", record.Port, record.Host)
	if !slices.Contains(l.passedOver, text) {
		l.passedOver = append(l.passedOver, text)
	}
}

// kinds are those of the families that the Service has, or may have. Of a name that
// is passed through they are both: its consumers look it up on their own.
func (p *pass) kinds() []dns.Type {
	var kinds []dns.Type
	for _, known := range []struct {
		family discoveryv1.AddressType
		kind   dns.Type
	}{{discoveryv1.AddressTypeIPv4, dns.A}, {discoveryv1.AddressTypeIPv6, dns.AAAA}} {
		if p.families == nil || slices.Contains(p.families, known.family) || p.backend.Passthrough() != nil {
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
	if p.staleEntries == nil {
		p.staleEntries = make(map[string]time.Time)
		for i := range p.eb.Status.Sources {
			if s := &p.eb.Status.Sources[i]; s.StaleSince != nil {
				p.staleEntries[s.Target] = s.StaleSince.Time
			}
		}
	}
	return p.staleEntries[entry]
}
