// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/internal/status"
	"externalbackend.dev/operator/internal/translate"
)

var payments = types.NamespacedName{Namespace: "shop", Name: "payments"}

// TestRefusedWrites are tried again when anything that they depend on changes,
// and otherwise after a while.
func TestRefusedWrites(t *testing.T) {
	var known knownBackends
	sub := health.Subscriber{Namespace: "shop", Name: "payments", UID: "1"}
	known.add(payments, sub)
	at := time.Unix(1000, 0)
	problem := &translate.Problem{Reason: "ServiceUpdateRefused"}
	known.refuse(sub, refusal{"generation 1", problem, at})
	for _, tt := range []struct {
		attempt string
		after   time.Duration
		again   time.Duration // zero: it may be tried
	}{
		{"generation 1", 0, refusalInterval},
		{"generation 1", refusalInterval - time.Second, time.Second},
		{"generation 1", refusalInterval, 0},
		{"generation 2", 0, 0},
	} {
		found, again := known.refusal(sub, tt.attempt, at.Add(tt.after))
		if again != tt.again || (found == problem) != (tt.again > 0) {
			t.Errorf("%s after %s: %v, again after %s, want %s", tt.attempt, tt.after, found, again, tt.again)
		}
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
