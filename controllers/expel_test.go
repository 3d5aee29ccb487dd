// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	discoveryv1 "k8s.io/api/discovery/v1"

	"externalbackend.dev/operator/internal/guard"
	"externalbackend.dev/operator/internal/health"
)

// fixedGuard knows what may be targeted, or does not know it yet.
type fixedGuard struct{ scope *guard.Scope }

func (g fixedGuard) Scope(string) *guard.Scope { return g.scope }

// TestNoDeniedAddressIsWritten: what is denied by the time of the write is left
// out, on whatever path it came, and its neighbours are written. What is about to be
// denied is written only as it is published.
func TestNoDeniedAddressIsWritten(t *testing.T) {
	matcher, err := guard.Compile(guard.Config{Networks: []guard.Network{
		{Prefix: netip.MustParsePrefix("192.0.2.11/32"), Why: "a Node"},
		{Prefix: netip.MustParsePrefix("192.0.2.12/30"), Why: "a Node", Staged: true},
	}})
	if err != nil {
		t.Fatal(err)
	}
	holding := func(port int32, addresses ...string) *discoveryv1.EndpointSlice {
		slice := &discoveryv1.EndpointSlice{Ports: []discoveryv1.EndpointPort{{Port: new(port)}}}
		for _, address := range addresses {
			slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{Addresses: []string{address}})
		}
		return slice
	}
	w := &world{slices: []*discoveryv1.EndpointSlice{holding(8080, "192.0.2.12"), holding(9090, "192.0.2.13")}}
	slice := holding(8080, "192.0.2.10", "192.0.2.11", "192.0.2.12", "192.0.2.13", "192.0.2.14", "::ffff:192.0.2.11", "2002:c000:20b::1", "169.254.169.254", "none")
	if err := (&ServiceReconciler{Guard: fixedGuard{}}).expel(t.Context(), w, slice); err == nil {
		t.Error("a slice is written though nobody knows what may be in it")
	}
	if err := (&ServiceReconciler{Guard: fixedGuard{matcher.Scope("shop")}}).expel(t.Context(), w, slice); err != nil {
		t.Error(err)
	}
	want := []discoveryv1.Endpoint{{Addresses: []string{"192.0.2.10"}}, {Addresses: []string{"192.0.2.12"}}}
	if diff := cmp.Diff(want, slice.Endpoints); diff != "" {
		t.Errorf("endpoints (-want +got):\n%s", diff)
	}
}

// TestWhatIsStagedHidesNoDenial: a target that is spared for a while is spared
// with the checks that are granted only.
func TestWhatIsStagedHidesNoDenial(t *testing.T) {
	addr := netip.MustParseAddr("192.0.2.12")
	matcher, err := guard.Compile(guard.Config{
		Networks:   []guard.Network{{Prefix: netip.PrefixFrom(addr, 32), Why: "a Node", Staged: true}},
		Policies:   []guard.Policy{{Name: "tcp", Allow: &guard.Allow{CIDRs: []netip.Prefix{netip.PrefixFrom(addr, 32)}, Checks: guard.Checks{Kinds: []string{"TCP"}}}}},
		Namespaces: map[string][]string{"shop": {"tcp"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	timing := health.Timing{Interval: time.Second}
	tcp, err := health.NewCheck(health.Check{Kind: health.TCP, Port: 80, Timing: timing})
	if err != nil {
		t.Fatal(err)
	}
	http, err := health.NewCheck(health.Check{Kind: health.HTTP, Port: 80, Timing: timing, HTTP: &health.HTTPCheck{}})
	if err != nil {
		t.Fatal(err)
	}
	if err := mayCheck(matcher.Scope("shop"), addr, []*health.Check{tcp}); !isStaged(err) {
		t.Errorf("a check that is granted: %v", err)
	}
	if err := mayCheck(matcher.Scope("shop"), addr, []*health.Check{tcp, http}); err == nil || isStaged(err) {
		t.Errorf("a second one that is not: %v", err)
	}
}
