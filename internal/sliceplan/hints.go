// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package sliceplan

import (
	"slices"

	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/endpointslice/trafficdist"
)

// hint sets the topology hints of all slices that there will be, those of
// backends on hold among them: on every ready endpoint, or on none (rule 40).
// Unready endpoints have none. Slices that are written only for their hints
// come last. A Service that is not known says nothing about hints.
func (pl *planner) hint() {
	service := &pl.in.Service
	if service.UID == "" || len(service.Families) == 0 {
		return
	}
	distribution := service.TrafficDistribution
	if distribution != nil && !(allZoned(pl.plan.Create) && allZoned(pl.plan.Update) && allZoned(pl.unchanged)) {
		distribution = nil
	}
	known := len(pl.plan.Update)
	_, pl.plan.Update, _ = trafficdist.ReconcileHints(distribution, pl.plan.Create, pl.plan.Update, pl.unchanged)
	if known == len(pl.plan.Update) {
		return
	}
	owners := make(map[types.UID]*packer, len(pl.packers))
	for _, p := range pl.packers {
		owners[p.backend.Owner.UID] = p
	}
	for _, slice := range pl.plan.Update[known:] {
		owners[OwnerUID(slice)].stampEndpoints(slice)
	}
}

// allZoned says whether every endpoint that can get traffic has a zone. It does
// not ask whether they are ready at the moment, so a flip never changes the
// hints of other slices.
func allZoned(list []*discoveryv1.EndpointSlice) bool {
	for _, slice := range list {
		if slices.ContainsFunc(slice.Endpoints, zoneless) {
			return false
		}
	}
	return true
}

func zoneless(e discoveryv1.Endpoint) bool {
	return (e.Zone == nil || *e.Zone == "") && (!isTrue(e.Conditions.Terminating) || readyOf(&e))
}
