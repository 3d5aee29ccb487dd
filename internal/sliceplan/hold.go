// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package sliceplan

import discoveryv1 "k8s.io/api/discovery/v1"

// hold changes nothing but the conditions of endpoints that are there already,
// and what is told along with them.
func (p *packer) hold() {
	for _, slice := range p.live {
		if slice.DeletionTimestamp != nil {
			continue
		}
		updated := p.held(slice)
		switch {
		case !p.usable(slice):
			if updated != nil {
				p.aside = append(p.aside, updated)
			}
		case updated != nil:
			p.plan.Update = append(p.plan.Update, updated)
		default:
			p.unchanged = append(p.unchanged, slice)
		}
	}
}

// held returns the slice with the conditions that it should have, or nil if it
// has them.
func (p *packer) held(slice *discoveryv1.EndpointSlice) *discoveryv1.EndpointSlice {
	var updated *discoveryv1.EndpointSlice
	for i := range slice.Endpoints {
		live := &slice.Endpoints[i]
		n, ok := p.wantedIndex(live)
		if !ok || p.marks[n].placed || p.backend.Endpoints[n].Family != slice.AddressType {
			continue
		}
		p.settle(n, live)
		if !p.marks[n].changed {
			continue
		}
		if updated == nil {
			updated = slice.DeepCopy()
		}
		want := &p.backend.Endpoints[n]
		updated.Endpoints[i].Conditions = conditions(want)
		if !want.Conditions.Ready {
			updated.Endpoints[i].Hints = nil
		}
	}
	if updated != nil {
		p.stampEndpoints(updated)
	}
	return updated
}
