// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package target_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"externalbackend.dev/operator/internal/target"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// owner is an ExternalBackend created some seconds after the epoch.
func owner(name string, created int) target.Owner {
	return target.Owner{Name: name, UID: "uid-" + name, Created: epoch.Add(time.Duration(created) * time.Second)}
}

// addresses parses "10.0.0.1/entry" items.
func addresses(items ...string) []target.Target {
	var list []target.Target
	for _, item := range items {
		addr, entry, _ := strings.Cut(item, "/")
		list = append(list, target.Target{Addr: netip.MustParseAddr(addr), Entry: entry})
	}
	return list
}

func tcp(name string, number int32) target.Port {
	return target.Port{Name: name, Protocol: "TCP", Number: number}
}

// describe writes grants in the notation of the tables: what is served, then
// what is lost and to whom.
func describe(grants []target.Grant) []string {
	list := make([]string, len(grants))
	for i, g := range grants {
		var words []string
		for _, t := range g.Targets {
			words = append(words, fmt.Sprintf("%s/%s", t.Addr, t.Entry))
		}
		for _, l := range g.Losses {
			words = append(words, fmt.Sprintf("-%s/%s->%s/%s", l.Addr, l.Entry, l.Winner.Name, l.WinnerEntry))
		}
		list[i] = strings.Join(words, " ")
	}
	return list
}

var (
	http  = []target.Port{tcp("http", 8080)}
	other = []target.Port{tcp("http", 9090)}
)

// Rule 25: (IP, port) once over all ExternalBackends of a Service.
func TestArbitrate(t *testing.T) {
	for _, tt := range []struct {
		name   string
		claims []target.Claim
		want   []string
	}{{
		name: "nothing claimed",
	}, {
		name:   "a claim without targets",
		claims: []target.Claim{{Owner: owner("a", 0), Ports: http}},
		want:   []string{""},
	}, {
		name:   "grants are sorted by address, IPv4 first",
		claims: []target.Claim{{owner("a", 0), http, nil, addresses("2001:db8::1/v6", "10.0.0.10/x", "10.0.0.9/y")}},
		want:   []string{"10.0.0.9/y 10.0.0.10/x 2001:db8::1/v6"},
	}, {
		name: "the oldest wins, wherever it stands",
		claims: []target.Claim{
			{owner("a", 2), http, nil, addresses("10.0.0.1/x")},
			{owner("b", 1), http, nil, addresses("10.0.0.1/y", "10.0.0.2/y")},
			{owner("c", 3), http, nil, addresses("10.0.0.1/z", "10.0.0.3/z")},
		},
		want: []string{"-10.0.0.1/x->b/y", "10.0.0.1/y 10.0.0.2/y", "10.0.0.3/z -10.0.0.1/z->b/y"},
	}, {
		name: "of the same age, the first name wins",
		claims: []target.Claim{
			{owner("b", 1), http, nil, addresses("10.0.0.1/x")},
			{owner("a", 1), http, nil, addresses("10.0.0.1/y")},
		},
		want: []string{"-10.0.0.1/x->a/y", "10.0.0.1/y"},
	}, {
		name: "of the same age and name, the first UID wins",
		claims: []target.Claim{
			{target.Owner{Name: "a", UID: "2", Created: epoch}, http, nil, addresses("10.0.0.1/x")},
			{target.Owner{Name: "a", UID: "1", Created: epoch}, http, nil, addresses("10.0.0.1/y")},
		},
		want: []string{"-10.0.0.1/x->a/y", "10.0.0.1/y"},
	}, {
		name:   "within a claim the entry that is named first wins",
		claims: []target.Claim{{owner("a", 0), http, nil, addresses("10.0.0.2/z", "10.0.0.1/z", "10.0.0.1/a", "10.0.0.2/z")}},
		want:   []string{"10.0.0.1/z 10.0.0.2/z -10.0.0.1/a->a/z -10.0.0.2/z->a/z"},
	}, {
		name: "every entry that lists a lost address loses it to the same winner",
		claims: []target.Claim{
			{owner("a", 0), http, nil, addresses("10.0.0.1/x")},
			{owner("b", 1), http, nil, addresses("10.0.0.1/y", "10.0.0.1/z")},
		},
		want: []string{"10.0.0.1/x", "-10.0.0.1/y->a/x -10.0.0.1/z->a/x"},
	}, {
		name: "different numbers on one address do not collide",
		claims: []target.Claim{
			{owner("a", 0), http, nil, addresses("10.0.0.1/x")},
			{owner("b", 1), other, nil, addresses("10.0.0.1/y")},
		},
		want: []string{"10.0.0.1/x", "10.0.0.1/y"},
	}, {
		name: "different Service ports on one number do not collide",
		claims: []target.Claim{
			{owner("a", 0), http, nil, addresses("10.0.0.1/x")},
			{owner("b", 1), []target.Port{tcp("admin", 8080)}, nil, addresses("10.0.0.1/y")},
			{owner("c", 2), []target.Port{{Name: "http", Protocol: "UDP", Number: 8080}}, nil, addresses("10.0.0.1/z")},
		},
		want: []string{"10.0.0.1/x", "10.0.0.1/y", "10.0.0.1/z"},
	}, {
		name: "a claim that shares one port with the winner loses the address",
		claims: []target.Claim{
			{owner("a", 0), http, nil, addresses("10.0.0.1/x")},
			{owner("b", 1), []target.Port{tcp("https", 8443), tcp("http", 8080)}, nil, addresses("10.0.0.1/y", "10.0.0.2/y")},
		},
		want: []string{"10.0.0.1/x", "10.0.0.2/y -10.0.0.1/y->a/x"},
	}, {
		name: "the loss names the claim that is in the way, not the oldest",
		claims: []target.Claim{
			{owner("a", 0), http, nil, addresses("10.0.0.1/x")},
			{owner("b", 1), other, nil, addresses("10.0.0.1/y")},
			{owner("c", 2), other, nil, addresses("10.0.0.1/z")},
		},
		want: []string{"10.0.0.1/x", "10.0.0.1/y", "-10.0.0.1/z->b/y"},
	}, {
		name: "what a loser does not hold is in nobody's way",
		claims: []target.Claim{
			{owner("a", 0), http, nil, addresses("10.0.0.1/x")},
			{owner("b", 1), append(http[:1:1], other...), nil, addresses("10.0.0.1/y")},
			{owner("c", 2), other, nil, addresses("10.0.0.1/z")},
		},
		want: []string{"10.0.0.1/x", "-10.0.0.1/y->a/x", "10.0.0.1/z"},
	}, {
		name: "an entry with ports of its own collides on those",
		claims: []target.Claim{
			{owner("a", 0), http, nil, addresses("10.0.0.1/x", "10.0.0.2/x")},
			{owner("b", 1), http, map[string][]target.Port{"y": other}, addresses("10.0.0.1/y", "10.0.0.2/z")},
			{owner("c", 2), other, map[string][]target.Port{"z": {tcp("http", 7070)}}, addresses("10.0.0.1/y", "10.0.0.2/y", "10.0.0.1/z")},
		},
		want: []string{
			"10.0.0.1/x 10.0.0.2/x", "10.0.0.1/y -10.0.0.2/z->a/x",
			"10.0.0.1/z 10.0.0.2/y -10.0.0.1/y->b/y",
		},
	}, {
		name: "within a claim an address is served once, whatever the ports of its entries",
		claims: []target.Claim{
			{owner("a", 0), http, map[string][]target.Port{"y": other}, addresses("10.0.0.1/x", "10.0.0.1/y")},
			{owner("b", 1), other, nil, addresses("10.0.0.1/z")},
		},
		want: []string{"10.0.0.1/x -10.0.0.1/y->a/x", "10.0.0.1/z"},
	}, {
		name: "where the entry that is named first loses, another of the claim may serve",
		claims: []target.Claim{
			{owner("a", 0), http, nil, addresses("10.0.0.1/x")},
			{owner("b", 1), http, map[string][]target.Port{"z": other}, addresses("10.0.0.1/y", "10.0.0.1/z")},
		},
		want: []string{"10.0.0.1/x", "10.0.0.1/z -10.0.0.1/y->a/x"},
	}, {
		name: "an entry whose own ports are none counts by its address alone",
		claims: []target.Claim{
			{owner("a", 0), http, map[string][]target.Port{"x": nil}, addresses("10.0.0.1/x")},
			{owner("b", 1), other, nil, addresses("10.0.0.1/y")},
		},
		want: []string{"10.0.0.1/x", "-10.0.0.1/y->a/x"},
	}, {
		name: "without ports the address alone counts",
		claims: []target.Claim{
			{owner("a", 0), http, nil, addresses("10.0.0.1/x")},
			{owner("b", 1), nil, nil, addresses("10.0.0.1/y", "10.0.0.2/y")},
			{owner("c", 2), other, nil, addresses("10.0.0.2/z")},
		},
		want: []string{"10.0.0.1/x", "10.0.0.2/y -10.0.0.1/y->a/x", "-10.0.0.2/z->b/y"},
	}} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, describe(target.Arbitrate(tt.claims)), emptyIsNil); diff != "" {
				t.Errorf("grants (-want +got):\n%s", diff)
			}
		})
	}
}

