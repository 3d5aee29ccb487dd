// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"slices"

	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"

	"externalbackend.dev/operator/internal/guard"
	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/internal/sliceplan"
)

// recollection is what the last pass over a Service found out, and the versions
// of everything that it depends on but health, as its writes have left them. There
// is one if no write failed and nothing ends with time, so that a flip costs
// little more in a big Service than in a small one.
type recollection struct {
	scope *guard.Scope
	// identities and topology are what instances depend on.
	identities *IdentityBook
	topology   *topology
	service    string // resource version
	backends   []version
	slices     []version
	passes     []*pass
}

// version tells apart the states of an object that matter.
type version struct {
	uid        types.UID
	generation int64  // of an ExternalBackend
	version    string // of a slice
}

// recall returns the passes of the last time with the health of now, if nothing
// else has changed since; nil if something has.
func (r *ServiceReconciler) recall(w *world) []*pass {
	last := r.memory.of(w.key)
	if last == nil || w.service == nil || len(w.former) > 0 || !last.isOf(w) {
		return nil
	}
	passes := make([]*pass, len(last.passes))
	for i, p := range last.passes {
		now := *p
		now.eb, now.before, now.standby, now.standbyBefore = w.backends[i], p.health, nil, p.standby
		all := r.Health.Statuses(now.subscriber(), make([]health.Status, 0, len(p.health)+len(p.grant.Losses)))
		if !r.answersHold(&now) || !r.instancesHold(&now) || len(all) < len(p.health) || slices.ContainsFunc(all, turnedAway) { // there may be room by now
			return nil
		}
		now.health = all[:len(p.health)]
		passes[i] = &now
	}
	r.rank(w, passes)
	return passes
}

// isOf says whether a world is the one that was remembered.
func (last *recollection) isOf(w *world) bool {
	return w.scope == last.scope && (!w.fleets() || w.identities == last.identities && w.topology == last.topology) &&
		w.service.ResourceVersion == last.service &&
		slices.Equal(last.backends, backendVersions(w)) && slices.Equal(last.slices, sliceVersions(w.slices))
}

func turnedAway(s health.Status) bool { return s.Obstacle == health.TooManyChecks }

// remember keeps what recall needs.
func (r *ServiceReconciler) remember(w *world, passes []*pass, plan *sliceplan.Plan, done applied) {
	ends := func(p *pass) bool { return !p.lasts() }
	if w.service == nil || w.restoring || len(w.former) > 0 || len(passes) == 0 || len(done.failed) > 0 || slices.ContainsFunc(passes, ends) {
		r.memory.drop(w.key)
		return
	}
	gone := make(map[string]bool)
	for _, slice := range slices.Concat(plan.Misplaced, plan.Update, plan.Delete) {
		gone[slice.Name] = true
	}
	left := slices.DeleteFunc(slices.Clone(w.slices), func(s *discoveryv1.EndpointSlice) bool { return gone[s.Name] })
	left = slices.Concat(left, plan.Create, plan.Update)
	sortByName(left)
	kept := make([]*pass, len(passes))
	for i, p := range passes {
		copied := *p
		copied.eb, copied.published, copied.here, copied.candidates, copied.before = nil, nil, nil, nil, nil
		copied.byAddress, copied.byEntry, copied.staleEntries, copied.standbyBefore, copied.lineageBefore = nil, nil, nil, nil, lineage{}
		kept[i] = &copied
	}
	r.memory.set(w.key, &recollection{
		scope: w.scope, identities: w.identities, topology: w.topology, service: w.service.ResourceVersion, backends: backendVersions(w), slices: sliceVersions(left), passes: kept,
	})
}

// lasts says whether nothing but health can change what the pass found out.
func (p *pass) lasts() bool {
	return p.backend.Publishable && p.checks != nil && !p.awaiting && len(p.draining) == 0 && len(p.leaving) == 0 && len(p.pending) == 0 && len(p.former) == 0 && !p.ending
}

func backendVersions(w *world) []version {
	list := make([]version, len(w.backends))
	for i, eb := range w.backends {
		list[i] = version{uid: eb.UID, generation: eb.Generation}
	}
	return list
}

func sliceVersions(list []*discoveryv1.EndpointSlice) []version {
	versions := make([]version, len(list))
	for i, slice := range list {
		versions[i] = version{uid: slice.UID, version: slice.ResourceVersion}
	}
	return versions
}
