// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"externalbackend.dev/operator/internal/sliceplan"
)

// undone is a write that came to nothing.
type undone struct {
	planned *discoveryv1.EndpointSlice
	err     error
}

// note records whether a slice that is there is as it was to be, or is planned
// anew because somebody else was faster.
func (a *applied) note(slice *discoveryv1.EndpointSlice, operation string, err error) {
	switch {
	case err == nil || isTransient(err):
		delete(a.undone, slice.Name)
	case operation != "create":
		a.undone[slice.Name] = undone{slice, err}
	}
}

// expel asks the guard once more, whatever path an address came on, and leaves out
// of a slice what it denies, or is about to deny and is not published yet: it may
// know more than when the plan was made, and has everything planned anew then.
func (r *ServiceReconciler) expel(ctx context.Context, w *world, slice *discoveryv1.EndpointSlice) error {
	scope, planned := r.Guard.Scope(slice.Namespace), len(slice.Endpoints)
	if scope == nil {
		return errUnknown
	}
	ports := portNumbers(slice.Ports)
	var published map[string]bool
	slice.Endpoints = slices.DeleteFunc(slice.Endpoints, func(e discoveryv1.Endpoint) bool {
		return slices.ContainsFunc(e.Addresses, func(address string) bool {
			addr, err := netip.ParseAddr(address)
			if err == nil {
				err = scope.Target(addr, ports)
			} else {
				err = scope.Hostname(address)
			}
			if !isStaged(err) {
				return err != nil
			}
			if published == nil {
				published = publishedOn(w.slices, slice.Ports)
			}
			return !published[address]
		})
	})
	if denied := planned - len(slice.Endpoints); denied > 0 {
		logf.FromContext(ctx).Info("Left addresses out of an EndpointSlice that are denied by now", "endpointSlice", slice.Name, "addresses", denied)
	}
	return nil
}

// publishedOn returns the addresses that slices have with these ports.
func publishedOn(list []*discoveryv1.EndpointSlice, ports []discoveryv1.EndpointPort) map[string]bool {
	published := make(map[string]bool)
	for _, slice := range list {
		if !equality.Semantic.DeepEqual(slice.Ports, ports) {
			continue
		}
		for i := range slice.Endpoints {
			for _, address := range slice.Endpoints[i].Addresses {
				published[address] = true
			}
		}
	}
	return published
}

// refusalTime is for how long updates that take out what is denied must fail,
// before their slice goes though nobody has judged them: a webhook or an API server
// that restarts is back by then.
const refusalTime = 30 * time.Second

// overdue is a slice that holds what is denied though it was to be written without.
type overdue struct {
	before, rest *discoveryv1.EndpointSlice
	// since is when that was found out, tried when it was last tried to mend it.
	since, tried time.Time
}

// takeOut takes what is denied out of the slices that could not be written as
// planned: without any other change, and if that is refused as well, with the
// slice. Its other addresses come back with the next pass.
func (r *ServiceReconciler) takeOut(ctx context.Context, w *world, passes []*pass, done *applied, update, remove operation) {
	stopped := make(map[types.UID]bool)
	try := func(op operation, slice *discoveryv1.EndpointSlice) {
		clear(done.homeless) // nothing that is denied waits for others to have a place
		delete(done.ended, sliceplan.OwnerUID(slice))
		r.carryOut(ctx, w, done, op, []*discoveryv1.EndpointSlice{slice})
	}
	list := r.overdue(w, passes, done)
	for _, o := range list {
		owner, name := sliceplan.OwnerUID(o.before), o.before.Name
		if stopped[owner] || ctx.Err() != nil {
			continue
		}
		o.tried = r.Clock.Now()
		if len(o.rest.Endpoints) > 0 {
			try(update, o.rest)
		}
		if failed, again := done.undone[name]; again && (len(o.rest.Endpoints) == 0 || isFinal(failed.err, r.Clock.Since(o.since))) {
			logf.FromContext(ctx).Info("Deleting an EndpointSlice to take out what is denied, since no update of it is accepted",
				"endpointSlice", name, "addresses", len(o.before.Endpoints), "denied", len(o.before.Endpoints)-len(o.rest.Endpoints))
			try(remove, o.before)
		}
		stopped[owner] = done.ended[owner]
	}
	list = slices.DeleteFunc(list, func(o *overdue) bool {
		_, still := done.undone[o.before.Name]
		return !still
	})
	if len(list) == 0 {
		r.late.drop(w.key)
		return
	}
	r.late.set(w.key, list)
}

// overdue lists the slices that hold what is denied though they were to be written
// without. Whoever has waited longest for an attempt is first, so that one that
// hangs keeps the time of a pass from no other for good.
func (r *ServiceReconciler) overdue(w *world, passes []*pass, done *applied) []*overdue {
	var list []*overdue
	last := r.late.of(w.key)
	for _, name := range slices.Sorted(maps.Keys(done.undone)) {
		planned := done.undone[name].planned
		before := liveOf(w.slices, planned)
		if before == nil {
			continue
		}
		rest := before.DeepCopy()
		rest.Endpoints = slices.DeleteFunc(rest.Endpoints, w.denied(passes, before))
		rest.OwnerReferences = planned.OwnerReferences // what goes may be all that named the owner
		if len(rest.Endpoints) == len(before.Endpoints) {
			continue
		}
		o := &overdue{before: before, rest: rest, since: r.Clock.Now()}
		if i := slices.IndexFunc(last, func(l *overdue) bool { return l.before.UID == before.UID }); i >= 0 {
			o.since, o.tried = last[i].since, last[i].tried
		}
		list = append(list, o)
	}
	slices.SortStableFunc(list, func(a, b *overdue) int { return a.tried.Compare(b.tried) })
	return list
}

// denied tells the endpoints of a slice that must go at once.
func (w *world) denied(passes []*pass, slice *discoveryv1.EndpointSlice) func(discoveryv1.Endpoint) bool {
	owner := sliceplan.OwnerUID(slice)
	i := slices.IndexFunc(passes, func(p *pass) bool { return p.eb.UID == owner })
	if i < 0 {
		return deniedIn(w.scope, slice)
	}
	return func(e discoveryv1.Endpoint) bool {
		return slices.ContainsFunc(e.Addresses, func(address string) bool {
			addr, err := netip.ParseAddr(address)
			if err != nil {
				return passes[i].refusedName || w.scope.Hostname(address) != nil
			}
			return passes[i].denies(w.scope, addr, slice.Ports)
		})
	}
}

// isFinal says whether no update of a slice is to be waited for after one that
// failed: it was judged, or such a failure has lasted. Who has too much to do, or
// cannot be reached, takes no delete either.
func isFinal(err error, lasted time.Duration) bool {
	answer, answered := errors.AsType[*apierrors.StatusError](err)
	switch {
	case !answered:
		return errors.Is(err, context.DeadlineExceeded) && lasted >= refusalTime
	case apierrors.IsTooManyRequests(err) || apierrors.IsServiceUnavailable(err):
		return false
	case answer.Status().Code >= 500 || apierrors.IsUnauthorized(err):
		return lasted >= refusalTime
	default:
		return true
	}
}
