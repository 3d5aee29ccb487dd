// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"externalbackend.dev/operator/internal/sliceplan"
)

// writeTimeout bounds one write, so that one that hangs holds up its own Service
// only, and not for long.
const writeTimeout = 10 * time.Second

// takeOutTime is what planned writes leave of a pass, so that however many hang,
// two updates that take out what is denied may hang too and their slices go.
const takeOutTime = 2*writeTimeout + 5*time.Second

// applied is what became of a plan.
type applied struct {
	// flips whose write succeeded.
	flips []sliceplan.Flip
	// slices that were written, by the addresses in them.
	slices map[string]*discoveryv1.EndpointSlice
	// related is a slice of each owner that was written or deleted.
	related map[types.UID]*discoveryv1.EndpointSlice
	// failed holds the first error of each owner, one that its user should know
	// before one that the next pass settles.
	failed map[types.UID]error
	// homeless addresses could not be put where they should be, for that reason.
	homeless map[place]error
	// withheld slices, by name, were not written for what became of others.
	withheld map[string]bool
	// undone are the writes that came to nothing, or not even to an attempt, of
	// slices that are there, by their names.
	undone map[string]undone
	// ended is set for owners whose other writes would fare no better.
	ended map[types.UID]bool
	// stale is true when a write was refused because somebody else was faster.
	stale bool
}

type operation struct {
	name  string
	write func(context.Context, *discoveryv1.EndpointSlice) error
}

// apply carries a plan out: what moves nothing but takes away what is denied at
// first, then the rest in its order. A failed write holds up those that take away what it was to put
// elsewhere; everything else goes on, so that a slice that cannot be created
// keeps nobody ready.
func (r *ServiceReconciler) apply(ctx context.Context, w *world, passes []*pass, plan *sliceplan.Plan) applied {
	if !plan.Empty() {
		r.windows.close(w.key, r.Clock.Now())
	}
	done := applied{
		slices: make(map[string]*discoveryv1.EndpointSlice), related: make(map[types.UID]*discoveryv1.EndpointSlice),
		failed: make(map[types.UID]error), homeless: make(map[place]error), withheld: make(map[string]bool), undone: make(map[string]undone), ended: make(map[types.UID]bool),
	}
	create := operation{"create", func(ctx context.Context, slice *discoveryv1.EndpointSlice) error { return r.create(ctx, w, slice) }}
	update := operation{"update", func(ctx context.Context, slice *discoveryv1.EndpointSlice) error { return r.update(ctx, w, slice) }}
	remove := operation{"delete", r.delete}
	inTime, cancel := spare(ctx, takeOutTime)
	defer cancel()
	inPlace, moving := separate(w, plan.Update, planned)
	denied, obsolete := separate(w, plan.Delete, none)
	r.carryOut(inTime, w, &done, update, inPlace)
	r.carryOut(inTime, w, &done, remove, denied)
	r.carryOut(inTime, w, &done, remove, plan.Misplaced)
	r.carryOut(inTime, w, &done, create, plan.Create)
	r.carryOut(inTime, w, &done, update, moving)
	r.carryOut(inTime, w, &done, remove, obsolete)
	if len(done.withheld) > 0 {
		clear(done.ended) // who does not answer one kind of request may answer another
		updates, deletes := r.flipsOf(w, passes, &done)
		r.carryOut(inTime, w, &done, update, updates)
		r.carryOut(inTime, w, &done, remove, deletes)
	}
	for _, flip := range plan.Flips {
		if done.slices[flip.Address] != nil {
			done.flips = append(done.flips, flip)
		}
	}
	r.takeOut(ctx, w, passes, &done, update, remove)
	r.races.judge(w.key, &done)
	if done.stale {
		r.windows.open(w.key)
	}
	return done
}

// spare returns a context that ends so much before another one.
func spare(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if end, ends := ctx.Deadline(); ends {
		return context.WithDeadline(ctx, end.Add(-d))
	}
	return context.WithCancel(ctx)
}

func (r *ServiceReconciler) carryOut(ctx context.Context, w *world, done *applied, op operation, list []*discoveryv1.EndpointSlice) {
	for _, slice := range list {
		owner := sliceplan.OwnerUID(slice)
		err := done.takesAway(w, slice, op.name)
		switch {
		case done.ended[owner]:
			err = done.failed[owner]
			done.withheld[slice.Name] = true
		case err != nil:
			done.fail(owner, err)
			done.withheld[slice.Name] = true
		default:
			err = r.carryOutOne(ctx, w, op, slice)
			r.Metrics.SliceWritten(op.name, err)
			done.record(ctx, owner, slice, op.name, err)
		}
		done.note(slice, op.name, err)
		switch {
		case op.name == "delete" && err == nil:
			r.seen.deleted(w.key, slice)
		case err == nil:
			r.seen.wrote(w.key, slice)
			for i := range slice.Endpoints {
				done.slices[slice.Endpoints[i].Addresses[0]] = slice
			}
		case op.name != "delete":
			for at := range placesIn(slice) {
				done.homeless[at] = err
			}
		}
	}
}

func (r *ServiceReconciler) carryOutOne(ctx context.Context, w *world, op operation, slice *discoveryv1.EndpointSlice) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	r.written.begin(slice)
	err := op.write(ctx, slice)
	deleted := op.name == "delete" && err == nil // as it was planned, so nobody was faster
	if news := r.written.end(slice, err); news && !deleted {
		r.windows.open(w.key)
		r.wake.add(reconcile.Request{NamespacedName: w.key})
	}
	return err
}

