// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"externalbackend.dev/operator/internal/health"
)

// makeQueues makes the queues of what is done beside the passes. They end with
// ctx, also if this operator never leads.
func (r *ServiceReconciler) makeQueues(ctx context.Context) {
	r.dueRetries = newRetries()
	r.due = workqueue.NewTypedRateLimitingQueue[reconcile.Request](r.dueRetries)
	r.reports = workqueue.NewTyped[health.Subscriber]()
	r.searched.queue = workqueue.NewTypedDelayingQueue[types.NamespacedName]()
	for _, shutDown := range []func(){r.due.ShutDown, r.reports.ShutDown, r.searched.queue.ShutDown} {
		context.AfterFunc(ctx, shutDown)
	}
}

// work does what is queued, so many items at a time, until the queue has ended.
func work[T comparable](queue workqueue.TypedInterface[T], workers int, do func(T)) {
	var running sync.WaitGroup
	for range workers {
		running.Go(func() {
			for {
				item, ended := queue.Get()
				if ended {
					return
				}
				do(item)
				queue.Done(item)
			}
		})
	}
	running.Wait()
}
