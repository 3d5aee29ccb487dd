// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"externalbackend.dev/operator/internal/status"
)

const (
	// searchers is how many Services are searched for leftovers at a time.
	searchers = 2
	// searchInterval is the time between two searches for what Kubernetes left
	// behind, as long as there is some, and the time after which what it may have
	// written late is looked for.
	searchInterval = time.Minute
)

// searches finds the slices that Kubernetes left behind when a Service lost its
// selector (rule 52), which no cache of ours has. A Service is searched when it
// is first seen without a selector, beside the passes, so that a restart plans
// nothing later for it.
type searches struct {
	mu        sync.Mutex
	queue     workqueue.TypedDelayingInterface[types.NamespacedName]
	byService map[types.NamespacedName]search
	// selected are Services that had a selector when they were seen last.
	selected map[types.NamespacedName]bool
}

type search struct {
	service   types.UID
	again     bool
	leftovers []status.ForeignSlice
}

// leftovers returns what was found on a Service that has no selector, and has it
// searched if it was not yet.
func (s *searches) leftovers(service types.NamespacedName, uid types.UID) []status.ForeignSlice {
	s.mu.Lock()
	defer s.mu.Unlock()
	last, ok := s.byService[service]
	if ok && last.service == uid {
		return last.leftovers
	}
	if s.byService == nil {
		s.byService = make(map[types.NamespacedName]search)
	}
	s.byService[service] = search{service: uid, again: s.selected[service]}
	delete(s.selected, service)
	s.queue.Add(service)
	return nil
}

// record keeps what a search found, and says whether that is news.
func (s *searches) record(service types.NamespacedName, found []status.ForeignSlice) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	last, ok := s.byService[service]
	if !ok {
		return false
	}
	if last.again || len(found) > 0 {
		s.queue.AddAfter(service, searchInterval)
	}
	s.byService[service] = search{service: last.service, leftovers: found}
	return !slices.Equal(last.leftovers, found)
}

func (s *searches) wanted(service types.NamespacedName) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.byService[service]
	return ok
}

// forget drops what is known of a Service that has a selector now, or that no
// ExternalBackend refers to.
func (s *searches) forget(service types.NamespacedName, selected bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byService, service)
	delete(s.selected, service)
	if selected {
		if s.selected == nil {
			s.selected = make(map[types.NamespacedName]bool)
		}
		s.selected[service] = true
	}
}

// searchForever searches Services, no faster than statuses are patched. It runs
// on the leader only.
func (r *ServiceReconciler) searchForever(ctx context.Context) error {
	work(ctx, r.searched.queue, searchers, func(service types.NamespacedName) string { return service.Namespace }, func(service types.NamespacedName) {
		if r.Reports.Wait(ctx) == nil {
			r.search(ctx, service)
		}
	})
	return nil
}

func (r *ServiceReconciler) search(ctx context.Context, service types.NamespacedName) {
	if !r.searched.wanted(service) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	var live discoveryv1.EndpointSliceList
	if err := r.Live.List(ctx, &live, client.InNamespace(service.Namespace), client.MatchingLabels{
		discoveryv1.LabelServiceName: service.Name, discoveryv1.LabelManagedBy: selectorSlices,
	}); err != nil {
		if ctx.Err() != context.Canceled {
			logf.FromContext(ctx).Error(fmt.Errorf("searching for EndpointSlices that a selector left behind: %w", err),
				"Failed to search a Service, trying again", "service", service, "after", searchInterval)
			r.searched.queue.AddAfter(service, searchInterval)
		}
		return
	}
	var found []status.ForeignSlice
	for i := range live.Items {
		if live.Items[i].DeletionTimestamp == nil {
			found = append(found, status.ForeignSlice{Name: live.Items[i].Name, ManagedBy: selectorSlices})
		}
	}
	if r.searched.record(service, found) {
		r.wake.add(reconcile.Request{NamespacedName: service})
	}
}
