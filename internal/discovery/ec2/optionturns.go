// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"context"
	"math/rand/v2"
	"time"
)

// statusPeriod is the time between two listings of statuses.
const statusPeriod = time.Minute

// statusTurn lists statuses, if it is time to.
func (s *source) statusTurn(ctx context.Context) time.Duration {
	s.mu.Lock()
	a, now := s.usable(), s.hub.clock.Now()
	if a == nil || !a.identity.InstanceStatus || s.m.listed.IsZero() {
		s.mu.Unlock()
		return forever
	}
	wait := s.statuses.Sub(now)
	s.mu.Unlock()
	if wait > 0 {
		return wait
	}
	ctx, done := s.bounded(ctx, a, optionLimit)
	defer done()
	found, failure := listStatuses(ctx, a.api(s.Region))
	pause := time.Duration(0)
	s.take(ctx, a, func(now time.Time) {
		s.m.takeStatuses(found, failure, now)
		s.statuses = s.m.options[statuses].until
		if failure == nil {
			s.statuses = now.Add(statusPeriod + time.Duration(jitter*rand.Float64()*float64(statusPeriod))) //nolint:gosec // nobody gains by guessing it
		}
		pause = s.statuses.Sub(now)
	})
	return pause
}

// groupTurn asks for the states of some instances in their Auto Scaling groups.
func (s *source) groupTurn(ctx context.Context) time.Duration {
	s.mu.Lock()
	a, now := s.usable(), s.hub.clock.Now()
	if a == nil || !a.identity.AutoScaling {
		s.mu.Unlock()
		return forever
	}
	if wait := s.m.groupedWait(now); wait > 0 {
		s.mu.Unlock()
		return wait
	}
	ids := s.m.nextGrouped()
	s.mu.Unlock()
	if len(ids) == 0 {
		return forever
	}
	ctx, done := s.bounded(ctx, a, optionLimit)
	defer done()
	states, failure := listLifecycles(ctx, a.api(s.Region), ids)
	s.take(ctx, a, func(now time.Time) { s.m.takeLifecycles(ids, states, failure, now) })
	return 0
}

// tagTurn lists the tags of interfaces, if they are to be.
func (s *source) tagTurn(ctx context.Context) time.Duration {
	s.mu.Lock()
	a := s.usable()
	if a == nil || !s.m.tagsDue || s.m.listed.IsZero() {
		s.mu.Unlock()
		return forever
	}
	if wait := s.m.options[interfaceTags].until.Sub(s.hub.clock.Now()); wait > 0 {
		s.mu.Unlock()
		return wait
	}
	keys := s.m.keys()
	s.m.tagsDue = false
	s.mu.Unlock()
	if len(keys) == 0 {
		return forever
	}
	ctx, done := s.bounded(ctx, a, refreshLimit) // they may be as many as instances
	defer done()
	tags, failure := listTags(ctx, a.api(s.Region), keys)
	s.take(ctx, a, func(now time.Time) { s.m.takeTags(keys, tags, failure, now) })
	return 0
}
