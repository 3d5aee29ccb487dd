// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package guard_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"externalbackend.dev/operator/internal/guard"
)

// someCluster has two policies, and namespaces with one, the other, both and none.
func someCluster() guard.Config {
	return guard.Config{
		Networks: []guard.Network{{Prefix: netip.MustParsePrefix("10.0.0.0/8"), Why: "Pods", Discovered: true}},
		Exempt:   cidrs("10.1.0.0/16"),
		Policies: []guard.Policy{
			{Name: "x", Allow: &guard.Allow{CIDRs: cidrs("192.0.2.0/24"), Ports: ports(80, 80)}},
			{Name: "y", Deny: guard.Deny{CIDRs: cidrs("192.0.2.9/32")}},
		},
		Namespaces: map[string][]string{"both": {"x", "y"}, "x": {"x"}, "y": {"y"}, "none": nil},
	}
}

// TestRecompile: after a change of the config, everything is decided as by a
// Matcher that was compiled from it, and namespaces which it does not concern
// have the scope that they had.
func TestRecompile(t *testing.T) {
	all := []string{"both", "none", "x", "y"}
	for _, tt := range []struct {
		name   string
		change func(*guard.Config)
		keep   []string
	}{
		{"nothing", func(*guard.Config) {}, all},
		{"one more namespace", func(c *guard.Config) { c.Namespaces["more"] = []string{"y"} }, all},
		{"a namespace is gone", func(c *guard.Config) { delete(c.Namespaces, "y") }, []string{"both", "none", "x"}},
		{"a namespace is selected by another policy", func(c *guard.Config) { c.Namespaces["x"] = []string{"y"} }, []string{"both", "none", "y"}},
		{"a policy that selects nobody", func(c *guard.Config) { c.Policies = append(c.Policies, guard.Policy{Name: "z"}) }, all},
		{"a policy denies more", func(c *guard.Config) { c.Policies[1].Deny.Ports = ports(22, 22) }, []string{"none", "x"}},
		{"a policy grants less", func(c *guard.Config) { c.Policies[0].Allow.CIDRs = cidrs("192.0.2.0/28") }, []string{"none", "y"}},
		{"policies in another order", func(c *guard.Config) { slices.Reverse(c.Policies) }, all},
		{"a network", func(c *guard.Config) {
			c.Networks = append(c.Networks, guard.Network{Prefix: netip.MustParsePrefix("192.0.2.1/32"), Why: "a Node"})
		}, nil},
		{"a network is staged", func(c *guard.Config) { c.Networks[0].Staged = true }, nil},
		{"an exempt range", func(c *guard.Config) { c.Exempt = nil }, nil},
		{"class E", func(c *guard.Config) { c.AllowClassE = true }, nil},
		{"the cluster's domain", func(c *guard.Config) { c.ClusterDomain = "k8s.example" }, nil},
		{"policies are required", func(c *guard.Config) { c.RequirePolicy = true }, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := compile(t, someCluster())
			config := someCluster()
			tt.change(&config)
			now, err := before.Recompile(config)
			if err != nil {
				t.Fatal(err)
			}
			fresh := compile(t, config)
			for _, namespace := range append(all, "more", "unheard of") {
				if got, want := decisions(now.Scope(namespace)), decisions(fresh.Scope(namespace)); got != want {
					t.Errorf("%s: got\n%swant\n%s", namespace, got, want)
				}
			}
			for _, namespace := range all {
				if same := now.Scope(namespace) == before.Scope(namespace); same != slices.Contains(tt.keep, namespace) {
					t.Errorf("%s: the scope is the one before: %t", namespace, same)
				}
			}
			if got, want := decisions(before.Scope("both")), decisions(compile(t, someCluster()).Scope("both")); got != want {
				t.Error("the Matcher from before decides otherwise now")
			}
		})
	}
}

// decisions are what a scope says of what the configs above are about.
func decisions(s *guard.Scope) string {
	var text strings.Builder
	for _, addr := range []string{"10.0.0.1", "10.1.0.1", "192.0.2.1", "192.0.2.9", "192.0.2.100", "240.0.0.1", "198.51.100.1"} {
		fmt.Fprintln(&text, s.Target(netip.MustParseAddr(addr), []uint16{80}), s.Target(netip.MustParseAddr(addr), []uint16{22}))
	}
	fmt.Fprintln(&text, s.Hostname("a.k8s.example"))
	return text.String()
}

