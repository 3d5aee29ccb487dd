// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"slices"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// tiersOf makes members of a text such as "HHU H": a word is a tier, a letter an
// address that is Healthy, Unhealthy or, with a ?, Unknown. Of those that are missing,
// h is Healthy and m Unhealthy.
func tiersOf(text string) (members []TierMember) {
	for tier, word := range strings.Split(text, " ") {
		for _, letter := range word {
			verdict := map[rune]Verdict{'H': Healthy, 'h': Healthy, 'U': Unhealthy, 'm': Unhealthy, '?': Unknown}[letter]
			members = append(members, TierMember{Tier: tier, Verdict: verdict, Missing: letter == 'h' || letter == 'm'})
		}
	}
	return members
}

// TestTiersOfFirstPublication: nothing was published, and nothing is waited for.
func TestTiersOfFirstPublication(t *testing.T) {
	for _, tt := range []struct {
		name    string
		policy  TierPolicy
		members string
		want    []int
	}{
		{"one tier", TierPolicy{}, "HU", []int{0}},
		{"the first one suffices", TierPolicy{}, "HU HH", []int{0}},
		{"the first one is down", TierPolicy{}, "UU HH H", []int{1}},
		{"the first one is not known yet", TierPolicy{}, "?? HH", []int{1}},
		{"too few of the first", TierPolicy{Count: 2}, "HU HH", []int{1}},
		{"too few of each", TierPolicy{Count: 2}, "HU H UU", []int{0, 1}},
		{"more than there are", TierPolicy{Count: 3}, "HH H", []int{0, 1}},
		{"none at all", TierPolicy{}, "UU U?", nil},
		{"nobody", TierPolicy{}, "", nil},
		{"half, rounded up", TierPolicy{Percent: 50}, "HUU HU", []int{1}},
		{"half, exactly", TierPolicy{Percent: 50}, "HU HH", []int{0}},
		{"half of those that have a verdict", TierPolicy{Percent: 50}, "HU?? HH", []int{0}},
		{"half, without those that are missing and down", TierPolicy{Percent: 50}, "HUmm HH", []int{0}},
		{"half, with those that are missing and healthy", TierPolicy{Percent: 50, Count: 2}, "HUUh HH", []int{0}},
		{"nobody has a verdict", TierPolicy{Percent: 50, Count: 2}, "H??? HH", []int{1}},
		{"all", TierPolicy{Percent: 100}, "HHU HHH", []int{1}},
		{"the larger of both: count", TierPolicy{Count: 2, Percent: 10}, "HU HH", []int{1}},
		{"the larger of both: percent", TierPolicy{Count: 1, Percent: 100}, "HU HH", []int{1}},
		{"a gap between tiers", TierPolicy{}, "U  H", []int{2}},
		{"cumulative, the first suffices", TierPolicy{Cumulative: true}, "HU HH", []int{0}},
		{"cumulative, with those before", TierPolicy{Cumulative: true, Count: 2}, "HU  HH HH", []int{0, 2}},
		{"cumulative, too few of each", TierPolicy{Cumulative: true, Count: 2}, "HU UU H", []int{0, 2}},
	} {
		tt.policy.ReturnDelay = time.Minute
		state := tt.policy.Decide(TierState{}, tiersOf(tt.members), noon)
		if !slices.Equal(state.Serving(), tt.want) || !state.Until().IsZero() {
			t.Errorf("%s: %v serve until %s, want %v", tt.name, state.Serving(), state.Until(), tt.want)
		}
		for tier := range 4 {
			if want := len(tt.want) == 0 || slices.Contains(tt.want, tier); state.Serves(tier) != want {
				t.Errorf("%s: Serves(%d) = %t", tt.name, tier, !want)
			}
		}
	}
}

