// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package sliceplan

import (
	"slices"

	discoveryv1 "k8s.io/api/discovery/v1"
)

// hold changes nothing but the conditions of endpoints that are there already,
// with what is told along with them, and takes away what is gone.
func (p *packer) hold() {
	for _, slice := range p.live {
		if slice.DeletionTimestamp != nil {
			continue
		}
		switch updated := p.held(slice); {
		case updated == nil && p.usable(slice):
			p.unchanged = append(p.unchanged, slice)
		case updated == nil:
		case len(updated.Endpoints) == 0:
			p.plan.Delete = append(p.plan.Delete, slice)
		case !p.usable(slice):
			p.aside = append(p.aside, updated)
		case len(updated.Endpoints) < len(slice.Endpoints):
			p.shrink = append(p.shrink, updated)
		default:
			p.plan.Update = append(p.plan.Update, updated)
		}
	}
}

// held returns the slice with the endpoints and conditions that it should have,
// or nil if it has them.
func (p *packer) held(slice *discoveryv1.EndpointSlice) *discoveryv1.EndpointSlice {
	var updated *discoveryv1.EndpointSlice
	change := func() *discoveryv1.EndpointSlice {
		if updated == nil {
			updated = slice.DeepCopy()
		}
		return updated
	}
	var states map[string]endpointState
	for i := range slice.Endpoints {
		live := &slice.Endpoints[i]
		if p.gone(live) {
			change()
			if p.usable(slice) {
				p.takenOver(live)
			}
			continue
		}
		n, ok := p.wantedIndex(live)
		if !ok {
			continue
		}
		want := &p.backend.Endpoints[n]
		if states == nil {
			states = statesOf(slice)
		}
		if !states[want.Address].tells(want) {
			change()
		}
		if p.marks[n].placed || want.Family != slice.AddressType {
			continue
		}
		if p.settle(n, live); p.marks[n].changed {
			change().Endpoints[i].Conditions = conditions(want)
			if !want.Conditions.Ready {
				updated.Endpoints[i].Hints = nil
			}
		}
	}
	if updated != nil {
		updated.Endpoints = slices.DeleteFunc(updated.Endpoints, func(e discoveryv1.Endpoint) bool { return p.gone(&e) })
		if len(updated.Endpoints) < len(slice.Endpoints) {
			updated.OwnerReferences = p.ownerReferences() // what goes may be all that named the owner
		}
		p.stampEndpoints(updated)
	}
	return updated
}

func (p *packer) gone(live *discoveryv1.Endpoint) bool {
	return len(live.Addresses) > 0 && p.backend.Gone[live.Addresses[0]]
}
