// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"

	"externalbackend.dev/operator/internal/health"
)

// Report patches statuses, and searches Services, until ctx ends, for a reconciler that no manager runs.
func (r *ServiceReconciler) Report(ctx context.Context) {
	r.searched.queue = workqueue.NewTypedDelayingQueue[types.NamespacedName]()
	context.AfterFunc(ctx, r.searched.queue.ShutDown)
	go r.searchForever(ctx) //nolint:errcheck // it returns none
	r.reports = workqueue.NewTyped[health.Subscriber]()
	context.AfterFunc(ctx, r.reports.ShutDown)
	go r.reportForever(ctx) //nolint:errcheck // it returns none
}