// TestTiersOverTime tells stories: what is there at a second, and which tiers
// serve then, until when.
func TestTiersOverTime(t *testing.T) {
	type chapter struct {
		second  int
		members string
		want    []int
		until   int // second; 0: for ever
	}
	exclusive := TierPolicy{Count: 2, ReturnDelay: time.Minute}
	cumulative := TierPolicy{Count: 2, ReturnDelay: time.Minute, Cumulative: true}
	for _, tt := range []struct {
		name    string
		policy  TierPolicy
		before  TierState
		history []chapter
	}{
		{"over at once, back after the delay", exclusive, TierState{}, []chapter{
			{0, "HHH HH", []int{0}, 0},
			{10, "HHU HH", []int{0}, 0},
			{20, "HUU HH", []int{1}, 0},
			{30, "HHU HH", []int{1}, 90},
			{89, "HHH HH", []int{1}, 90},
			{90, "HHH HH", []int{0}, 0},
		}},
		{"a break starts the delay anew", exclusive, TierState{}, []chapter{
			{0, "UUU HH", []int{1}, 0},
			{10, "HH HH", []int{1}, 70},
			{60, "HU HH", []int{1}, 0},
			{70, "HH HH", []int{1}, 130},
			{130, "HH HH", []int{0}, 0},
		}},
		{"back at once if the other one fails meanwhile", exclusive, TierState{}, []chapter{
			{0, "UU HH", []int{1}, 0},
			{10, "HH HH", []int{1}, 70},
			{20, "HH HU", []int{0}, 0},
		}},
		{"the middle one takes over first if it was back first", exclusive, TierState{}, []chapter{
			{0, "UU UU HH", []int{2}, 0},
			{10, "UU HH HH", []int{2}, 70},
			{40, "HH HH HH", []int{2}, 70},
			{70, "HH HH HH", []int{1}, 100},
			{100, "HH HH HH", []int{0}, 0},
		}},
		{"not to a worse one while this one suffices", exclusive, TierState{}, []chapter{
			{0, "HH HH", []int{0}, 0},
			{500, "HH HHHH", []int{0}, 0},
		}},
		{"none suffices: all serve; one does: the others step back after the delay", exclusive, TierState{}, []chapter{
			{0, "HU HU", []int{0, 1}, 0},
			{10, "HH HU", []int{0, 1}, 70},
			{20, "HU HU", []int{0, 1}, 0},
			{30, "HH HU", []int{0, 1}, 90},
			{90, "HH HU", []int{0}, 0},
		}},
		{"after an outage of all, the delay adds no tier", exclusive, TierState{}, []chapter{
			{0, "HH HH", []int{0}, 0},
			{10, "UU UU", nil, 0},
			{20, "HH UU", []int{0}, 0},
			{21, "HH HH", []int{0}, 0},
		}},
		{"cumulative", cumulative, TierState{}, []chapter{
			{0, "HH HH H", []int{0}, 0},
			{10, "HU HH H", []int{0, 1}, 0},
			{20, "HU HU HH", []int{0, 1, 2}, 0},
			{30, "HU HH HH", []int{0, 1, 2}, 90},
			{50, "HH HH HH", []int{0, 1, 2}, 110},
			{110, "HH HH HH", []int{0}, 0},
		}},
		{"cumulative, a better tier joins at once", cumulative, TierState{}, []chapter{
			{0, "  HH", []int{2}, 0},
			{1, " HH HH", []int{1, 2}, 61},
			{2, "HH HH HH", []int{0, 1, 2}, 62},
			{62, "HH HH HH", []int{0}, 0},
		}},
		{"after a restart, what is published goes on, and the delay starts anew", exclusive, ResumeTiers(1, 1), []chapter{
			{0, "HH HH", []int{1}, 60},
			{60, "HH HH", []int{0}, 0},
		}},
		{"after a restart in which nothing was ready", exclusive, ResumeTiers(), []chapter{
			{0, "HH HH", []int{0}, 0},
		}},
		{"after a restart with several", exclusive, ResumeTiers(1, 0), []chapter{
			{0, "HH HH", []int{0, 1}, 60},
			{60, "HH HH", []int{0}, 0},
		}},
		{"a tier that an edit has done away with", exclusive, ResumeTiers(7), []chapter{
			{0, "HH HH", []int{0}, 0},
		}},
		{"a better tier that an edit has added", exclusive, TierState{}, []chapter{
			{0, " HH", []int{1}, 0},
			{10, "HH HH", []int{1}, 70},
			{70, "HH HH", []int{0}, 0},
		}},
		{"more addresses that nobody has checked yet", TierPolicy{Percent: 50, ReturnDelay: time.Minute}, TierState{}, []chapter{
			{0, "HHHH HHHH", []int{0}, 0},
			{10, "HHHH????? HHHH", []int{0}, 0},
			{20, "HHHHUUUUU HHHH", []int{1}, 0},
			{30, "HHHHmmmmm HHHH", []int{1}, 90},
			{90, "HHHHmmmmm HHHH", []int{0}, 0},
		}},
		{"no delay", TierPolicy{}, TierState{}, []chapter{
			{0, "U H", []int{1}, 0},
			{1, "H H", []int{0}, 0},
		}},
	} {
		state := tt.before
		for _, c := range tt.history {
			state = tt.policy.Decide(state, tiersOf(c.members), noon.Add(time.Duration(c.second)*time.Second))
			until := time.Time{}
			if c.until != 0 {
				until = noon.Add(time.Duration(c.until) * time.Second)
			}
			if !slices.Equal(state.Serving(), c.want) || !state.Until().Equal(until) {
				t.Errorf("%s, at %d: %v serve until %s, want %v until %s", tt.name, c.second, state.Serving(), state.Until(), c.want, until)
			}
		}
	}
}

func BenchmarkTiers(b *testing.B) {
	members := make([]TierMember, 10000)
	for i := range members {
		members[i] = TierMember{Tier: i % 4, Verdict: Healthy}
	}
	state, policy := TierState{}, TierPolicy{Count: 1, ReturnDelay: time.Minute}
	for b.Loop() {
		state = policy.Decide(state, members, noon)
	}
}
