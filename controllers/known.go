// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/internal/target"
)

// knownBackends remembers which ExternalBackends were seen, so that what is
// kept for them can be dropped with them.
type knownBackends struct {
	mu        sync.Mutex
	bySub     map[health.Subscriber]*knownBackend
	byService map[types.NamespacedName]map[health.Subscriber]bool
}

type knownBackend struct {
	service types.NamespacedName // that it was last seen with; empty at first
	busy    bool                 // in a pass
	// lastReport is when the status was patched last, and nextReport when it may be
	// again if no condition changes.
	lastReport, nextReport time.Time
	// report is to be sent. One that is on its way is not here any more:
	// reporting is true then, and waiting if another one was asked for meanwhile.
	report             *reportJob
	reporting, waiting bool
	// stored is what the last patch answered, until the cache has it.
	stored *v1alpha1.ExternalBackend
	// checks are the last ones that could be carried out.
	checks entryChecks
	// awaited is when the first publication was held first; zero if it is not.
	awaited time.Time
	// drains are the deadlines of the addresses that drain, as long as they are
	// not read back from the slices.
	drains map[netip.Addr]time.Time
	// hosts are the names that those are asked for.
	hosts map[netip.Addr]string
	// lineage is that of the last pass.
	lineage lineage
	// warned are the instances that drained when the operator started.
	warned map[string]time.Time
	// tiers is which of them serve; nil if there is only one, or not known.
	tiers *health.TierState
	// fresh is true from the first publication until everything about it is known,
	// so that tiers do not serve on for having been known first.
	fresh bool
	// settled is when the last pass began that left nothing to write.
	settled time.Time
}

// claim takes ExternalBackends for a pass and returns those that it got: not
// those that are in the pass over another Service, which they were moved from or
// to.
func (k *knownBackends) claim(subs []health.Subscriber) []health.Subscriber {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.bySub == nil {
		k.bySub = make(map[health.Subscriber]*knownBackend)
		k.byService = make(map[types.NamespacedName]map[health.Subscriber]bool)
	}
	claimed := make([]health.Subscriber, 0, len(subs))
	for _, sub := range subs {
		known := k.bySub[sub]
		if known == nil {
			known = &knownBackend{}
			k.bySub[sub] = known
		}
		if !known.busy {
			known.busy = true
			claimed = append(claimed, sub)
		}
	}
	return claimed
}

// serve records which Service the ExternalBackends that were claimed are with.
func (k *knownBackends) serve(service types.NamespacedName, subs []health.Subscriber) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, sub := range subs {
		known := k.bySub[sub]
		if known.service == service {
			continue
		}
		k.leave(sub)
		known.service = service
		if k.byService[service] == nil {
			k.byService[service] = make(map[health.Subscriber]bool)
		}
		k.byService[service][sub] = true
	}
}

func (k *knownBackends) leave(sub health.Subscriber) {
	service := k.bySub[sub].service
	delete(k.byService[service], sub)
	if len(k.byService[service]) == 0 {
		delete(k.byService, service)
	}
}

// release ends a claim. Nothing is kept of those that were never with a Service.
func (k *knownBackends) release(subs []health.Subscriber) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, sub := range subs {
		if known := k.bySub[sub]; known.service != (types.NamespacedName{}) {
			known.busy = false
		} else {
			delete(k.bySub, sub)
		}
	}
}

// forget drops an ExternalBackend that is gone and was last seen with a Service,
// and says whether it did: not while it is in a pass.
func (k *knownBackends) forget(service types.NamespacedName, sub health.Subscriber) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	known := k.bySub[sub]
	if known == nil || known.busy || known.service != service {
		return false
	}
	k.leave(sub)
	delete(k.bySub, sub)
	return true
}

// service returns the Service that a subscriber was last seen with.
func (k *knownBackends) service(sub health.Subscriber) (types.NamespacedName, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if known := k.bySub[sub]; known != nil {
		return known.service, true
	}
	return types.NamespacedName{}, false
}

// services lists the Services that ExternalBackends were last seen with.
func (k *knownBackends) services() []types.NamespacedName {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Collect(maps.Keys(k.byService))
}

