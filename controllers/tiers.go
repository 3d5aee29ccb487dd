// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"math"
	"net/netip"
	"slices"

	"k8s.io/utils/ptr"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/internal/target"
)

// rank decides which tiers serve, where addresses have different ones. Healthy
// addresses of the others stand by.
func (r *ServiceReconciler) rank(w *world, passes []*pass) {
	now := r.Clock.Now()
	for _, p := range passes {
		recalled := p.before != nil
		if !recalled {
			p.findTiers()
		}
		if recalled && p.tiers == nil {
			continue
		}
		beginning := r.known.beginning(p.subscriber(), !recalled && len(p.published) == 0, p.isComplete())
		if p.tiers == nil || p.awaiting { // the first verdicts are still to come
			r.known.setTiers(p.subscriber(), nil)
			continue
		}
		before := r.known.tiers(p.subscriber())
		switch {
		case beginning: // what served so far did only for want of a better tier
			before = new(health.TierState)
		case before == nil:
			before = new(p.publishedTiers())
		}
		state := p.backend.Tiers.Decide(*before, p.tierMembers(), now)
		r.known.setTiers(p.subscriber(), &state)
		if until := state.Until(); !until.IsZero() {
			w.again(until.Sub(now))
		}
		p.standBy(state)
	}
}

// isComplete says whether nothing is pending that may still bring a better tier:
// every query has ended once, and every address has a first result, or an obstacle
// that keeps it from one. What answers and has no verdict is not waited for.
func (p *pass) isComplete() bool {
	if slices.ContainsFunc(p.answers, func(a answer) bool { return a.snapshot == nil }) {
		return false
	}
	for _, snapshot := range p.snapshots {
		if snapshot == nil || snapshot.Listed.IsZero() && snapshot.Failure == nil {
			return false
		}
	}
	for i, t := range p.grant.Targets {
		h := &p.health[i]
		if h.Verdict == health.Unknown && !h.Fresh && h.Obstacle == "" && p.entries[t.Entry].State == v1alpha1.TargetActive {
			return false
		}
	}
	return true
}

// notRanked is the tier of an address that is not meant to take traffic.
const notRanked = -1

// findTiers finds the tiers of the addresses, if those that are meant to take
// traffic are of several.
func (p *pass) findTiers() {
	tiers, least, most := make([]int, len(p.grant.Targets)), math.MaxInt, notRanked
	for i, t := range p.grant.Targets {
		tiers[i] = notRanked
		if p.entries[t.Entry].State == v1alpha1.TargetActive {
			tiers[i] = p.tierOf(t)
			least, most = min(least, tiers[i]), max(most, tiers[i])
		}
	}
	if least < most {
		p.tiers = tiers
	}
}

func (p *pass) setMissing(t target.Target, missing bool) {
	if p.missing[t] == missing {
		return
	}
	if p.missing == nil {
		p.missing = make(map[target.Target]bool)
	}
	p.missing[t] = missing
}

func (p *pass) tierMembers() []health.TierMember {
	members := make([]health.TierMember, 0, len(p.tiers))
	for i, tier := range p.tiers {
		if tier != notRanked {
			members = append(members, health.TierMember{Tier: tier, Verdict: p.health[i].Verdict, Missing: p.missing[p.grant.Targets[i]]})
		}
	}
	return members
}

// publishedTiers are those that served before the operator started.
func (p *pass) publishedTiers() health.TierState {
	ready := make(map[netip.Addr]bool, len(p.here))
	for i := range p.here {
		if addr, err := netip.ParseAddr(p.here[i].Address); err == nil && ptr.Deref(p.here[i].Conditions.Ready, true) {
			ready[addr] = true
		}
	}
	var tiers []int
	for _, t := range p.grant.Targets {
		if ready[t.Addr] {
			tiers = append(tiers, p.tierOf(t))
		}
	}
	return health.ResumeTiers(tiers...)
}

func (p *pass) standBy(state health.TierState) {
	for i, t := range p.grant.Targets {
		if p.tiers[i] != notRanked && p.health[i].Verdict == health.Healthy && p.frozen[t.Addr] == nil && !state.Serves(p.tiers[i]) {
			if p.standby == nil {
				p.standby = make(map[netip.Addr]bool)
			}
			p.standby[t.Addr] = true
		}
	}
}
