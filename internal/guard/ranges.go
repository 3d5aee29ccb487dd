// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// rule says why the addresses of a prefix are denied.
type rule struct {
	prefix netip.Prefix
	why    string
	layer  Layer
	// exempt rules deny nothing, and lift what is discovered or staged.
	exempt, discovered, staged bool
	since                      time.Time
}

// rank orders rules: where several hold, the lowest decides.
func (r *rule) rank() int {
	const firstAfterLayers = int(LayerNoPolicy) + 1
	switch {
	case r.staged:
		return firstAfterLayers + 2
	case r.discovered:
		return firstAfterLayers + 1
	case r.exempt:
		return firstAfterLayers
	}
	return int(r.layer)
}

// span is a run of addresses of one family, both ends included, for which one
// rule decides.
type span struct {
	first, last netip.Addr
	rule        *rule
}

// ranges are disjoint spans in ascending order, IPv4 before IPv6.
type ranges []span

// newRanges makes prefixes, which may lie in one another, disjoint. Where
// several hold, the rule with the lowest rank decides, then the longest prefix,
// then the first given. Prefixes must be canonical.
func newRanges(rules []rule) ranges {
	sorted := make([]span, len(rules))
	for i := range rules {
		p := rules[i].prefix
		sorted[i] = span{first: p.Addr(), last: lastOf(p), rule: &rules[i]}
	}
	slices.SortStableFunc(sorted, func(a, b span) int {
		return cmp.Or(
			a.first.Compare(b.first),
			cmp.Compare(a.rule.prefix.Bits(), b.rule.prefix.Bits()),
			cmp.Compare(a.rule.rank(), b.rule.rank()),
		)
	})

	// Prefixes overlap only by one lying in the other. The open spans lie in
	// one another, outermost first; the part of each from first on is not out
	// yet.
	var out ranges
	var open []span
	emit := func(s span) {
		if s.first.IsValid() && s.first.Compare(s.last) <= 0 {
			out = append(out, s)
		}
	}
	closeBefore := func(next netip.Addr) {
		for len(open) > 0 {
			inner := open[len(open)-1]
			if next.IsValid() && inner.last.Compare(next) >= 0 {
				return
			}
			emit(inner)
			open = open[:len(open)-1]
			if len(open) > 0 {
				open[len(open)-1].first = inner.last.Next()
			}
		}
	}
	for _, s := range sorted {
		closeBefore(s.first)
		if len(open) > 0 {
			around := &open[len(open)-1]
			if around.rule.rank() < s.rule.rank() || around.rule.prefix == s.rule.prefix {
				continue // what is around decides here too
			}
			emit(span{first: around.first, last: s.first.Prev(), rule: around.rule})
		}
		open = append(open, s)
	}
	closeBefore(netip.Addr{})
	return out
}

// find returns the rule for an address without a zone, nil if none denies it. It
// takes logarithmic time and does not allocate.
func (r ranges) find(addr netip.Addr) *rule {
	i, _ := slices.BinarySearchFunc(r, addr, func(s span, addr netip.Addr) int { return s.last.Compare(addr) })
	if i < len(r) && r[i].first.Compare(addr) <= 0 && !r[i].rule.exempt {
		return r[i].rule
	}
	return nil
}

// contain says whether there is a rule for every address.
func (r ranges) contain(addrs []netip.Addr) bool {
	for _, addr := range addrs {
		if r.find(addr) == nil {
			return false
		}
	}
	return true
}

func lastOf(p netip.Prefix) netip.Addr {
	bytes := p.Addr().AsSlice()
	for bit := p.Bits(); bit < len(bytes)*8; bit++ {
		bytes[bit/8] |= 0x80 >> (bit % 8)
	}
	last, _ := netip.AddrFromSlice(bytes)
	return last
}

// canonical returns the prefix without host bits, and as one of IPv4 if it is a
// part of ::ffff:0:0/96. Prefixes around that range are of IPv6 alone.
func canonical(p netip.Prefix) netip.Prefix {
	if addr := p.Addr(); addr.Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(addr.Unmap(), p.Bits()-96)
	}
	return p.Masked()
}
