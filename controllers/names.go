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
	// holds is true if published addresses stay that it may yet name.
	holds bool
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
	l.find()
	l.inherit()
	p.answers = append(p.answers, l.answers...)
	if p.sources == nil {
		p.sources = make(map[string]status.Source)
	}
	p.sources[entry.Name] = l.source()
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
	r.known.setLineage(p.subscriber(), p.lineage)
	// Who is known by now is looked at again when AWSIdentities or Nodes change.
	if !r.answersHold(p) || w.fleets() && (r.Identities.Book() != w.identities || r.Topology.load() != w.topology) {
		w.again(time.Millisecond)
	}
}

// answersHold says whether everything that was asked has the same answer as then.
func (r *ServiceReconciler) answersHold(p *pass) bool {
	return !slices.ContainsFunc(p.answers, func(a answer) bool { return r.Names.Lookup(p.subscriber(), a.question) != a.snapshot })
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
	// denied is true if a host of SRV records is left out, refused are addresses that
	// are for the name by way of which they came, and passedOver says which records
	// are not served as they say.
	denied     bool
	refused    map[netip.Addr]bool
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
	l.answers = append(l.answers, answer{question: question, snapshot: snapshot})
	l.p.ending = l.p.ending || snapshot != nil && snapshot.Outcome == dns.TooManyQuestions // it is to be asked again
	return &l.answers[len(l.answers)-1]
}

// find finds what the entry stands for, apart from what leads by way of a name that
// must not be targeted.
func (l *lookup) find() {
	if l.entry.FQDN.Resolution != v1alpha1.ResolutionSRV {
		l.addresses(l.entry.FQDN.Hostname, nil, false)
		return
	}
	records := l.ask(l.entry.FQDN.Hostname, dns.SRV)
	if records.snapshot == nil || l.expired(records) {
		return
	}
	snapshot := records.snapshot // asking more moves the answers
	served := snapshot.Services
	if most := maxHosts / l.p.srvEntries(); len(served) > most {
		l.dropped, served = len(served)-most, served[:most]
	}
	for i, s := range served {
		err := l.vetChain(l.entry.FQDN.Hostname, snapshot.Chain(i))
		if err == nil {
			err = l.w.scope.Hostname(s.Host)
		}
		if err != nil {
			l.refuseHost(s.Host, err)
			continue
		}
		l.addresses(s.Host, &s, snapshot.Missing(i))
	}
}

// addresses finds those of a name, which an SRV record gives if there is one. Of
// several records that lead to an address, the first one holds. The record may be
// missing from the last answer, and so are its addresses.
func (l *lookup) addresses(name string, record *dns.Service, missing bool) {
	for _, kind := range l.p.kinds() {
		a := l.ask(name, kind)
		if a.snapshot == nil {
			continue
		}
		expired := l.expired(a)
		for i, addr := range a.snapshot.Addrs {
			if err := l.vetChain(name, a.snapshot.Chain(i)); err != nil {
				l.refuseAddress(addr, err)
			} else if !expired {
				l.add(addr, record, missing || a.snapshot.Missing(i))
			}
		}
	}
}

func (l *lookup) add(addr netip.Addr, record *dns.Service, missing bool) {
	t := target.Target{Addr: addr, Entry: l.entry.Name}
	if l.seen[addr] {
		l.p.setMissing(t, missing && l.p.missing[t])
		l.passOver(t, record)
		return
	}
	l.seen[addr], l.found = true, append(l.found, t)
	l.p.setMissing(t, missing)
	if record != nil {
		l.p.note(t, l.entry, provenance{host: record.Host, priority: int(record.Priority), number: record.Port})
	}
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

// vetChain returns an error if CNAME records lead from a name to one that must not
// be targeted.
func (l *lookup) vetChain(name string, chain []string) error {
	for _, alias := range chain {
		if err := l.w.scope.Alias(alias); err != nil {
			return fmt.Errorf("%q leads to another name: %w", name, err)
		}
	}
	return nil
}

// expired says whether an answer is too old to go by. While the first query is
// under way, that is not known.
func (l *lookup) expired(a *answer) bool {
	since := l.staleSince(a)
	if a.snapshot == nil || since.IsZero() || l.entry.FQDN.MaxStale <= 0 {
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
