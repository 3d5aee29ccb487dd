// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"context"
	"sync"
	"time"
)

// source is a Source that somebody asks for.
type source struct {
	Source
	hub    *hub
	users  int                // guarded by hub.mu, as is cancel
	cancel context.CancelFunc // of its workers
	// Each wakes a worker.
	wakeList, wakeStatus, wakeGroups, wakeTags, wakeHints chan struct{}

	mu       sync.Mutex
	m        *machine
	account  *account // nil while the identity is not known
	trusted  *account // the last one that was usable
	statuses time.Time
	hints    map[string]struct{} // ids that are to be asked for
	hinted   time.Time           // when that was done last
}

func newSource(h *hub, at Source) *source {
	return &source{
		Source: at, hub: h, cancel: func() {}, m: newMachine(h.period), hints: map[string]struct{}{},
		wakeList: make(chan struct{}, 1), wakeStatus: make(chan struct{}, 1), wakeGroups: make(chan struct{}, 1),
		wakeTags: make(chan struct{}, 1), wakeHints: make(chan struct{}, 1),
	}
}

func (s *source) start() {
	s.cancel = s.hub.employ(
		func(ctx context.Context) { s.hub.repeat(ctx, s.wakeList, s.listTurn) },
		func(ctx context.Context) { s.hub.repeat(ctx, s.wakeStatus, s.statusTurn) },
		func(ctx context.Context) { s.hub.repeat(ctx, s.wakeGroups, s.groupTurn) },
		func(ctx context.Context) { s.hub.repeat(ctx, s.wakeTags, s.tagTurn) },
		func(ctx context.Context) { s.hub.repeat(ctx, s.wakeHints, s.hintTurn) },
	)
}

func (s *source) stop() { s.cancel() }

// connect has an identity used from now on; nil: none, and nothing is known.
func (s *source) connect(a *account) {
	s.mu.Lock()
	now := s.hub.clock.Now()
	before := s.account
	s.account, s.statuses = a, time.Time{}
	if a == nil {
		s.m, s.trusted = s.m.emptied(now), nil
	} else {
		s.trust(a)
		s.m.reconnected(&a.identity, now)
	}
	changed := s.m.evaluate()
	if before == nil || a == nil {
		changed = s.m.all()
	}
	s.mu.Unlock()
	tell(changed)
	poke(s.wakeList)
	poke(s.wakeStatus)
	s.wakeOptions()
}

// trust notes whose answers the next ones are.
func (s *source) trust(a *account) {
	if a.identity.Unusable {
		return
	}
	if s.trusted != nil && !sameCredentials(&s.trusted.identity, &a.identity) {
		s.m.doubted = !s.m.listed.IsZero()
	}
	s.trusted = a
}

// wakeOptions is called when there may be something that a listing does not say.
func (s *source) wakeOptions() {
	poke(s.wakeGroups)
	poke(s.wakeTags)
}

// usable returns the account to ask with; nil if there is none.
func (s *source) usable() *account {
	if s.account == nil || s.account.identity.Unusable {
		return nil
	}
	return s.account
}

func (s *source) add(q *query) {
	s.edit(func(now time.Time) { s.m.add(q, now) }, q)
}

func (s *source) change(q *query, to Query) {
	s.edit(func(now time.Time) { s.m.change(q, to, now) }, q)
}

func (s *source) remove(q *query) {
	s.edit(func(time.Time) { s.m.remove(q) }, q)
}

// edit changes the queries. Who did it is not told of it.
func (s *source) edit(do func(now time.Time), by *query) {
	s.mu.Lock()
	due := s.m.due
	do(s.hub.clock.Now())
	wake := !s.m.due.Equal(due) || len(s.m.dirty) > 0
	s.m.changed = without(s.m.changed, by)
	s.mu.Unlock()
	if wake {
		poke(s.wakeList)
	}
	s.wakeOptions()
}

// hear takes what an event says.
func (s *source) hear(e *event) {
	now := s.hub.clock.Now()
	at := e.at
	if at.IsZero() || at.After(now) {
		at = now
	}
	if until := at.Add(interruptedFor); e.interruption && until.After(now) {
		s.warn(e.ids, warning{at: at, until: until})
	}
	s.mu.Lock()
	for _, id := range e.ids {
		if s.m.matters(id) {
			s.hints[id] = struct{}{}
		}
	}
	wake := len(s.hints) > 0
	s.mu.Unlock()
	if wake {
		poke(s.wakeHints)
	}
}

// warn marks instances as about to be reclaimed.
func (s *source) warn(ids []string, w warning) {
	s.mu.Lock()
	for _, id := range ids {
		s.m.warned(id, w)
	}
	changed := s.m.evaluate()
	s.mu.Unlock()
	tell(changed)
	poke(s.wakeList)
}

// tell tells those who ask queries. No lock is held.
func tell(changed []*query) {
	for _, q := range changed {
		q.tell()
	}
}

func without(queries []*query, q *query) []*query {
	kept := queries[:0]
	for _, other := range queries {
		if other != q {
			kept = append(kept, other)
		}
	}
	return kept
}

// bounded returns a context that is done, too, after some time or once the identity
// is another one. The caller must call what it returns.
func (s *source) bounded(ctx context.Context, a *account, limit time.Duration) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	timer := s.hub.clock.NewTimer(limit)
	s.hub.running.Go(func() {
		defer timer.Stop()
		select {
		case <-ctx.Done():
		case <-timer.C():
			cancel(errTooLong)
		case <-a.gone:
			cancel(context.Canceled)
		}
	})
	return ctx, func() { cancel(nil) }
}
