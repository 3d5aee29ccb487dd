// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/translate"
)

// successorDelay is the time between two looks for the Service that takes the
// place of one that is no longer wanted.
const successorDelay = time.Second

// refusalInterval is the time after which a write that the API server refused
// is tried again though neither side has changed: a quota or an admission
// policy may have.
const refusalInterval = 5 * time.Minute

// manage brings the Service itself up to date where an ExternalBackend wants it
// to, and ends what it did for one that does not any more. Services of others
// are never written.
func (r *ServiceReconciler) manage(ctx context.Context, w *world) error {
	w.managed = make(map[types.UID]*translate.Problem)
	if err := r.release(ctx, w); err != nil {
		return err
	}
	manager := managerOf(w)
	for _, eb := range w.backends {
		if translate.IsManaged(eb) && eb != manager {
			w.managed[eb.UID] = &translate.Problem{Reason: v1alpha1.ReasonServiceNotOwned, Message: fmt.Sprintf(
				"Service %q is managed by ExternalBackend %q: the addresses are served there, the template and ports here are not acted on", w.key.Name, manager.Name)}
		}
	}
	if manager == nil {
		return nil
	}
	if w.service != nil {
		if controller := metav1.GetControllerOfNoCopy(w.service); controller == nil || controller.UID != manager.UID {
			w.managed[manager.UID] = notOwned(w.service, controller)
			return nil
		}
		if w.service.DeletionTimestamp != nil {
			return nil
		}
	}
	return r.writeService(ctx, w, manager)
}

// managerOf returns the ExternalBackend that manages the Service: the one that
// has it, else the oldest that wants to. It is nil if none does.
func managerOf(w *world) *v1alpha1.ExternalBackend {
	var manager *v1alpha1.ExternalBackend
	for _, eb := range w.backends {
		if !translate.IsManaged(eb) {
			continue
		}
		if w.service != nil && metav1.IsControlledBy(w.service, eb) {
			return eb
		}
		if manager == nil {
			manager = eb
		}
	}
	return manager
}

func notOwned(svc *corev1.Service, controller *metav1.OwnerReference) *translate.Problem {
	owner := "is not the operator's"
	if controller != nil {
		owner = fmt.Sprintf("belongs to %s %q", controller.Kind, controller.Name)
	}
	return &translate.Problem{Reason: v1alpha1.ReasonServiceNotOwned, Message: fmt.Sprintf(
		"Service %q exists and %s, so it is served and not changed: set management: Referenced, choose another name, or delete it", svc.Name, owner)}
}

// writeService creates the Service or updates it, if there is anything to do.
func (r *ServiceReconciler) writeService(ctx context.Context, w *world, eb *v1alpha1.ExternalBackend) error {
	wanted, problem := translate.ManagedService(eb, w.service, r.Annotations)
	w.managed[eb.UID] = problem
	if w.service != nil && equality.Semantic.DeepEqual(wanted, w.service) {
		return nil
	}
	attempt := attemptOf(eb, w.service)
	if refusal, again := r.known.refusal(subscriberOf(eb), attempt, r.Clock.Now()); refusal != nil {
		w.managed[eb.UID] = refusal
		w.again(again)
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	var err error
	if w.service == nil {
		err = r.Client.Create(ctx, wanted)
	} else {
		err = r.Client.Update(ctx, wanted)
	}
	switch {
	case err == nil:
		logf.FromContext(ctx).Info("Wrote Service", "service", w.key.Name)
		w.service = wanted
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err), apierrors.IsNotFound(err):
		w.again(staleDelay)
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
	default:
		refused := &translate.Problem{Reason: v1alpha1.ReasonServiceUpdateRefused, Message: fmt.Sprintf(
			"the API server refuses to write Service %q: %s; correct spec.service.template and spec.ports, or delete the Service to have it made anew", w.key.Name, err)}
		w.managed[eb.UID] = refused
		if apierrors.IsInvalid(err) || apierrors.IsForbidden(err) {
			r.known.refuse(subscriberOf(eb), refusal{attempt, refused, r.Clock.Now()})
			w.again(refusalInterval)
			return nil
		}
		return fmt.Errorf("writing Service %s: %w", w.key, err)
	}
	return nil
}

// attemptOf tells apart attempts to write a Service that may end differently.
func attemptOf(eb *v1alpha1.ExternalBackend, svc *corev1.Service) string {
	version := ""
	if svc != nil {
		version = svc.ResourceVersion
	}
	return fmt.Sprint(eb.Generation, " ", version)
}

// release ends the management of a Service that is not wanted as such any more:
// it is left to the user if its ExternalBackend only refers to it now, and
// deleted if that has another one instead, once this one is there.
func (r *ServiceReconciler) release(ctx context.Context, w *world) error {
	eb, err := r.formerManager(ctx, w)
	if err != nil || eb == nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	if !translate.IsManaged(eb) {
		released := translate.ReleasedService(w.service)
		if err := r.Client.Update(ctx, released); err != nil {
			return client.IgnoreNotFound(fmt.Errorf("releasing Service %s: %w", w.key, err))
		}
		w.service = released
		return nil
	}
	successor, err := getService(ctx, r.Client, types.NamespacedName{Namespace: w.key.Namespace, Name: translate.ServiceName(eb)})
	if err != nil {
		return err
	}
	if successor == nil || !metav1.IsControlledBy(successor, eb) {
		w.again(successorDelay)
		return nil
	}
	err = r.Client.Delete(ctx, w.service, client.Preconditions{UID: &w.service.UID, ResourceVersion: &w.service.ResourceVersion})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("deleting Service %s, which ExternalBackend %s had before: %w", w.key, eb.Name, err)
	}
	w.service = nil
	return nil
}

// formerManager returns the ExternalBackend that owns the Service and does not
// manage it any more; nil if there is none, or if it is gone and the garbage
// collector sees to the Service.
func (r *ServiceReconciler) formerManager(ctx context.Context, w *world) (*v1alpha1.ExternalBackend, error) {
	if w.service == nil || w.service.DeletionTimestamp != nil {
		return nil, nil
	}
	controller := metav1.GetControllerOfNoCopy(w.service)
	if controller == nil || controller.Kind != translate.Kind {
		return nil, nil
	}
	if slices.ContainsFunc(w.backends, func(eb *v1alpha1.ExternalBackend) bool {
		return eb.UID == controller.UID && translate.IsManaged(eb)
	}) {
		return nil, nil
	}
	var eb v1alpha1.ExternalBackend
	err := r.Client.Get(ctx, types.NamespacedName{Namespace: w.key.Namespace, Name: controller.Name}, &eb)
	switch {
	case apierrors.IsNotFound(err), err == nil && (eb.UID != controller.UID || eb.DeletionTimestamp != nil):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading ExternalBackend %s, the owner of Service %s: %w", controller.Name, w.key, err)
	}
	return &eb, nil
}
