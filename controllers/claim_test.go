// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"slices"
	"testing"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/health"
)

// moving is a cache that has an ExternalBackend with a Service when it is asked
// for the first time, and not after that.
type moving struct {
	client.Client
	eb      *v1alpha1.ExternalBackend
	between func()
}

func (m *moving) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	if m.eb != nil {
		list.(*v1alpha1.ExternalBackendList).Items = []v1alpha1.ExternalBackend{*m.eb}
		m.eb = nil
		m.between()
	}
	return nil
}

// TestClaimThatComesTooLate: one of an ExternalBackend that has moved to another
// Service leaves it there, or forgets it if no pass has seen it yet.
func TestClaimThatComesTooLate(t *testing.T) {
	checkout := types.NamespacedName{Namespace: "shop", Name: "checkout"}
	for _, seen := range []bool{true, false} {
		eb := &v1alpha1.ExternalBackend{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "payments", UID: "1"}}
		subs := []health.Subscriber{subscriberOf(eb)}
		r := &ServiceReconciler{}
		r.Client = &moving{eb: eb, between: func() {}}
		if seen { // by a pass that begins and ends meanwhile
			r.known.claim(subs)
			r.known.serve(checkout, subs)
			r.known.release(subs)
		}
		if claimed, err := r.claim(t.Context(), payments); claimed != nil || err != nil {
			t.Fatalf("claimed %v, %v", claimed, err)
		}
		if service, known := r.known.service(subs[0]); known != seen || seen && service != checkout {
			t.Errorf("its verdicts wake %s (%t), want %s (%t)", service, known, checkout, seen)
		}
		if of := r.known.of(checkout); slices.Contains(of, subs[0]) != seen {
			t.Errorf("with Service %s are %v", checkout, of)
		}
	}
}

// TestWindowOfEdits: an edit of a slice opens the window, and the next ones wait.
func TestWindowOfEdits(t *testing.T) {
	var w windows
	at := time.Unix(1000, 0)
	for i, step := range []struct {
		edited bool
		after  time.Duration
		wait   time.Duration
	}{
		{false, 0, flipWindow},
		{true, 0, 0},
		{true, 10 * time.Millisecond, flipWindow},
		{true, 480 * time.Millisecond, flipWindow},
		{true, 20 * time.Millisecond, 0},
	} {
		at = at.Add(step.after)
		w.wait(payments, at) // a pass begins
		w.close(payments, at)
		if step.edited {
			w.edited(payments, at)
		}
		if wait := w.wait(payments, at); wait != step.wait {
			t.Errorf("step %d: waits %s, want %s", i, wait, step.wait)
		}
		w.until = nil
	}
}

// TestWhoseChanged: what somebody writes into slices of their own is no news.
func TestWhoseChanged(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit func(*discoveryv1.EndpointSlice)
		news bool
	}{
		{"its addresses", func(s *discoveryv1.EndpointSlice) { s.Endpoints = nil }, false},
		{"nothing", func(*discoveryv1.EndpointSlice) {}, false},
		{"its Service", func(s *discoveryv1.EndpointSlice) {
			s.Labels = map[string]string{discoveryv1.LabelServiceName: "checkout"}
		}, true},
		{"its owner", func(s *discoveryv1.EndpointSlice) { s.OwnerReferences = []metav1.OwnerReference{{UID: "1"}} }, true},
		{"that it is being deleted", func(s *discoveryv1.EndpointSlice) { s.DeletionTimestamp = new(metav1.Unix(1, 0)) }, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := &discoveryv1.EndpointSlice{
				ObjectMeta: metav1.ObjectMeta{ResourceVersion: "1", Labels: map[string]string{discoveryv1.LabelServiceName: "payments"}},
				Endpoints:  []discoveryv1.Endpoint{{Addresses: []string{"192.0.2.10"}}},
			}
			after := before.DeepCopy()
			after.ResourceVersion = "2"
			tt.edit(after)
			if news := whoseChanged().Update(event.TypedUpdateEvent[*discoveryv1.EndpointSlice]{ObjectOld: before, ObjectNew: after}); news != tt.news {
				t.Errorf("news: %t, want %t", news, tt.news)
			}
		})
	}
}
