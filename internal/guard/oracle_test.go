// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package guard_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"externalbackend.dev/operator/internal/guard"
)

// world is a config and one namespace in it, in a form that can be judged
// without compiling it.
type world struct {
	config    guard.Config
	namespace string
}

// judge says which layer denies an address and port: 0 if none does.
func (w world) judge(addr netip.Addr, port uint16) (layer guard.Layer, staged bool) {
	spelled := append([]number{numberOf(addr)}, carriedByNumber(numberOf(addr))...)
	if slices.ContainsFunc(spelled, func(n number) bool { return hardByNumber(n, w.config.AllowClassE) }) {
		return guard.LayerHard, false
	}
	for _, n := range w.config.Networks {
		if slices.ContainsFunc(spelled, func(of number) bool {
			return within(of, n.Prefix) && !(n.Discovered && anyWithin(of, w.config.Exempt))
		}) {
			if !n.Staged {
				return guard.LayerCluster, false
			}
			staged = true
		}
	}
	granting, granted := false, false
	for _, p := range w.selected() {
		if denies(p.Deny, spelled, port) {
			return guard.LayerPolicy, false
		}
		if p.Allow != nil {
			granting = true
			granted = granted || w.grants(p.Allow, spelled, port)
		}
	}
	switch {
	case granting && !granted:
		return guard.LayerPolicy, false
	case !granting && w.config.RequirePolicy:
		return guard.LayerNoPolicy, false
	case staged:
		return guard.LayerCluster, true
	}
	return 0, false
}

func (w world) selected() []guard.Policy {
	return slices.DeleteFunc(slices.Clone(w.config.Policies), func(p guard.Policy) bool {
		return !slices.Contains(w.config.Namespaces[w.namespace], p.Name)
	})
}

func denies(d guard.Deny, spelled []number, port uint16) bool {
	return slices.ContainsFunc(spelled, func(n number) bool { return anyWithin(n, d.CIDRs) }) || has(d.Ports, port)
}

func (w world) grants(a *guard.Allow, spelled []number, port uint16) bool {
	for _, n := range spelled {
		if !anyWithin(n, a.CIDRs) {
			return false
		}
	}
	return len(a.Ports) == 0 || has(a.Ports, port)
}

func has(ports []guard.PortRange, port uint16) bool {
	return slices.ContainsFunc(ports, func(r guard.PortRange) bool { return r.First <= port && port <= r.Last })
}

// prefixes draws prefixes that often lie in one another, IPv4-mapped ones and
// some with host bits among them.
func prefixes() *rapid.Generator[netip.Prefix] {
	bases := []string{
		"10.0.0.0", "10.128.0.0", "10.0.0.128", "192.0.2.0", "0.0.0.0", "255.255.255.255", "::ffff:10.0.0.0",
		"2001:db8::", "2001:db8:0:8000::", "2001:db8::8000:0:0:1", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "64:ff9b::a00:0", "2002::",
	}
	return rapid.Custom(func(t *rapid.T) netip.Prefix {
		addr := nearby(rapid.Map(rapid.SampledFrom(bases), netip.MustParseAddr)).Draw(t, "base")
		bits := rapid.OneOf(rapid.SampledFrom([]int{0, 8, 24, 32}), rapid.IntRange(0, addr.BitLen()))
		return netip.PrefixFrom(addr, bits.Draw(t, "bits"))
	})
}

func portRanges() *rapid.Generator[[]guard.PortRange] {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) guard.PortRange {
		first := rapid.Uint16Range(1, 8).Draw(t, "first")
		return guard.PortRange{First: first, Last: rapid.Uint16Range(first, 8).Draw(t, "last")}
	}), 0, 2)
}

func denyParts() *rapid.Generator[guard.Deny] {
	return rapid.Custom(func(t *rapid.T) guard.Deny {
		return guard.Deny{CIDRs: rapid.SliceOfN(prefixes(), 0, 2).Draw(t, "deny"), Ports: portRanges().Draw(t, "deny ports")}
	})
}

