// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"context"
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// maxRefreshes is how many sources are listed at a time.
const maxRefreshes = 16

// hub is what all sources and identities share.
type hub struct {
	connector Connector
	clock     clock.WithTicker
	period    time.Duration
	slots     chan struct{} // of refreshes
	news      chan struct{} // capacity 1: there is somebody to tell
	running   sync.WaitGroup

	setting sync.Mutex // held while an identity changes

	mu       sync.Mutex
	ctx      context.Context //nolint:containedctx // of the running Start, for its workers; nil before
	stopped  bool
	accounts map[string]*account
	sources  map[Source]*source

	newsMu     sync.Mutex
	identities map[string]struct{} // of which something changed
}

func newHub(connector Connector, c clock.WithTicker, period time.Duration) *hub {
	return &hub{
		connector: connector, clock: c, period: period,
		slots: make(chan struct{}, maxRefreshes), news: make(chan struct{}, 1),
		accounts: map[string]*account{}, sources: map[Source]*source{}, identities: map[string]struct{}{},
	}
}

func (h *hub) start(ctx context.Context) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ctx != nil {
		return false
	}
	h.ctx = ctx
	for _, a := range h.accounts {
		a.start()
	}
	for _, s := range h.sources {
		s.start()
	}
	return true
}

// stop waits for all workers, whose context is done.
func (h *hub) stop() {
	h.mu.Lock()
	h.stopped = true
	h.mu.Unlock()
	h.running.Wait()
}

// employ lets workers run until the context that it returns is done; nil if
// nothing is to run. The caller holds mu.
func (h *hub) employ(workers ...func(context.Context)) context.CancelFunc {
	if h.ctx == nil || h.stopped {
		return func() {}
	}
	ctx, cancel := context.WithCancel(h.ctx)
	for _, work := range workers {
		h.running.Go(func() { work(ctx) })
	}
	return cancel
}

// repeat takes turns until ctx is done: when the time that the last one returned is
// up, or somebody wakes it.
func (h *hub) repeat(ctx context.Context, wake <-chan struct{}, turn func(context.Context) time.Duration) {
	for ctx.Err() == nil {
		pause := turn(ctx)
		if pause <= 0 {
			continue
		}
		timer := h.clock.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-timer.C():
		case <-wake:
		}
		timer.Stop()
	}
}

// join returns a source, which exists until it is left as many times.
func (h *hub) join(at Source) *source {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.sources[at]
	if s == nil {
		s = newSource(h, at)
		h.sources[at] = s
		if a := h.accounts[at.Identity]; a != nil {
			s.connect(a)
			a.wakeUp()
		}
		s.start()
		h.tellIdentity(at.Identity)
	}
	s.users++
	return s
}

func (h *hub) leave(s *source) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s.users--; s.users == 0 {
		s.stop()
		delete(h.sources, s.Source)
		h.tellIdentity(s.Identity)
	}
}

func (h *hub) find(at Source) *source {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.sources[at]
}

func (h *hub) sourcesOf(identity string) (sources []*source) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for at, s := range h.sources {
		if at.Identity == identity {
			sources = append(sources, s)
		}
	}
	return sources
}

// setIdentity changes an identity; nil forgets it.
func (h *hub) setIdentity(name string, identity *Identity) {
	h.setting.Lock()
	defer h.setting.Unlock()
	h.mu.Lock()
	old := h.accounts[name]
	if old == nil && identity == nil || old != nil && identity != nil && sameIdentity(&old.identity, identity) {
		h.mu.Unlock()
		return
	}
	if old != nil {
		old.stop()
	}
	delete(h.accounts, name)
	var a *account
	if identity != nil {
		a = newAccount(h, name, *identity)
		a.inherit(old)
		h.accounts[name] = a
		a.start()
	}
	h.mu.Unlock()
	for _, s := range h.sourcesOf(name) {
		s.connect(a)
	}
	h.tellIdentity(name)
}

// tellIdentity notes that an identity says something else.
func (h *hub) tellIdentity(name string) {
	h.newsMu.Lock()
	defer h.newsMu.Unlock()
	h.identities[name] = struct{}{}
	poke(h.news)
}

func (h *hub) changedIdentities() map[string]struct{} {
	h.newsMu.Lock()
	defer h.newsMu.Unlock()
	changed := h.identities
	h.identities = map[string]struct{}{}
	return changed
}