var emptyIsNil = cmp.Transformer("nil", func(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	return list
})

func TestLoserTakesOverWhenTheWinnerGoes(t *testing.T) {
	winner := target.Claim{Owner: owner("old", 0), Ports: http, Targets: addresses("10.0.0.1/x", "10.0.0.2/x")}
	loser := target.Claim{Owner: owner("young", 1), Ports: http, Targets: addresses("10.0.0.1/y", "10.0.0.2/y")}
	for _, step := range []struct {
		name   string
		claims []target.Claim
		want   []string
	}{
		{"both want all", []target.Claim{winner, loser}, []string{"10.0.0.1/x 10.0.0.2/x", "-10.0.0.1/y->old/x -10.0.0.2/y->old/x"}},
		{
			"the winner gives one up",
			[]target.Claim{{winner.Owner, http, nil, winner.Targets[:1]}, loser},
			[]string{"10.0.0.1/x", "10.0.0.2/y -10.0.0.1/y->old/x"},
		},
		{
			"the winner moves to another port",
			[]target.Claim{{winner.Owner, other, nil, winner.Targets}, loser},
			[]string{"10.0.0.1/x 10.0.0.2/x", "10.0.0.1/y 10.0.0.2/y"},
		},
		{"the winner is gone", []target.Claim{loser}, []string{"10.0.0.1/y 10.0.0.2/y"}},
	} {
		if diff := cmp.Diff(step.want, describe(target.Arbitrate(step.claims))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
	}
}

func TestArbitrateLeavesItsInputAlone(t *testing.T) {
	claims := []target.Claim{
		{owner("b", 1), http, nil, addresses("10.0.0.2/x", "10.0.0.1/x")},
		{owner("a", 0), http, nil, addresses("10.0.0.1/y")},
	}
	target.Arbitrate(claims)
	want := []target.Claim{
		{owner("b", 1), http, nil, addresses("10.0.0.2/x", "10.0.0.1/x")},
		{owner("a", 0), http, nil, addresses("10.0.0.1/y")},
	}
	if diff := cmp.Diff(want, claims, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("changed (-want +got):\n%s", diff)
	}
}
