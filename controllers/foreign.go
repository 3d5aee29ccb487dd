// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"externalbackend.dev/operator/internal/sliceplan"
	"externalbackend.dev/operator/internal/status"
	"externalbackend.dev/operator/internal/translate"
)

// selectorSlices is the managed-by label of the slices that Kubernetes writes
// from selectors: nearly all that a cluster has.
const selectorSlices = "endpointslice-controller.k8s.io"

// NewForeignCache makes a cache of all EndpointSlices but our own and those that
// Kubernetes writes from selectors: hand-made ones and copies of Endpoints
// objects, which are few. It keeps nothing of them but whose they are, indexed by
// Service. The manager must run it.
func NewForeignCache(ctx context.Context, mgr ctrl.Manager, namespaces ...string) (cache.Cache, error) {
	others, err := labels.NewRequirement(discoveryv1.LabelManagedBy, selection.NotIn, []string{sliceplan.ManagedBy, selectorSlices})
	if err != nil {
		return nil, err
	}
	foreign, err := cache.New(mgr.GetConfig(), cache.Options{
		HTTPClient: mgr.GetHTTPClient(), Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(),
		DefaultLabelSelector: labels.NewSelector().Add(*others), DefaultTransform: withoutContent,
		DefaultNamespaces: only(namespaces), NewInformer: newInformer,
	})
	if err != nil {
		return nil, err
	}
	return foreign, indexSlices(ctx, foreign)
}

// withoutContent drops what nobody here reads of the slices of others.
func withoutContent(o any) (any, error) {
	if slice, ok := o.(*discoveryv1.EndpointSlice); ok {
		maps.DeleteFunc(slice.Annotations, func(key, _ string) bool { return key != sliceplan.ServiceUIDAnnotation })
		slice.ManagedFields, slice.Ports = nil, nil
		// The first endpoint tells whose it is if somebody stripped our marks.
		slice.Endpoints = slices.Clone(slice.Endpoints[:min(1, len(slice.Endpoints))])
		for i := range slice.Endpoints {
			slice.Endpoints[i] = discoveryv1.Endpoint{TargetRef: slice.Endpoints[i].TargetRef}
		}
	}
	return o, nil
}

// whoseChanged passes updates that tell something else about whose slice it is.
func whoseChanged() predicate.TypedPredicate[*discoveryv1.EndpointSlice] {
	whose := func(slice *discoveryv1.EndpointSlice) metav1.ObjectMeta {
		return metav1.ObjectMeta{
			Labels: slice.Labels, Annotations: slice.Annotations,
			OwnerReferences: slice.OwnerReferences, DeletionTimestamp: slice.DeletionTimestamp,
		}
	}
	return predicate.TypedFuncs[*discoveryv1.EndpointSlice]{
		UpdateFunc: func(e event.TypedUpdateEvent[*discoveryv1.EndpointSlice]) bool {
			return !equality.Semantic.DeepEqual(whose(e.ObjectOld), whose(e.ObjectNew))
		},
	}
}

// foreignSlices finds the slices of somebody else that are on a Service which
// only we should write slices for (rules 4, 52).
func (r *ServiceReconciler) foreignSlices(w *world, owners map[types.UID]bool) {
	if w.service == nil || !translate.Servable(w.service) || len(w.backends) == 0 {
		r.searched.forget(w.key, w.service != nil && len(w.backends) > 0)
		return
	}
	for i := range w.others {
		m := &w.others[i]
		if controller := metav1.GetControllerOfNoCopy(m); m.DeletionTimestamp == nil && (controller == nil || !owners[controller.UID]) && !isOurs(w.slices, m.Name) {
			w.foreign = append(w.foreign, status.ForeignSlice{Name: m.Name, ManagedBy: m.Labels[discoveryv1.LabelManagedBy]})
		}
	}
	w.foreign = append(w.foreign, r.searched.leftovers(w.key, w.service.UID)...)
	slices.SortFunc(w.foreign, func(a, b status.ForeignSlice) int { return strings.Compare(a.Name, b.Name) })
}

// others lists the slices on a Service that do not have our label.
func (r *ServiceReconciler) others(ctx context.Context, service types.NamespacedName) ([]discoveryv1.EndpointSlice, error) {
	var list discoveryv1.EndpointSliceList
	if err := r.Foreign.List(ctx, &list, client.InNamespace(service.Namespace),
		client.MatchingFields{indexService: service.Name}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing EndpointSlices of others on Service %s: %w", service, err)
	}
	return list.Items, nil
}

func isOurs(own []*discoveryv1.EndpointSlice, name string) bool {
	return slices.ContainsFunc(own, func(s *discoveryv1.EndpointSlice) bool { return s.Name == name })
}

// expectedSlices names the slices that should be there, with their owners if
// they are known: those of the last pass, and those that somebody took our label
// off, maybe while no operator ran (rule 5).
func (r *ServiceReconciler) expectedSlices(w *world, owners map[types.UID]bool) map[string]types.UID {
	expected := r.seen.of(w.key)
	if len(owners) == 0 {
		return expected
	}
	for i := range w.others {
		other := &w.others[i]
		marked := metav1.GetControllerOfNoCopy(other) != nil || other.Annotations[sliceplan.ServiceUIDAnnotation] != ""
		if owner := sliceplan.OwnerUID(other); owners[owner] && marked {
			expected[other.Name] = owner
		}
	}
	return expected
}