// fail records an error.
func (a *applied) fail(owner types.UID, err error) {
	if a.failed[owner] == nil || isTransient(a.failed[owner]) && !isTransient(err) {
		a.failed[owner] = err
	}
}

// isTransient says whether the next pass settles what went wrong, or nothing
// is to be settled, as in a namespace that comes to its end.
func isTransient(err error) bool {
	return apierrors.IsConflict(err) || apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause)
}

func (a *applied) record(ctx context.Context, owner types.UID, slice *discoveryv1.EndpointSlice, operation string, err error) {
	log := logf.FromContext(ctx).WithValues("endpointSlice", slice.Name, "operation", operation)
	if err == nil {
		a.related[owner] = slice
		if operation == "delete" {
			// The version may be that of an event about its last update already.
			deleted := *slice
			deleted.ResourceVersion = ""
			a.related[owner] = &deleted
		}
		log.Info("Wrote EndpointSlice", "endpoints", len(slice.Endpoints))
		return
	}
	a.fail(owner, err)
	switch {
	case apierrors.IsConflict(err):
		a.stale = true
		log.V(1).Info("EndpointSlice has changed meanwhile, planning again")
	case isTransient(err):
		log.V(1).Info("Namespace is terminating, wrote nothing")
	default:
		// An internal error may be a webhook's, about this one write.
		a.ended[owner] = unanswered(err) && !apierrors.IsInternalError(err)
		log.Error(err, "Failed to write EndpointSlice")
	}
}

// errorFor returns what a user should know about failed writes.
func (a *applied) errorFor(owner types.UID) error {
	if err := a.failed[owner]; !isTransient(err) {
		return err
	}
	return nil
}

// relatedTo returns a slice of an owner that was written; nil if none was.
func (a *applied) relatedTo(owner types.UID) runtime.Object {
	slice, ok := a.related[owner]
	if !ok {
		return nil
	}
	return slice
}

// create writes a new slice. If its name is taken, the live slice decides:
// with one of ours it is planned again, a foreign one is left alone (rule 6).
func (r *ServiceReconciler) create(ctx context.Context, w *world, slice *discoveryv1.EndpointSlice) error {
	if err := r.expel(ctx, w, slice); err != nil {
		return err
	}
	err := r.Client.Create(ctx, slice)
	if apierrors.IsAlreadyExists(err) {
		return r.nameTaken(ctx, w, slice)
	}
	if err == nil {
		r.written.wrote(slice, r.Clock.Now())
	}
	return err
}

func (r *ServiceReconciler) nameTaken(ctx context.Context, w *world, wanted *discoveryv1.EndpointSlice) error {
	var live discoveryv1.EndpointSlice
	err := r.Live.Get(ctx, client.ObjectKeyFromObject(wanted), &live)
	switch {
	case apierrors.IsNotFound(err):
	case err != nil:
		return fmt.Errorf("reading EndpointSlice %s, whose name is taken: %w", wanted.Name, err)
	case sliceplan.OwnerUID(&live) != sliceplan.OwnerUID(wanted):
		return fmt.Errorf("EndpointSlice %s exists and belongs to somebody else: rename or delete it", wanted.Name)
	default:
		r.seen.wrote(w.key, &live) // the next pass looks for it, whoever the cache says it serves
	}
	return apierrors.NewConflict(discoveryv1.Resource("endpointslices"), wanted.Name, errors.New("it exists already"))
}

func (r *ServiceReconciler) update(ctx context.Context, w *world, slice *discoveryv1.EndpointSlice) error {
	if err := r.expel(ctx, w, slice); err != nil {
		return err
	}
	err := r.Client.Update(ctx, slice)
	switch {
	case err == nil:
		r.written.wrote(slice, r.Clock.Now())
	case apierrors.IsNotFound(err):
		// It was deleted meanwhile: plan again.
		r.written.deleted(slice, r.Clock.Now())
		return apierrors.NewConflict(discoveryv1.Resource("endpointslices"), slice.Name, err)
	case apierrors.IsConflict(err):
		r.catchUp(ctx, slice)
	}
	return err
}

// catchUp reads a slice that somebody else has changed, so that the next plan
// knows of it even if the cache is told late, or nothing at all.
func (r *ServiceReconciler) catchUp(ctx context.Context, slice *discoveryv1.EndpointSlice) {
	var live discoveryv1.EndpointSlice
	switch err := r.Live.Get(ctx, client.ObjectKeyFromObject(slice), &live); {
	case apierrors.IsNotFound(err):
		r.written.deleted(slice, r.Clock.Now())
	case err == nil && sliceplan.OwnerUID(&live) == sliceplan.OwnerUID(slice):
		r.written.wrote(&live, r.Clock.Now())
	}
}

// delete removes a slice only in the version that the plan has seen (rule 46).
func (r *ServiceReconciler) delete(ctx context.Context, slice *discoveryv1.EndpointSlice) error {
	err := r.Client.Delete(ctx, slice, client.Preconditions{UID: &slice.UID, ResourceVersion: &slice.ResourceVersion})
	if err == nil || apierrors.IsNotFound(err) {
		r.written.deleted(slice, r.Clock.Now())
		return nil
	}
	if apierrors.IsConflict(err) {
		r.catchUp(ctx, slice)
	}
	return err
}
