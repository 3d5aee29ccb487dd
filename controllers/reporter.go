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

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/internal/status"
	"externalbackend.dev/operator/internal/translate"
)

const (
	// reporters is how many statuses are patched at a time. More of them would only
	// have an API server answer all of them late that answers some late.
	reporters = 8
	// reportSize is the size of a patch, in bytes, from which on it counts as two.
	reportSize = 4096
	// reportTimeout bounds one patch, so that some that get no answer do not keep
	// all reporters for long.
	reportTimeout = 5 * time.Second
	// reportRetry is the least time after which a patch that failed is tried again.
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
	work(ctx, r.reports, reporters, func(sub health.Subscriber) string { return sub.Namespace }, func(sub health.Subscriber) {
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
	began := r.Clock.Now()
	err := r.send(ctx, job)
	now := r.Clock.Now()
	switch {
	case err == nil:
		r.known.reported(sub, job.to, now, paced(now.Sub(began)))
		r.emit(job.to, nil, job.transitions)
	case apierrors.IsConflict(err):
		// The cache is behind; what it still has to tell wakes us, too.
		r.wakeAfter(sub, staleDelay)
	case apierrors.IsNotFound(err), ctx.Err() == context.Canceled:
	default:
		retry := max(reportRetry, 2*now.Sub(began))
		logf.FromContext(ctx).Error(err, "Failed to patch the status of an ExternalBackend, trying again",
			"namespace", job.from.Namespace, "name", job.from.Name, "after", retry)
		r.wakeAfter(sub, retry)
	}
	if r.known.endReport(sub) {
		r.wakeAfter(sub, 0)
	}
}

// paced is the least time from a patch that took so long to the next one: a status
// that is long, or an API server that is slow, is patched less often.
func paced(took time.Duration) time.Duration {
	return min(max(reportShare*took, reportInterval), longestReportInterval)
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
	r.Reports.ReserveN(time.Now(), min(len(data)/reportSize, r.Reports.Burst()))
	answer := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: job.to.Namespace, Name: job.to.Name}}
	answer.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(translate.Kind))
	if err := r.Client.Status().Patch(ctx, answer, client.RawPatch(types.MergePatchType, data)); err != nil {
		return err
	}
	job.to.ResourceVersion = answer.ResourceVersion
	return nil
}

// ask records a report that is to be sent in the place of one that waits still,
// and says whether to begin. None is taken while another one is on its way, after
// which there is a newer one.
func (k *knownBackends) ask(job *reportJob) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	known := k.bySub[subscriberOf(job.from)]
	switch {
	case known == nil:
		return false
	case known.reporting:
		known.waiting = true
		return false
	}
	known.report = job
	return true
}

// withdraw drops the report that waits, since what it was to change is so again,
// and has another look taken at one that is on its way. It says whether one has
// arrived meanwhile, so that there is to be another look at once.
func (k *knownBackends) withdraw(eb *v1alpha1.ExternalBackend) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	known := k.bySub[subscriberOf(eb)]
	if known == nil {
		return false
	}
	known.report, known.waiting = nil, known.reporting
	return known.stored != nil && newer(known.stored, eb)
}

// beginReport returns the report to send; nil if there is none.
func (k *knownBackends) beginReport(sub health.Subscriber) *reportJob {
	k.mu.Lock()
	defer k.mu.Unlock()
	known := k.bySub[sub]
	if known == nil || known.report == nil {
		return nil
	}
	job := known.report
	known.report, known.reporting = nil, true
	return job
}

// endReport says whether another report was asked for since beginReport.
func (k *knownBackends) endReport(sub health.Subscriber) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	known := k.bySub[sub]
	if known == nil {
		return false
	}
	waiting := known.waiting
	known.reporting, known.waiting = false, false
	return waiting
}

// reported records a patch of the status and its answer, and how long the next one
// waits if no condition changes.
func (k *knownBackends) reported(sub health.Subscriber, stored *v1alpha1.ExternalBackend, now time.Time, interval time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if known := k.bySub[sub]; known != nil {
		known.stored, known.lastReport, known.nextReport = stored, now, now.Add(interval)
	}
}

func (k *knownBackends) nextReport(sub health.Subscriber) time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	if known := k.bySub[sub]; known != nil {
		return known.nextReport
	}
	return time.Time{}
}

// latest returns the newer of what the cache has and what the last patch of
// the status answered, and how long the cache is contradicted at most; zero if it
// is not.
func (k *knownBackends) latest(cached *v1alpha1.ExternalBackend, now time.Time) (*v1alpha1.ExternalBackend, time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	known := k.bySub[subscriberOf(cached)]
	if known == nil || known.stored == nil {
		return cached, 0
	}
	if left := memoryLimit - now.Sub(known.lastReport); left > 0 && newer(known.stored, cached) {
		return known.stored, left
	}
	known.stored = nil
	return cached, 0
}
