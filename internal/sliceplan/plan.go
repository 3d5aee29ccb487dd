// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package sliceplan

import (
	"cmp"
	"slices"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// planner collects the plan of all backends.
type planner struct {
	in      *Input
	plan    Plan
	packers []*packer
	// labels of all slices, unless every backend is on hold.
	labels map[string]string
	// shrink are updates that add no endpoint. They come behind all that add
	// some, so that what moves is never missing (rule 43).
	shrink []*discoveryv1.EndpointSlice
	// aside are updates of slices that are not read for this Service.
	aside []*discoveryv1.EndpointSlice
	// unchanged are the slices that stay, until their hints are looked at.
	unchanged []*discoveryv1.EndpointSlice
}

// Compute returns the writes that make the slices of the Service what they
// should be. It depends on nothing but its input, and a plan computed from the
// result of an executed one is empty.
func Compute(in Input) Plan {
	pl := &planner{in: &in}
	owned, strays := byOwner(in)
	for _, slice := range strays {
		if slice.DeletionTimestamp == nil {
			pl.plan.Delete = append(pl.plan.Delete, slice)
		}
	}
	for i := range in.Backends {
		pl.packers = append(pl.packers, newPacker(pl, &in.Backends[i], owned[in.Backends[i].Owner.UID]))
	}
	// What leaves a slice is known of all backends before anything is placed.
	for _, p := range pl.packers {
		if p.backend.Hold {
			p.hold()
			continue
		}
		if pl.labels == nil {
			pl.labels = pl.wantedLabels()
		}
		p.sift()
	}
	for _, p := range pl.packers {
		p.pack()
	}
	pl.plan.Update = append(pl.plan.Update, pl.shrink...)
	pl.hint()
	pl.plan.Update = append(pl.plan.Update, pl.aside...)
	return pl.plan
}

// byOwner sorts the slices out: those of each backend, and those that belong to
// no backend of this Service, in the order of their names.
func byOwner(in Input) (owned map[types.UID][]*discoveryv1.EndpointSlice, strays []*discoveryv1.EndpointSlice) {
	owned = make(map[types.UID][]*discoveryv1.EndpointSlice, len(in.Backends))
	for i := range in.Backends {
		owned[in.Backends[i].Owner.UID] = nil
	}
	for _, slice := range in.Existing {
		if uid := OwnerUID(slice); has(owned, uid) {
			owned[uid] = append(owned[uid], slice)
		} else {
			strays = append(strays, slice)
		}
	}
	sortByName(strays)
	for _, of := range owned {
		sortByName(of)
	}
	return owned, strays
}

// sortByName puts shorter names first, since they end in a number.
func sortByName(list []*discoveryv1.EndpointSlice) {
	slices.SortFunc(list, func(a, b *discoveryv1.EndpointSlice) int {
		return cmp.Or(cmp.Compare(len(a.Name), len(b.Name)), cmp.Compare(a.Name, b.Name))
	})
}

func has[K comparable, V any](m map[K]V, key K) bool {
	_, ok := m[key]
	return ok
}

// OwnerUID tells which ExternalBackend a slice belongs to: its controller, or
// where somebody stripped the owner reference, the one that its endpoints name.
func OwnerUID(slice *discoveryv1.EndpointSlice) types.UID {
	if controller := metav1.GetControllerOfNoCopy(slice); controller != nil {
		return controller.UID
	}
	for i := range slice.Endpoints {
		if ref := slice.Endpoints[i].TargetRef; ref != nil {
			return ref.UID
		}
	}
	return ""
}
