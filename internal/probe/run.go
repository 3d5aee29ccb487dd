// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"net/netip"
	"time"

	"externalbackend.dev/operator/internal/health"
)

// startDue starts what is due, as far as capacity allows.
func (s *Scheduler) startDue(now int64) {
	for !s.capacity.full() {
		p := s.queue.head()
		if p == nil || p.due > now {
			return
		}
		s.queue.remove(p)
		if s.capacity.take(p) {
			s.start(p, now)
		}
	}
}

// start runs one check in a goroutine of its own. Its capacity is taken.
func (s *Scheduler) start(p *probe, now int64) {
	if s.ctx.Err() != nil {
		s.capacity.release(p)
		return
	}
	lag := time.Duration(now - p.due)
	ctx, cancel := context.WithCancel(s.ctx)
	p.started, p.cancel, p.lostAtStart = now, cancel, s.lost+s.late(now)
	s.running.Go(func() { s.check(ctx, p, lag) })
}

// check executes one check and deals with its result.
func (s *Scheduler) check(ctx context.Context, p *probe, lag time.Duration) {
	run := p.def.run()
	began := s.now()
	ctx, cancel := context.WithTimeout(ctx, p.def.check.Timing.Timeout)
	result := run(ctx, p.addr)
	cancel()
	changes, counted := s.finish(p, &result, began)
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

// finish applies the result of a check that began at began and frees its
// capacity. It returns false if the result is no longer wanted.
func (s *Scheduler) finish(p *probe, result *health.Result, began int64) (changes []change, counted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	p.cancel()
	p.cancel = nil
	s.capacity.release(p)
	if s.ctx.Err() != nil {
		return nil, false
	}
	if !p.removed {
		s.doubt(p, result, began, now)
		p.heard = now
		changes = s.apply(p, *result)
		s.queue.schedule(p, p.nextDue(now))
	}
	s.resume(p.addr, now)
	s.replan() // while the capacity was full, the loop did not plan
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

// apply moves the states of everybody who wants the probe.
func (s *Scheduler) apply(p *probe, result health.Result) (changes []change) {
	now := s.opts.Clock.Now()
	for _, l := range p.links {
		m := l.member
		next, flipped := l.state().Step(result, m.sub.thresholds, now)
		if !flipped && next.Status().Obstacle == l.state().Status().Obstacle {
			*l.state() = next
			continue
		}
		from := health.Combine(m.states...)
		*l.state() = next
		to := health.Combine(m.states...)
		if from.Verdict != to.Verdict {
			changes = append(changes, change{m.sub.key, from.Verdict, to.Verdict})
		}
		if from.Verdict != to.Verdict || from.Obstacle != to.Obstacle {
			s.changed[m.sub.key] = struct{}{}
		}
	}
	if len(s.changed) > 0 {
		select {
		case s.news <- struct{}{}:
		default:
		}
	}
	return changes
}

// resume starts what waited for the capacity that a check of addr gave back.
func (s *Scheduler) resume(addr netip.Addr, now int64) {
	for p := s.capacity.nextWaiting(addr); p != nil; p = s.capacity.nextWaiting(addr) {
		if s.capacity.take(p) {
			s.start(p, now)
		}
	}
}
