// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Scope decides for the namespaces that the same policies select. It is
// immutable, safe for concurrent use, and does not allocate unless it denies.
type Scope struct {
	base     *base
	policies []*policy
	grants   []*grant
	// open: nothing has to be granted.
	open bool
	// names are those of the policies that grant, for messages.
	names string
}

func newScope(b *base, policies []*policy, requirePolicy bool) *Scope {
	s := &Scope{base: b, policies: policies}
	var names []string
	for _, p := range policies {
		if p.allow != nil {
			s.grants = append(s.grants, p.allow)
			names = append(names, p.name)
		}
	}
	s.open = len(s.grants) == 0 && !requirePolicy
	s.names = strings.Join(names, ", ")
	return s
}

// Addr returns a *DeniedError if the address must not be targeted on any port.
func (s *Scope) Addr(addr netip.Addr) error { return s.Target(addr, nil) }

// Target returns a *DeniedError if the address must not be targeted on one of
// the ports. Without ports it decides as Addr does.
func (s *Scope) Target(addr netip.Addr, ports []uint16) error {
	if !addr.IsValid() {
		return &DeniedError{Addr: addr, Why: "it is not an address", Layer: LayerHard}
	}
	spelled := spell(addr)
	r, carried := s.base.ranges.worst(spelled.all())
	if r != nil && !r.staged {
		return deniedBy(r, addr, carried)
	}
	if err := s.denied(addr, spelled.all(), ports); err != nil {
		return err
	}
	if err := s.granted(addr, spelled.all(), ports); err != nil {
		return err
	}
	if r != nil {
		return deniedBy(r, addr, carried)
	}
	return nil
}

// Dial returns a *DeniedError if no connection must be made to the address and
// port. Asked about what a socket is about to connect to, it decides as Target
// does for this one port.
func (s *Scope) Dial(to netip.AddrPort) error {
	return s.Target(to.Addr(), []uint16{to.Port()})
}

// MaxAddresses is the greatest number of addresses that an ExternalBackend may
// have; 0: the policies set no limit.
func (s *Scope) MaxAddresses() int {
	greatest := 0
	for _, g := range s.grants {
		if g.maxAddresses == 0 {
			return 0
		}
		greatest = max(greatest, g.maxAddresses)
	}
	return greatest
}

// worst returns the rule of the lowest rank that an address or what it carries
// falls under, and which of them does. The address itself comes first.
func (r ranges) worst(addrs []netip.Addr) (*rule, netip.Addr) {
	var worst *rule
	var at netip.Addr
	for _, addr := range addrs {
		if found := r.find(addr); found != nil && (worst == nil || found.rank() < worst.rank()) {
			worst, at = found, addr
		}
	}
	return worst, at
}

func deniedBy(r *rule, addr, at netip.Addr) *DeniedError {
	return &DeniedError{
		Addr: addr, Carried: carriedIn(addr, at),
		Range: r.prefix, Why: r.why, Layer: r.layer, Staged: r.staged, Since: r.since,
	}
}

// carriedIn returns at, unless it is the address itself.
func carriedIn(addr, at netip.Addr) netip.Addr {
	if at == addr.WithZone("").Unmap() {
		return netip.Addr{}
	}
	return at
}

// denied asks what the policies deny.
func (s *Scope) denied(addr netip.Addr, spelled []netip.Addr, ports []uint16) error {
	for _, p := range s.policies {
		if r, at := p.deny.worst(spelled); r != nil {
			return &DeniedError{
				Addr: addr, Carried: carriedIn(addr, at),
				Range: r.prefix, Why: p.denies(), Policy: p.name, Layer: LayerPolicy,
			}
		}
		for _, port := range ports {
			if inPorts(p.denyPorts, port) {
				return &DeniedError{Addr: addr, Port: port, Why: p.denies(), Policy: p.name, Layer: LayerPolicy}
			}
		}
	}
	return nil
}

// granted asks whether each port is granted on the address by one policy or
// another.
func (s *Scope) granted(addr netip.Addr, spelled []netip.Addr, ports []uint16) error {
	if s.open {
		return nil
	}
	if !s.anyGrant(func(g *grant) bool { return g.cidrs.contain(spelled) }) {
		return s.ungranted(DeniedError{Addr: addr, Carried: s.missing(spelled)})
	}
	for _, port := range ports {
		if !s.anyGrant(func(g *grant) bool { return g.allowsPort(port) && g.cidrs.contain(spelled) }) {
			return s.ungranted(DeniedError{Addr: addr, Port: port})
		}
	}
	return nil
}

func (s *Scope) anyGrant(allows func(*grant) bool) bool {
	return slices.ContainsFunc(s.grants, allows)
}

// missing returns what an address carries that a policy does not grant, if that
// policy grants the address itself.
func (s *Scope) missing(spelled []netip.Addr) netip.Addr {
	for _, g := range s.grants {
		if !g.cidrs.contain(spelled[:1]) {
			continue
		}
		for _, carried := range spelled[1:] {
			if g.cidrs.find(carried) == nil {
				return carried
			}
		}
	}
	return netip.Addr{}
}

func (g *grant) allowsPort(port uint16) bool { return len(g.ports) == 0 || inPorts(g.ports, port) }

func (p *policy) denies() string { return fmt.Sprintf("ExternalBackendPolicy %q denies it", p.name) }

// ungranted completes an error about what no policy grants.
func (s *Scope) ungranted(e DeniedError) error {
	if len(s.grants) == 0 {
		e.Layer = LayerNoPolicy
		e.Why = "no ExternalBackendPolicy with spec.allow selects this namespace, and it takes one that allows it"
		if s.open {
			e.Why = "no ExternalBackendPolicy with spec.allow selects this namespace, and this takes one with spec.allow.checks.bodyMatching: true, which must then allow the addresses, too"
		}
		return &e
	}
	e.Layer, e.Policy = LayerPolicy, s.names
	e.Why = fmt.Sprintf("no ExternalBackendPolicy of this namespace allows it (%s)", s.names)
	if len(s.grants) == 1 {
		e.Why = fmt.Sprintf("ExternalBackendPolicy %q does not allow it", s.names)
	}
	return &e
}
