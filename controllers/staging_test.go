// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"externalbackend.dev/operator/internal/guard"
)

// TestStaging follows networks from when they are found until they are in force
// or gone.
func TestStaging(t *testing.T) {
	const delay = time.Minute
	begin := time.Unix(1000, 0)
	var published []netip.Addr
	for addr := netip.MustParseAddr("192.0.2.1"); len(published) < 100; addr = addr.Next() {
		published = append(published, addr)
	}
	type network struct {
		prefix string
		staged bool
	}
	for _, tt := range []struct {
		name  string
		steps []struct {
			after time.Duration
			found []network
			next  time.Duration
		}
	}{
		{"few at once are taken out at once", []struct {
			after time.Duration
			found []network
			next  time.Duration
		}{
			{0, []network{{"192.0.2.0/29", false}}, 0},
		}},
		{"many are staged, and then in force", []struct {
			after time.Duration
			found []network
			next  time.Duration
		}{
			{0, []network{{"10.0.0.0/8", false}}, 0},
			{time.Second, []network{{"10.0.0.0/8", false}, {"192.0.2.0/25", true}}, delay},
			{20 * time.Second, []network{{"10.0.0.0/8", false}, {"192.0.2.0/25", true}, {"198.51.100.0/24", false}}, 40 * time.Second},
			{40 * time.Second, []network{{"10.0.0.0/8", false}, {"192.0.2.0/25", false}, {"198.51.100.0/24", false}}, 0},
		}},
		{"those that come together are staged together", []struct {
			after time.Duration
			found []network
			next  time.Duration
		}{
			{0, []network{{"10.0.0.0/8", true}, {"192.0.2.0/25", true}}, delay},
		}},
		{"one that is gone and comes back is staged anew", []struct {
			after time.Duration
			found []network
			next  time.Duration
		}{
			{0, []network{{"192.0.2.0/25", true}}, delay},
			{30 * time.Second, nil, 0},
			{20 * time.Second, []network{{"192.0.2.0/25", true}}, delay},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var s staging
			now := begin
			for i, step := range tt.steps {
				now = now.Add(step.after)
				var found []guard.Network
				for _, n := range step.found {
					found = append(found, guard.Network{Prefix: netip.MustParsePrefix(n.prefix), Why: "Pods"})
				}
				networks, next, err := s.stage(found, func() ([]netip.Addr, error) { return published, nil }, delay, now)
				if err != nil || next != step.next {
					t.Fatalf("step %d: changes by itself after %s, want %s (%v)", i, next, step.next, err)
				}
				for j, n := range networks {
					if n.Prefix.String() != step.found[j].prefix || n.Staged != step.found[j].staged {
						t.Errorf("step %d: %s staged: %t, want %+v", i, n.Prefix, n.Staged, step.found[j])
					}
				}
			}
		})
	}
}

// TestStagingOfWhatCannotBeCounted decides nothing.
func TestStagingOfWhatCannotBeCounted(t *testing.T) {
	var s staging
	found := []guard.Network{{Prefix: netip.MustParsePrefix("10.0.0.0/8")}}
	wrong := errors.New("the cache is away")
	if _, _, err := s.stage(found, func() ([]netip.Addr, error) { return nil, wrong }, time.Minute, time.Unix(1, 0)); !errors.Is(err, wrong) {
		t.Error(err)
	}
	if networks, _, err := s.stage(found, func() ([]netip.Addr, error) { return nil, nil }, time.Minute, time.Unix(1, 0)); err != nil || networks[0].Staged {
		t.Error(networks, err)
	}
}
