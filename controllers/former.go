// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/sliceplan"
	"externalbackend.dev/operator/internal/translate"
)

// former is a Service that was made for an ExternalBackend before it was given
// another name, and that goes on serving until the one of that name does.
type former struct {
	service *corev1.Service
	owner   types.UID
	slices  []*discoveryv1.EndpointSlice
	// next is what is to be done after the writes, if none of the owner's failed.
	next func()
}

func (f *former) has(slice *discoveryv1.EndpointSlice) bool {
	return slices.ContainsFunc(f.slices, func(s *discoveryv1.EndpointSlice) bool { return s.Name == slice.Name })
}

// findFormer finds the former Services of the ExternalBackends of a Service that
// have slices still. Those slices are among the others of w.
func (r *ServiceReconciler) findFormer(ctx context.Context, w *world) error {
	for _, slice := range w.slices {
		key, owner := serviceOf(slice), sliceplan.OwnerUID(slice)
		if key == w.key {
			continue
		}
		i := slices.IndexFunc(w.backends, func(eb *v1alpha1.ExternalBackend) bool { return eb.UID == owner })
		if i < 0 || !translate.IsManaged(w.backends[i]) {
			continue
		}
		if n := slices.IndexFunc(w.former, func(f former) bool { return f.service.Name == key.Name && f.owner == owner }); n >= 0 {
			w.former[n].slices = append(w.former[n].slices, slice)
			continue
		}
		svc, _, err := r.newestService(ctx, key)
		if err != nil {
			return err
		}
		if isFormer(svc, w.backends[i]) {
			w.former = append(w.former, former{service: svc, owner: owner, slices: []*discoveryv1.EndpointSlice{slice}})
		}
	}
	return nil
}

// isFormer says whether a Service was made for an ExternalBackend that has one
// of another name made now.
func isFormer(svc *corev1.Service, eb *v1alpha1.ExternalBackend) bool {
	return translate.Owns(eb, svc) && svc.DeletionTimestamp == nil && translate.IsManaged(eb) && translate.ServiceName(eb) != svc.Name
}

// keepFormer completes a plan by what becomes of the slices on former Services:
// as long as the present one is not served by slices of its own, nothing changes
// in them but health, what is not wanted any more is out, and what is denied goes;
// then they go.
func (r *ServiceReconciler) keepFormer(w *world, passes []*pass, plan *sliceplan.Plan) {
	for i := range w.former {
		f := &w.former[i]
		p := passes[slices.IndexFunc(passes, func(p *pass) bool { return p.eb.UID == f.owner })]
		pending := slices.ContainsFunc(plan.Create, func(s *discoveryv1.EndpointSlice) bool { return sliceplan.OwnerUID(s) == f.owner })
		if !pending && !w.restoring && translate.Owns(p.eb, w.service) && p.backend.Publishable && !p.awaiting {
			plan.Delete = append(plan.Delete, f.slices...)
			f.next = func() { r.writeSoon(client.ObjectKeyFromObject(f.service)) }
			continue
		}
		if pending {
			f.next = func() { w.again(time.Millisecond) } // they go when the new ones are there
		}
		kept := sliceplan.Compute(sliceplan.Input{
			Service: translate.Service(f.service), Existing: f.slices, MaxEndpoints: r.MaxEndpoints,
			Backends: []sliceplan.Backend{{
				Owner: p.backend.SliceOwner(), PortSets: p.backend.PortSets, Hold: true, Endpoints: r.formerEndpoints(w, p, *f),
				Gone: p.expelled(w.scope, sliceplan.ReadBack(f.slices, f.owner), nil),
			}},
		})
		plan.Update = append(slices.DeleteFunc(plan.Update, f.has), kept.Update...)
		plan.Delete = append(slices.DeleteFunc(plan.Delete, f.has), kept.Delete...)
		for _, flip := range kept.Flips {
			if !slices.ContainsFunc(plan.Flips, func(other sliceplan.Flip) bool {
				return other.Owner == flip.Owner && other.Address == flip.Address
			}) {
				plan.Flips = append(plan.Flips, flip)
			}
		}
	}
}

// formerEndpoints lists what is published on a former Service.
func (r *ServiceReconciler) formerEndpoints(w *world, p *pass, f former) []sliceplan.Endpoint {
	there := *w
	there.service = f.service
	list := p.endpoints(&there, r.known.settledAt(p.subscriber()))
	wanted := make(map[string]bool, len(list))
	for i := range list {
		wanted[list[i].Address] = true
	}
	for _, e := range sliceplan.ReadBack(f.slices, f.owner) {
		if !wanted[e.Address] {
			wanted[e.Address] = true
			list = append(list, sliceplan.Endpoint{Address: e.Address, Family: e.Family, Entry: e.Entry})
		}
	}
	return list
}

// goOn takes the next step with the former Services whose slices are what they
// were planned to be. After a failed write there is another attempt, in its time.
func (w *world) goOn(done applied) {
	for _, f := range w.former {
		if f.next != nil && done.failed[f.owner] == nil {
			f.next()
		}
	}
}

