// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package guard_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"externalbackend.dev/operator/internal/guard"
)

func cidrs(texts ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, text := range texts {
		out = append(out, netip.MustParsePrefix(text))
	}
	return out
}

func ports(firstAndLast ...uint16) []guard.PortRange {
	var out []guard.PortRange
	for i := 0; i < len(firstAndLast); i += 2 {
		out = append(out, guard.PortRange{First: firstAndLast[i], Last: firstAndLast[i+1]})
	}
	return out
}

// scope compiles policies that all select one namespace.
func scope(t *testing.T, require bool, policies ...guard.Policy) *guard.Scope {
	t.Helper()
	config := guard.Config{RequirePolicy: require, Policies: policies, Namespaces: map[string][]string{"shop": nil}}
	for _, p := range policies {
		config.Namespaces["shop"] = append(config.Namespaces["shop"], p.Name)
	}
	return compile(t, config).Scope("shop")
}

// TestPolicyTruthTable goes over what a namespace without a policy, with one
// and with several may reach, in both modes.
func TestPolicyTruthTable(t *testing.T) {
	web := guard.Policy{Name: "web", Allow: &guard.Allow{CIDRs: cidrs("192.0.2.0/24", "2001:db8::/32"), Ports: ports(443, 443, 8000, 8999)}}
	db := guard.Policy{Name: "db", Allow: &guard.Allow{CIDRs: cidrs("198.51.100.0/24")}}
	nothing := guard.Policy{Name: "nothing", Allow: &guard.Allow{}}
	noSSH := guard.Policy{Name: "no-ssh", Deny: guard.Deny{Ports: ports(22, 22)}}
	noHost := guard.Policy{Name: "no-host", Deny: guard.Deny{CIDRs: cidrs("192.0.2.7/32", "198.51.100.128/25")}}
	type ask struct {
		to    string
		layer guard.Layer
	}
	const open = guard.Layer(0)
	for name, c := range map[string]struct {
		policies          []guard.Policy
		baseline, require []ask
	}{
		"none": {
			nil,
			[]ask{{"192.0.2.1:443", open}, {"203.0.113.1:22", open}, {"127.0.0.1:443", guard.LayerHard}},
			[]ask{{"192.0.2.1:443", guard.LayerNoPolicy}, {"127.0.0.1:443", guard.LayerHard}},
		},
		"only denies": {
			[]guard.Policy{noSSH, noHost},
			[]ask{{"192.0.2.1:443", open}, {"192.0.2.1:22", guard.LayerPolicy}, {"192.0.2.7:443", guard.LayerPolicy}, {"[64:ff9b::192.0.2.7]:443", guard.LayerPolicy}},
			[]ask{{"192.0.2.1:443", guard.LayerNoPolicy}, {"192.0.2.1:22", guard.LayerPolicy}},
		},
		"one grant": {
			[]guard.Policy{web},
			[]ask{
				{"192.0.2.1:443", open},
				{"192.0.2.1:8500", open},
				{"192.0.2.1:442", guard.LayerPolicy},
				{"192.0.2.1:9000", guard.LayerPolicy},
				{"192.0.3.0:443", guard.LayerPolicy},
				{"[2001:db8::1]:443", open},
				{"[2001:db9::1]:443", guard.LayerPolicy},
				{"[::ffff:192.0.2.1]:443", open},
				{"[64:ff9b::192.0.2.1]:443", guard.LayerPolicy},
				{"192.0.2.1:0", guard.LayerPolicy},
			},
			[]ask{{"192.0.2.1:443", open}, {"192.0.3.0:443", guard.LayerPolicy}},
		},
		"grants unite, each with its own ports": {
			[]guard.Policy{web, db},
			[]ask{{"192.0.2.1:443", open}, {"198.51.100.1:22", open}, {"192.0.2.1:22", guard.LayerPolicy}, {"203.0.113.1:443", guard.LayerPolicy}},
			[]ask{{"192.0.2.1:443", open}, {"198.51.100.1:22", open}, {"192.0.2.1:22", guard.LayerPolicy}},
		},
		"an empty grant": {
			[]guard.Policy{nothing},
			[]ask{{"192.0.2.1:443", guard.LayerPolicy}},
			[]ask{{"192.0.2.1:443", guard.LayerPolicy}},
		},
		"an empty grant beside another": {
			[]guard.Policy{nothing, db},
			[]ask{{"198.51.100.1:443", open}, {"192.0.2.1:443", guard.LayerPolicy}},
			[]ask{{"198.51.100.1:443", open}},
		},
		"any deny wins": {
			[]guard.Policy{web, db, noSSH, noHost},
			[]ask{
				{"192.0.2.1:443", open},
				{"192.0.2.7:443", guard.LayerPolicy},
				{"198.51.100.1:22", guard.LayerPolicy},
				{"198.51.100.1:23", open},
				{"198.51.100.128:23", guard.LayerPolicy},
			},
			[]ask{{"192.0.2.1:443", open}, {"192.0.2.7:443", guard.LayerPolicy}},
		},
	} {
		for require, asks := range map[bool][]ask{false: c.baseline, true: c.require} {
			s := scope(t, require, c.policies...)
			for _, a := range asks {
				denied := asDenied(t, s.Dial(netip.MustParseAddrPort(a.to)))
				var got guard.Layer
				if denied != nil {
					got = denied.Layer
				}
				if got != a.layer {
					t.Errorf("%s, require %t: %s is denied by %s, want %s (%v)", name, require, a.to, got, a.layer, denied)
				}
			}
		}
	}
}

