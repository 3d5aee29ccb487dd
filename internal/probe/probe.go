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

// probe is one check of one address, for everybody who wants it. It is queued,
// waiting for its address, or running.
type probe struct {
	addr netip.Addr
	def  *definition
	hash uint64
	// links are the states that its results move; at least one until removed.
	links []link
	// namespaces that want it, shared with running checks and never altered.
	namespaces []string

	// lane in which it is queued, or for which its running check counts.
	lane  *lane
	in    *heap[*probe] // that it is in, the lane's or that of its address; nil while it runs
	place int           // in that heap
	// first counts it as long as it has never been checked.
	first *firstChecks

	due         int64 // when the next check is to start
	started     int64 // when the last check started; 0: never
	heard       int64 // when the last result came; before the first: when it became known
	lostAtStart time.Duration
	cancel      context.CancelFunc // of the running check; nil while none runs
	removed     bool               // nobody wants it any more
}

// link points to one check state of one member.
type link struct {
	member *member
	check  int // index into states and probes
}

func (l link) state() *health.State { return &l.member.states[l.check] }

func (l link) tenant() *tenant { return l.member.sub.tenant }

// unhealthy says whether everybody holds the target to be Unhealthy.
func (p *probe) unhealthy() bool {
	for _, l := range p.links {
		if l.state().Verdict() != health.Unhealthy {
			return false
		}
	}
	return true
}

// undecided says whether somebody knows nothing about the target.
func (p *probe) undecided() bool {
	for _, l := range p.links {
		if l.state().Verdict() == health.Unknown {
			return true
		}
	}
	return false
}

// interval returns the shortest interval that anybody wants, and whether that
// is because a verdict is pending.
func (p *probe) interval() (interval time.Duration, pending bool) {
	for i, l := range p.links {
		wanted := l.state().Interval(p.def.check.Timing)
		if i == 0 || wanted < interval {
			interval = wanted
		}
		pending = pending || l.state().Pending()
	}
	return interval, pending
}

// scheduleFirst queues a probe for its first check, or for the first one of
// somebody who wants it too. Few are checked at once, many are spread; Unknown
// ones do not queue behind those whose verdict was taken over, nor those of one
// namespace behind those of another.
func (s *Scheduler) scheduleFirst(p *probe, now, latest int64) {
	latest = min(latest, now+spread(p.hash, p.def.check.Timing.Interval))
	s.schedule(p, p.firstChecks().take(now, latest))
}

// schedule queues a probe, or moves it.
func (s *Scheduler) schedule(p *probe, due int64) {
	p.due = due
	s.dispatcher.place(p)
}

// nextDue returns when a probe is to be checked again.
func (p *probe) nextDue(now int64) int64 {
	interval, pending := p.interval()
	if pending {
		return atEdge(p.started, now, interval)
	}
	return onGrid(p.hash, p.started, now, interval)
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
	known := p != nil
	if !known {
		p = &probe{addr: m.addr, def: def, hash: hashOf(m.addr, c.Digest()), heard: now, place: nowhere}
		s.probes[probeKey{m.addr, def}] = p
		def.users++
	}
	p.links = append(p.links, link{m, check})
	p.namespaces = p.wantedBy()
	m.probes[check] = p
	switch {
	case !known:
		p.firstChecks().expect(p)
		s.scheduleFirst(p, now, math.MaxInt64)
	case p.in == nil: // running
	case p.undecided():
		// It is checked for somebody else already; the newcomer need not wait
		// for the next round.
		s.scheduleFirst(p, now, p.due)
	default:
		s.schedule(p, p.due)
	}
}

// unlink ends what attach began for all checks of a member that use the probe.
func (p *probe) unlink(m *member) {
	p.links = slices.DeleteFunc(p.links, func(l link) bool { return l.member == m })
}

// dropUnused forgets a probe that nobody wants any more. A running check is
// cancelled and its result discarded. For a probe that others want, it is these
// for whom it is queued from now on.
func (s *Scheduler) dropUnused(p *probe) {
	switch {
	case p.removed:
		return
	case len(p.links) > 0:
		p.namespaces = p.wantedBy()
		if p.first != nil {
			p.firstChecks().expect(p)
		}
		if p.in != nil {
			s.schedule(p, p.due)
		}
		return
	}
	p.removed = true
	s.dispatcher.withdraw(p)
	p.settle()
	if p.cancel != nil {
		p.cancel()
	}
	delete(s.probes, probeKey{p.addr, p.def})
	if p.def.users--; p.def.users == 0 {
		delete(s.definitions, p.def.check.Digest())
	}
}
