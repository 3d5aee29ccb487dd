// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"net/netip"
	"time"

	"externalbackend.dev/operator/internal/health"
)

// startDue starts what is due and has a turn, as far as there are slots for it
// and processors take it on.
func (s *Scheduler) startDue(now int64) {
	if s.ctx.Err() != nil {
		return
	}
	for int(s.launching.Load()) < s.launchLimit {
		c := s.dispatcher.next(now)
		if c == nil {
			s.makeRoom(now)
			return
		}
		s.start(c, now)
	}
}

// makeRoom ends checks that have run for long, for others to which slots are due.
func (s *Scheduler) makeRoom(now int64) {
	for _, p := range s.dispatcher.evict(now) {
		p.cancel()
	}
}

// start runs one check in a goroutine of its own. Its slot is taken.
func (s *Scheduler) start(c *claim, now int64) {
	p, lag := c.probe, time.Duration(now-c.due)
	for _, o := range p.claims {
		o.settle()
	}
	v := newVisit(s.ctx, p.namespaces)
	p.started, p.cancel, p.lostAtStart = now, func() { v.end(context.Canceled) }, s.lost+s.late(now)
	p.number = s.dispatcher.starts
	s.launching.Add(1)
	s.running.Go(func() { s.check(v, p, lag) })
}

// check executes one check and deals with its result.
func (s *Scheduler) check(v *visit, p *probe, lag time.Duration) {
	if int(s.launching.Add(-1)) == s.launchLimit/2 {
		s.poke() // there may be more to start
	}
	run := p.def.run()
	began := s.now()
	result := denied
	if s.opts.Guard(v.namespaces, netip.AddrPortFrom(p.addr.Unmap(), p.def.check.Port)) == nil {
		v.start(p.def.check.Timing.Timeout)
		result = run(v, p.addr)
		v.stop()
	}
	changes, counted := s.finish(p, &result, began+int64(v.waited))
	if !counted {
		return
	}
	s.opts.Observer.CheckDone(p.def.check.Kind, result, lag)
	for _, c := range changes {
		s.opts.Observer.VerdictChanged(c.sub, p.addr, c.from, c.to)
	}
}

// change is a changed combined verdict.
type change struct {
	sub      health.Subscriber
	from, to health.Verdict
}

// finish applies the result of a check that began at began, or as much later as it
// waited for processors, and frees its capacity. It returns false if the result is no longer wanted.
func (s *Scheduler) finish(p *probe, result *health.Result, began int64) (changes []change, counted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	p.cancel()
	p.cancel = nil
	payer, evicted := p.payer.tenant, p.place == nowhere
	s.dispatcher.release(p)
	s.dropIdle(payer)
	if s.ctx.Err() != nil {
		return nil, false
	}
	if !p.removed {
		s.doubt(p, result, began, now)
		if evicted {
			result.Outcome, result.Reason = health.Indeterminate, health.SchedulingDelay
		} else {
			p.completed = p.started
		}
		p.heard = now
		changes = s.apply(p, *result)
		for _, c := range p.claims {
			due := now
			if !evicted {
				due = c.nextDue(now)
			}
			s.schedule(c, due)
		}
	}
	s.startDue(now) // what waited for the slot
	s.replan()
	return changes, !p.removed
}

// doubt turns a timeout into an Indeterminate result if the process was
// stalled for a considerable part of it: the answer may have been there.
func (s *Scheduler) doubt(p *probe, result *health.Result, began, now int64) {
	if !result.Reason.IsTimeout() {
		return
	}
	timeout := p.def.check.Timing.Timeout
	overrun := time.Duration(now-began) - timeout
	lost := s.lost + s.late(now) - p.lostAtStart
	if max(overrun, lost) > timeout/stallShare {
		result.Outcome, result.Reason = health.Indeterminate, health.SchedulingDelay
	}
}

// apply moves the states of everybody who wants the probe, but for those at whose
// address something else was when the check started.
func (s *Scheduler) apply(p *probe, result health.Result) (changes []change) {
	now := s.opts.Clock.Now()
	for _, c := range p.claims {
		for _, l := range c.links {
			if p.number > l.member.after {
				changes = s.step(l, result, now, changes)
			}
		}
	}
	return changes
}

// step moves one state, and appends what that changes.
func (s *Scheduler) step(l link, result health.Result, now time.Time, changes []change) []change {
	m := l.member
	next, flipped := l.state().Step(result, m.sub.thresholds, now)
	if !flipped && next.Status().Obstacle == l.state().Status().Obstacle {
		*l.state() = next
		return changes
	}
	from := health.Combine(m.states...)
	*l.state() = next
	to := health.Combine(m.states...)
	if from.Verdict != to.Verdict {
		changes = append(changes, change{m.sub.key, from.Verdict, to.Verdict})
	}
	if from.Verdict != to.Verdict || from.Obstacle != to.Obstacle {
		s.tell(m.sub)
	}
	return changes
}

// tell has a subscriber notified.
func (s *Scheduler) tell(sub *subscription) {
	s.changed[sub.key] = struct{}{}
	select {
	case s.news <- struct{}{}:
	default:
	}
}
