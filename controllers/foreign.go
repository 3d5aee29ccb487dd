// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/internal/sliceplan"
	"externalbackend.dev/operator/internal/status"
	"externalbackend.dev/operator/internal/translate"
)

// selectorSlices is the managed-by label of the slices that Kubernetes writes
// from selectors: nearly all that a cluster has.
const selectorSlices = "endpointslice-controller.k8s.io"

// leftoverInterval is the time between two looks at slices that Kubernetes left
// behind, as long as there are some.
const leftoverInterval = time.Minute

// NewForeignCache makes a cache of all EndpointSlices but our own and those that
// Kubernetes writes from selectors: hand-made ones and copies of Endpoints
// objects, which are few. It keeps nothing of them but whose they are. The
// manager must run it.
func NewForeignCache(mgr ctrl.Manager) (cache.Cache, error) {
	others, err := labels.NewRequirement(discoveryv1.LabelManagedBy, selection.NotIn, []string{sliceplan.ManagedBy, selectorSlices})
	if err != nil {
		return nil, err
	}
	return cache.New(mgr.GetConfig(), cache.Options{
		HTTPClient: mgr.GetHTTPClient(), Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(),
		ByObject: map[client.Object]cache.ByObject{&discoveryv1.EndpointSlice{}: {
			Label: labels.NewSelector().Add(*others), Transform: withoutContent,
		}},
	})
}

// withoutContent drops what nobody here reads of the slices of others.
func withoutContent(o any) (any, error) {
	if slice, ok := o.(*discoveryv1.EndpointSlice); ok {
		slice.ManagedFields, slice.Annotations, slice.Endpoints, slice.Ports = nil, nil, nil, nil
	}
	return o, nil
}

// foreignSlices lists the slices of somebody else that are on a Service which
// only we should write slices for (rules 4, 52).
func (r *ServiceReconciler) foreignSlices(ctx context.Context, w *world, owners map[types.UID]bool) error {
	if w.service == nil || !translate.Servable(w.service) || len(w.backends) == 0 {
		return nil
	}
	var list discoveryv1.EndpointSliceList
	if err := r.Foreign.List(ctx, &list, client.InNamespace(w.key.Namespace),
		client.MatchingLabels{discoveryv1.LabelServiceName: w.key.Name}, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing EndpointSlices of others on Service %s: %w", w.key, err)
	}
	for i := range list.Items {
		m := &list.Items[i]
		if controller := metav1.GetControllerOfNoCopy(m); m.DeletionTimestamp == nil && (controller == nil || !owners[controller.UID]) && !isOurs(w.slices, m.Name) {
			w.foreign = append(w.foreign, status.ForeignSlice{Name: m.Name, ManagedBy: m.Labels[discoveryv1.LabelManagedBy]})
		}
	}
	w.foreign = append(w.foreign, r.searched.leftovers(w.key)...)
	slices.SortFunc(w.foreign, func(a, b status.ForeignSlice) int { return strings.Compare(a.Name, b.Name) })
	return nil
}

func isOurs(own []*discoveryv1.EndpointSlice, name string) bool {
	return slices.ContainsFunc(own, func(s *discoveryv1.EndpointSlice) bool { return s.Name == name })
}

// search lists all slices of the Service live, where no cache can tell: slices
// whose managed-by label somebody stripped while no operator ran (rule 5), and
// those that Kubernetes left behind when the Service lost its selector (rule
// 52). That is needed once for each Service and each change of its selector,
// and while there are leftovers.
func (r *ServiceReconciler) search(ctx context.Context, w *world, owners map[types.UID]bool, expected map[string]types.UID) error {
	if len(owners) == 0 || w.service == nil {
		return nil
	}
	now := r.Clock.Now()
	shape := fmt.Sprint(w.service.UID, translate.Servable(w.service))
	due, again := r.searched.due(w.key, shape, now)
	if again > 0 {
		w.again(again)
	}
	if !due {
		return nil
	}
	var live discoveryv1.EndpointSliceList
	if err := r.Live.List(ctx, &live, client.InNamespace(w.key.Namespace), client.MatchingLabels{discoveryv1.LabelServiceName: w.key.Name}); err != nil {
		return fmt.Errorf("searching for EndpointSlices of Service %s: %w", w.key, err)
	}
	var leftovers []status.ForeignSlice
	for i := range live.Items {
		slice := &live.Items[i]
		managedBy := slice.Labels[discoveryv1.LabelManagedBy]
		switch {
		case managedBy == sliceplan.ManagedBy || slice.DeletionTimestamp != nil:
		case owners[sliceplan.OwnerUID(slice)]:
			expected[slice.Name] = sliceplan.OwnerUID(slice)
		case managedBy == selectorSlices && translate.Servable(w.service):
			leftovers = append(leftovers, status.ForeignSlice{Name: slice.Name, ManagedBy: managedBy})
		}
	}
	if len(leftovers) > 0 {
		w.again(leftoverInterval)
	}
	r.searched.record(w.key, shape, leftovers, now)
	return nil
}

// searches remembers what live lists found.
type searches struct {
	mu        sync.Mutex
	byService map[types.NamespacedName]search
}

type search struct {
	shape     string
	at        time.Time
	leftovers []status.ForeignSlice
}

// due says whether a Service of that shape is to be searched now, or if there
// are leftovers, how long until it is.
func (s *searches) due(service types.NamespacedName, shape string, now time.Time) (bool, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last, ok := s.byService[service]
	if !ok || last.shape != shape {
		return true, 0
	}
	if len(last.leftovers) == 0 {
		return false, 0
	}
	wait := leftoverInterval - now.Sub(last.at)
	return wait <= 0, max(wait, 0)
}

func (s *searches) record(service types.NamespacedName, shape string, leftovers []status.ForeignSlice, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byService == nil {
		s.byService = make(map[types.NamespacedName]search)
	}
	s.byService[service] = search{shape, now, leftovers}
}

func (s *searches) leftovers(service types.NamespacedName) []status.ForeignSlice {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byService[service].leftovers
}

// forget drops what is known of a Service that no ExternalBackend refers to.
func (s *searches) forget(service types.NamespacedName) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byService, service)
}