func allowParts() *rapid.Generator[*guard.Allow] {
	return rapid.Custom(func(t *rapid.T) *guard.Allow {
		return &guard.Allow{CIDRs: rapid.SliceOfN(prefixes(), 0, 4).Draw(t, "allow"), Ports: portRanges().Draw(t, "ports")}
	})
}

func networks(most int) *rapid.Generator[[]guard.Network] {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) guard.Network {
		p := prefixes().Draw(t, "prefix")
		n := guard.Network{Prefix: p, Why: "a network", Discovered: rapid.Bool().Draw(t, "discovered")}
		n.Staged = n.Discovered && rapid.Bool().Draw(t, "staged")
		return n
	}), 0, most)
}

func worlds() *rapid.Generator[world] {
	return rapid.Custom(func(t *rapid.T) world {
		w := world{namespace: "a", config: guard.Config{
			AllowClassE:   rapid.Bool().Draw(t, "class E"),
			RequirePolicy: rapid.Bool().Draw(t, "require"),
			Networks:      networks(3).Draw(t, "networks"),
			Exempt:        rapid.SliceOfN(prefixes(), 0, 2).Draw(t, "exempt"),
			Namespaces:    map[string][]string{"b": nil},
		}}
		for i := range rapid.IntRange(0, 3).Draw(t, "policies") {
			p := guard.Policy{Name: fmt.Sprintf("p%d", i)}
			if rapid.Bool().Draw(t, "denies") {
				p.Deny = denyParts().Draw(t, "denied")
			}
			if rapid.Bool().Draw(t, "grants") {
				p.Allow = allowParts().Draw(t, "granted")
			}
			namespace := rapid.SampledFrom([]string{"a", "a", "b"}).Draw(t, "namespace")
			w.config.Policies = append(w.config.Policies, p)
			w.config.Namespaces[namespace] = append(w.config.Namespaces[namespace], p.Name)
		}
		return w
	})
}

// places draws addresses near what a world is about, and others.
func (w world) places() *rapid.Generator[netip.Addr] {
	var at []netip.Addr
	add := func(p netip.Prefix) { at = append(at, p.Masked().Addr(), p.Addr(), lastOf(p)) }
	for _, n := range w.config.Networks {
		add(n.Prefix)
	}
	for _, p := range w.config.Policies {
		for _, cidr := range p.Deny.CIDRs {
			add(cidr)
		}
		if p.Allow != nil {
			for _, cidr := range p.Allow.CIDRs {
				add(cidr)
			}
		}
	}
	if len(at) == 0 {
		return addresses()
	}
	near := nearby(rapid.SampledFrom(at))
	disguised := rapid.Custom(func(t *rapid.T) netip.Addr {
		addr := near.Draw(t, "inner")
		if !addr.Is4() {
			return addr
		}
		return disguise(addr, rapid.IntRange(0, len(disguises)-1).Draw(t, "form"))
	})
	return rapid.OneOf(near, disguised, addresses())
}

func lastOf(p netip.Prefix) netip.Addr {
	bytes := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < len(bytes)*8; i++ {
		bytes[i/8] |= 1 << (7 - i%8)
	}
	addr, _ := netip.AddrFromSlice(bytes)
	return addr
}

func TestGuardAgreesWithNumbers(t *testing.T) {
	bare := map[bool]*guard.Matcher{}
	for _, classE := range []bool{false, true} {
		bare[classE] = compile(t, guard.Config{AllowClassE: classE})
	}
	rapid.Check(t, func(t *rapid.T) {
		classE, addr := rapid.Bool().Draw(t, "class E"), addresses().Draw(t, "addr")
		agree(t, world{config: guard.Config{AllowClassE: classE}}, bare[classE], addr, 1)
	})
}

func TestPoliciesAgreeWithNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := worlds().Draw(t, "world")
		m := compile(t, w.config)
		for range 4 {
			agree(t, w, m, w.places().Draw(t, "addr"), rapid.Uint16Range(0, 9).Draw(t, "port"))
		}
	})
}

