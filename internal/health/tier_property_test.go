// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestTiersAlways follows random histories beside a record of its own of since
// when each tier has sufficed.
func TestTiersAlways(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		policy := TierPolicy{
			Count: rapid.IntRange(0, 3).Draw(t, "count"), Percent: rapid.SampledFrom([]int{0, 0, 50, 100}).Draw(t, "percent"),
			Cumulative:  rapid.Bool().Draw(t, "cumulative"),
			ReturnDelay: time.Duration(rapid.IntRange(0, 20).Draw(t, "delay")) * time.Second,
		}
		now, streaks, before := noon, map[int]time.Time{}, TierState{}
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 15).Draw(t, "pause")) * time.Second)
			members := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) TierMember {
				return TierMember{Tier: rapid.IntRange(0, 3).Draw(t, "tier"), Verdict: rapid.SampledFrom([]Verdict{Unknown, Healthy, Healthy, Unhealthy}).Draw(t, "verdict"), Missing: rapid.IntRange(0, 4).Draw(t, "missing") == 0}
			}), 0, 10).Draw(t, "members")
			seen := observe(policy, members)
			for tier := range 4 {
				if _, running := streaks[tier]; !seen.suffices[tier] {
					delete(streaks, tier)
				} else if !running {
					streaks[tier] = now
				}
			}
			after := policy.Decide(before, members, now)
			if why := seen.objection(policy, before, after, streaks, now); why != "" {
				t.Fatalf("%s: %v became %v of %v at %s", why, before.Serving(), after.Serving(), members, now.Sub(noon))
			}
			checkUntil(t, policy, after, members, now)
			before = after
		}
	})
}

// observed is what a look at all members tells.
type observed struct{ healthy, suffices, present map[int]bool }

func observe(p TierPolicy, members []TierMember) observed {
	o := observed{map[int]bool{}, map[int]bool{}, map[int]bool{}}
	for tier := range 4 {
		total, healthy := 0, 0
		for _, m := range members {
			if m.Tier != tier {
				continue
			}
			o.present[tier] = true
			if m.Verdict == Healthy {
				healthy++
			}
			if m.Verdict == Healthy || m.Verdict == Unhealthy && !m.Missing {
				total++
			}
		}
		o.healthy[tier] = healthy > 0
		o.suffices[tier] = healthy > 0 && healthy >= p.Count && healthy*100 >= total*p.Percent
	}
	return o
}

// objection says what of a decision is against the rules.
func (o observed) objection(p TierPolicy, before, after TierState, streaks map[int]time.Time, now time.Time) string {
	served := func(tier int) bool { return slices.Contains(before.Serving(), tier) }
	serves := func(tier int) bool { return slices.Contains(after.Serving(), tier) }
	some := func(is func(int) bool) bool { return slices.ContainsFunc([]int{0, 1, 2, 3}, is) }
	suffices := func(tier int) bool { return o.suffices[tier] }
	settled := func(tier int) bool { return suffices(tier) && now.Sub(streaks[tier]) >= p.ReturnDelay }
	held := some(func(tier int) bool { return served(tier) && suffices(tier) })
	switch {
	case some(suffices) && !some(func(tier int) bool { return suffices(tier) && serves(tier) }):
		return "a tier suffices, and none that serves does"
	case !some(suffices) && some(func(tier int) bool { return o.healthy[tier] != serves(tier) }):
		return "no tier suffices, and not all that are healthy serve"
	case some(func(tier int) bool { return serves(tier) && !o.present[tier] }):
		return "a tier serves that is not there"
	case held && !some(settled) && some(func(tier int) bool { return o.present[tier] && served(tier) && !serves(tier) }):
		return "a tier steps back though none has sufficed for long enough"
	case p.Cumulative && some(suffices) && some(func(tier int) bool {
		return o.present[tier] && !serves(tier) && some(func(worse int) bool { return worse > tier && serves(worse) })
	}):
		return "a worse tier serves without a better one"
	case p.ReturnDelay == 0 && some(suffices) && !slices.Equal(after.Serving(), o.first(p)):
		return "without a delay, it is not the first tier"
	}
	for tier := range 4 {
		if served(tier) && suffices(tier) && !serves(tier) && !some(func(better int) bool { return better < tier && settled(better) }) {
			return fmt.Sprintf("tier %d suffices, served, and steps back for none that is better", tier)
		}
		if serves(tier) && !served(tier) && held && !settled(tier) && !some(func(worse int) bool { return p.Cumulative && worse > tier && served(worse) }) {
			return fmt.Sprintf("tier %d is added before its time", tier)
		}
	}
	return ""
}

// first are the tiers that serve in the end if nothing changes.
func (o observed) first(p TierPolicy) (tiers []int) {
	for tier := range 4 {
		if o.suffices[tier] {
			return append(tiers, tier)
		}
		if p.Cumulative && o.present[tier] {
			tiers = append(tiers, tier)
		}
	}
	return nil
}

// checkUntil: a decision stands until just the time that it names, asking again
// makes no difference, and in the end the first tier that suffices serves.
func checkUntil(t *rapid.T, p TierPolicy, state TierState, members []TierMember, now time.Time) {
	again := func(from TierState, at time.Time) TierState { return p.Decide(from, members, at) }
	same := again(state, now)
	if !slices.Equal(same.Serving(), state.Serving()) || !same.Until().Equal(state.Until()) {
		t.Fatalf("asked again, %v become %v", state.Serving(), same.Serving())
	}
	for range 5 {
		if state.Until().IsZero() {
			break
		}
		if early := again(state, state.Until().Add(-1)); !state.Until().After(now) || !slices.Equal(early.Serving(), state.Serving()) {
			t.Fatalf("%v become %v before %s", state.Serving(), early.Serving(), state.Until())
		}
		later := again(state, state.Until())
		if slices.Equal(later.Serving(), state.Serving()) {
			t.Fatalf("%v serve after %s, too", state.Serving(), state.Until())
		}
		now, state = state.Until(), later
	}
	late := again(state, now.Add(1000*time.Hour))
	if want := observe(p, members); !slices.Equal(late.Serving(), state.Serving()) || len(want.first(p)) > 0 && !slices.Equal(late.Serving(), want.first(p)) {
		t.Fatalf("in the end %v serve, then %v, want %v", state.Serving(), late.Serving(), want.first(p))
	}
	if resumed := again(ResumeTiers(state.Serving()...), now); p.ReturnDelay > 0 && !slices.Equal(resumed.Serving(), state.Serving()) {
		t.Fatalf("after a restart %v become %v", state.Serving(), resumed.Serving())
	}
}
