// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/sliceplan"
	"externalbackend.dev/operator/test/targets"
)

var _ = Describe("A Service", func() {
	var s *scene
	BeforeEach(func(ctx SpecContext) {
		sharedOperator()
		s = newScene(ctx)
	})

	It("loses our slices when it becomes an ExternalName, and has them back after that (rule 51)", func(ctx SpecContext) {
		svc := s.service(ctx, "payments")
		s.backend(ctx, "payments", none, entry("rack", "192.0.2.10"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		edit(ctx, svc, func(svc *corev1.Service) {
			svc.Spec = corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "pay.example.com", Ports: svc.Spec.Ports}
		})
		s.expect(ctx, "payments", endpoints{})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionServiceResolved, no(v1alpha1.ReasonServiceExternalName))
		edit(ctx, svc, func(svc *corev1.Service) { svc.Spec = corev1.ServiceSpec{Ports: svc.Spec.Ports} })
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
	})

	It("that has slices of somebody else is told, and they are left alone (rule 52)", func(ctx SpecContext) {
		s.service(ctx, "payments")
		s.backend(ctx, "payments", none, entry("rack", "192.0.2.10"))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
		Expect(s.condition(ctx, "payments", v1alpha1.ConditionConflict)).To(BeZero())

		mine := s.foreignSlice(ctx, "payments", "by-hand", "me", "203.0.113.1")
		s.expectCondition(ctx, "payments", v1alpha1.ConditionConflict, yes(v1alpha1.ReasonForeignEndpointSlices, "by-hand", "me"))
		mirrored := s.foreignSlice(ctx, "payments", "mirrored", "endpointslicemirroring-controller.k8s.io", "203.0.113.2")
		s.expectCondition(ctx, "payments", v1alpha1.ConditionConflict, yes(v1alpha1.ReasonForeignEndpointSlices, "by-hand", "mirrored"))
		Expect(s.slices(ctx)).To(ContainElements(
			HaveField("ResourceVersion", mine.ResourceVersion), HaveField("ResourceVersion", mirrored.ResourceVersion)))

		Expect(admin.Delete(ctx, mine)).To(Succeed())
		Expect(admin.Delete(ctx, mirrored)).To(Succeed())
		Eventually(s.condition).WithContext(ctx).WithArguments("payments", v1alpha1.ConditionConflict).Should(BeZero())
	})

	It("whose selector left slices behind is told (rule 52)", func(ctx SpecContext) {
		svc := s.service(ctx, "payments", func(svc *corev1.Service) { svc.Spec.Selector = map[string]string{"app": "pay"} })
		s.backend(ctx, "payments", none, entry("rack", "192.0.2.10"))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionServiceResolved, no(v1alpha1.ReasonServiceHasSelector))
		left := s.foreignSlice(ctx, "payments", "payments-x7x7x", "endpointslice-controller.k8s.io", "203.0.113.1")

		edit(ctx, svc, func(svc *corev1.Service) { svc.Spec.Selector = nil })
		s.expectCondition(ctx, "payments", v1alpha1.ConditionConflict, yes(v1alpha1.ReasonForeignEndpointSlices, left.Name))
		Expect(s.slices(ctx)).To(ContainElement(HaveField("ResourceVersion", left.ResourceVersion)))
		s.expect(ctx, "payments", endpoints{"203.0.113.1": in, "192.0.2.10": in})
	})

	It("publishes nothing of an entry that has no port (rule 15)", func(ctx SpecContext) {
		s.service(ctx, "payments", func(svc *corev1.Service) { svc.Spec.Ports[0].TargetPort = intstr.FromString("web") })
		s.backend(ctx, "payments", none, entry("rack", "192.0.2.10"), entry("cage", "192.0.2.20"), func(eb *v1alpha1.ExternalBackend) {
			eb.Spec.Targets[1].Ports = []v1alpha1.TargetPort{{Name: "http", Port: 8080}}
		})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionServiceResolved, no(v1alpha1.ReasonTargetPortNamed))
		s.expect(ctx, "payments", endpoints{"192.0.2.20": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionTargetsResolved, no(v1alpha1.ReasonNoAddresses, `"rack"`))
		Expect(s.statusOf(ctx, "payments").Sources[0].Problem).To(ContainSubstring("no port of the Service"))
	})

	It("that distributes traffic has hints on all endpoints or none (rule 40)", func(ctx SpecContext) {
		svc := s.service(ctx, "payments", func(svc *corev1.Service) {
			svc.Spec.TrafficDistribution = new(corev1.ServiceTrafficDistributionPreferClose)
		})
		in := func(zone string) func(*v1alpha1.ExternalBackend) {
			return func(eb *v1alpha1.ExternalBackend) { eb.Spec.Targets[0].Zone = zone }
		}
		hints := func(ctx context.Context) map[string]string {
			found := map[string]string{}
			for _, slice := range s.slicesOf(ctx, "payments") {
				for _, e := range slice.Endpoints {
					if found[e.Addresses[0]] = ""; e.Hints != nil && len(e.Hints.ForZones) == 1 {
						found[e.Addresses[0]] = e.Hints.ForZones[0].Name
					}
				}
			}
			return found
		}
		s.backend(ctx, "first", of("payments"), none, entry("rack", "192.0.2.10"), in("eu-west-1a"))
		second := s.backend(ctx, "second", of("payments"), none, entry("rack", "192.0.2.20"), in("eu-west-1b"))
		hinted := map[string]string{"192.0.2.10": "eu-west-1a", "192.0.2.20": "eu-west-1b"}
		bare := map[string]string{"192.0.2.10": "", "192.0.2.20": ""}
		Eventually(hints).WithContext(ctx).Should(Equal(hinted))
		edit(ctx, second, in(""))
		Eventually(hints).WithContext(ctx).Should(Equal(bare))
		edit(ctx, second, in("eu-west-1b"))
		Eventually(hints).WithContext(ctx).Should(Equal(hinted))
		edit(ctx, svc, func(svc *corev1.Service) { svc.Spec.TrafficDistribution = nil })
		Eventually(hints).WithContext(ctx).Should(Equal(bare))
	})
})

