// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"net/netip"
	"slices"

	"externalbackend.dev/operator/internal/health"
)

// member is one target of one subscriber.
type member struct {
	sub  *subscription
	addr netip.Addr
	// instance is what is at the address, and after the last check, of all, that
	// started before that was known: its result and older ones may be about another
	// one. 0: every result counts.
	instance string
	after    int64
	round    uint32         // in which the target was wanted last
	states   []health.State // one per check
	probes   []*probe       // one per check
	// outdated: the target is to have other checks, for which there is no room.
	outdated bool
}

// has says whether the member is checked by exactly these checks.
func (m *member) has(checks []*health.Check) bool {
	return slices.EqualFunc(m.probes, checks, func(p *probe, c *health.Check) bool {
		return p.def.check == c || p.def.check.Digest() == c.Digest()
	})
}

// renew has a member start anew with the checks that it has, since something else
// is at its address. A check that nobody else wants begins anew, too.
func (s *Scheduler) renew(m *member, t health.Target, now int64) {
	checks := make([]*health.Check, len(m.probes))
	for i, p := range m.probes {
		checks[i] = p.def.check
		p.unlink(m)
		s.dropUnused(p, m.sub.tenant)
	}
	m.instance, m.after, m.probes = t.Instance, s.dispatcher.starts, nil
	s.rebind(m, checks, health.Seed(t.Seed), now)
}

// rebind gives a member other checks. A check that it had before keeps its
// state, the others start with the given one.
func (s *Scheduler) rebind(m *member, checks []*health.Check, start health.State, now int64) {
	old := *m
	m.states = make([]health.State, len(checks))
	m.probes = make([]*probe, len(checks))
	for i, c := range checks {
		m.states[i] = start
		for j, p := range old.probes {
			if p.def.check.Digest() == c.Digest() {
				m.states[i] = old.states[j]
			}
		}
	}
	for _, p := range old.probes {
		p.unlink(m)
	}
	for i, c := range checks {
		s.attach(m, i, c, now)
	}
	for _, p := range old.probes {
		s.dropUnused(p, m.sub.tenant)
	}
}

// drop forgets a member.
func (s *Scheduler) drop(m *member) {
	s.charge(m.sub.tenant, -m.cost())
	for _, p := range m.probes {
		p.unlink(m)
		s.dropUnused(p, m.sub.tenant)
	}
}
