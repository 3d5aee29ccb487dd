// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"
)

const (
	// refreshLimit bounds a refresh, and optionLimit what it asks for besides
	// instances, which it waits for.
	refreshLimit = 5 * time.Minute
	optionLimit  = 30 * time.Second
	// slotLimit is how long a refresh waits for others at most: those that hang
	// delay it by no more.
	slotLimit = 10 * time.Second
	// hintGap is the least time between two requests after hints.
	hintGap = time.Second
)

// listTurn lists, if it is time to.
func (s *source) listTurn(ctx context.Context) time.Duration {
	s.mu.Lock()
	a, pause := s.plan()
	changed := s.m.evaluate()
	s.mu.Unlock()
	tell(changed)
	if a == nil {
		return pause
	}
	defer s.slot(ctx)()
	ctx, done := s.bounded(ctx, a, refreshLimit)
	defer done()
	s.mu.Lock()
	if s.account != a {
		s.mu.Unlock()
		return 0
	}
	now := s.hub.clock.Now()
	r := &refresh{plan: s.m.plan(now), begun: now}
	s.m.begun = r.begun
	s.mu.Unlock()
	s.fetch(ctx, a, r)
	return s.finish(ctx, a, r)
}

// plan returns whom to ask, if a listing is due, or else how long to wait.
func (s *source) plan() (*account, time.Duration) {
	now := s.hub.clock.Now()
	pause := forever
	if next := s.m.tick(now); !next.IsZero() {
		pause = next.Sub(now)
	}
	a := s.usable()
	switch {
	case a == nil:
		return nil, pause
	case s.m.due.After(now):
		return nil, min(pause, s.m.due.Sub(now))
	}
	return a, 0
}

// slot waits until there are not too many refreshes, and returns what ends this one.
func (s *source) slot(ctx context.Context) func() {
	select {
	case s.hub.slots <- struct{}{}:
		return func() { <-s.hub.slots }
	default:
	}
	timer := s.hub.clock.NewTimer(slotLimit)
	defer timer.Stop()
	select {
	case s.hub.slots <- struct{}{}:
		return func() { <-s.hub.slots }
	case <-timer.C():
	case <-ctx.Done():
	}
	return func() {}
}

// fetch asks for all that a refresh is about.
func (s *source) fetch(ctx context.Context, a *account, r *refresh) {
	api := a.api(s.Region)
	if r.found, r.failure = listAll(ctx, api, r.plan.requests()); r.failure != nil {
		if r.failure.Kind == Unavailable && ctx.Err() == nil {
			s.mu.Lock()
			chunks := s.m.members()
			s.mu.Unlock()
			r.rescuedAt = s.hub.clock.Now()
			r.rescued = rescue(ctx, api, chunks, r.failure.Code != "")
		}
		return
	}
	s.mu.Lock()
	r.asked = s.m.toAsk(r)
	s.mu.Unlock()
	if len(r.asked) > 0 {
		r.byID, _ = listAll(ctx, api, byID(r.asked))
	}
}

// finish takes what a refresh brought, unless nobody wants it any more.
func (s *source) finish(ctx context.Context, a *account, r *refresh) time.Duration {
	pause := time.Duration(0)
	if s.take(ctx, a, func(now time.Time) {
		s.m.step(r, now, rand.Float64()) //nolint:gosec // nobody gains by guessing it
		_, pause = s.plan()
	}) {
		s.wakeOptions()
	}
	return pause
}

// take takes an answer, and says whether anybody still wants it. ctx is that of the
// request.
func (s *source) take(ctx context.Context, a *account, do func(now time.Time)) bool {
	s.mu.Lock()
	if s.account != a || ctx.Err() != nil && context.Cause(ctx) != errTooLong { //nolint:errorlint // it is the very cause
		s.mu.Unlock()
		return false
	}
	before := s.state()
	do(s.hub.clock.Now())
	changed, after := s.m.evaluate(), s.state()
	s.mu.Unlock()
	s.settle(&before, &after)
	tell(changed)
	return true
}

// state is what of a source goes into the report of its identity.
type state struct {
	failure *Failure
	since   time.Time
	options [optionCount]*Failure
	listed  bool
}

func (s *source) state() state {
	is := state{failure: s.m.failure, since: s.m.since, listed: !s.m.listed.IsZero()}
	for o := range s.m.options {
		is.options[o] = s.m.options[o].failure
	}
	return is
}

// settle tells what changed in it.
func (s *source) settle(before, after *state) {
	if before.failure != after.failure || !before.since.Equal(after.since) || before.options != after.options {
		s.hub.tellIdentity(s.Identity)
	}
	if !before.listed && after.listed {
		poke(s.wakeStatus)
	}
}

// hintTurn asks for the instances that there are hints about.
func (s *source) hintTurn(ctx context.Context) time.Duration {
	s.mu.Lock()
	a, now := s.usable(), s.hub.clock.Now()
	if a == nil || len(s.hints) == 0 {
		s.mu.Unlock()
		return forever
	}
	if wait := s.hinted.Add(hintGap).Sub(now); wait > 0 {
		s.mu.Unlock()
		return wait
	}
	s.hinted = now
	ids := s.takeHints()
	s.mu.Unlock()
	ctx, done := s.bounded(ctx, a, optionLimit)
	defer done()
	found, failure := listAll(ctx, a.api(s.Region), byID(ids))
	if failure != nil {
		return hintGap // the next listing tells
	}
	if s.take(ctx, a, func(time.Time) { s.m.hinted(found, now) }) {
		poke(s.wakeGroups)
	}
	return hintGap
}

// takeHints returns ids that still matter, for one request.
func (s *source) takeHints() (ids []string) {
	for id := range s.hints {
		if len(ids) == MaxFilterValues {
			break
		}
		delete(s.hints, id)
		if s.m.matters(id) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}
