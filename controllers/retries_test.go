// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"externalbackend.dev/operator/internal/status"
	"externalbackend.dev/operator/internal/translate"
)

var payments = types.NamespacedName{Namespace: "shop", Name: "payments"}

// TestRefusedWrites are tried again when anything that they depend on changes,
// and otherwise after a while.
func TestRefusedWrites(t *testing.T) {
	var services writtenServices
	at := time.Unix(1000, 0)
	problem := &translate.Problem{Reason: "ServiceUpdateRefused"}
	services.record(payments, outcome{attempt: "generation 1", problem: problem, final: true, at: at})
	services.record(types.NamespacedName{Namespace: "shop", Name: "failing"}, outcome{attempt: "generation 1", problem: problem, at: at})
	for _, tt := range []struct {
		service, attempt string
		after            time.Duration
		again            time.Duration // zero: it may be tried
		told             bool
	}{
		{"payments", "generation 1", 0, refusalInterval, true},
		{"payments", "generation 1", refusalInterval - time.Second, time.Second, true},
		{"payments", "generation 1", refusalInterval, 0, true},
		{"payments", "generation 2", 0, 0, false},
		{"failing", "generation 1", 0, 0, true},
		{"checkout", "generation 1", 0, 0, false},
	} {
		key := types.NamespacedName{Namespace: "shop", Name: tt.service}
		again, last := services.wait(key, tt.attempt, at.Add(tt.after)), services.outcome(key, tt.attempt)
		if again != tt.again || (last != nil) != tt.told || last != nil && last.problem != problem {
			t.Errorf("%s %s after %s: %v, again after %s, want %s", tt.service, tt.attempt, tt.after, last, again, tt.again)
		}
	}
}

// TestNewestService: what the API server answered stands until the cache has it,
// but not for ever.
func TestNewestService(t *testing.T) {
	at := time.Unix(1000, 0)
	version := func(v string) *corev1.Service {
		return &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: payments.Namespace, Name: payments.Name, ResourceVersion: v}}
	}
	for _, tt := range []struct {
		name   string
		record func(*writtenServices)
		cached *corev1.Service
		after  time.Duration
		want   string // version; empty: there is none
		left   time.Duration
	}{
		{name: "nothing was written", record: func(*writtenServices) {}, cached: version("1"), want: "1"},
		{name: "created, and not cached yet", record: func(m *writtenServices) { m.read(payments, version("2"), at) }, want: "2", left: memoryLimit},
		{name: "the cache is behind", record: func(m *writtenServices) { m.read(payments, version("10"), at) }, cached: version("9"), after: time.Second, want: "10", left: memoryLimit - time.Second},
		{name: "the cache has it", record: func(m *writtenServices) { m.read(payments, version("10"), at) }, cached: version("10"), want: "10"},
		{name: "somebody else wrote it since", record: func(m *writtenServices) { m.read(payments, version("10"), at) }, cached: version("11"), want: "11"},
		{name: "the cache never gets it", record: func(m *writtenServices) { m.read(payments, version("10"), at) }, cached: version("9"), after: memoryLimit, want: "9"},
		{name: "it was deleted since", record: func(m *writtenServices) { m.read(payments, version("10"), at); m.seen(version("11")) }},
		{name: "an older event", record: func(m *writtenServices) { m.read(payments, version("10"), at); m.seen(version("9")) }, want: "10", left: memoryLimit},
		{name: "forgotten too early", record: func(m *writtenServices) { m.read(payments, version("10"), at); m.forget(payments) }, cached: version("9"), want: "10", left: memoryLimit},
		{name: "gone, says a live read", record: func(m *writtenServices) { m.read(payments, version("10"), at); m.read(payments, nil, at) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var m writtenServices
			tt.record(&m)
			got, left := m.newest(payments, tt.cached, at.Add(tt.after))
			if found := got != nil; found != (tt.want != "") || found && got.ResourceVersion != tt.want || left != tt.left {
				t.Errorf("%v for %s, want version %q for %s", got, left, tt.want, tt.left)
			}
		})
	}
}

