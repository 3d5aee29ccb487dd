// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// A pass that failed is tried again after firstRetry, and ever later: up to
// lastRetry if the API server refused something, and up to outageRetry if it did
// not answer, so that what was found out meanwhile is written once it is back.
const (
	firstRetry  = 10 * time.Millisecond
	lastRetry   = 30 * time.Second
	outageRetry = time.Second
)

// retries says when a pass is tried again that failed. An outage does not make
// what is refused after it wait any longer.
type retries struct {
	refused, unanswered workqueue.TypedRateLimiter[reconcile.Request]

	mu      sync.Mutex
	outages map[reconcile.Request]bool
}

func newRetries() *retries {
	return &retries{
		refused:    workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstRetry, lastRetry),
		unanswered: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstRetry, outageRetry),
		outages:    make(map[reconcile.Request]bool),
	}
}

// failed takes note of why the last pass failed, if it did.
func (r *retries) failed(request reconcile.Request, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.outages, request)
	if unanswered(err) {
		r.outages[request] = true
	}
}

// When implements workqueue.TypedRateLimiter.
func (r *retries) When(request reconcile.Request) time.Duration {
	r.mu.Lock()
	outage := r.outages[request]
	r.mu.Unlock()
	if outage {
		r.refused.Forget(request)
		return r.unanswered.When(request)
	}
	r.unanswered.Forget(request)
	return r.refused.When(request)
}

// Forget implements workqueue.TypedRateLimiter.
func (r *retries) Forget(request reconcile.Request) {
	r.refused.Forget(request)
	r.unanswered.Forget(request)
}

// NumRequeues implements workqueue.TypedRateLimiter.
func (r *retries) NumRequeues(request reconcile.Request) int {
	return r.refused.NumRequeues(request) + r.unanswered.NumRequeues(request)
}

// unanswered says whether one of the requests that failed got no answer that
// says anything about the request itself: none at all, or one of a server that
// cannot do its work.
func unanswered(err error) bool {
	type several interface {
		error
		Unwrap() []error
	}
	if joined, ok := errors.AsType[several](err); ok {
		return slices.ContainsFunc(joined.Unwrap(), unanswered)
	}
	if answer, ok := errors.AsType[*apierrors.StatusError](err); ok {
		return answer.Status().Code >= 500 || apierrors.IsTooManyRequests(err)
	}
	_, lost := errors.AsType[net.Error](err) // context.DeadlineExceeded is one, too
	return lost || err != nil && strings.Contains(err.Error(), neverSent)
}

// neverSent is what client-go says of a request that had to wait too long for
// those before it.
const neverSent = "client rate limiter Wait returned an error"
