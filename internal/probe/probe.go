// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"math"
	"net/netip"
	"slices"
	"sync"
	"time"

	"externalbackend.dev/operator/internal/health"
)

// definition is a check in use, shared by all probes that have it.
type definition struct {
	check *health.Check
	run   func() Run // prepares on first use
	users int        // probes
}

// probe is one check of one address, for everybody who wants it. It is queued
// for each namespace that does, or running.
type probe struct {
	addr netip.Addr
	def  *definition
	hash uint64
	// claims are those of the namespaces that want it, in order; at least one
	// until removed.
	claims []*claim
	// namespaces that want it, shared with running checks and never altered.
	namespaces []string

	started     int64 // when the last check started; 0: never
	number      int64 // of that among all starts
	heard       int64 // when the last result came; before the first: when it became known
	completed   int64 // when the last check started that was not ended for others; 0: never
	lostAtStart time.Duration
	cancel      context.CancelFunc // of the running check; nil while none runs
	payer       *lane              // for which the running check counts; nil while none runs
	place       int                // among those of that lane; nowhere if it is not to be ended
	removed     bool               // nobody wants it any more
}

// running says whether a check of it holds a slot.
func (p *probe) running() bool { return p.payer != nil }

// scheduleFirst queues a claim for the first check of the probe, or for the first
// one of somebody who wants it too. Few are checked at once, many are spread; Unknown
// ones do not queue behind those whose verdict was taken over, nor those of one
// namespace behind those of another.
func (s *Scheduler) scheduleFirst(c *claim, now, latest int64) {
	latest = min(latest, now+spread(c.probe.hash, c.probe.def.check.Timing.Interval))
	s.schedule(c, c.firstChecks().take(now, latest))
}

// schedule queues a claim, or moves it. No probe is checked again, for whomever,
// before its edge interval is nearly over: results that follow each other faster
// would reach the thresholds of everybody who wants it sooner than they ask for.
// What is missing leaves room for places on the grid, which are not exactly apart.
func (s *Scheduler) schedule(c *claim, due int64) {
	if p := c.probe; p.completed != 0 {
		edge := int64(p.def.check.Timing.Edge())
		due = max(due, p.completed+edge-edge/settleShare)
	}
	c.due = due
	s.dispatcher.place(c)
}

// attach makes a member's check state follow the probe of its address and
// check, which is made if there is none.
func (s *Scheduler) attach(m *member, check int, c *health.Check, now int64) {
	def := s.definitions[c.Digest()]
	if def == nil {
		def = &definition{check: c, run: sync.OnceValue(func() Run { return s.opts.Executor.Prepare(c) })}
		s.definitions[c.Digest()] = def
	}
	p := s.probes[probeKey{m.addr, def}]
	if p == nil {
		p = &probe{addr: m.addr, def: def, hash: hashOf(m.addr, c.Digest()), heard: now, place: nowhere}
		s.probes[probeKey{m.addr, def}] = p
		def.users++
	}
	m.probes[check] = p
	claim, known := p.claimOf(m.sub.tenant)
	claim.links = append(claim.links, link{m, check})
	if p.running() {
		return
	}
	latest := int64(math.MaxInt64)
	if p.started == 0 {
		claim.expect()
	} else if due := claim.nextDue(now); due > now { // others are not late
		latest = due
	}
	if known {
		latest = claim.due
	}
	if latest == math.MaxInt64 || claim.undecided() {
		// It may be checked for somebody else already; who knows nothing need
		// not wait for the next round.
		s.scheduleFirst(claim, now, latest)
	} else {
		s.schedule(claim, latest)
	}
}

// unlink ends what attach began for all checks of a member that use the probe.
func (p *probe) unlink(m *member) {
	if i, known := p.find(m.sub.tenant); known {
		p.claims[i].links = slices.DeleteFunc(p.claims[i].links, func(l link) bool { return l.member == m })
	}
}

// dropUnused forgets the claim of a namespace that does not want a probe any
// more, and the probe if nobody does. A running check is cancelled then, and its
// result discarded.
func (s *Scheduler) dropUnused(p *probe, t *tenant) {
	i, known := p.find(t)
	if !known {
		return
	}
	c := p.claims[i]
	if len(c.links) > 0 {
		if c.first != nil {
			c.expect()
		}
		if !p.running() {
			s.schedule(c, c.due)
		}
		return
	}
	s.dispatcher.withdraw(c)
	c.settle()
	if p.claims = slices.Delete(p.claims, i, i+1); len(p.claims) > 0 {
		p.namespaces = p.wantedBy()
		return
	}
	p.removed = true
	if p.cancel != nil {
		p.cancel()
	}
	delete(s.probes, probeKey{p.addr, p.def})
	if p.def.users--; p.def.users == 0 {
		delete(s.definitions, p.def.check.Digest())
	}
}
