// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

// Package guard decides which addresses may be targeted. One Guard serves
// planning, dialling and writing, so that no path is laxer than another.
package guard

import (
	"fmt"
	"net/netip"
	"slices"
)

// DeniedError says that an address must not be targeted, and why.
type DeniedError struct {
	// Addr is the address as it was asked for.
	Addr netip.Addr
	// Range is the denied range that it lies in.
	Range netip.Prefix
	// Why says in a few words what lives in the range.
	Why string
}

// Error implements error.
func (e *DeniedError) Error() string {
	return fmt.Sprintf("%s must not be targeted: %s (%s)", e.Addr, e.Why, e.Range)
}

type rule struct {
	prefix netip.Prefix
	why    string
}

// hardDeny holds what no target outside the cluster can legitimately be.
// Sources: RFC 6890 special-purpose registries, and the metadata services of
// AWS (169.254.169.254, fd00:ec2::254), Azure (168.63.129.16) and Alibaba
// Cloud (100.100.100.200). Documentation ranges are allowed on purpose.
var hardDeny = []rule{
	{netip.MustParsePrefix("0.0.0.0/8"), "this network"},
	{netip.MustParsePrefix("127.0.0.0/8"), "loopback"},
	{netip.MustParsePrefix("169.254.0.0/16"), "link-local, where metadata services live"},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast"},
	{netip.MustParsePrefix("255.255.255.255/32"), "broadcast"},
	{netip.MustParsePrefix("168.63.129.16/32"), "a cloud platform's metadata service"},
	{netip.MustParsePrefix("100.100.100.200/32"), "a cloud platform's metadata service"},
	{netip.MustParsePrefix("::/128"), "unspecified"},
	{netip.MustParsePrefix("::1/128"), "loopback"},
	{netip.MustParsePrefix("fe80::/10"), "link-local"},
	{netip.MustParsePrefix("ff00::/8"), "multicast"},
	{netip.MustParsePrefix("fd00:ec2::/32"), "a cloud platform's metadata services"},
}

var classE = rule{netip.MustParsePrefix("240.0.0.0/4"), "reserved; an administrator can allow it with --allow-class-e"}

// IPv6 ranges that carry an IPv4 address, and the byte that it starts at.
var embedding = []struct {
	prefix netip.Prefix
	offset int
}{
	{netip.MustParsePrefix("::/96"), 12},        // IPv4-compatible, RFC 4291 2.5.5.1
	{netip.MustParsePrefix("64:ff9b::/96"), 12}, // NAT64, RFC 6052
	{netip.MustParsePrefix("2002::/16"), 2},     // 6to4, RFC 3056
}

// Options widen what a Guard allows.
type Options struct {
	// AllowClassE allows 240.0.0.0/4 except the broadcast address.
	AllowClassE bool
}

// Guard tells which addresses may be targeted. It is immutable and safe for
// concurrent use.
type Guard struct {
	deny []rule
}

// New returns a Guard that denies what no configuration may allow.
func New(options Options) *Guard {
	deny := slices.Clip(hardDeny)
	if !options.AllowClassE {
		deny = append(deny, classE)
	}
	return &Guard{deny: deny}
}

// Check returns a *DeniedError if the address, or an IPv4 address that it
// carries, must not be targeted.
func (g *Guard) Check(addr netip.Addr) error {
	// A zone would make every prefix miss.
	if r, denied := g.match(addr.WithZone("")); denied {
		return &DeniedError{Addr: addr, Range: r.prefix, Why: r.why}
	}
	return nil
}

func (g *Guard) match(addr netip.Addr) (rule, bool) {
	if !addr.IsValid() {
		return rule{why: "not an address"}, true
	}
	for _, r := range g.deny {
		if r.prefix.Contains(addr) {
			return r, true
		}
	}
	if carried, ok := carriedIPv4(addr); ok {
		return g.match(carried)
	}
	return rule{}, false
}

// carriedIPv4 returns the IPv4 address inside a transition address.
func carriedIPv4(addr netip.Addr) (netip.Addr, bool) {
	if !addr.Is6() {
		return netip.Addr{}, false
	}
	bytes := addr.As16()
	if addr.Is4In6() { // RFC 4291 2.5.5.2
		return netip.AddrFrom4([4]byte(bytes[12:16])), true
	}
	for _, e := range embedding {
		if e.prefix.Contains(addr) {
			return netip.AddrFrom4([4]byte(bytes[e.offset : e.offset+4])), true
		}
	}
	return netip.Addr{}, false
}
