// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"net/netip"
	"slices"
	"sync"

	"externalbackend.dev/operator/internal/health"
)

// subscription is what one subscriber wants.
type subscription struct {
	key    health.Subscriber
	tenant *tenant
	// editing is held by who changes the subscription. It comes before the
	// scheduler's own lock, which is given up in between.
	editing    sync.Mutex
	thresholds health.Thresholds
	members    map[netip.Addr]*member
	order      []*member // as given to Ensure
	round      uint32    // of Ensure calls that changed something
	// missing is the least number of checks that one of the targets needs that
	// were turned away; 0 if it waits for no room. refused is what it will be
	// after the edit that is going on.
	missing, refused int
}

// Ensure makes the targets of a subscriber exactly these. It is idempotent and
// cheap when nothing changed.
//
// A target that the subscriber already had keeps its verdict: a changed check
// starts counting anew from it, an unchanged check keeps its counters too.
// Thresholds apply from the next result on. The checks of targets that are gone
// are cancelled. Of several targets with the same address, the first counts.
//
// A target with another Instance than before starts anew, with its seed, as if the
// address had been gone in between. Checks count for it that start from now on,
// also of those that others want, too.
//
// Targets that would exceed Options.MaxChecksPerNamespace, or what MaxChecks
// leaves, are not checked, or by the checks that they had: they keep their verdict,
// of which TooManyChecks is the obstacle, until an Ensure finds room for them.
// Notify tells when one would.
func (s *Scheduler) Ensure(sub health.Subscriber, thresholds health.Thresholds, targets []health.Target) {
	wanted := s.edit(sub, true)
	defer s.edited(wanted)
	wanted.thresholds = thresholds
	if wanted.same(targets) {
		return
	}
	if len(wanted.members) == 0 {
		wanted.members = make(map[netip.Addr]*member, len(targets))
	}
	defer s.replan()
	now := s.now()
	wanted.refused = 0
	order := s.keep(wanted, targets)
	for i, t := range targets {
		if order[i] == nil {
			order[i] = wanted.members[t.Addr] // of the same address before
		}
		order[i] = s.adjust(wanted, order[i], t, now)
		s.letIn(i)
	}
	wanted.order = order
	s.await(wanted, wanted.refused)
	s.offer(wanted.tenant)
}

// edit returns a subscription and locks it and the scheduler, until edited. If
// there is none, it makes one or returns nil.
func (s *Scheduler) edit(sub health.Subscriber, create bool) *subscription {
	for {
		s.mu.Lock()
		wanted := s.subscriptions[sub]
		if wanted == nil && create {
			wanted = &subscription{key: sub, tenant: s.tenantOf(sub.Namespace), members: map[netip.Addr]*member{}}
			wanted.tenant.subscriptions++
			s.subscriptions[sub] = wanted
		}
		s.mu.Unlock()
		if wanted == nil {
			return nil
		}
		wanted.editing.Lock()
		s.mu.Lock()
		if s.subscriptions[sub] == wanted {
			return wanted
		}
		s.edited(wanted) // it was forgotten meanwhile
	}
}

func (s *Scheduler) edited(wanted *subscription) {
	s.mu.Unlock()
	wanted.editing.Unlock()
}

// editBatch is how many targets are edited before others have the lock.
const editBatch = 200

// letIn gives up the scheduler's lock for a moment, every editBatch calls: no
// check waits until a subscriber with very many targets has changed them all.
func (s *Scheduler) letIn(i int) {
	if i%editBatch == editBatch-1 {
		s.mu.Unlock()
		s.mu.Lock()
	}
}

// keep forgets the members that are not among the targets, and returns those
// that are, each at its target's place.
func (s *Scheduler) keep(wanted *subscription, targets []health.Target) []*member {
	wanted.round++
	order := make([]*member, len(targets))
	for i, t := range targets {
		if order[i] = wanted.members[t.Addr]; order[i] != nil {
			order[i].round = wanted.round
		}
	}
	dropped := 0
	for addr, m := range wanted.members {
		if m.round != wanted.round {
			s.drop(m)
			delete(wanted.members, addr)
			s.letIn(dropped)
			dropped++
		}
	}
	wanted.round++ // of those that have been adjusted
	return order
}

// adjust makes a member, nil if there is none yet, what a target asks for, and
// returns it.
func (s *Scheduler) adjust(wanted *subscription, m *member, t health.Target, now int64) *member {
	if m != nil && m.round == wanted.round { // the same address again
		return m
	}
	another := m != nil && m.instance != t.Instance
	if another {
		s.renew(m, t, now)
	}
	switch more := cost(t.Checks) - m.cost(); {
	case m != nil && m.has(t.Checks):
		m.outdated = false
	case more > max(0, s.room(wanted.tenant)):
		if wanted.turnAway(more); m == nil {
			return excess[t.Seed]
		}
		m.outdated = true // the checks that it has go on
	case m == nil:
		m = &member{sub: wanted, addr: t.Addr, instance: t.Instance}
		if t.Instance != "" {
			m.after = s.dispatcher.starts
		}
		wanted.members[t.Addr] = m
		s.charge(wanted.tenant, more)
		s.rebind(m, t.Checks, health.Seed(t.Seed), now)
	default:
		s.charge(wanted.tenant, more)
		start := health.Resume(health.Combine(m.states...))
		if another { // it may have had no check, and be healthy for that
			start = health.Seed(t.Seed)
		}
		s.rebind(m, t.Checks, start, now)
		m.outdated = false
	}
	m.round = wanted.round
	return m
}

// tenantOf returns the account of a namespace.
func (s *Scheduler) tenantOf(namespace string) *tenant {
	t := s.tenants[namespace]
	if t == nil {
		t = newTenant(namespace, &s.unknown, &s.seeded)
		s.tenants[namespace] = t
	}
	return t
}

// dropIdle forgets a namespace of which nothing is left.
func (s *Scheduler) dropIdle(t *tenant) {
	if t.subscriptions == 0 && t.running() == 0 {
		delete(s.tenants, t.namespace)
	}
}

// same says whether targets are those of the last Ensure, in the same order, and
// what it asked for was there.
func (w *subscription) same(targets []health.Target) bool {
	return slices.EqualFunc(w.order, targets, func(m *member, t health.Target) bool {
		return m.addr == t.Addr && m.instance == t.Instance && !m.outdated && m.has(t.Checks)
	})
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
		status := health.Combine(m.states...)
		if m.outdated {
			status.Obstacle = health.TooManyChecks
		}
		dst = append(dst, status)
	}
	return dst
}

// Forget ends all checks of a subscriber.
func (s *Scheduler) Forget(sub health.Subscriber) {
	wanted := s.edit(sub, false)
	if wanted == nil {
		return
	}
	defer s.edited(wanted)
	dropped := 0
	for addr, m := range wanted.members {
		s.drop(m)
		delete(wanted.members, addr)
		s.letIn(dropped)
		dropped++
	}
	delete(s.subscriptions, sub)
	delete(s.changed, sub)
	s.await(wanted, 0)
	s.offer(wanted.tenant)
	wanted.tenant.subscriptions--
	s.dropIdle(wanted.tenant)
}