// agree compares the matcher with the numbers for an address in every spelling
// that leaves it the same address, by every method that decides about it.
func agree(t rapid.TB, w world, m *guard.Matcher, addr netip.Addr, port uint16) {
	wantLayer, wantStaged := w.judge(addr, port)
	same := []netip.Addr{addr, addr.Unmap()}
	if addr.Is6() {
		same = append(same, addr.WithZone(""), addr.WithZone("eth0"))
	} else {
		same = append(same, netip.AddrFrom16(addr.As16()), netip.AddrFrom16(addr.As16()).WithZone("eth0"))
	}
	s := m.Scope(w.namespace)
	for _, a := range same {
		errs := map[string]error{
			"Target": s.Target(a, []uint16{port}),
			"Dial":   s.Dial(netip.AddrPortFrom(a, port)),
		}
		if port != 0 {
			errs["Check"] = s.Check(guard.CheckUse{Addr: a, Port: port})
			errs["Targets"] = s.Target(a, []uint16{port, port})
		}
		for by, err := range errs {
			denied := asDenied(t, err)
			if denied == nil {
				denied = new(guard.DeniedError)
			} else if denied.Addr != a || !strings.Contains(denied.Error(), a.String()) || denied.Why == "" {
				t.Fatalf("%s of %s: %q does not name it (%+v)", by, a, denied, denied)
			}
			if denied.Layer != wantLayer || denied.Staged != wantStaged {
				t.Fatalf("%s of %s port %d: denied by %s, staged %t (%v), want %s, %t",
					by, a, port, denied.Layer, denied.Staged, err, wantLayer, wantStaged)
			}
		}
	}
}

// FuzzAddr feeds whatever text parses as an address, as it is and in a disguise.
func FuzzAddr(f *testing.F) {
	for i, text := range edges {
		f.Add(text, false, uint(i), uint16(443))
	}
	for i, text := range []string{
		"::FFFF:127.0.0.1", "0:0:0:0:0:ffff:7f00:1", "::ffff:7f00:1%eth0", "64:FF9B:0::127.0.0.1", "2002:7F00:0001::",
		"fe80::1%25eth0", "::127.0.0.1", "2001:db8::169.254.169.254", "10.1.2.3", "64:ff9b:1::10.1.2.3", "2001:db8:1::200:5efe:a01:203",
	} {
		f.Add(text, true, uint(i), uint16(22))
	}
	w := world{namespace: "a", config: guard.Config{
		Networks: []guard.Network{
			{Prefix: netip.MustParsePrefix("10.1.0.0/16"), Why: "Pods"},
			{Prefix: netip.MustParsePrefix("10.2.0.0/15"), Why: "more Pods", Staged: true},
			{Prefix: netip.MustParsePrefix("2001:db8:1::/48"), Why: "Nodes"},
		},
		Policies: []guard.Policy{
			{Name: "first", Allow: &guard.Allow{
				CIDRs: []netip.Prefix{netip.MustParsePrefix("::/0"), netip.MustParsePrefix("10.0.0.0/8")},
				Ports: []guard.PortRange{{First: 443, Last: 443}},
			}},
			{Name: "second", Deny: guard.Deny{
				CIDRs: []netip.Prefix{netip.MustParsePrefix("10.4.0.0/14"), netip.MustParsePrefix("2001:db8:2::/48")},
				Ports: []guard.PortRange{{First: 22, Last: 25}},
			}},
		},
		Namespaces: map[string][]string{"a": {"second", "first"}},
	}}
	lax := w
	lax.config.AllowClassE = true
	matchers := []*guard.Matcher{compile(f, w.config), compile(f, lax.config)}
	f.Fuzz(func(t *testing.T, text string, classE bool, form uint, port uint16) {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return
		}
		in, m := w, matchers[0]
		if classE {
			in, m = lax, matchers[1]
		}
		agree(t, in, m, addr, port)
		again, err := netip.ParseAddr(addr.StringExpanded())
		if err != nil {
			t.Fatal(err)
		}
		agree(t, in, m, again, port)
		if addr = addr.Unmap(); addr.Is4() {
			agree(t, in, m, disguise(addr, int(form%uint(len(disguises)))), port)
		}
	})
}
