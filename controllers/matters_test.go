// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"externalbackend.dev/operator/api/v1alpha1"
)

// TestMatters: an update wakes unless it is of the status or of metadata alone.
func TestMatters(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*v1alpha1.ExternalBackend)
		want   bool
	}{
		{"nothing", func(*v1alpha1.ExternalBackend) {}, false},
		{"the status", func(eb *v1alpha1.ExternalBackend) { eb.ResourceVersion, eb.Status.ObservedGeneration = "3", 1 }, false},
		{"a label", func(eb *v1alpha1.ExternalBackend) { eb.Labels = map[string]string{"team": "shop"} }, false},
		{"an edit", func(eb *v1alpha1.ExternalBackend) { eb.Generation, eb.Spec.Service.Name = 2, "checkout" }, true},
		{"another edit of that number", func(eb *v1alpha1.ExternalBackend) { eb.Spec.Service.Name = "checkout" }, true},
		{"an older version", func(eb *v1alpha1.ExternalBackend) { eb.ResourceVersion, eb.Status.ObservedGeneration = "1", 1 }, true},
		{"another one of that name", func(eb *v1alpha1.ExternalBackend) { eb.UID = "2" }, true},
		{"its deletion", func(eb *v1alpha1.ExternalBackend) { eb.DeletionTimestamp = new(metav1.Now()) }, true},
	} {
		before := &v1alpha1.ExternalBackend{ObjectMeta: metav1.ObjectMeta{UID: "1", Generation: 1, ResourceVersion: "2"}}
		now := before.DeepCopy()
		tt.change(now)
		if got := matters().Update(event.UpdateEvent{ObjectOld: before, ObjectNew: now}); got != tt.want {
			t.Errorf("%s: %t, want %t", tt.name, got, tt.want)
		}
	}
}
