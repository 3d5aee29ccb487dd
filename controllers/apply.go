// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"externalbackend.dev/operator/internal/sliceplan"
)

// writeTimeout bounds one write, so that one that hangs holds up its own Service
// only, and not for long.
const writeTimeout = 10 * time.Second

// applied is what became of a plan.
type applied struct {
	// flips whose write succeeded.
	flips []sliceplan.Flip
	// slices that were written, by the addresses in them.
	slices map[string]*discoveryv1.EndpointSlice
	// failed holds the first error of each owner.
	failed map[types.UID]error
	// stale is true when a write was refused because somebody else was faster.
	stale bool
}

// apply carries a plan out in its order. A failed write ends the writes for
// its owner, and holds up those of others that take away what it was to put
// elsewhere; everything else goes on.
func (r *ServiceReconciler) apply(ctx context.Context, w *world, plan *sliceplan.Plan) applied {
	if !plan.Empty() {
		r.windows.close(w.key, r.Clock.Now())
	}
	done := applied{failed: make(map[types.UID]error), slices: make(map[string]*discoveryv1.EndpointSlice)}
	homeless := make(map[string]bool)
	step := func(list []*discoveryv1.EndpointSlice, operation string, write func(context.Context, *discoveryv1.EndpointSlice) error) {
		for _, slice := range list {
			owner := sliceplan.OwnerUID(slice)
			if done.failed[owner] != nil || takesAway(w.slices, slice, operation, homeless) {
				if operation != "delete" {
					note(homeless, slice)
				}
				continue
			}
			bounded, cancel := context.WithTimeout(ctx, writeTimeout)
			err := write(bounded, slice)
			cancel()
			r.Metrics.SliceWritten(operation, err)
			done.record(ctx, owner, slice, operation, err)
			if err != nil {
				if operation != "delete" {
					note(homeless, slice)
				}
				continue
			}
			if operation == "delete" {
				r.seen.deleted(w.key, slice)
				continue
			}
			r.seen.wrote(w.key, slice)
			for i := range slice.Endpoints {
				done.slices[slice.Endpoints[i].Addresses[0]] = slice
			}
		}
	}
	step(plan.Misplaced, "delete", r.delete)
	step(plan.Create, "create", r.create)
	step(plan.Update, "update", r.update)
	step(plan.Delete, "delete", r.delete)
	if len(done.failed) > 0 {
		r.windows.open(w.key)
	}
	for _, flip := range plan.Flips {
		if done.slices[flip.Address] != nil && done.failed[flip.Owner] == nil {
			done.flips = append(done.flips, flip)
		}
	}
	return done
}

// note remembers the addresses of a slice that was not written.
func note(homeless map[string]bool, slice *discoveryv1.EndpointSlice) {
	for i := range slice.Endpoints {
		homeless[slice.Endpoints[i].Addresses[0]] = true
	}
}

// takesAway says whether a write removes an address from where it is though it
// could not be put where it should be (rule 43).
func takesAway(live []*discoveryv1.EndpointSlice, slice *discoveryv1.EndpointSlice, operation string, homeless map[string]bool) bool {
	if len(homeless) == 0 || operation == "create" {
		return false
	}
	stays := make(map[string]bool, len(slice.Endpoints))
	if operation == "update" {
		note(stays, slice)
	}
	i := slices.IndexFunc(live, func(s *discoveryv1.EndpointSlice) bool { return s.Name == slice.Name })
	return i >= 0 && slices.ContainsFunc(live[i].Endpoints, func(e discoveryv1.Endpoint) bool {
		return len(e.Addresses) > 0 && homeless[e.Addresses[0]] && !stays[e.Addresses[0]]
	})
}

