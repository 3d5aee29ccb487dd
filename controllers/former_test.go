// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/translate"
)

// laggingCache has an ExternalBackend that moved from Service payments to checkout,
// and of what that entails as much as it has been told.
type laggingCache struct {
	client.Client
	backend  v1alpha1.ExternalBackend
	services map[string]*corev1.Service
	slices   []discoveryv1.EndpointSlice
	deleted  []string
}

func (c *laggingCache) Get(_ context.Context, key client.ObjectKey, o client.Object, _ ...client.GetOption) error {
	switch o := o.(type) {
	case *v1alpha1.ExternalBackend:
		c.backend.DeepCopyInto(o)
		return nil
	case *corev1.Service:
		if svc := c.services[key.Name]; svc != nil {
			svc.DeepCopyInto(o)
			return nil
		}
	}
	return apierrors.NewNotFound(corev1.Resource("services"), key.Name)
}

func (c *laggingCache) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	if list, ok := list.(*discoveryv1.EndpointSliceList); ok {
		list.Items = c.slices
	}
	return nil
}

func (c *laggingCache) Delete(_ context.Context, o client.Object, _ ...client.DeleteOption) error {
	c.deleted = append(c.deleted, o.GetName())
	return nil
}

// TestAFormerServiceIsLookedAtAgain: own writes wake nobody, so a look that came
// before the cache was told of one must not be the last.
func TestAFormerServiceIsLookedAtAgain(t *testing.T) {
	eb := v1alpha1.ExternalBackend{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "payments", UID: "1"}}
	eb.Spec.Service = v1alpha1.ServiceReference{Name: "checkout", Management: v1alpha1.ServiceManaged}
	owned := func(name string) *corev1.Service {
		svc := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}}
		svc.OwnerReferences = []metav1.OwnerReference{{
			APIVersion: v1alpha1.GroupVersion.String(), Kind: translate.Kind, Name: eb.Name, UID: eb.UID, Controller: new(true),
		}}
		return svc
	}
	slice := discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{
		Namespace: "shop", Name: "payments-0", UID: "2", OwnerReferences: owned("payments").OwnerReferences,
	}}
	cache := &laggingCache{backend: eb, services: map[string]*corev1.Service{"payments": owned("payments")}, slices: []discoveryv1.EndpointSlice{slice}}
	r := &ServiceReconciler{Client: cache, Clock: clock.RealClock{}}
	look := func() bool {
		t.Helper()
		again, err := r.bringUpToDate(t.Context(), types.NamespacedName{Namespace: "shop", Name: "payments"})
		if err != nil {
			t.Fatal(err)
		}
		return again > 0
	}
	if !look() {
		t.Error("no other look though the new Service may be there already")
	}
	cache.services["checkout"] = owned("checkout")
	if !look() {
		t.Error("no other look though the slices may have moved already")
	}
	cache.slices = nil
	if look() || len(cache.deleted) != 1 || cache.deleted[0] != "payments" {
		t.Errorf("deleted: %v", cache.deleted)
	}
}
