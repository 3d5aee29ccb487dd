// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"net/netip"

	"k8s.io/utils/ptr"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/health"
)

// rank decides which tiers serve, where addresses have different ones. Healthy
// addresses of the others stand by.
func (r *ServiceReconciler) rank(w *world, passes []*pass) {
	now := r.Clock.Now()
	for _, p := range passes {
		members, several := p.tierMembers()
		if !several || p.awaiting { // the first verdicts are still to come
			r.known.setTiers(p.subscriber(), nil)
			continue
		}
		before := r.known.tiers(p.subscriber())
		if before == nil {
			before = new(p.publishedTiers())
		}
		state := p.backend.Tiers.Decide(*before, members, now)
		r.known.setTiers(p.subscriber(), &state)
		if until := state.Until(); !until.IsZero() {
			w.again(until.Sub(now))
		}
		p.ending = true // a flip of one address may be one of others
		p.standBy(state)
	}
}

// tierMembers returns the addresses that are meant to take traffic, and whether
// they are of several tiers.
func (p *pass) tierMembers() (members []health.TierMember, several bool) {
	for i, t := range p.grant.Targets {
		if p.entries[t.Entry].State != v1alpha1.TargetActive {
			continue
		}
		members = append(members, health.TierMember{Tier: p.tierOf(t), Verdict: p.health[i].Verdict})
		several = several || members[0].Tier != members[len(members)-1].Tier
	}
	return members, several
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
		active := p.entries[t.Entry].State == v1alpha1.TargetActive
		if active && p.health[i].Verdict == health.Healthy && p.frozen[t.Addr] == nil && !state.Serves(p.tierOf(t)) {
			if p.standby == nil {
				p.standby = make(map[netip.Addr]bool)
			}
			p.standby[t.Addr] = true
		}
	}
}