// fleets lists the Services whose ExternalBackends had EC2 instances in the last pass.
func (k *knownBackends) fleets() []types.NamespacedName {
	k.mu.Lock()
	defer k.mu.Unlock()
	found := make(map[types.NamespacedName]bool)
	for _, known := range k.bySub {
		if known.lineage.fleets() {
			found[known.service] = true
		}
	}
	return slices.Collect(maps.Keys(found))
}

// of returns the subscribers that were last seen with a Service.
func (k *knownBackends) of(service types.NamespacedName) []health.Subscriber {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Collect(maps.Keys(k.byService[service]))
}

// checks returns the checks to carry out: the specified ones, or if they are
// nil the last ones that were not.
func (k *knownBackends) checks(sub health.Subscriber, specified entryChecks) entryChecks {
	k.mu.Lock()
	defer k.mu.Unlock()
	known := k.bySub[sub]
	if specified != nil {
		known.checks = specified
	}
	return known.checks
}

// awaitedSince returns since when the first publication is held: since now if it
// was not before.
func (k *knownBackends) awaitedSince(sub health.Subscriber, now time.Time) time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	known := k.bySub[sub]
	if known.awaited.IsZero() {
		known.awaited = now
	}
	return known.awaited
}

func (k *knownBackends) endAwait(sub health.Subscriber) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.bySub[sub].awaited = time.Time{}
}

func (k *knownBackends) drains(sub health.Subscriber) map[netip.Addr]time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.bySub[sub].drains
}

// drainHosts returns the names that setDrains recorded.
func (k *knownBackends) drainHosts(sub health.Subscriber) map[netip.Addr]string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.bySub[sub].hosts
}

// setDrains replaces the deadlines, and the names that what drains is asked for.
// The maps are not changed afterwards.
func (k *knownBackends) setDrains(sub health.Subscriber, draining []target.Departure, hosts map[netip.Addr]string) {
	var deadlines map[netip.Addr]time.Time
	if len(draining) > 0 {
		deadlines = make(map[netip.Addr]time.Time, len(draining))
		for _, d := range draining {
			deadlines[d.Addr] = d.Deadline
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.bySub[sub].drains, k.bySub[sub].hosts = deadlines, hosts
}

// lineage returns what setLineage recorded.
func (k *knownBackends) lineage(sub health.Subscriber) lineage {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.bySub[sub].lineage
}

// setLineage records where addresses come from. Its maps are not changed
// afterwards.
func (k *knownBackends) setLineage(sub health.Subscriber, l lineage) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.bySub[sub].lineage = l
}

// warned returns what setWarned recorded.
func (k *knownBackends) warned(sub health.Subscriber) map[string]time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.bySub[sub].warned
}

// setWarned records which instances drained when the operator started, and until when
// they are left alone. The map is not changed afterwards.
func (k *knownBackends) setWarned(sub health.Subscriber, until map[string]time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.bySub[sub].warned = until
}

// tiers returns what setTiers recorded.
func (k *knownBackends) tiers(sub health.Subscriber) *health.TierState {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.bySub[sub].tiers
}

// setTiers records which tiers serve; nil if there is only one.
func (k *knownBackends) setTiers(sub health.Subscriber, state *health.TierState) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.bySub[sub].tiers = state
}

// beginning says whether nothing of an ExternalBackend was published before with
// everything known about it. first is true if nothing is published, and complete if
// everything is known now.
func (k *knownBackends) beginning(sub health.Subscriber, first, complete bool) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	known := k.bySub[sub]
	began := known.fresh || first
	known.fresh = began && !complete
	return began
}

// settle records that everything known at began is published, and returns the
// time that was recorded before.
func (k *knownBackends) settle(sub health.Subscriber, began time.Time) time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	known := k.bySub[sub]
	before := known.settled
	known.settled = began
	return before
}

// settledAt returns the time that settle recorded last.
func (k *knownBackends) settledAt(sub health.Subscriber) time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	if known := k.bySub[sub]; known != nil {
		return known.settled
	}
	return time.Time{}
}

func subscriberOf(eb *v1alpha1.ExternalBackend) health.Subscriber {
	return health.Subscriber{Namespace: eb.Namespace, Name: eb.Name, UID: string(eb.UID)}
}
