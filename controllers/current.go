// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"time"

	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/cache"
)

const (
	// vetInterval is the least time between two times that something is brought up
	// to date: the first change of several is acted on at once.
	vetInterval = time.Second
	// vetRetry is the time after which reading is tried again that failed.
	vetRetry = 5 * time.Second
)

// keepCurrent refreshes something that is read from caches once they are full,
// whenever it is marked dirty, and after the time that a refresh returns, if that is
// not zero, until ctx is done.
func keepCurrent(ctx context.Context, ticks clock.Clock, caches []cache.Cache, dirty <-chan struct{}, refresh func(context.Context) time.Duration) {
	for _, c := range caches {
		if !c.WaitForCacheSync(ctx) {
			return // ctx is done
		}
	}
	for {
		due := make(<-chan time.Time)
		if next := refresh(ctx); next > 0 {
			due = ticks.After(next)
		}
		select { // what comes in quick succession is one change
		case <-ctx.Done():
			return
		case <-ticks.After(vetInterval):
		}
		select {
		case <-ctx.Done():
			return
		case <-dirty:
		case <-due:
		}
	}
}

// mark marks something dirty that may be so already.
func mark(dirty chan<- struct{}) {
	select {
	case dirty <- struct{}{}:
	default:
	}
}
