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

// work does what is queued, so many items at a time, until ctx or the queue has
// ended. A namespace gets a quarter of the places at most, so that what hangs in
// one holds up no other.
func work[T comparable](ctx context.Context, queue workqueue.TypedInterface[T], workers int, namespace func(T) string, do func(T)) {
	defer context.AfterFunc(ctx, queue.ShutDown)()
	turns := turns[T]{namespace: namespace, most: max(1, workers/4), busy: make(map[string]int), waiting: make(map[string][]T)}
	var running sync.WaitGroup
	for range workers {
		running.Go(func() {
			for {
				item, ended := queue.Get()
				if ended {
					return
				}
				// One that waits counts as under way in the queue, which has it once.
				for mine := turns.take(item); mine; item, mine = turns.next(item) {
					do(item)
					queue.Done(item)
				}
			}
		})
	}
	running.Wait()
}

// turns says whose turn it is within a namespace.
type turns[T comparable] struct {
	namespace func(T) string
	most      int // that are under way at a time

	mu      sync.Mutex
	busy    map[string]int
	waiting map[string][]T
}

// take says whether to begin with an item. If not, next returns it later.
func (t *turns[T]) take(item T) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	of := t.namespace(item)
	if t.busy[of] == t.most {
		t.waiting[of] = append(t.waiting[of], item)
		return false
	}
	t.busy[of]++
	return true
}

// next ends the turn of an item and returns the one that is to follow it, if
// there is one.
func (t *turns[T]) next(done T) (item T, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	of := t.namespace(done)
	if list := t.waiting[of]; len(list) > 0 {
		t.waiting[of] = list[1:]
		return list[0], true
	}
	delete(t.waiting, of)
	if t.busy[of]--; t.busy[of] == 0 {
		delete(t.busy, of)
	}
	return item, false
}
