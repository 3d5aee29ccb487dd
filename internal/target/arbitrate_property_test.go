// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package target_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"externalbackend.dev/operator/internal/target"
)

var addressPool = []netip.Addr{
	netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.10"),
	netip.MustParseAddr("9.255.255.255"), netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::a"),
}

var portPool = []target.Port{
	tcp("http", 8080), tcp("http", 9090), tcp("https", 8443), {Name: "dns", Protocol: "UDP", Number: 53},
}

var entryPool = []string{"a", "b", "c"}

// claimsGen draws claims that collide often. Ports come from portSets, those of
// single entries from entryPorts.
func claimsGen(portSets *rapid.Generator[[]target.Port], entryPorts *rapid.Generator[map[string][]target.Port]) *rapid.Generator[[]target.Claim] {
	targets := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) target.Target {
		return target.Target{
			Addr:  rapid.SampledFrom(addressPool).Draw(t, "addr"),
			Entry: rapid.SampledFrom(entryPool).Draw(t, "entry"),
		}
	}), 0, 8)
	return rapid.Custom(func(t *rapid.T) []target.Claim {
		claims := make([]target.Claim, rapid.IntRange(0, 5).Draw(t, "claims"))
		for i := range claims {
			o := owner(rapid.SampledFrom([]string{"eb", "shop", "web"}).Draw(t, "name"), rapid.IntRange(0, 2).Draw(t, "age"))
			o.UID = fmt.Sprintf("uid-%d", i)
			claims[i] = target.Claim{
				Owner: o, Ports: portSets.Draw(t, "ports"), EntryPorts: entryPorts.Draw(t, "entry ports"), Targets: targets.Draw(t, "targets"),
			}
		}
		return claims
	})
}

var (
	anyPorts      = rapid.SliceOfNDistinct(rapid.SampledFrom(portPool), 0, 3, rapid.ID)
	anyEntryPorts = rapid.MapOfN(rapid.SampledFrom(entryPool), anyPorts, 0, 2)
	noEntryPorts  = rapid.Just(map[string][]target.Port(nil))
	anyClaims     = claimsGen(anyPorts, anyEntryPorts)
)

// service is what the grants put behind a Service: who serves each address and
// port. A claim without ports serves the zero port.
func service(t *rapid.T, claims []target.Claim, grants []target.Grant) map[netip.Addr]map[target.Port]string {
	served := make(map[netip.Addr]map[target.Port]string)
	for i, g := range grants {
		for _, granted := range g.Targets {
			if served[granted.Addr] == nil {
				served[granted.Addr] = make(map[target.Port]string)
			}
			for _, port := range portsOf(claims[i], granted.Entry) {
				if by, taken := served[granted.Addr][port]; taken {
					t.Fatalf("%s %v is served by %s and %s", granted.Addr, port, by, claims[i].Owner.UID)
				}
				served[granted.Addr][port] = claims[i].Owner.UID
			}
		}
	}
	return served
}

func portsOf(c target.Claim, entry string) []target.Port {
	ports, own := c.EntryPorts[entry]
	if !own {
		ports = c.Ports
	}
	if len(ports) == 0 {
		return []target.Port{{}}
	}
	return ports
}

func TestNoAddressAndPortIsServedTwice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		claims := anyClaims.Draw(t, "claims")
		served := service(t, claims, target.Arbitrate(claims))
		for addr, ports := range served {
			if _, all := ports[target.Port{}]; all && len(ports) > 1 {
				t.Fatalf("%s is served without ports and with: %v", addr, ports)
			}
		}
	})
}

// Where claims share all their ports or none, nothing that is wanted is left
// unserved.
func TestEveryWantedAddressAndPortIsServed(t *testing.T) {
	disjoint := rapid.SampledFrom([][]target.Port{portPool[:1], portPool[1:2], portPool[2:]})
	rapid.Check(t, func(t *rapid.T) {
		claims := claimsGen(disjoint, noEntryPorts).Draw(t, "claims")
		served := service(t, claims, target.Arbitrate(claims))
		for _, c := range claims {
			for _, wanted := range c.Targets {
				for _, port := range c.Ports {
					if served[wanted.Addr][port] == "" {
						t.Fatalf("nobody serves %s %v, which %s wants", wanted.Addr, port, c.Owner.UID)
					}
				}
			}
		}
	})
}

// Every target of a claim is either granted, or lost to one that is granted
// the same address, ranks no lower and shares a port.
func TestEveryTargetIsGrantedOrLostToABetterOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		claims := anyClaims.Draw(t, "claims")
		grants := target.Arbitrate(claims)
		granted := make(map[string]int) // "UID addr entry" to index of the claim
		for i, g := range grants {
			if !slices.IsSortedFunc(g.Targets, func(a, b target.Target) int { return a.Addr.Compare(b.Addr) }) {
				t.Fatalf("not sorted: %v", g.Targets)
			}
			for _, w := range g.Targets {
				granted[fmt.Sprint(claims[i].Owner.UID, w)] = i
			}
		}
		for i, g := range grants {
			c := claims[i]
			all := slices.Clone(g.Targets)
			for _, l := range g.Losses {
				all = append(all, l.Target)
				w, ok := granted[fmt.Sprint(l.Winner.UID, target.Target{Addr: l.Addr, Entry: l.WinnerEntry})]
				if !ok {
					t.Fatalf("%v: the winner does not have it", l)
				}
				if c.Owner.Compare(l.Winner) < 0 {
					t.Fatalf("%v: lost by an older owner %v", l, c.Owner)
				}
				ours, theirs := portsOf(c, l.Entry), portsOf(claims[w], l.WinnerEntry)
				shared := ours[0] == target.Port{} || theirs[0] == target.Port{} ||
					slices.ContainsFunc(ours, func(p target.Port) bool { return slices.Contains(theirs, p) })
				if w != i && !shared {
					t.Fatalf("%v: lost to a claim of other ports", l)
				}
			}
			if diff := cmp.Diff(tally(c.Targets), tally(all)); diff != "" {
				t.Fatalf("claimed and granted or lost differ:\n%s", diff)
			}
		}
	})
}

func tally(list []target.Target) map[string]int {
	counts := make(map[string]int, len(list))
	for _, w := range list {
		counts[w.Addr.String()+"/"+w.Entry]++
	}
	return counts
}

func TestGrantsDoNotDependOnTheOrderOfClaims(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		claims := anyClaims.Draw(t, "claims")
		order := rapid.Permutation(indices(len(claims))).Draw(t, "order")
		shuffled := make([]target.Claim, len(claims))
		for to, from := range order {
			shuffled[to] = claims[from]
		}
		want, got := describe(target.Arbitrate(claims)), describe(target.Arbitrate(shuffled))
		for to, from := range order {
			if got[to] != want[from] {
				t.Fatalf("claim %s: %q, shuffled %q", claims[from].Owner.UID, want[from], got[to])
			}
		}
	})
}

func indices(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}
