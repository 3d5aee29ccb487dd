// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"net/netip"
	"slices"

	"externalbackend.dev/operator/internal/target"
	"externalbackend.dev/operator/internal/translate"
)

// arbitrate decides which ExternalBackend serves an address that several want.
// What one wants and will not publish in this pass takes no address from the
// others.
func arbitrate(passes []*pass) {
	var claims []target.Claim
	var rivals []*pass
	for _, p := range passes {
		contested, alone := p.claims()
		for _, claim := range contested {
			claims, rivals = append(claims, claim), append(rivals, p)
		}
		p.grant = target.Arbitrate([]target.Claim{alone})[0]
	}
	for i, grant := range target.Arbitrate(claims) {
		rivals[i].addGrant(grant)
	}
	for _, p := range passes {
		slices.SortFunc(p.grant.Targets, func(a, b target.Target) int { return a.Addr.Compare(b.Addr) })
	}
}

// claims says what an ExternalBackend competes for with the others of the
// Service: for nothing while its first publication is held, or if it yields; where nothing can be
// published anew, for what is published, on the ports that this has; else for
// everything. alone is the rest. Addresses with ports of their own are a claim for
// each set of ports.
func (p *pass) claims() (contested []target.Claim, alone target.Claim) {
	whole := target.Claim{
		Owner: p.backend.Owner, Targets: p.candidates,
		Ports: translate.TargetPorts(p.backend.PortSets[0]), EntryPorts: p.backend.EntryPorts(),
	}
	switch {
	case p.awaiting, p.yields != nil:
		return nil, whole
	case p.backend.Publishable && len(p.kept)+len(p.provenance) == 0:
		return []target.Claim{whole}, target.Claim{Owner: whole.Owner}
	}
	contested = make([]target.Claim, len(p.backend.PortSets))
	for i, ports := range p.backend.PortSets {
		contested[i] = target.Claim{Owner: whole.Owner, Ports: translate.TargetPorts(ports)}
	}
	whole.Targets = nil
	first := make(map[netip.Addr]*target.Claim, len(p.candidates)) // which wins over later entries
	for _, t := range p.candidates {
		claim := first[t.Addr]
		if claim == nil {
			claim = &whole
			if set, ok := p.ownPorts(t); ok {
				claim = &contested[set]
			}
			first[t.Addr] = claim
		}
		claim.Targets = append(claim.Targets, t)
	}
	if p.backend.Publishable {
		return append(contested, whole), target.Claim{Owner: whole.Owner}
	}
	return contested, whole
}

func (p *pass) addGrant(grant target.Grant) {
	if len(p.grant.Targets)+len(p.grant.Losses) == 0 {
		p.grant = grant
		return
	}
	p.grant.Targets = append(p.grant.Targets, grant.Targets...)
	p.grant.Losses = append(p.grant.Losses, grant.Losses...)
}

// publishes says whether an address that is granted is published, or will be in
// this pass.
func (p *pass) publishes(addr netip.Addr) bool {
	if p.backend.Publishable || p.yields != nil {
		return !p.awaiting && p.yields == nil
	}
	_, ok := p.kept[addr]
	return ok
}
