// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import "context"

// Report patches statuses, and searches Services, until ctx ends, for a reconciler that no manager runs.
func (r *ServiceReconciler) Report(ctx context.Context) {
	r.makeQueues(ctx)
	go r.searchForever(ctx) //nolint:errcheck // it returns none
	go r.reportForever(ctx) //nolint:errcheck // it returns none
}
