// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"iter"
	"net/netip"
	"slices"

	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/utils/ptr"

	"externalbackend.dev/operator/internal/sliceplan"
)

// place is where clients find an address: at a port of the Service, by its name.
type place struct{ address, port string }

// placesIn lists where clients find the endpoints of a slice.
func placesIn(slice *discoveryv1.EndpointSlice) iter.Seq[place] {
	return func(yield func(place) bool) {
		for i := range slice.Endpoints {
			if len(slice.Endpoints[i].Addresses) == 0 {
				continue
			}
			address := slice.Endpoints[i].Addresses[0]
			if len(slice.Ports) == 0 && !yield(place{address: address}) {
				return
			}
			for _, port := range slice.Ports {
				if !yield(place{address, ptr.Deref(port.Name, "")}) {
					return
				}
			}
		}
	}
}

// takesAway returns why a write must wait: it removes an address from where it
// is, and may be, though that could not be put where it should be (rule 43).
func (a *applied) takesAway(w *world, slice *discoveryv1.EndpointSlice, operation string) error {
	if len(a.homeless) == 0 || operation == "create" {
		return nil
	}
	before := liveOf(w.slices, slice)
	if before == nil {
		return nil
	}
	stays := make(map[place]bool)
	if operation == "update" {
		for at := range placesIn(slice) {
			stays[at] = true
		}
	}
	if cause := a.homelessBut(before.AddressType); cause != nil && len(w.allowed(before)) > 0 {
		return fmt.Errorf("EndpointSlice %s stays, since what takes its place could not be written: %w", slice.Name, cause)
	}
	ports := portNumbers(before.Ports)
	for at := range placesIn(before) {
		if cause := a.homeless[at]; cause != nil && !stays[at] && !isDeniedText(w.scope, at.address, ports) {
			return fmt.Errorf("EndpointSlice %s keeps %s, which could not be written elsewhere: %w", slice.Name, at.address, cause)
		}
	}
	return nil
}

// homelessBut returns why a name could not be put where addresses were, or the
// other way round (rule 29).
func (a *applied) homelessBut(kind discoveryv1.AddressType) error {
	for at, cause := range a.homeless {
		if _, err := netip.ParseAddr(at.address); cause != nil && (err != nil) != (kind == discoveryv1.AddressTypeFQDN) {
			return cause
		}
	}
	return nil
}

func liveOf(live []*discoveryv1.EndpointSlice, slice *discoveryv1.EndpointSlice) *discoveryv1.EndpointSlice {
	i := slices.IndexFunc(live, func(s *discoveryv1.EndpointSlice) bool { return s.Name == slice.Name })
	if i < 0 {
		return nil
	}
	return live[i]
}

// separate splits writes into those that leave every address where it is that may
// be there, and those that do not.
func separate(w *world, writes []*discoveryv1.EndpointSlice, after func(*discoveryv1.EndpointSlice) []discoveryv1.Endpoint) (inPlace, moving []*discoveryv1.EndpointSlice) {
	same := func(a, b discoveryv1.Endpoint) bool { return slices.Equal(a.Addresses, b.Addresses) }
	for _, slice := range writes {
		if before := liveOf(w.slices, slice); before != nil && slices.EqualFunc(w.allowed(before), after(slice), same) {
			inPlace = append(inPlace, slice)
		} else {
			moving = append(moving, slice)
		}
	}
	return inPlace, moving
}

// planned and none are what separate takes an update, or a delete, to leave.
func planned(slice *discoveryv1.EndpointSlice) []discoveryv1.Endpoint { return slice.Endpoints }
func none(*discoveryv1.EndpointSlice) []discoveryv1.Endpoint          { return nil }

// allowed returns the endpoints of a slice that may be there.
func (w *world) allowed(slice *discoveryv1.EndpointSlice) []discoveryv1.Endpoint {
	return slices.DeleteFunc(slices.Clone(slice.Endpoints), deniedIn(w.scope, slice))
}

// flipsOf plans for the slices that were withheld what can be said in them all
// the same: how the endpoints are that stay there for now, and that others are
// gone, which may be all of a slice.
func (r *ServiceReconciler) flipsOf(w *world, passes []*pass, done *applied) (updates, deletes []*discoveryv1.EndpointSlice) {
	in := r.planInput(w, passes)
	for i, p := range passes {
		if backend := &in.Backends[i]; !backend.Hold {
			backend.Hold, backend.Gone = true, p.gone()
			for at := range done.homeless {
				delete(backend.Gone, at.address)
			}
			backend.Gone = p.expelled(w.scope, p.published, backend.Gone)
		}
	}
	plan := sliceplan.Compute(in)
	others := func(s *discoveryv1.EndpointSlice) bool { return !done.withheld[s.Name] }
	return slices.DeleteFunc(plan.Update, others), slices.DeleteFunc(plan.Delete, others)
}
