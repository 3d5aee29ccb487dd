// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"externalbackend.dev/operator/internal/health"
)

// Wake has the Service of a subscriber reconciled, because a verdict changed.
// It never blocks.
func (r *ServiceReconciler) Wake(sub health.Subscriber) { r.wakeAfter(sub, 0) }

// wakeAfter has the Service looked at after a while that an ExternalBackend has
// by now, which may be another one than when its status was computed.
func (r *ServiceReconciler) wakeAfter(sub health.Subscriber, d time.Duration) {
	if key, ok := r.known.service(sub); ok {
		r.wake.addAfter(reconcile.Request{NamespacedName: key}, d)
	}
}

// wakeup is a source of requests that are not caused by API objects.
type wakeup struct {
	mu    sync.Mutex
	queue queue
}

func (w *wakeup) start(_ context.Context, q queue) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue = q
	return nil
}

func (w *wakeup) add(request reconcile.Request) { w.addAfter(request, 0) }

// addAfter is add after a while.
func (w *wakeup) addAfter(request reconcile.Request, d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.queue != nil {
		w.queue.AddAfter(request, d)
	}
}

// Revisit has the Services of namespaces looked at whose targets are EC2 instances,
// and of which something else is known of AWSIdentities or Nodes than before.
func (r *ServiceReconciler) Revisit(changed func(namespace string) bool) {
	for _, service := range r.known.fleets() {
		if changed(service.Namespace) {
			r.look(service)
		}
	}
}

// Revet has the Services of namespaces looked at in which something else may be
// targeted than before.
func (r *ServiceReconciler) Revet(changed func(namespace string) bool) {
	for _, service := range r.known.services() {
		if changed(service.Namespace) {
			r.look(service)
		}
	}
}
