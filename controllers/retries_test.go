// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

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

// TestSearches are done once for each shape of a Service, and from time to time
// while Kubernetes has left slices behind.
func TestSearches(t *testing.T) {
	at := time.Unix(1000, 0)
	left := []status.ForeignSlice{{Name: "payments-pods"}}
	for _, tt := range []struct {
		name   string
		record func(*searches)
		after  time.Duration
		due    bool
		again  time.Duration
	}{
		{name: "never before", record: func(*searches) {}, due: true},
		{name: "found nothing", record: func(s *searches) { s.record(payments, "a", nil, at) }, after: time.Hour},
		{name: "another shape", record: func(s *searches) { s.record(payments, "b", nil, at) }, due: true},
		{name: "found some", record: func(s *searches) { s.record(payments, "a", left, at) }, after: time.Second, again: leftoverInterval - time.Second},
		{name: "found some, a while ago", record: func(s *searches) { s.record(payments, "a", left, at) }, after: leftoverInterval, due: true},
		{name: "forgotten", record: func(s *searches) { s.record(payments, "a", nil, at); s.forget(payments) }, due: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var s searches
			tt.record(&s)
			if due, again := s.due(payments, "a", at.Add(tt.after)); due != tt.due || again != tt.again {
				t.Errorf("due %t, again after %s, want %t, %s", due, again, tt.due, tt.again)
			}
		})
	}
}
