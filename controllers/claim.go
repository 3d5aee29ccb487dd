// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/internal/translate"
)

const (
	// claimDelay is the time after which a pass is tried again that had to make
	// way for the pass over another Service.
	claimDelay = 50 * time.Millisecond
	// absenceDelay is the time after which a pass is repeated that had to do
	// without ExternalBackends which are in the pass over another Service.
	absenceDelay = 250 * time.Millisecond
)

// claim takes the ExternalBackends of a Service for a pass, which ends with
// their release. Those that are in the pass over another Service, which they were
// moved from or to, are absent: what is published of them stays as it is. It
// returns nil if the pass has to make way.
func (r *ServiceReconciler) claim(ctx context.Context, key types.NamespacedName) (*claimed, error) {
	before, err := r.backendsOf(ctx, key)
	if err != nil {
		return nil, err
	}
	subs := subscribersOf(before)
	c := &claimed{subscribers: r.known.claim(subs)}
	c.absent = len(subs) - len(c.subscribers)
	// A pass that ended a moment ago may have seen one of them moved already.
	backends, err := r.backendsOf(ctx, key)
	same := slices.EqualFunc(before, backends, func(a, b *v1alpha1.ExternalBackend) bool { return a.UID == b.UID })
	// Who manages a Service, and whether any does, can only be said of all.
	whole := c.absent == 0 || len(c.subscribers) > 0 && !slices.ContainsFunc(backends, translate.IsManaged)
	if err != nil || !same || !whole {
		r.known.release(c.subscribers)
		return nil, err
	}
	r.known.serve(key, c.subscribers)
	for i, eb := range backends {
		if slices.Contains(c.subscribers, subs[i]) {
			c.backends = append(c.backends, eb)
		}
	}
	return c, nil
}

// claimed are the ExternalBackends of a pass, oldest first.
type claimed struct {
	backends    []*v1alpha1.ExternalBackend
	subscribers []health.Subscriber
	// absent is how many are missing.
	absent int
}

// backendsOf lists the ExternalBackends that refer to a Service and are not
// being deleted. It never returns nil.
func (r *ServiceReconciler) backendsOf(ctx context.Context, key types.NamespacedName) ([]*v1alpha1.ExternalBackend, error) {
	var list v1alpha1.ExternalBackendList
	if err := r.Client.List(ctx, &list, client.InNamespace(key.Namespace),
		client.MatchingFields{indexService: key.Name}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing ExternalBackends of Service %s: %w", key, err)
	}
	backends := make([]*v1alpha1.ExternalBackend, 0, len(list.Items))
	for i := range list.Items {
		if list.Items[i].DeletionTimestamp == nil {
			backends = append(backends, &list.Items[i])
		}
	}
	slices.SortFunc(backends, func(a, b *v1alpha1.ExternalBackend) int {
		if c := a.CreationTimestamp.Compare(b.CreationTimestamp.Time); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	return backends, nil
}

func subscribersOf(backends []*v1alpha1.ExternalBackend) []health.Subscriber {
	subs := make([]health.Subscriber, len(backends))
	for i, eb := range backends {
		subs[i] = subscriberOf(eb)
	}
	return subs
}
