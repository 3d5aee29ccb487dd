// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"maps"
	"slices"
	"time"
)

// TierPolicy says when a tier suffices and which tiers serve.
type TierPolicy struct {
	// Count and Percent are how many addresses of a tier must be healthy: the
	// larger one counts, and less than one counts as one. Percent, 0 to 100, is
	// of the addresses of the tier and rounded up. Of those, Unknown ones do not
	// count: what nobody has checked is no evidence against the others. Nor do
	// missing ones that are Unhealthy: they are no part of the tier any more.
	Count, Percent int
	// Cumulative has the tiers before the first that suffices serve, too.
	Cumulative bool
	// ReturnDelay is for how long a better tier must suffice before it takes over.
	ReturnDelay time.Duration
}

// TierMember is an address that counts: one that is wanted, not disabled and not
// on its way out. Lower tiers are better.
type TierMember struct {
	Tier    int
	Verdict Verdict
	// Missing is true if it is only kept since it may come back.
	Missing bool
}

// TierState is which tiers serve, and since when which of them suffice. It is
// immutable. The zero value is that of targets that were never published.
type TierState struct {
	// serving are the tiers that serve, sorted: with no healthy address, none.
	serving []int
	// since is from when on a tier has sufficed without a break.
	since map[int]time.Time
	until time.Time
}

// ResumeTiers returns the state after a restart: the tiers that have an address
// published as ready serve, and how long they have sufficed is not known.
func ResumeTiers(ready ...int) TierState {
	return TierState{serving: slices.Compact(slices.Sorted(slices.Values(ready)))}
}

// Serves says whether healthy addresses of a tier take traffic; the others stand
// by. While there is no healthy address at all, every tier serves.
func (s TierState) Serves(tier int) bool {
	return len(s.serving) == 0 || slices.Contains(s.serving, tier)
}

// Serving are the tiers that serve, sorted; none while there is no healthy address.
func (s TierState) Serving() []int { return slices.Clone(s.serving) }

// Until is when other tiers will serve though no address has changed; zero: never.
func (s TierState) Until() time.Time { return s.until }

// Decide returns which tiers serve from now on, in the light of those that did.
// It is to be asked whenever a verdict changes, and at Until.
//
//   - The first tier that suffices serves; with a cumulative policy, all that are
//     better than one that serves do as well.
//   - While none suffices, every tier with a healthy address serves: that loses the
//     least.
//   - A worse tier steps in at once when none that serves suffices any more.
//   - A better tier takes over, and tiers that are not needed any more step back,
//     once the better one has sufficed for ReturnDelay. That delay never makes a
//     tier serve.
func (p TierPolicy) Decide(before TierState, members []TierMember, now time.Time) TierState {
	tiers := tally(members)
	next := TierState{since: make(map[int]time.Time, len(tiers))}
	var known, populated, sufficing []int
	for _, tier := range slices.Sorted(maps.Keys(tiers)) {
		known = append(known, tier)
		if tiers[tier].healthy > 0 {
			populated = append(populated, tier)
		}
		if !p.suffices(tiers[tier]) {
			continue
		}
		sufficing, next.since[tier] = append(sufficing, tier), now
		if since, ok := before.since[tier]; ok {
			next.since[tier] = since
		}
	}
	if len(sufficing) == 0 {
		next.serving = populated
		return next
	}
	next.serving = slices.DeleteFunc(before.Serving(), func(tier int) bool { return !slices.Contains(known, tier) })
	if n := len(next.serving); n > 0 && p.Cumulative {
		next.serving = p.upTo(known, next.serving[n-1])
	}
	if !slices.ContainsFunc(sufficing, func(tier int) bool { return slices.Contains(next.serving, tier) }) {
		next.serving = p.upTo(known, sufficing[0])
		return next
	}
	return p.settle(next, known, sufficing, now)
}

// settle has the best tier take over that has sufficed for long enough, and finds
// out when the next one will.
func (p TierPolicy) settle(s TierState, known, sufficing []int, now time.Time) TierState {
	served := s.serving
	for _, tier := range sufficing {
		wanted := p.upTo(known, tier)
		due := s.since[tier].Add(p.ReturnDelay)
		switch {
		case slices.Equal(wanted, served):
			return s
		case !due.After(now):
			s.serving = wanted
			return s
		case s.until.IsZero() || due.Before(s.until):
			s.until = due
		}
		if slices.Contains(served, tier) {
			return s // worse ones do not take over while this one suffices
		}
	}
	return s
}

// upTo are the tiers that serve when this is the first that suffices.
func (p TierPolicy) upTo(known []int, tier int) []int {
	if !p.Cumulative {
		return []int{tier}
	}
	return slices.Clone(known[:slices.Index(known, tier)+1])
}

type tierTally struct{ healthy, unhealthy int }

func tally(members []TierMember) map[int]tierTally {
	tiers := make(map[int]tierTally)
	for _, m := range members {
		t := tiers[m.Tier]
		switch {
		case m.Verdict == Healthy:
			t.healthy++
		case m.Verdict == Unhealthy && !m.Missing:
			t.unhealthy++
		}
		tiers[m.Tier] = t
	}
	return tiers
}

func (p TierPolicy) suffices(t tierTally) bool { return t.healthy >= p.least(t.healthy+t.unhealthy) }

func (p TierPolicy) least(total int) int { return max(1, p.Count, (total*p.Percent+99)/100) }

// Judge returns how addresses are that are one to those who use them: Healthy if
// as many of them are as a tier needs to suffice, Unknown as long as they may be
// once more is known, else Unhealthy.
func (p TierPolicy) Judge(verdicts ...Verdict) Verdict {
	var known tierTally
	for _, v := range verdicts {
		switch v {
		case Healthy:
			known.healthy++
		case Unhealthy:
			known.unhealthy++
		case Unknown:
		}
	}
	best := tierTally{len(verdicts) - known.unhealthy, known.unhealthy}
	switch {
	case p.suffices(known):
		return Healthy
	case p.suffices(best):
		return Unknown
	}
	return Unhealthy
}
