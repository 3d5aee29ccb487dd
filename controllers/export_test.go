// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import "context"

// Report patches statuses until ctx ends, for a reconciler that no manager runs.
func (r *ServiceReconciler) Report(ctx context.Context) {
	r.jobs = make(chan reportJob)
	go r.reportForever(ctx) //nolint:errcheck // it returns none
}