// lookAtFormer has the other Services looked at that were made for an
// ExternalBackend, when it has a new one.
func (r *ServiceReconciler) lookAtFormer(ctx context.Context, eb *v1alpha1.ExternalBackend) error {
	var list corev1.ServiceList
	if err := r.Client.List(ctx, &list, client.InNamespace(eb.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing the Services of ExternalBackend %s/%s: %w", eb.Namespace, eb.Name, err)
	}
	for i := range list.Items {
		if isFormer(&list.Items[i], eb) {
			r.writeSoon(client.ObjectKeyFromObject(&list.Items[i]))
		}
	}
	return nil
}

// hasSlices says whether an ExternalBackend has slices on a Service.
func (r *ServiceReconciler) hasSlices(ctx context.Context, service types.NamespacedName, owner types.UID) (bool, error) {
	var list discoveryv1.EndpointSliceList
	if err := r.Client.List(ctx, &list, client.InNamespace(service.Namespace),
		client.MatchingFields{indexService: service.Name}, client.UnsafeDisableDeepCopy); err != nil {
		return false, fmt.Errorf("listing EndpointSlices of Service %s: %w", service, err)
	}
	found := make(map[string]*discoveryv1.EndpointSlice, len(list.Items))
	for i := range list.Items {
		found[list.Items[i].Name] = &list.Items[i]
	}
	r.written.overlay(service, found, r.Clock.Now())
	for _, slice := range found {
		if sliceplan.OwnerUID(slice) == owner {
			return true, nil
		}
	}
	return false, nil
}

// release ends the management of a Service that is not wanted as such any more:
// it is left to the user if its ExternalBackend only refers to it now, and
// deleted if that has another one instead, once this one serves.
func (r *ServiceReconciler) release(ctx context.Context, w *world, owner *translate.ServiceOwner) (time.Duration, error) {
	var eb v1alpha1.ExternalBackend
	err := r.Client.Get(ctx, types.NamespacedName{Namespace: w.key.Namespace, Name: owner.Name}, &eb)
	switch {
	case apierrors.IsNotFound(err), err == nil && (eb.UID != owner.UID || eb.DeletionTimestamp != nil):
		r.writtenServices.forget(w.key)
		return 0, nil // the garbage collector sees to it
	case err != nil:
		return 0, fmt.Errorf("reading ExternalBackend %s, the owner of Service %s: %w", owner.Name, w.key, err)
	case translate.IsManaged(&eb):
		return r.deleteFormer(ctx, w, &eb)
	}
	released := translate.ReleasedService(w.service)
	if err := r.Client.Update(ctx, released); err != nil {
		return r.unreleased(ctx, w, &eb, err)
	}
	r.writtenServices.read(w.key, released, r.Clock.Now())
	r.look(w.key)
	return 0, nil
}

// unreleased has it told that a Service could not be released. It goes when its
// owner is deleted, though that does not want it any more.
func (r *ServiceReconciler) unreleased(ctx context.Context, w *world, eb *v1alpha1.ExternalBackend, err error) (time.Duration, error) {
	if isForestalled(err) {
		var again time.Duration
		if again, err = r.readAgain(ctx, w, err); again > 0 {
			return again, nil
		}
	}
	wanted := "released"
	if translate.IsManaged(eb) {
		wanted = "deleted"
	}
	r.writtenServices.keep(w.key, unreleased{subscriberOf(eb), &translate.Problem{Reason: v1alpha1.ReasonWriteFailed, Message: fmt.Sprintf(
		"Service %q was made for this ExternalBackend and could not be %s, which will be tried again; until then it is deleted with the ExternalBackend: %s",
		w.key.Name, wanted, err)}})
	r.wakeAfter(subscriberOf(eb), 0)
	return 0, fmt.Errorf("releasing Service %s, which ExternalBackend %s had before: %w", w.key, eb.Name, err)
}

// released has it told that a Service could be released after all, or need not be.
func (r *ServiceReconciler) released(key types.NamespacedName) {
	if owner, told := r.writtenServices.released(key); told {
		r.wakeAfter(owner, 0)
	}
}

// formerDelay is the time after which a Service that waits for its slices to move is
// looked at again: that they have, or that the other one is there, may be news to the
// cache, and own writes wake nobody.
const formerDelay = time.Second

// deleteFormer deletes a Service whose ExternalBackend has another one now, which
// is there, once the slices have moved. It returns the time after which to look
// again.
func (r *ServiceReconciler) deleteFormer(ctx context.Context, w *world, eb *v1alpha1.ExternalBackend) (time.Duration, error) {
	successor, _, err := r.newestService(ctx, types.NamespacedName{Namespace: w.key.Namespace, Name: translate.ServiceName(eb)})
	if err != nil || successor == nil || successor.Name == w.key.Name || !translate.Owns(eb, successor) {
		return formerDelay, err
	}
	if busy, err := r.hasSlices(ctx, w.key, eb.UID); err != nil || busy {
		return formerDelay, err
	}
	err = r.Client.Delete(ctx, w.service, client.Preconditions{UID: &w.service.UID, ResourceVersion: &w.service.ResourceVersion})
	if err != nil {
		return r.unreleased(ctx, w, eb, err)
	}
	r.writtenServices.read(w.key, nil, r.Clock.Now())
	return 0, nil
}
