// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/guard"
	"externalbackend.dev/operator/internal/sliceplan"
)

// hanging never answers an update. It deletes what it has, but for stubborn.
type hanging struct {
	client.Client
	world    *world
	stubborn string
}

func (h *hanging) Update(ctx context.Context, _ client.Object, _ ...client.UpdateOption) error {
	<-ctx.Done()
	return ctx.Err()
}

func (h *hanging) Delete(ctx context.Context, o client.Object, _ ...client.DeleteOption) error {
	if o.GetName() == h.stubborn {
		<-ctx.Done()
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	h.world.slices = slices.DeleteFunc(h.world.slices, func(s *discoveryv1.EndpointSlice) bool { return s.Name == o.GetName() })
	return nil
}

// uncounted is told nothing but of writes.
type uncounted struct{ Metrics }

func (uncounted) SliceWritten(string, error) {}

// TestNoHangingUpdateKeepsADenial: what is denied goes though every update hangs,
// however many slices and ExternalBackends a Service has, and one delete as well.
func TestNoHangingUpdateKeepsADenial(t *testing.T) {
	matcher, err := guard.Compile(guard.Config{Networks: []guard.Network{{Prefix: netip.MustParsePrefix("192.0.2.11/32"), Why: "a Node"}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, owners := range []int{1, 4} {
		t.Run(fmt.Sprint(owners, " ExternalBackends"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &world{key: types.NamespacedName{Namespace: "shop", Name: "payments"}, scope: matcher.Scope("shop")}
				var passes []*pass
				for owner := range owners {
					eb := &v1alpha1.ExternalBackend{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("eb-", owner), UID: types.UID(fmt.Sprint(owner))}}
					p := &pass{eb: eb, awaiting: true}
					p.backend.Owner.Name, p.backend.Owner.UID = eb.Name, string(eb.UID)
					passes = append(passes, p)
					for i := range 3 {
						name := fmt.Sprintf("%s-%d", eb.Name, i)
						w.slices = append(w.slices, &discoveryv1.EndpointSlice{
							ObjectMeta: metav1.ObjectMeta{
								Namespace: "shop", Name: name, UID: types.UID(name), ResourceVersion: "1",
								OwnerReferences: []metav1.OwnerReference{{UID: eb.UID, Controller: new(true)}},
							},
							Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"192.0.2.10"}}, {Addresses: []string{"192.0.2.11"}}},
						})
					}
				}
				r := &ServiceReconciler{
					Client: &hanging{world: w, stubborn: "eb-0-0"}, Guard: fixedGuard{w.scope}, Metrics: uncounted{}, Clock: clock.RealClock{}, MaxEndpoints: 2,
				}
				for range 20 * owners {
					var plan sliceplan.Plan
					for _, slice := range w.slices {
						planned := slice.DeepCopy()
						planned.Endpoints = planned.Endpoints[:1]
						plan.Update = append(plan.Update, planned)
					}
					ctx, cancel := context.WithTimeout(t.Context(), reconcileTimeout)
					began := time.Now()
					r.apply(ctx, w, passes, &plan)
					cancel()
					if took := time.Since(began); took > reconcileTimeout {
						t.Fatalf("a pass takes %v", took)
					}
				}
				if len(w.slices) != 1 {
					t.Errorf("%d slices are left that hold what is denied, want the one that cannot be deleted", len(w.slices))
				}
			})
		})
	}
}
