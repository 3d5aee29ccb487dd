// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/translate"
)

// manage says what a pass has to make of a Service that an ExternalBackend
// manages, and has it written beside the pass, so that a write that hangs holds
// up no slice.
func (r *ServiceReconciler) manage(w *world) {
	w.managed = make(map[types.UID]*translate.Problem)
	former := formerOwner(w)
	if former == nil {
		r.released(w.key)
	} else if !r.writtenServices.isKept(w.key) { // else it is tried again anyway
		r.writeSoon(w.key)
	}
	manager, wanted, problem := r.managedService(w)
	for _, eb := range w.backends {
		if kept := r.writtenServices.keptFor(eb.UID); kept != nil {
			w.managed[eb.UID] = kept
		}
		if translate.IsManaged(eb) && eb != manager {
			w.managed[eb.UID] = &translate.Problem{Reason: v1alpha1.ReasonServiceNotOwned, Message: fmt.Sprintf(
				"Service %q is managed by ExternalBackend %q: the addresses are served there, the template and ports here are not acted on", w.key.Name, manager.Name)}
		}
	}
	if manager == nil {
		if former == nil {
			r.writtenServices.forget(w.key)
		}
		return
	}
	if problem != nil {
		w.managed[manager.UID] = problem
	}
	if wanted == nil {
		return
	}
	switch last := r.writtenServices.outcome(w.key, attemptOf(manager, w.service)); {
	case last == nil:
		w.restoring = true
		if w.service != nil {
			w.service = wanted
		}
		r.writeSoon(w.key)
	case last.problem != nil:
		w.managed[manager.UID] = last.problem
		w.retrying = !last.final
	}
}

// managedService returns the ExternalBackend that manages the Service, nil if
// none does; the Service as it should be, nil if it is or must not be written;
// and what keeps it from being as specified.
func (r *ServiceReconciler) managedService(w *world) (*v1alpha1.ExternalBackend, *corev1.Service, *translate.Problem) {
	manager := managerOf(w)
	switch {
	case manager == nil:
		return nil, nil, nil
	case translate.IsReserved(w.key.Namespace, w.key.Name):
		return manager, nil, nil
	case w.service != nil && !translate.Owns(manager, w.service):
		return manager, nil, notOwned(w.service)
	case w.service != nil && w.service.DeletionTimestamp != nil:
		return manager, nil, nil
	}
	wanted, problem := translate.ManagedService(manager, w.service, r.Annotations)
	if w.service != nil && equality.Semantic.DeepEqual(wanted, w.service) {
		wanted = nil
	}
	return manager, wanted, problem
}

// managerOf returns the ExternalBackend that manages the Service: the one that
// has it, else the oldest that wants to. It is nil if none does.
func managerOf(w *world) *v1alpha1.ExternalBackend {
	var manager *v1alpha1.ExternalBackend
	for _, eb := range w.backends {
		if !translate.IsManaged(eb) {
			continue
		}
		if translate.Owns(eb, w.service) {
			return eb
		}
		if manager == nil {
			manager = eb
		}
	}
	return manager
}

// formerOwner returns the ExternalBackend that the Service was made for and that
// does not want it any more; nil if there is none.
func formerOwner(w *world) *translate.ServiceOwner {
	owner := translate.OwnerOf(w.service)
	if owner == nil || w.service.DeletionTimestamp != nil || slices.ContainsFunc(w.backends, func(eb *v1alpha1.ExternalBackend) bool {
		return eb.UID == owner.UID && translate.IsManaged(eb)
	}) {
		return nil
	}
	return owner
}

func notOwned(svc *corev1.Service) *translate.Problem {
	owner := "is not the operator's"
	if controller := metav1.GetControllerOfNoCopy(svc); controller != nil {
		owner = fmt.Sprintf("belongs to %s %q", controller.Kind, controller.Name)
	}
	return &translate.Problem{Reason: v1alpha1.ReasonServiceNotOwned, Message: fmt.Sprintf(
		"Service %q exists and %s, so it is served and not changed: set management: Referenced, choose another name, or delete it", svc.Name, owner)}
}

// attemptOf tells apart attempts to write a Service that may end differently.
func attemptOf(eb *v1alpha1.ExternalBackend, svc *corev1.Service) string {
	version := ""
	if svc != nil {
		version = svc.ResourceVersion
	}
	return fmt.Sprint(eb.UID, " ", eb.Generation, " ", version)
}