func (a *applied) record(ctx context.Context, owner types.UID, slice *discoveryv1.EndpointSlice, operation string, err error) {
	log := logf.FromContext(ctx).WithValues("endpointSlice", slice.Name, "operation", operation)
	switch {
	case err == nil:
		log.Info("Wrote EndpointSlice", "endpoints", len(slice.Endpoints))
	case apierrors.IsConflict(err):
		a.stale = true
		a.failed[owner] = err
		log.V(1).Info("EndpointSlice has changed meanwhile, planning again")
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		a.failed[owner] = err
		log.V(1).Info("Namespace is terminating, wrote nothing")
	default:
		a.failed[owner] = err
		log.Error(err, "Failed to write EndpointSlice")
	}
}

// errorFor returns what a user should know about failed writes. A conflict is
// none of it, since the next pass settles it, nor is the end of a namespace.
func (a *applied) errorFor(owner types.UID) error {
	err := a.failed[owner]
	if apierrors.IsConflict(err) || apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		return nil
	}
	return err
}

// relatedTo returns a slice that holds one of the flips; nil if none does.
func (a *applied) relatedTo(flips []sliceplan.Flip) runtime.Object {
	for _, f := range flips {
		if slice := a.slices[f.Address]; slice != nil {
			return slice
		}
	}
	return nil
}

// create writes a new slice. If its name is taken, the live slice decides:
// one of ours is brought up to date, a foreign one is left alone (rule 6).
func (r *ServiceReconciler) create(ctx context.Context, slice *discoveryv1.EndpointSlice) error {
	if err := r.allowed(slice); err != nil {
		return err
	}
	wanted := slice.DeepCopy()
	err := r.Client.Create(ctx, slice)
	if apierrors.IsAlreadyExists(err) {
		return r.adopt(ctx, wanted)
	}
	if err == nil {
		r.written.wrote(slice, r.Clock.Now())
	}
	return err
}

func (r *ServiceReconciler) adopt(ctx context.Context, wanted *discoveryv1.EndpointSlice) error {
	var live discoveryv1.EndpointSlice
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(wanted), &live); err != nil {
		return fmt.Errorf("reading EndpointSlice %s, whose name is taken: %w", wanted.Name, err)
	}
	owner := sliceplan.OwnerUID(wanted)
	if sliceplan.OwnerUID(&live) != owner {
		return fmt.Errorf("EndpointSlice %s exists and belongs to somebody else: rename or delete it", wanted.Name)
	}
	if live.DeletionTimestamp != nil || live.AddressType != wanted.AddressType {
		return apierrors.NewConflict(discoveryv1.Resource("endpointslices"), wanted.Name, errors.New("it has to go before it can be written again"))
	}
	wanted.ObjectMeta.ResourceVersion = live.ResourceVersion
	wanted.ObjectMeta.UID = live.UID
	return r.update(ctx, wanted)
}

func (r *ServiceReconciler) update(ctx context.Context, slice *discoveryv1.EndpointSlice) error {
	if err := r.allowed(slice); err != nil {
		return err
	}
	err := r.Client.Update(ctx, slice)
	if apierrors.IsNotFound(err) {
		// It was deleted meanwhile: plan again.
		return apierrors.NewConflict(discoveryv1.Resource("endpointslices"), slice.Name, err)
	}
	if err == nil {
		r.written.wrote(slice, r.Clock.Now())
	}
	return err
}

// delete removes a slice only in the version that the plan has seen (rule 46).
func (r *ServiceReconciler) delete(ctx context.Context, slice *discoveryv1.EndpointSlice) error {
	err := r.Client.Delete(ctx, slice, client.Preconditions{UID: &slice.UID, ResourceVersion: &slice.ResourceVersion})
	if err == nil || apierrors.IsNotFound(err) {
		r.written.deleted(slice, r.Clock.Now())
		return nil
	}
	return err
}

// allowed asks the guard once more, whatever path an address came on.
func (r *ServiceReconciler) allowed(slice *discoveryv1.EndpointSlice) error {
	for i := range slice.Endpoints {
		for _, address := range slice.Endpoints[i].Addresses {
			addr, err := netip.ParseAddr(address)
			if err == nil {
				err = r.Guard.Check(addr)
			}
			if err != nil {
				return fmt.Errorf("refused to write EndpointSlice %s: %w", slice.Name, err)
			}
		}
	}
	return nil
}
