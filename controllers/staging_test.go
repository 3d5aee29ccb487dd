// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"externalbackend.dev/operator/internal/guard"
)

// publishedAddresses are the addresses that are published in a cluster.
type publishedAddresses []publishedAddress

func (p publishedAddresses) list() ([]publishedAddress, error) { return p, nil }

// publishing lists the first addresses from one on.
func publishing(first string, n int) publishedAddresses {
	var p publishedAddresses
	for addr := netip.MustParseAddr(first); len(p) < n; addr = addr.Next() {
		p = append(p, publishedAddress{addr: addr})
	}
	return p
}

// toldSince is what those publish whose DenyPending is True since then.
func (p publishedAddresses) toldSince(at time.Time) publishedAddresses {
	told := slices.Clone(p)
	for i := range told {
		told[i].pending = at
	}
	return told
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
		{"one that lies in another is staged like that", []step{
			{0, []network{{"192.0.2.0/24", true}, {"192.0.2.0/25", true}, {"192.0.2.8/29", true}}, delay},
		}},
		{"those that come together are staged together", []step{
			{0, []network{{"192.0.2.0/28", true}, {"192.0.2.16/29", true}, {"203.0.113.0/24", false}}, delay},
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
				networks, next, err := s.stage(networksOf(prefixes...), publishing("192.0.2.1", 100).list, delay, now)
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
		cluster = append(cluster, publishedAddress{addr: netip.MustParseAddr("10.0.5.7")})
	}
	var s staging
	if networks, _, err := s.stage(networksOf("10.0.5.0/24"), cluster.list, delay, begin); err != nil || networks[0].Staged {
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
			networks, _, err := s.stage(networksOf("192.0.2.0/24"), cluster.list, 10*time.Second, now)
			if err != nil || networks[0].Staged != (now.Sub(begin) < 10*time.Second) {
				t.Fatalf("round %d, after %s: %+v, %v", round, now.Sub(begin), networks, err)
			}
			now = now.Add(time.Second)
		}
		if _, _, err := s.stage(nil, cluster.list, 10*time.Second, now); err != nil {
			t.Fatal(err)
		}
	}
}

// TestStagingOfManySingleAddresses that come at once, whatever a Node says that
// they are.
func TestStagingOfManySingleAddresses(t *testing.T) {
	for n, staged := range map[int]int{10: 0, 11: 11, 100: 100} {
		var found []string
		for _, p := range publishing("192.0.2.1", n) {
			found = append(found, p.addr.String()+"/32")
		}
		var s staging
		networks, _, err := s.stage(networksOf(found...), publishing("192.0.2.1", 100).list, delay, begin)
		if got := stagedOf(networks); err != nil || got != staged {
			t.Errorf("%d of %d single addresses are staged, want %d (%v)", got, n, staged, err)
		}
	}
}

func stagedOf(networks []guard.Network) (n int) {
	for _, network := range networks {
		if network.Staged {
			n++
		}
	}
	return n
}

