// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"net/netip"
	"sync/atomic"
)

// Guard holds the matcher that is in force. It is safe for concurrent use.
type Guard struct {
	current atomic.Pointer[Matcher]
}

// NewGuard returns a Guard that starts with m, which must not be nil.
func NewGuard(m *Matcher) *Guard {
	g := new(Guard)
	g.Set(m)
	return g
}

// Set puts m, which must not be nil, in force.
func (g *Guard) Set(m *Matcher) { g.current.Store(m) }

// Current returns the matcher in force. Whoever decides several things together
// asks for it once.
func (g *Guard) Current() *Matcher { return g.current.Load() }

// Options widen what the Guard of New allows.
type Options struct {
	// AllowClassE allows 240.0.0.0/4 except the broadcast address.
	AllowClassE bool
}

// New returns a Guard that denies what no configuration may allow, and nothing
// else.
func New(options Options) *Guard {
	m, err := Compile(Config{AllowClassE: options.AllowClassE})
	if err != nil {
		panic(err) // what is compiled in compiles
	}
	return NewGuard(m)
}

// Check returns a *DeniedError if the address, or an IPv4 address that it
// carries, is denied to a namespace that no policy selects.
func (g *Guard) Check(addr netip.Addr) error { return g.Current().Scope("").Addr(addr) }
