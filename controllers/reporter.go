// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/internal/status"
	"externalbackend.dev/operator/internal/translate"
)

const (
	// reporters is how many statuses are patched at a time.
	reporters = 16
	// reportTimeout bounds one patch, so that some that get no answer do not keep
	// all reporters for long.
	reportTimeout = 5 * time.Second
	// reportRetry is the time after which a patch that failed is tried again.
	reportRetry = 2 * time.Second
)

// reportJob is a status to be patched.
type reportJob struct {
	from, to    *v1alpha1.ExternalBackend
	transitions []status.Event
}

// reportForever patches statuses beside the passes, so that the API server may
// let them wait as long as it likes without that a slice waits, too. It runs on
// the leader only.
func (r *ServiceReconciler) reportForever(ctx context.Context) error {
	work(r.reports, reporters, func(sub health.Subscriber) {
		if r.Reports.Wait(ctx) == nil {
			r.patch(ctx, sub)
		}
	})
	return nil
}

func (r *ServiceReconciler) patch(ctx context.Context, sub health.Subscriber) {
	job := r.known.beginReport(sub)
	if job == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	err := r.send(ctx, job)
	switch {
	case err == nil:
		r.known.reported(sub, job.to, r.Clock.Now())
		r.emit(job.to, nil, job.transitions)
	case apierrors.IsConflict(err):
		// The cache is behind; what it still has to tell wakes us, too.
		r.wakeAfter(sub, staleDelay)
	case apierrors.IsNotFound(err), ctx.Err() == context.Canceled:
	default:
		logf.FromContext(ctx).Error(err, "Failed to patch the status of an ExternalBackend, trying again",
			"namespace", job.from.Namespace, "name", job.from.Name, "after", reportRetry)
		r.wakeAfter(sub, reportRetry)
	}
	if r.known.endReport(sub) {
		r.wakeAfter(sub, 0)
	}
}

// wakeAfter has the Service looked at after a while that an ExternalBackend has
// by now, which may be another one than when its status was computed.
func (r *ServiceReconciler) wakeAfter(sub health.Subscriber, d time.Duration) {
	if key, ok := r.known.service(sub); ok {
		r.wake.addAfter(reconcile.Request{NamespacedName: key}, d)
	}
}

// send patches the status and completes job.to with the answer. Neither request
// nor answer has the spec in it, which may be long.
func (r *ServiceReconciler) send(ctx context.Context, job *reportJob) error {
	statusOf := func(eb *v1alpha1.ExternalBackend) *v1alpha1.ExternalBackend {
		return &v1alpha1.ExternalBackend{ObjectMeta: metav1.ObjectMeta{ResourceVersion: job.from.ResourceVersion}, Status: eb.Status}
	}
	data, err := client.MergeFromWithOptions(statusOf(job.from), client.MergeFromWithOptimisticLock{}).Data(statusOf(job.to))
	if err != nil {
		return err
	}
	answer := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: job.to.Namespace, Name: job.to.Name}}
	answer.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(translate.Kind))
	if err := r.Client.Status().Patch(ctx, answer, client.RawPatch(types.MergePatchType, data)); err != nil {
		return err
	}
	job.to.ResourceVersion = answer.ResourceVersion
	return nil
}
