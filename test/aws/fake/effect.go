// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package fake

import (
	"context"
	"maps"
	"slices"
	"sync"
)

// Fail answers with an error.
func Fail(status int, code, message string) Effect {
	return Effect{refuse: func(*call) *failure { return fail(status, code, message) }}
}

// Throttle answers that there are too many requests.
func Throttle() Effect { return Effect{refuse: (*call).throttled} }

// Unavailable answers with status 503.
func Unavailable() Effect {
	return Fail(503, "Unavailable", "The server is overloaded and can't handle the request.")
}

// InternalError answers with status 500.
func InternalError() Effect {
	return Fail(500, "InternalError", "An internal error has occurred")
}

// Deny answers that the permission for the operation is missing.
func Deny() Effect {
	return Effect{refuse: func(c *call) *failure { return c.denied("") }}
}

// Expire answers that the credentials have run out.
func Expire() Effect { return Effect{refuse: (*call).expired} }

// OptIn answers that the account may not use the region.
func OptIn() Effect {
	return Fail(403, "OptInRequired", "You are not subscribed to this service. Please go to http://aws.amazon.com to subscribe.")
}

// Bucket throttles whoever takes more than its tokens. It starts without any.
type Bucket struct {
	mu     sync.Mutex
	tokens int
}

// Fill adds tokens.
func (b *Bucket) Fill(tokens int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tokens += tokens
}

// Effect of an empty bucket.
func (b *Bucket) Effect() Effect {
	return Effect{refuse: func(c *call) *failure {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.tokens > 0 {
			b.tokens--
			return nil
		}
		return c.throttled()
	}}
}

// Truncate breaks the answer off in the middle.
func Truncate() Effect {
	return Effect{damage: damage{bytes: func(body []byte) []byte { return body[:len(body)/2] }}}
}

// Garbage answers with status 200 and nonsense.
func Garbage() Effect {
	return Effect{damage: damage{bytes: func([]byte) []byte { return []byte("\x00\xff<<Describe>&nothing;</i") }}}
}

// Reset resets the connection in place of an answer.
func Reset() Effect { return Effect{damage: damage{reset: true}} }

// Empty answers that there are no instances.
func Empty() Effect {
	return Effect{hide: func(c *call) []string {
		if c.region == nil {
			return nil
		}
		return slices.Collect(maps.Keys(c.region.instances))
	}}
}

// Lose answers as if there were no such instances.
func Lose(ids ...string) Effect {
	ids = slices.Clone(ids)
	return Effect{hide: func(*call) []string { return ids }}
}

// ZoneOutage is what happens while a zone is down: listings fail, as do requests
// with the id of an instance that is in the zone. Those with ids of others succeed.
func ZoneOutage(zone string) Effect {
	return Effect{refuse: func(c *call) *failure {
		if c.service != "ec2" {
			return nil
		}
		down := fail(503, "Unavailable", "The service is unavailable. Please try again shortly.")
		ids := c.list("InstanceId")
		if len(ids) == 0 {
			return down
		}
		for _, id := range ids {
			if i := c.region.instances[id]; i != nil && i.Zone == zone {
				return down
			}
		}
		return nil
	}}
}

// Gate holds requests up until it is opened.
type Gate struct {
	mu      sync.Mutex
	waiting int
	opened  chan struct{}
}

// NewGate returns a gate that is shut.
func NewGate() *Gate { return &Gate{opened: make(chan struct{})} }

// Effect of the gate.
func (g *Gate) Effect() Effect { return Effect{gate: g} }

// Waiting is how many requests wait.
func (g *Gate) Waiting() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.waiting
}

// Open lets all requests pass, those that wait and those to come.
func (g *Gate) Open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.opened:
	default:
		close(g.opened)
	}
}

// wait says whether the gate was opened while there was still somebody to wait for.
func (g *Gate) wait(ctx context.Context, closed <-chan struct{}) bool {
	g.count(1)
	defer g.count(-1)
	select {
	case <-g.opened:
		return true
	case <-ctx.Done():
	case <-closed:
	}
	return false
}

func (g *Gate) count(more int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting += more
}