// TestSearches are done once for each Service without a selector, once more
// where it had one, and from time to time while Kubernetes has left slices behind.
func TestSearches(t *testing.T) {
	left := []status.ForeignSlice{{Name: "payments-pods"}}
	for _, tt := range []struct {
		name   string
		before func(*searches)
		found  []status.ForeignSlice
		news   bool
		again  bool // searched after searchInterval
		repeat bool // and after another
	}{
		{name: "found nothing"},
		{name: "found some", found: left, news: true, again: true, repeat: true},
		{name: "found nothing, but had a selector", before: func(s *searches) { s.forget(payments, true) }, again: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := searches{queue: workqueue.NewTypedDelayingQueue[types.NamespacedName]()}
				defer s.queue.ShutDown()
				if tt.before != nil {
					tt.before(&s)
				}
				due := func() bool {
					synctest.Wait()
					if s.queue.Len() == 0 {
						return false
					}
					service, _ := s.queue.Get()
					s.queue.Done(service)
					return true
				}
				for range 2 {
					if found := s.leftovers(payments, "1"); found != nil {
						t.Errorf("found %v before anything was searched", found)
					}
				}
				if !due() || due() {
					t.Fatal("a Service that is seen first is searched once")
				}
				if news := s.record(payments, tt.found); news != tt.news {
					t.Errorf("that %v was found is news: %t", tt.found, news)
				}
				if found := s.leftovers(payments, "1"); !slices.Equal(found, tt.found) || due() {
					t.Errorf("knows of %v, want %v", found, tt.found)
				}
				for round, want := range []bool{tt.again, tt.repeat} {
					time.Sleep(searchInterval)
					if again := due(); again != want {
						t.Errorf("searched again after round %d: %t, want %t", round, again, want)
					}
					if s.record(payments, tt.found) {
						t.Error("what was known is news")
					}
				}
				s.forget(payments, false)
				if s.wanted(payments) || s.record(payments, left) {
					t.Error("a Service that nobody refers to is searched")
				}
				if s.leftovers(payments, "1"); !due() {
					t.Error("a Service that was forgotten is searched when it is seen again")
				}
			})
		})
	}
}

// TestRetries waits ever longer after refusals, and never long for a server that
// does not answer, whatever came before.
func TestRetries(t *testing.T) {
	slice := discoveryv1.Resource("endpointslices")
	refused := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	for _, tt := range []struct {
		name   string
		err    error
		outage bool
	}{
		{"nothing listens", fmt.Errorf("writing: %w", refused), true},
		{"no answer in time", fmt.Errorf("writing: %w", context.DeadlineExceeded), true},
		{"etcd is away", apierrors.NewInternalError(errors.New("etcdserver: no leader")), true},
		{"the server is too slow", apierrors.NewServerTimeout(slice, "update", 1), true},
		{"the server ends", apierrors.NewServiceUnavailable("shutting down"), true},
		{"it was never sent", errors.New("client rate limiter Wait returned an error: rate: Wait(n=1) would exceed context deadline"), true},
		{"too many requests", apierrors.NewTooManyRequests("later", 1), true},
		{"one of several got no answer", errors.Join(apierrors.NewForbidden(slice, "a", nil), errors.Join(errors.New("a"), refused)), true},
		{"a quota", apierrors.NewForbidden(slice, "a", errors.New("exceeded quota")), false},
		{"an invalid slice", apierrors.NewBadRequest("no such field"), false},
		{"both of two are refused", errors.Join(apierrors.NewForbidden(slice, "a", nil), apierrors.NewBadRequest("b")), false},
		{"none of the server's", errors.New("the slice belongs to somebody else"), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, request := newRetries(), reconcile.Request{NamespacedName: payments}
			again := func(err error, times int) (last time.Duration) {
				for range times {
					r.failed(request, err)
					last = r.When(request)
				}
				return last
			}
			want, next := lastRetry, error(refused)
			if tt.outage {
				want, next = outageRetry, apierrors.NewForbidden(slice, "a", nil)
			}
			if first, last := again(tt.err, 1), again(tt.err, 30); first != firstRetry || last != want {
				t.Errorf("tried again after %s, and in the end after %s, want %s and %s", first, last, firstRetry, want)
			}
			if first := again(next, 1); first != firstRetry {
				t.Errorf("after that, the first failure of the other kind waits for %s, want %s", first, firstRetry)
			}
			r.Forget(request)
			if n := r.NumRequeues(request); n != 0 {
				t.Errorf("%d failures counted after a success", n)
			}
		})
	}
}
