// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package fake

import (
	"net/http"
	"slices"
)

// Fault says what goes wrong with which requests. What is left out is any.
type Fault struct {
	// Operation such as DescribeInstances.
	Operation string
	// Account whose credentials ask, and Region that is asked.
	Account, Region string
	// Page of a listing, from 1.
	Page int
	// Times that it happens; 0: until it is removed.
	Times int
	// Effect is what happens.
	Effect Effect
}

// Effect is what goes wrong with a request.
type Effect struct {
	// refuse answers in place of the service, unless it returns nil.
	refuse func(c *call) *failure
	hide   func(c *call) []string // ids
	damage damage
	gate   *Gate
}

// damage is done to an answer.
type damage struct {
	reset bool
	bytes func(body []byte) []byte
}

// Injection is a fault that has been injected.
type Injection struct {
	server *Server
	fault  Fault
	hits   int
	over   bool
}

// Inject has requests go wrong from now on. All that match have effect, of several
// refusals the first one.
func (s *Server) Inject(fault Fault) *Injection {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := &Injection{server: s, fault: fault}
	s.faults = append(s.faults, n)
	return n
}

// Remove ends the fault.
func (n *Injection) Remove() {
	n.server.mu.Lock()
	defer n.server.mu.Unlock()
	n.over = true
	n.server.faults = slices.DeleteFunc(n.server.faults, func(other *Injection) bool { return n == other })
}

// Hits is how many requests it had an effect on.
func (n *Injection) Hits() int {
	n.server.mu.Lock()
	defer n.server.mu.Unlock()
	return n.hits
}

// Heal removes all faults.
func (s *Server) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

func (n *Injection) matches(c *call) bool {
	f := n.fault
	account, region := c.where()
	return (f.Operation == "" || f.Operation == c.operation) &&
		(f.Account == "" || f.Account == account) &&
		(f.Region == "" || f.Region == region) &&
		(f.Page == 0 || f.Page == c.page()) &&
		(f.Times == 0 || n.hits < f.Times)
}

// apply brings all faults to bear on a call. It releases the lock while one holds
// the request up.
func (c *call) apply(r *http.Request) (*failure, damage) {
	var scripted *failure
	var done damage
	for _, n := range slices.Clone(c.server.faults) {
		if n.over || !n.matches(c) {
			continue
		}
		effect := n.fault.Effect
		if effect.refuse != nil {
			refused := effect.refuse(c)
			if refused == nil {
				continue
			}
			if scripted == nil {
				scripted = refused
			}
		}
		n.hits++
		if effect.hide != nil {
			c.hide(effect.hide(c))
		}
		if effect.damage.bytes != nil {
			done.bytes = effect.damage.bytes
		}
		done.reset = done.reset || effect.damage.reset
		if effect.gate != nil {
			c.server.mu.Unlock()
			passed := effect.gate.wait(r.Context(), c.server.done)
			c.server.mu.Lock()
			done.reset = done.reset || !passed
		}
	}
	return scripted, done
}

func (c *call) hide(ids []string) {
	if c.hidden == nil {
		c.hidden = map[string]bool{}
	}
	for _, id := range ids {
		c.hidden[id] = true
	}
}