// TestGrantsOfCarriedAddresses: what an address carries must be granted too, by
// the same policy.
func TestGrantsOfCarriedAddresses(t *testing.T) {
	s := scope(t, true,
		guard.Policy{Name: "v6", Allow: &guard.Allow{CIDRs: cidrs("::/0")}},
		guard.Policy{Name: "v4", Allow: &guard.Allow{CIDRs: cidrs("10.0.0.0/8")}},
		guard.Policy{Name: "nat64", Allow: &guard.Allow{CIDRs: cidrs("64:ff9b::/96", "192.0.2.0/24")}},
	)
	for addr, want := range map[string]string{
		"10.0.0.1": "", "::ffff:10.0.0.1": "", "2001:db8::1": "", "64:ff9b::192.0.2.1": "",
		"64:ff9b::10.0.0.1":          "64:ff9b::a00:1, which carries 10.0.0.1, must not be targeted: no ExternalBackendPolicy of this namespace allows it (nat64, v4, v6); choose",
		"2001:db8::5efe:192.0.2.1":   "which carries 192.0.2.1, must not",
		"2002:c000:201::1":           "which carries 192.0.2.1, must not",
		"2001:0:c000:201::3fff:fdfe": "which carries 192.0.2.1, must not",
		"192.0.3.1":                  "192.0.3.1 must not be targeted: no ExternalBackendPolicy of this namespace allows it (nat64, v4, v6); choose",
	} {
		err := s.Addr(netip.MustParseAddr(addr))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %v, want %q", addr, err, want)
		}
	}
}

// TestAllOfIPv4AsMapped takes ::ffff:0:0/96 for 0.0.0.0/0.
func TestAllOfIPv4AsMapped(t *testing.T) {
	s := scope(t, false, guard.Policy{Name: "a", Allow: &guard.Allow{CIDRs: cidrs("::ffff:0:0/96")}})
	for addr, granted := range map[string]bool{"192.0.2.1": true, "::ffff:192.0.2.1": true, "2001:db8::1": false, "64:ff9b::192.0.2.1": false} {
		if err := s.Addr(netip.MustParseAddr(addr)); (err == nil) != granted {
			t.Errorf("%s: %v", addr, err)
		}
	}
}

