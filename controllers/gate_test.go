// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	. "github.com/onsi/ginkgo/v2"
)

// gate is the transport between an operator and the API server. It counts
// requests, and can hold some of them up as a network that loses packets does.
type gate struct {
	next http.RoundTripper

	mu    sync.Mutex
	sent  map[string]int // by method and path
	held  string         // writes below this path are held up; none if empty
	late  bool           // the request gets through, the answer does not
	open  chan struct{}  // closed when nothing is held any more
	stuck int

	fault fault // what happens to requests that are not held up; none if nil
}

// fault does something to a request, or passes it on.
type fault func(r *http.Request, next http.RoundTripper) (*http.Response, error)

// cause has a fault happen to all requests from now on; nil ends it.
func (g *gate) cause(f fault) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fault = f
}

// pass lets a request through, if nothing happens to it.
func (g *gate) pass(r *http.Request) (*http.Response, error) {
	g.mu.Lock()
	f := g.fault
	g.mu.Unlock()
	if f != nil {
		return f(r, g.next)
	}
	return g.next.RoundTrip(r)
}

func newGate() *gate {
	return &gate{sent: make(map[string]int), open: make(chan struct{})}
}

func (g *gate) wrap(next http.RoundTripper) http.RoundTripper {
	g.next = next
	return g
}

// RoundTrip implements http.RoundTripper.
func (g *gate) RoundTrip(r *http.Request) (*http.Response, error) {
	g.mu.Lock()
	g.sent[r.Method+" "+r.URL.Path]++
	held := g.held != "" && r.Method != http.MethodGet && strings.HasPrefix(r.URL.Path, g.held)
	late, open := g.late, g.open
	if held {
		g.stuck++
	}
	g.mu.Unlock()
	if !held {
		return g.pass(r)
	}
	if late {
		response, err := g.next.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		_ = response.Body.Close() // nobody will see it
	}
	select {
	case <-open:
		if late {
			return nil, errors.New("the answer was lost")
		}
		return g.next.RoundTrip(r)
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

// holdWrites keeps all writes below a path from reaching the API server until
// release.
func (g *gate) holdWrites(path string) { g.hold(path, false) }

// loseAnswers has all writes below a path take effect without that the
// operator learns of it.
func (g *gate) loseAnswers(path string) { g.hold(path, true) }

func (g *gate) hold(path string, late bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held, g.late = path, late
}

// release lets everything pass, also what is stuck.
func (g *gate) release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held = ""
	close(g.open)
	g.open = make(chan struct{})
}

// heldUp returns how many requests have been held up.
func (g *gate) heldUp() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.stuck
}

// counts returns how many requests were sent, by method and path.
func (g *gate) counts() map[string]int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return maps.Clone(g.sent)
}

// standstill holds certain requests up, however long their senders wait for an
// answer, until it ends. Then they take effect.
type standstill struct {
	which func(*http.Request) bool
	over  chan struct{}
	end   func()
	stuck atomic.Int64
}

func newStandstill(which func(*http.Request) bool) *standstill {
	s := &standstill{which: which, over: make(chan struct{})}
	s.end = sync.OnceFunc(func() { close(s.over) })
	DeferCleanup(s.end)
	return s
}

func (s *standstill) fault(r *http.Request, next http.RoundTripper) (*http.Response, error) {
	if !s.which(r) {
		return next.RoundTrip(r)
	}
	s.stuck.Add(1)
	<-s.over
	return next.RoundTrip(r.WithContext(context.WithoutCancel(r.Context())))
}

// heldUp returns how many requests have been held up.
func (s *standstill) heldUp() int { return int(s.stuck.Load()) }

// then has another fault happen to the requests that this one lets through.
func (f fault) then(g fault) fault {
	return func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		return f(r, roundTripper(func(r *http.Request) (*http.Response, error) { return g(r, next) }))
	}
}

// roundTripper is a function that is one.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
