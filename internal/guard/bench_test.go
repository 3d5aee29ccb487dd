// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package guard_test

import (
	"fmt"
	"net/netip"
	"testing"

	"externalbackend.dev/operator/internal/guard"
)

const (
	nodes  = 10_000
	vetted = 10_000
)

// bigCluster has a Pod network and an address of each of 10,000 Nodes, and two
// namespaces: one that no policy selects, and one with three.
func bigCluster(b testing.TB) guard.Config {
	b.Helper()
	config := guard.Config{Namespaces: map[string][]string{"tenant": {"dc", "lab", "never"}}}
	for i := range nodes {
		pods, node := netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), netip.AddrFrom4([4]byte{100, 64, byte(i >> 8), byte(i)})
		config.Networks = append(config.Networks,
			guard.Network{Prefix: netip.PrefixFrom(pods, 24), Why: fmt.Sprintf("Pod network of Node %d", i)},
			guard.Network{Prefix: netip.PrefixFrom(node, 32), Why: fmt.Sprintf("address of Node %d", i)})
	}
	config.Policies = []guard.Policy{
		{Name: "lab", Allow: &guard.Allow{CIDRs: cidrs("198.51.100.0/24"), Ports: ports(22, 22, 80, 80)}},
		{Name: "dc", Allow: &guard.Allow{CIDRs: cidrs("172.16.0.0/12", "2001:db8::/32"), Ports: ports(443, 443, 8000, 8999)}},
		{Name: "never", Deny: guard.Deny{CIDRs: cidrs("172.31.255.0/24"), Ports: ports(25, 25)}},
	}
	return config
}

func targets() []netip.Addr {
	out := make([]netip.Addr, vetted)
	for i := range out {
		if i%4 == 3 {
			out[i] = netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 14: byte(i >> 8), 15: byte(i)})
			continue
		}
		out[i] = netip.AddrFrom4([4]byte{172, 16, byte(i >> 8), byte(i)})
	}
	return out
}

// BenchmarkVet vets 10,000 targets against 20,000 networks.
func BenchmarkVet(b *testing.B) {
	m, addrs := compile(b, bigCluster(b)), targets()
	ports := []uint16{443, 8080}
	for name, vet := range map[string]func(*guard.Scope, netip.Addr) error{
		"Target": func(s *guard.Scope, a netip.Addr) error { return s.Target(a, ports) },
		"Dial":   func(s *guard.Scope, a netip.Addr) error { return s.Dial(netip.AddrPortFrom(a, 443)) },
		"Check": func(s *guard.Scope, a netip.Addr) error {
			return s.Check(guard.CheckUse{Addr: a, Port: 443, Kind: "HTTP"})
		},
	} {
		for _, namespace := range []string{"open", "tenant"} {
			b.Run(name+"/"+namespace, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					s := m.Scope(namespace)
					for _, addr := range addrs {
						if err := vet(s, addr); err != nil {
							b.Fatal(err)
						}
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/vetted, "ns/target")
			})
		}
	}
}

// BenchmarkCompile compiles 20,000 networks, and 1,000 namespaces with the same
// policies.
func BenchmarkCompile(b *testing.B) {
	config := bigCluster(b)
	for i := range 1000 {
		config.Namespaces[fmt.Sprint(i)] = config.Namespaces["tenant"]
	}
	b.ReportAllocs()
	for b.Loop() {
		compile(b, config)
	}
}

func BenchmarkHostname(b *testing.B) {
	s := compile(b, guard.Config{}).Scope("any")
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Hostname("db-1.eu-west-1.example.com"); err != nil {
			b.Fatal(err)
		}
	}
}

// TestVettingAllocatesNothing: a pass over all targets costs no memory.
func TestVettingAllocatesNothing(t *testing.T) {
	m, addrs, ports := compile(t, bigCluster(t)), targets()[:8], []uint16{443, 8080}
	for _, namespace := range []string{"open", "tenant"} {
		s := m.Scope(namespace)
		if n := testing.AllocsPerRun(100, func() {
			for _, addr := range addrs {
				use := guard.CheckUse{Addr: addr, Port: 443, Kind: "HTTP"}
				if s.Addr(addr) != nil || s.Target(addr, ports) != nil || s.Dial(netip.AddrPortFrom(addr, 443)) != nil || s.Check(use) != nil {
					t.Error(addr, "is denied")
				}
				s.MinInterval(use)
				s.StatusCodes(use)
			}
		}); n > 0 {
			t.Errorf("%s: %v allocations", namespace, n)
		}
	}
}
