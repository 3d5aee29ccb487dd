// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
)

// TestWorkOfANamespaceThatHangs holds up no other, and is done in its turn once it
// goes on: what was queued again meanwhile once more.
func TestWorkOfANamespaceThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const workers, each = 8, 100
		ctx, cancel := context.WithCancel(t.Context())
		queue := workqueue.NewTyped[types.NamespacedName]()
		hangs := make(chan struct{})
		var mu sync.Mutex
		begun := map[string]int{}
		var ended sync.WaitGroup
		ended.Go(func() {
			work(ctx, queue, workers, func(key types.NamespacedName) string { return key.Namespace }, func(key types.NamespacedName) {
				mu.Lock()
				begun[key.Namespace]++
				mu.Unlock()
				if key.Namespace == "stuck" {
					<-hangs
				}
			})
		})
		for i := range each {
			queue.Add(types.NamespacedName{Namespace: "stuck", Name: fmt.Sprint(i)})
		}
		expect := func(namespace string, want int) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if got := begun[namespace]; got != want {
				t.Errorf("%d of namespace %s have begun, want %d", got, namespace, want)
			}
		}
		expect("stuck", workers/4)
		queue.Add(types.NamespacedName{Namespace: "stuck", Name: fmt.Sprint(each - 1)}) // which waits
		queue.Add(types.NamespacedName{Namespace: "free", Name: "payments"})
		expect("free", 1)
		expect("stuck", workers/4)
		close(hangs)
		expect("stuck", each+1)
		cancel()
		ended.Wait()
		if !queue.ShuttingDown() {
			t.Error("the queue goes on")
		}
	})
}
