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
	// statusPeriod is the time between two listings of statuses.
	statusPeriod = time.Minute
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
	r := &refresh{plan: s.m.plan(), keys: s.m.keys(), begun: s.hub.clock.Now()}
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
	s.fetchOptional(ctx, a, r)
}

func (s *source) fetchOptional(ctx context.Context, a *account, r *refresh) {
	ctx, done := s.bounded(ctx, a, optionLimit)
	defer done()
	s.mu.Lock()
	now := s.hub.clock.Now()
	if a.identity.AutoScaling && s.m.mayAsk(lifecycles, now) {
		r.grouped = s.m.grouped(r.found, r.byID)
	}
	tags := len(r.keys) > 0 && s.m.mayAsk(interfaceTags, now)
	s.mu.Unlock()
	if len(r.grouped) > 0 {
		r.lifecycles = listLifecycles(ctx, a.api(s.Region), r.grouped)
	}
	if tags {
		r.interfaceTags = listTags(ctx, a.api(s.Region), r.keys)
	}
}

// finish takes what a refresh brought, unless nobody wants it any more.
func (s *source) finish(ctx context.Context, a *account, r *refresh) time.Duration {
	s.mu.Lock()
	if s.account != a || ctx.Err() != nil && context.Cause(ctx) != errTooLong { //nolint:errorlint // it is the very cause
		s.mu.Unlock()
		return 0
	}
	now, before := s.hub.clock.Now(), s.state()
	s.m.step(r, now, rand.Float64()) //nolint:gosec // nobody gains by guessing it
	changed := s.m.evaluate()
	_, pause := s.plan()
	after := s.state()
	s.mu.Unlock()
	s.settle(&before, &after)
	tell(changed)
	return pause
}

// state is what of a source goes into the report of its identity.
type state struct {
	failure *Failure
	since   time.Time
	denied  []string
	listed  bool
}

func (s *source) state() state {
	return state{s.m.failure, s.m.since, s.m.denied(), !s.m.listed.IsZero()}
}

// settle tells what changed in it.
func (s *source) settle(before, after *state) {
	if before.failure != after.failure || !before.since.Equal(after.since) || !slices.Equal(before.denied, after.denied) {
		s.hub.tellIdentity(s.Identity)
	}
	if !before.listed && after.listed {
		poke(s.wakeStatus)
	}
}

// statusTurn lists statuses, if it is time to.
func (s *source) statusTurn(ctx context.Context) time.Duration {
	s.mu.Lock()
	a, now := s.usable(), s.hub.clock.Now()
	if a == nil || !a.identity.InstanceStatus || s.m.listed.IsZero() {
		s.mu.Unlock()
		return forever
	}
	if until := s.m.options[statuses].until; s.statuses.Before(until) {
		s.statuses = until
	}
	if wait := s.statuses.Sub(now); wait > 0 {
		s.mu.Unlock()
		return wait
	}
	s.mu.Unlock()
	ctx, done := s.bounded(ctx, a, refreshLimit)
	defer done()
	found, failure := listStatuses(ctx, a.api(s.Region))
	s.mu.Lock()
	if s.account != a || ctx.Err() != nil && failure == nil {
		s.mu.Unlock()
		return 0
	}
	now = s.hub.clock.Now()
	s.statuses = now.Add(statusPeriod + time.Duration(jitter*rand.Float64()*float64(statusPeriod))) //nolint:gosec // nobody gains by guessing it
	before := s.state()
	s.m.takeStatuses(found, failure, now)
	changed, after := s.m.evaluate(), s.state()
	pause := max(0, s.statuses.Sub(now))
	s.mu.Unlock()
	s.settle(&before, &after)
	tell(changed)
	return pause
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
	r := &refresh{}
	s.mu.Lock()
	if a.identity.AutoScaling && s.m.mayAsk(lifecycles, now) {
		r.grouped = s.m.grouped(found)
	}
	s.mu.Unlock()
	if len(r.grouped) > 0 {
		r.lifecycles = listLifecycles(ctx, a.api(s.Region), r.grouped)
	}
	s.takeHinted(a, r, found, now)
	return hintGap
}

func (s *source) takeHinted(a *account, r *refresh, found map[string]*Instance, asOf time.Time) {
	s.mu.Lock()
	if s.account != a {
		s.mu.Unlock()
		return
	}
	now, before := s.hub.clock.Now(), s.state()
	if r.lifecycles.asked {
		s.m.takeLifecycles(r.grouped, &r.lifecycles, now)
	}
	s.m.hinted(found, asOf)
	changed, after := s.m.evaluate(), s.state()
	s.mu.Unlock()
	s.settle(&before, &after)
	tell(changed)
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