// TestStagingGoesOnAfterARestart with what ExternalBackends tell, however much of
// what is pending is left.
func TestStagingGoesOnAfterARestart(t *testing.T) {
	ago := func(d time.Duration) time.Time { return begin.Add(-d) }
	spared, others := publishing("192.0.2.1", 12), publishing("198.51.100.1", 12)
	lone := publishing("192.0.2.1", 1)
	const first, second = "192.0.2.0/24", "198.51.100.0/24"
	for _, tt := range []struct {
		name      string
		published publishedAddresses
		found     []string
		left      []time.Duration // that each network is staged; zero: it is in force
	}{
		{"nothing was staged", spared, []string{first}, []time.Duration{delay}},
		{"for a while", spared.toldSince(ago(20 * time.Second)), []string{first}, []time.Duration{40 * time.Second}},
		{"for long", spared.toldSince(ago(time.Hour)), []string{first}, []time.Duration{0}},
		{"by a clock that is ahead", spared.toldSince(begin.Add(time.Hour)), []string{first}, []time.Duration{delay}},
		{"and authors have taken most of it out", spared[:2].toldSince(ago(20 * time.Second)), []string{first}, []time.Duration{40 * time.Second}},
		{
			"and others have published much more",
			append(spared.toldSince(ago(20*time.Second)), publishing("203.0.113.1", 200)...),
			[]string{first},
			[]time.Duration{40 * time.Second},
		},
		{
			"each network for its own time",
			append(spared.toldSince(ago(50*time.Second)), others.toldSince(ago(20*time.Second))...),
			[]string{first, second},
			[]time.Duration{10 * time.Second, 40 * time.Second},
		},
		{
			"one of which is in force by now",
			others.toldSince(ago(20 * time.Second)),
			[]string{first, second},
			[]time.Duration{0, 40 * time.Second},
		},
		{
			"as long as one ExternalBackend tells",
			append(spared[:6].toldSince(ago(50*time.Second)), spared[6:].toldSince(ago(20*time.Second))...),
			[]string{first},
			[]time.Duration{40 * time.Second},
		},
		{
			"few of which are told by nobody yet",
			append(spared.toldSince(ago(20*time.Second)), lone...),
			[]string{first},
			[]time.Duration{40 * time.Second},
		},
		{
			"but not for others that come then",
			append(spared.toldSince(ago(20*time.Second)), others...),
			[]string{first, second},
			[]time.Duration{40 * time.Second, delay},
		},
		{
			"nor because one tells what is over",
			append(lone.toldSince(ago(time.Hour)), spared[1:]...),
			[]string{first},
			[]time.Duration{delay},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var s staging
			networks, _, err := s.stage(networksOf(tt.found...), tt.published.list, delay, begin)
			if err != nil {
				t.Fatal(err)
			}
			for i, network := range networks {
				left := delay - begin.Sub(network.Since)
				if network.Staged != (tt.left[i] > 0) || network.Staged && left != tt.left[i] {
					t.Errorf("%s staged: %t, for %s, want %s", network.Prefix, network.Staged, left, tt.left[i])
				}
			}
		})
	}
}

// TestStagingBelievesItselfMore than what is told: the next network has a time of
// its own.
func TestStagingBelievesItselfMore(t *testing.T) {
	var s staging
	cluster := append(publishing("192.0.2.1", 50), publishing("198.51.100.1", 50)...).toldSince(begin.Add(-10 * time.Second))
	if _, _, err := s.stage(networksOf("192.0.2.0/24"), cluster.list, delay, begin); err != nil {
		t.Fatal(err)
	}
	networks, next, err := s.stage(networksOf("192.0.2.0/24", "198.51.100.0/24"), cluster.list, delay, begin.Add(50*time.Second))
	if err != nil || networks[0].Staged || !networks[1].Staged || next != delay {
		t.Errorf("%+v after %s, %v", networks, next, err)
	}
}

// TestStagingBeginsInWholeSeconds, as it is told: a restart must not cut it short.
func TestStagingBeginsInWholeSeconds(t *testing.T) {
	var s staging
	now := begin.Add(900 * time.Millisecond)
	networks, next, err := s.stage(networksOf("192.0.2.0/24"), publishing("192.0.2.1", 50).list, delay, now)
	if err != nil || !networks[0].Since.Equal(begin) || next != delay-900*time.Millisecond {
		t.Errorf("since %s, for %s (%v)", networks[0].Since, next, err)
	}
}

// TestStagingOfWhatCannotBeCounted decides nothing.
func TestStagingOfWhatCannotBeCounted(t *testing.T) {
	var s staging
	wrong := errors.New("the cache is away")
	if _, _, err := s.stage(networksOf("10.0.0.0/8"), func() ([]publishedAddress, error) { return nil, wrong }, delay, begin); !errors.Is(err, wrong) {
		t.Error(err)
	}
	if networks, _, err := s.stage(networksOf("10.0.0.0/8"), publishedAddresses(nil).list, delay, begin); err != nil || networks[0].Staged {
		t.Error(networks, err)
	}
}