func TestEveryPortHasToBeGranted(t *testing.T) {
	s := scope(t, false,
		guard.Policy{Name: "a", Allow: &guard.Allow{CIDRs: cidrs("192.0.2.0/24"), Ports: ports(80, 80)}},
		guard.Policy{Name: "b", Allow: &guard.Allow{CIDRs: cidrs("192.0.2.0/25"), Ports: ports(443, 443)}, Deny: guard.Deny{Ports: ports(25, 25)}},
	)
	for _, c := range []struct {
		addr  string
		ports []uint16
		want  uint16
	}{
		{"192.0.2.1", nil, 0},
		{"192.0.2.1", []uint16{80, 443}, 0},
		{"192.0.2.1", []uint16{80, 443, 81}, 81},
		{"192.0.2.200", []uint16{80, 443}, 443},
		{"192.0.2.1", []uint16{80, 25}, 25},
	} {
		denied := asDenied(t, s.Target(netip.MustParseAddr(c.addr), c.ports))
		var got uint16
		if denied != nil {
			got = denied.Port
		}
		if got != c.want || (denied == nil) != (c.want == 0) {
			t.Errorf("%s %v: denied %v, want port %d", c.addr, c.ports, denied, c.want)
		}
	}
	for want, err := range map[string]error{
		`192.0.2.1:25 must not be targeted: ExternalBackendPolicy "b" denies it; choose what is allowed, or ask an administrator to change the policy`:                         s.Target(netip.MustParseAddr("192.0.2.1"), []uint16{25}),
		`192.0.2.1:81 must not be targeted: no ExternalBackendPolicy of this namespace allows it (a, b); choose what is allowed, or ask an administrator to change the policy`: s.Target(netip.MustParseAddr("192.0.2.1"), []uint16{81}),
	} {
		if err.Error() != want {
			t.Errorf("got  %s\nwant %s", err, want)
		}
	}
}

func TestScopes(t *testing.T) {
	unsorted := []string{"y", "x", "y"}
	m := compile(t, guard.Config{
		Policies: []guard.Policy{
			{Name: "x", Allow: &guard.Allow{CIDRs: cidrs("192.0.2.0/24"), MaxAddresses: 5}},
			{Name: "y", Deny: guard.Deny{CIDRs: cidrs("192.0.2.9/32")}},
		},
		Namespaces: map[string][]string{"a": {"x", "y"}, "b": unsorted, "c": {"x"}, "d": {}},
	})
	if !slices.Equal(unsorted, []string{"y", "x", "y"}) {
		t.Error("compiling changed the config")
	}
	if m.Scope("a") != m.Scope("b") {
		t.Error("namespaces with the same policies have scopes of their own")
	}
	if m.Scope("a") == m.Scope("c") || m.Scope("a") == m.Scope("d") {
		t.Error("namespaces with different policies share a scope")
	}
	if m.Scope("d") != m.Scope("never heard of") || m.Scope("d") == nil {
		t.Error("a namespace without policies has a scope of its own")
	}
	denied := asDenied(t, m.Scope("a").Addr(netip.MustParseAddr("64:ff9b::192.0.2.9")))
	if denied == nil || denied.Policy != "y" || denied.Range != netip.MustParsePrefix("192.0.2.9/32") || denied.Carried != netip.MustParseAddr("192.0.2.9") {
		t.Errorf("got %+v", denied)
	}
	if denied := asDenied(t, m.Scope("c").Addr(netip.MustParseAddr("64:ff9b::192.0.3.9"))); denied == nil || denied.Carried.IsValid() {
		t.Errorf("neither the address nor what it carries is granted: got %+v", denied)
	}
	if denied := asDenied(t, m.Scope("c").Addr(netip.MustParseAddr("192.0.3.9"))); denied == nil || denied.Policy != "x" ||
		!strings.Contains(denied.Error(), `ExternalBackendPolicy "x" does not allow it`) {
		t.Errorf("got %v", denied)
	}
}

