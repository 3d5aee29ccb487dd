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

// fixedPrecedent is a cluster in which addresses are published.
type fixedPrecedent struct {
	addrs      []netip.Addr
	pending    time.Time
	wrong      error // with what is published
	notPending error // with what is pending
}

func (f *fixedPrecedent) published() ([]netip.Addr, error) { return f.addrs, f.wrong }
func (f *fixedPrecedent) pendingSince() (time.Time, error) { return f.pending, f.notPending }

// publishing lists the first addresses from one on.
func publishing(first string, n int) *fixedPrecedent {
	f := &fixedPrecedent{}
	for addr := netip.MustParseAddr(first); len(f.addrs) < n; addr = addr.Next() {
		f.addrs = append(f.addrs, addr)
	}
	return f
}

// networksOf are the networks of a cluster.
func networksOf(prefixes ...string) []guard.Network {
	var found []guard.Network
	for _, prefix := range prefixes {
		found = append(found, guard.Network{Prefix: netip.MustParsePrefix(prefix), Why: "Pods", Discovered: true})
	}
	return found
}

const delay = time.Minute

var begin = time.Unix(1000, 0)

// TestStaging follows networks from when they are found until they are in force
// or gone.
func TestStaging(t *testing.T) {
	type network struct {
		prefix string
		staged bool
	}
	type step struct {
		after time.Duration
		found []network
		next  time.Duration
	}
	for _, tt := range []struct {
		name  string
		steps []step
	}{
		{"few at once are taken out at once", []step{
			{0, []network{{"192.0.2.0/29", false}}, 0},
		}},
		{"many are staged, and then in force", []step{
			{0, []network{{"10.0.0.0/8", false}}, 0},
			{time.Second, []network{{"10.0.0.0/8", false}, {"192.0.2.0/25", true}}, delay},
			{20 * time.Second, []network{{"10.0.0.0/8", false}, {"192.0.2.0/25", true}, {"198.51.100.0/24", false}}, 40 * time.Second},
			{40 * time.Second, []network{{"10.0.0.0/8", false}, {"192.0.2.0/25", false}, {"198.51.100.0/24", false}}, 0},
		}},
		{"those that come together are staged together", []step{
			{0, []network{{"10.0.0.0/8", true}, {"192.0.2.0/25", true}}, delay},
		}},
		{"a single address is denied at once, whatever comes with it", []step{
			{0, []network{{"192.0.2.1/32", false}, {"192.0.2.0/25", true}, {"2001:db8::1/128", false}}, delay},
		}},
		{"one that is gone for a moment goes on where it was", []step{
			{0, []network{{"192.0.2.0/25", true}}, delay},
			{30 * time.Second, nil, 0},
			{20 * time.Second, []network{{"192.0.2.0/25", true}}, 10 * time.Second},
			{5 * time.Second, nil, 0},
			{20 * time.Second, []network{{"192.0.2.0/25", false}}, 0},
			{time.Second, nil, 0},
			{delay - time.Second, []network{{"192.0.2.0/25", false}}, 0},
		}},
		{"one that was gone for long is staged anew", []step{
			{0, []network{{"192.0.2.0/25", true}}, delay},
			{delay, nil, 0},
			{time.Second, []network{{"192.0.2.0/25", true}}, delay},
		}},
		{"slice by slice is as much as at once", []step{
			{0, []network{{"192.0.2.0/29", false}}, 0},
			{time.Second, []network{{"192.0.2.0/29", false}, {"192.0.2.8/29", true}}, delay},
			{time.Second, []network{{"192.0.2.0/29", false}, {"192.0.2.8/29", true}, {"10.0.0.0/8", false}}, delay - time.Second},
		}},
		{"what was taken out long ago does not count", []step{
			{0, []network{{"192.0.2.0/29", false}}, 0},
			{delay, []network{{"192.0.2.0/29", false}, {"192.0.2.8/29", false}}, 0},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var s staging
			now := begin
			for i, step := range tt.steps {
				now = now.Add(step.after)
				var prefixes []string
				for _, n := range step.found {
					prefixes = append(prefixes, n.prefix)
				}
				networks, next, err := s.stage(networksOf(prefixes...), publishing("192.0.2.1", 100), delay, now)
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

// TestStagingCountsAddresses: one that many publish is one.
func TestStagingCountsAddresses(t *testing.T) {
	cluster := publishing("198.51.100.1", 90)
	for range 11 {
		cluster.addrs = append(cluster.addrs, netip.MustParseAddr("10.0.5.7"))
	}
	var s staging
	if networks, _, err := s.stage(networksOf("10.0.5.0/24"), cluster, delay, begin); err != nil || networks[0].Staged {
		t.Errorf("one address that is published 11 times stages its network: %+v, %v", networks, err)
	}
}

// TestStagingIsNotPutOffForEver by a Node that is gone whenever it is about to be
// in force.
func TestStagingIsNotPutOffForEver(t *testing.T) {
	var s staging
	cluster, now := publishing("192.0.2.1", 50), begin
	for round := range 10 {
		for range 9 {
			networks, _, err := s.stage(networksOf("192.0.2.0/24"), cluster, 10*time.Second, now)
			if err != nil || networks[0].Staged != (now.Sub(begin) < 10*time.Second) {
				t.Fatalf("round %d, after %s: %+v, %v", round, now.Sub(begin), networks, err)
			}
			now = now.Add(time.Second)
		}
		if _, _, err := s.stage(nil, cluster, 10*time.Second, now); err != nil {
			t.Fatal(err)
		}
	}
}

// TestStagingGoesOnAfterARestart: the time is that which ExternalBackends tell, as
// far as there is something to stage.
func TestStagingGoesOnAfterARestart(t *testing.T) {
	for _, tt := range []struct {
		name    string
		pending time.Time
		next    time.Duration // zero: in force
	}{
		{"nothing was staged", time.Time{}, delay},
		{"for a while", begin.Add(-20 * time.Second), 40 * time.Second},
		{"for long", begin.Add(-time.Hour), 0},
		{"by a clock that is ahead", begin.Add(time.Hour), delay},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var s staging
			cluster := publishing("192.0.2.1", 50)
			cluster.pending = tt.pending
			networks, next, err := s.stage(networksOf("192.0.2.0/24"), cluster, delay, begin)
			if err != nil || next != tt.next || networks[0].Staged != (tt.next > 0) {
				t.Errorf("staged: %t for %s, want %s (%v)", networks[0].Staged, next, tt.next, err)
			}
			// The next network has a time of its own.
			cluster.addrs = append(cluster.addrs, publishing("198.51.100.1", 50).addrs...)
			networks, _, err = s.stage(networksOf("192.0.2.0/24", "198.51.100.0/24"), cluster, delay, begin.Add(delay))
			if err != nil || networks[0].Staged || !networks[1].Staged {
				t.Errorf("%+v, %v", networks, err)
			}
		})
	}
}

// TestStagingOfWhatCannotBeCounted decides nothing.
func TestStagingOfWhatCannotBeCounted(t *testing.T) {
	var s staging
	wrong := errors.New("the cache is away")
	for _, cluster := range []*fixedPrecedent{{wrong: wrong}, {addrs: publishing("10.0.0.1", 50).addrs, notPending: wrong}} {
		if _, _, err := s.stage(networksOf("10.0.0.0/8"), cluster, delay, begin); !errors.Is(err, wrong) {
			t.Error(err)
		}
	}
	if networks, _, err := s.stage(networksOf("10.0.0.0/8"), &fixedPrecedent{}, delay, begin); err != nil || networks[0].Staged {
		t.Error(networks, err)
	}
}
