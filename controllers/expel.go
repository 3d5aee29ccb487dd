// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"slices"

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
	for _, name := range slices.Sorted(maps.Keys(done.undone)) {
		planned := done.undone[name].planned
		before, owner := liveOf(w.slices, planned), sliceplan.OwnerUID(planned)
		if before == nil || stopped[owner] {
			continue
		}
		rest := before.DeepCopy()
		rest.Endpoints = slices.DeleteFunc(rest.Endpoints, w.denied(passes, before))
		rest.OwnerReferences = planned.OwnerReferences // what goes may be all that named the owner
		if len(rest.Endpoints) == len(before.Endpoints) {
			continue
		}
		if len(rest.Endpoints) > 0 {
			try(update, rest)
		}
		if failed, again := done.undone[name]; again && isFinal(failed.err) {
			logf.FromContext(ctx).Info("Deleting an EndpointSlice to take out what is denied, since no update of it is accepted",
				"endpointSlice", name, "addresses", len(before.Endpoints), "denied", len(before.Endpoints)-len(rest.Endpoints))
			try(remove, before)
		}
		_, stopped[owner] = done.undone[name]
	}
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

// isFinal says whether a write was refused, or got no answer in all its time. Any
// other failure is one of the moment.
func isFinal(err error) bool {
	if _, answered := errors.AsType[*apierrors.StatusError](err); answered {
		return !apierrors.IsTooManyRequests(err) && !apierrors.IsServiceUnavailable(err)
	}
	return errors.Is(err, context.DeadlineExceeded)
}