func TestLimits(t *testing.T) {
	allow := func(name string, most int, interval time.Duration) guard.Policy {
		return guard.Policy{Name: name, Allow: &guard.Allow{
			CIDRs: cidrs("0.0.0.0/0"), MaxAddresses: most, Checks: guard.Checks{MinInterval: interval},
		}}
	}
	for name, c := range map[string]struct {
		policies []guard.Policy
		most     int
		interval time.Duration
	}{
		"no policy":                     {nil, 0, 0},
		"denies only":                   {[]guard.Policy{{Name: "d"}}, 0, 0},
		"one":                           {[]guard.Policy{allow("a", 5, time.Minute)}, 5, time.Minute},
		"the greatest and the least":    {[]guard.Policy{allow("a", 5, time.Minute), allow("b", 9, time.Second), allow("c", 7, time.Hour)}, 9, time.Second},
		"no limit of one lifts all":     {[]guard.Policy{allow("a", 5, time.Minute), allow("b", 0, 0)}, 0, 0},
		"a policy without a grant adds": {[]guard.Policy{allow("a", 5, time.Minute), {Name: "d"}}, 5, time.Minute},
	} {
		for _, require := range []bool{false, true} {
			s := scope(t, require, c.policies...)
			if got := s.MaxAddresses(); got != c.most {
				t.Errorf("%s: at most %d addresses, want %d", name, got, c.most)
			}
			if got := s.MinInterval(guard.CheckUse{}); got != c.interval {
				t.Errorf("%s: interval at least %s, want %s", name, got, c.interval)
			}
		}
	}
}

// TestCompiledIsImmutable changes the config after it was compiled.
func TestCompiledIsImmutable(t *testing.T) {
	config := guard.Config{
		Networks: []guard.Network{{Prefix: netip.MustParsePrefix("10.0.0.0/8"), Why: "Pods"}},
		Policies: []guard.Policy{{
			Name: "a", Deny: guard.Deny{Ports: ports(22, 22), Hostnames: []string{"a.example"}, CIDRs: cidrs("192.0.2.9/32")},
			Allow: &guard.Allow{
				CIDRs: cidrs("192.0.2.0/24"), Ports: ports(1, 80), Hostnames: []string{"*.example"}, Checks: guard.Checks{Kinds: []string{"TCP"}},
				EC2: &guard.EC2{Identities: []string{"i"}, Regions: []string{"r"}, RequiredTags: map[string]string{"k": "v"}},
			},
		}},
		Namespaces: map[string][]string{"n": {"a"}},
	}
	s := compile(t, config).Scope("n")
	p := config.Policies[0]
	config.Networks[0].Prefix = netip.MustParsePrefix("192.0.2.0/24")
	p.Deny.Ports[0], p.Deny.Hostnames[0], p.Deny.CIDRs[0] = guard.PortRange{First: 80, Last: 80}, "b.example", netip.MustParsePrefix("192.0.2.1/32")
	p.Allow.CIDRs[0], p.Allow.Ports[0], p.Allow.Hostnames[0] = netip.MustParsePrefix("1.1.1.1/32"), guard.PortRange{First: 1, Last: 1}, "c.example"
	p.Allow.Checks.Kinds[0], p.Allow.EC2.Identities[0], p.Allow.EC2.Regions[0] = "HTTP", "", ""
	p.Allow.EC2.RequiredTags["k"], p.Allow.EC2.RequiredTags["l"] = "w", "x"
	config.Namespaces["n"][0] = "b"
	for what, err := range map[string]error{
		"address":  s.Dial(netip.MustParseAddrPort("192.0.2.1:80")),
		"name":     s.Hostname("b.example"),
		"check":    s.Check(guard.CheckUse{Kind: "TCP"}),
		"instance": s.Instance("n", "i", "r", map[string]string{"k": "v"}),
	} {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	if s.Dial(netip.MustParseAddrPort("192.0.2.1:22")) == nil || s.Hostname("a.example") == nil || s.Addr(netip.MustParseAddr("192.0.2.9")) == nil {
		t.Error("a deny is gone")
	}
}
