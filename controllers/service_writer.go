// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/translate"
)

const (
	// serviceWriters is how many Services are written at a time.
	serviceWriters = 64
	// maxForestalled is how often in a row a write may be forestalled before that
	// is taken for a failure.
	maxForestalled = 5
)

// writeServicesForever writes the Services that are due, beside the passes. It
// runs on the leader only.
func (r *ServiceReconciler) writeServicesForever(ctx context.Context) error {
	namespace := func(request reconcile.Request) string { return request.Namespace }
	work(ctx, r.due, serviceWriters, namespace, func(request reconcile.Request) { r.writeDue(ctx, request) })
	return nil
}

// writeSoon has a Service brought up to date, at once.
func (r *ServiceReconciler) writeSoon(service types.NamespacedName) {
	r.due.Add(reconcile.Request{NamespacedName: service})
}

// writeDue brings one Service up to date, or has it tried again.
func (r *ServiceReconciler) writeDue(ctx context.Context, request reconcile.Request) {
	log := logf.FromContext(ctx).WithValues("namespace", request.Namespace, "service", request.Name)
	bounded, cancel := context.WithTimeout(logf.IntoContext(ctx, log), writeTimeout)
	defer cancel()
	again, err := r.bringUpToDate(bounded, request.NamespacedName)
	r.dueRetries.failed(request, err)
	switch {
	case ctx.Err() != nil: // the operator stops
	case err != nil:
		log.Error(err, "Failed to write Service, trying again")
		r.due.AddRateLimited(request)
	default:
		r.due.Forget(request)
		if again > 0 {
			r.due.AddAfter(request, again)
		}
	}
}

// bringUpToDate writes the Service where an ExternalBackend wants it to be
// written, and ends what was done for one that does not any more. Services of
// others are never written. It returns the time after which to look again; zero:
// when something happens.
func (r *ServiceReconciler) bringUpToDate(ctx context.Context, key types.NamespacedName) (time.Duration, error) {
	w := &world{key: key}
	var err error
	if w.service, _, err = r.newestService(ctx, key); err != nil {
		return 0, err
	}
	if w.backends, err = r.backendsOf(ctx, key); err != nil {
		return 0, err
	}
	if owner := formerOwner(w); owner != nil {
		if again, err := r.release(ctx, w, owner); err != nil || again > 0 {
			return again, err
		}
		r.released(key)
		return 0, nil
	}
	r.released(key)
	manager, wanted, _ := r.managedService(w)
	if wanted == nil {
		return 0, nil
	}
	attempt := attemptOf(manager, w.service)
	if left := r.writtenServices.wait(key, attempt, r.Clock.Now()); left > 0 {
		return left, nil
	}
	err = r.writeService(ctx, w, manager, wanted)
	if isForestalled(err) {
		var again time.Duration
		if again, err = r.readAgain(ctx, w, err); again > 0 {
			return again, nil
		}
		attempt = attemptOf(manager, w.service)
	}
	defer r.look(key)
	if err != nil {
		return r.refused(key, attempt, err)
	}
	logf.FromContext(ctx).Info("Wrote Service")
	r.writtenServices.read(key, wanted, r.Clock.Now())
	// What the API server made of it otherwise than wanted stays so.
	r.writtenServices.record(key, outcome{attempt: attemptOf(manager, wanted), final: true, at: r.Clock.Now()})
	if w.service == nil {
		return 0, r.lookAtFormer(ctx, manager)
	}
	return 0, nil
}

// newestService returns what the API server has said last, and how long it is
// believed rather than the cache.
func (r *ServiceReconciler) newestService(ctx context.Context, key types.NamespacedName) (*corev1.Service, time.Duration, error) {
	cached, err := getService(ctx, r.Client, key)
	if err != nil {
		return nil, 0, err
	}
	svc, left := r.writtenServices.newest(key, cached, r.Clock.Now())
	return svc, left, nil
}

// look has a pass made over a Service, at once.
func (r *ServiceReconciler) look(key types.NamespacedName) {
	r.windows.open(key)
	r.wake.add(reconcile.Request{NamespacedName: key})
}

// writeService completes wanted with the answer.
func (r *ServiceReconciler) writeService(ctx context.Context, w *world, eb *v1alpha1.ExternalBackend, wanted *corev1.Service) error {
	if w.service == nil {
		return r.Client.Create(ctx, wanted)
	}
	if !metav1.IsControlledBy(w.service, eb) {
		// Somebody removed the owner reference: maybe the garbage collector, which
		// is to leave the Service behind when the ExternalBackend goes.
		var live v1alpha1.ExternalBackend
		err := r.Live.Get(ctx, client.ObjectKeyFromObject(eb), &live)
		if err == nil && (live.UID != eb.UID || live.DeletionTimestamp != nil) {
			err = apierrors.NewNotFound(v1alpha1.GroupVersion.WithResource("externalbackends").GroupResource(), eb.Name)
		}
		if err != nil {
			return err
		}
	}
	return r.Client.Update(ctx, wanted)
}

// isForestalled says whether a write came to nothing because what it started
// from has changed.
func isForestalled(err error) bool {
	return apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) || apierrors.IsNotFound(err)
}

// readAgain reads the Service live, which the cache may be behind of, after a
// write that was forestalled, and returns the time after which to try again. If
// that has happened too often, it was for no reason that passes: then it returns
// that reason as an error like others.
func (r *ServiceReconciler) readAgain(ctx context.Context, w *world, reason error) (time.Duration, error) {
	live, err := r.liveService(ctx, w.key)
	if err != nil {
		return 0, err
	}
	w.service = live
	if r.writtenServices.readAgain(w.key, live, r.Clock.Now()) > maxForestalled {
		return 0, reason
	}
	return staleDelay, nil
}

// refused records why a Service could not be written.
func (r *ServiceReconciler) refused(key types.NamespacedName, attempt string, err error) (time.Duration, error) {
	o := outcome{attempt: attempt, at: r.Clock.Now(), final: apierrors.IsInvalid(err) || apierrors.IsForbidden(err)}
	switch {
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
	case o.final:
		o.problem = &translate.Problem{Reason: v1alpha1.ReasonServiceUpdateRefused, Message: fmt.Sprintf(
			"the API server refuses to write Service %q: %s; correct spec.service.template and spec.ports, or delete the Service to have it made anew", key.Name, err)}
	default:
		o.problem = &translate.Problem{Reason: v1alpha1.ReasonWriteFailed, Message: fmt.Sprintf(
			"Service %q could not be written and will be tried again: %s", key.Name, err)}
	}
	r.writtenServices.record(key, o)
	if o.final {
		return refusalInterval, nil
	}
	return 0, err
}