var _ = Describe("Flips", func() {
	It("in quick succession share one write a slice (rule 55)", func(ctx SpecContext) {
		sharedOperator()
		s := newScene(ctx)
		addresses := numbered("198.51.100.0", 40)
		dead := endpoints{}
		for _, address := range addresses {
			s.host(address)
			dead[address] = out
		}
		s.service(ctx, "payments")
		s.backend(ctx, "payments", entry("rack", addresses...))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, yes(v1alpha1.ReasonAllHealthy))
		mark, begin := audit.mark(), time.Now()
		for _, address := range addresses {
			s.host(address).Set(targets.Refuse)
		}
		s.expect(ctx, "payments", dead)
		// The more time it takes, the more windows there are.
		windows := int(time.Since(begin)/(500*time.Millisecond)) + 1
		Expect(len(s.writes(mark))).To(BeNumerically("<=", windows+1), "windows, and the flip before them")
	})
})

var _ = Describe("At its start the operator", func() {
	It("sweeps what has our label and no ExternalBackend, and nothing else (rule 56)", func(ctx SpecContext) {
		stopSharedOperator()
		s := newScene(ctx)
		s.service(ctx, "payments")
		o := ownOperator(operatorOptions{})
		eb := s.backend(ctx, "payments", none, entry("rack", "192.0.2.10"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
		o.stop()

		kept := s.slices(ctx)[0]
		orphan := func(name string, change func(*discoveryv1.EndpointSlice)) {
			slice := &discoveryv1.EndpointSlice{
				ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: name, Labels: map[string]string{
					discoveryv1.LabelManagedBy: sliceplan.ManagedBy, discoveryv1.LabelServiceName: "nobody",
				}},
				AddressType: kept.AddressType, Endpoints: kept.DeepCopy().Endpoints,
			}
			change(slice)
			Expect(admin.Create(ctx, slice)).To(Succeed())
		}
		orphan("stripped-of-all", func(e *discoveryv1.EndpointSlice) { e.Endpoints = nil; delete(e.Labels, discoveryv1.LabelServiceName) })
		orphan("stripped-of-its-owner", func(e *discoveryv1.EndpointSlice) { e.Endpoints[0].TargetRef.UID = "gone" })
		orphan("of-one-that-is-gone", func(e *discoveryv1.EndpointSlice) {
			e.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(eb, v1alpha1.GroupVersion.WithKind("ExternalBackend"))}
			e.OwnerReferences[0].UID = "gone"
		})
		foreign := s.foreignSlice(ctx, "nobody", "by-hand", "me", "203.0.113.1")

		ownOperator(operatorOptions{})
		Eventually(s.slices).WithContext(ctx).Should(ConsistOf(
			HaveField("ResourceVersion", kept.ResourceVersion), HaveField("ResourceVersion", foreign.ResourceVersion)))
	})
})