// TestRecompileOfNonsense changes nothing.
func TestRecompileOfNonsense(t *testing.T) {
	m := compile(t, someCluster())
	config := someCluster()
	config.Policies[0].Allow.Ports = ports(9, 8)
	if _, err := m.Recompile(config); err == nil || !strings.Contains(err.Error(), `policy "x": allow.ports: 9-8`) {
		t.Error(err)
	}
}

// TestValidate tells what Compile would refuse, policy by policy.
func TestValidate(t *testing.T) {
	bad := guard.Policy{Name: "a", Deny: guard.Deny{Ports: ports(9, 8)}}
	if err := bad.Validate(); err == nil || !strings.Contains(err.Error(), "deny.ports: 9-8") {
		t.Error(err)
	}
	if err := new(guard.Policy{Name: "a"}).Validate(); err != nil {
		t.Error(err)
	}
}

func TestDenyEverything(t *testing.T) {
	everything := guard.DenyEverything("broken")
	if err := everything.Validate(); err != nil {
		t.Fatal(err)
	}
	s := compile(t, guard.Config{Policies: []guard.Policy{
		everything, {Name: "all", Allow: &guard.Allow{CIDRs: cidrs("0.0.0.0/0", "::/0"), Hostnames: []string{"*"}}},
	}, Namespaces: map[string][]string{"shop": {"broken", "all"}}}).Scope("shop")
	for _, addr := range []string{"192.0.2.1", "2001:db8::1"} {
		if denied := asDenied(t, s.Addr(netip.MustParseAddr(addr))); denied == nil || denied.Policy != "broken" {
			t.Errorf("%s: %v", addr, denied)
		}
	}
	if denied := asDenied(t, s.Hostname("db.example.com")); denied == nil || denied.Policy != "broken" {
		t.Error(denied)
	}
}

// TestDenialsDrawNoMap: what others may reach, and where the cluster lies, is in
// no text. What is compiled in is public.
func TestDenialsDrawNoMap(t *testing.T) {
	config := someCluster()
	config.Networks = append(config.Networks, guard.Network{Prefix: netip.MustParsePrefix("172.16.0.0/12"), Why: "denied to all by --deny-cidrs"},
		guard.Network{Prefix: netip.MustParsePrefix("198.51.100.0/26"), Why: "Pods of this cluster", Discovered: true, Staged: true})
	config.Policies[1].Deny.CIDRs = cidrs("192.0.2.0/27")
	s := compile(t, config).Scope("both")
	for addr, told := range map[string]string{
		"10.0.0.1": "Pods", "172.16.7.7": "--deny-cidrs", "198.51.100.1": "", "192.0.2.9": `"y" denies it`, "192.0.3.1": `"x" does not allow it`, "64:ff9b::10.0.0.1": "Pods",
	} {
		err := s.Addr(netip.MustParseAddr(addr))
		if err == nil || !strings.Contains(err.Error(), told) || strings.Contains(err.Error(), "/") {
			t.Errorf("%s: %v", addr, err)
		}
	}
	if err := s.Addr(netip.MustParseAddr("169.254.1.1")); err == nil || !strings.Contains(err.Error(), "(169.254.0.0/16)") {
		t.Error(err)
	}
}

// BenchmarkRecompile: one namespace more in a cluster of 10,000 Nodes, 10,000
// namespaces and 100 policies.
func BenchmarkRecompile(b *testing.B) {
	config := bigCluster(b)
	for i := range 100 {
		config.Policies = append(config.Policies, guard.Policy{Name: fmt.Sprint("p", i), Allow: &guard.Allow{CIDRs: cidrs("192.0.2.0/24")}})
	}
	for i := range 10_000 {
		config.Namespaces[fmt.Sprint("n", i)] = []string{fmt.Sprint("p", i%100)}
	}
	m := compile(b, config)
	b.ReportAllocs()
	for b.Loop() {
		config.Namespaces["more"] = []string{"p7"}
		if _, err := m.Recompile(config); err != nil {
			b.Fatal(err)
		}
		delete(config.Namespaces, "more")
	}
}
