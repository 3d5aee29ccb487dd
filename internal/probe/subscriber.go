// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"net/netip"
	"slices"

	"externalbackend.dev/operator/internal/health"
)

// subscription is what one subscriber wants.
type subscription struct {
	key        health.Subscriber
	thresholds health.Thresholds
	members    map[netip.Addr]*member
	order      []*member // as given to Ensure
	round      uint32    // of Ensure calls that changed something
}

// member is one target of one subscriber.
type member struct {
	sub    *subscription
	addr   netip.Addr
	round  uint32         // in which the target was wanted last
	states []health.State // one per check
	probes []*probe       // one per check
}

// has says whether the member is checked by exactly these checks.
func (m *member) has(checks []*health.Check) bool {
	return slices.EqualFunc(m.probes, checks, func(p *probe, c *health.Check) bool {
		return p.def.check == c || p.def.check.Digest() == c.Digest()
	})
}

// Ensure makes the targets of a subscriber exactly these. It is idempotent and
// cheap when nothing changed.
//
// A target that the subscriber already had keeps its verdict: a changed check
// starts counting anew from it, an unchanged check keeps its counters too.
// Thresholds apply from the next result on. The checks of targets that are gone
// are cancelled. Of several targets with the same address, the first counts.
func (s *Scheduler) Ensure(sub health.Subscriber, thresholds health.Thresholds, targets []health.Target) {
	s.mu.Lock()
	defer s.mu.Unlock()
	wanted := s.subscriptions[sub]
	if wanted == nil {
		wanted = &subscription{key: sub, members: make(map[netip.Addr]*member, len(targets))}
		s.subscriptions[sub] = wanted
	}
	wanted.thresholds = thresholds
	if wanted.same(targets) {
		return
	}
	defer s.replan()
	now := s.now()
	wanted.round++
	wanted.order = make([]*member, 0, len(targets))
	for _, t := range targets {
		m := wanted.members[t.Addr]
		switch {
		case m == nil:
			m = &member{sub: wanted, addr: t.Addr}
			wanted.members[t.Addr] = m
			s.rebind(m, t.Checks, health.Seed(t.Seed), now)
		case m.round != wanted.round && !m.has(t.Checks):
			s.rebind(m, t.Checks, health.Resume(health.Combine(m.states...)), now)
		}
		m.round = wanted.round
		wanted.order = append(wanted.order, m)
	}
	for addr, m := range wanted.members {
		if m.round != wanted.round {
			s.drop(m)
			delete(wanted.members, addr)
		}
	}
}

// same says whether targets are those of the last Ensure, in the same order.
func (w *subscription) same(targets []health.Target) bool {
	return slices.EqualFunc(w.order, targets, func(m *member, t health.Target) bool {
		return m.addr == t.Addr && m.has(t.Checks)
	})
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
		s.dropUnused(p)
	}
}

// drop forgets a member.
func (s *Scheduler) drop(m *member) {
	for _, p := range m.probes {
		p.unlink(m)
		s.dropUnused(p)
	}
}

// Statuses appends the health of the subscriber's targets to dst, in the order
// of the last Ensure. An unknown subscriber has none.
func (s *Scheduler) Statuses(sub health.Subscriber, dst []health.Status) []health.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	wanted := s.subscriptions[sub]
	if wanted == nil {
		return dst
	}
	dst = slices.Grow(dst, len(wanted.order))
	for _, m := range wanted.order {
		dst = append(dst, health.Combine(m.states...))
	}
	return dst
}

// Forget ends all checks of a subscriber.
func (s *Scheduler) Forget(sub health.Subscriber) {
	s.mu.Lock()
	defer s.mu.Unlock()
	wanted := s.subscriptions[sub]
	if wanted == nil {
		return
	}
	for _, m := range wanted.members {
		s.drop(m)
	}
	delete(s.subscriptions, sub)
	delete(s.changed, sub)
}
