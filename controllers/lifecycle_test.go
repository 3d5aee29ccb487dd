// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/watch"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/targets"
)

var _ = Describe("Over the life of an ExternalBackend", func() {
	var s *scene
	var o *operator
	both := endpoints{"192.0.2.10": in, "192.0.2.11": in}
	rack := entry("rack", "192.0.2.10", "192.0.2.11")
	BeforeEach(func(ctx SpecContext) {
		o = sharedOperator()
		s = newScene(ctx)
		s.host("192.0.2.10")
		s.host("192.0.2.11")
	})

	It("a Service that is deleted and recreated keeps its slices all the while", func(ctx SpecContext) {
		old := s.service(ctx, "payments")
		s.backend(ctx, "payments", rack)
		s.expect(ctx, "payments", both)
		slice := s.slicesOf(ctx, "payments")[0]
		seen := s.watch(ctx)

		Expect(admin.Delete(ctx, old)).To(Succeed())
		s.expectCondition(ctx, "payments", v1alpha1.ConditionServiceResolved, no(v1alpha1.ReasonServiceNotFound))
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(both))
		again := s.service(ctx, "payments")
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
		Eventually(s.slicesOf).WithContext(ctx).WithArguments("payments").Should(ConsistOf(And(
			HaveField("UID", slice.UID),
			HaveField("Annotations", HaveKeyWithValue("externalbackend.dev/service-uid", string(again.UID))))))
		Eventually(seen.all).ShouldNot(BeEmpty())
		Expect(seen.all()).To(HaveEach(And(HaveField("Type", watch.Modified), HaveField("Endpoints", both))))
	})

	DescribeTable("its deletion removes slices and metrics at once and ends the checks", func(ctx SpecContext, finalizers ...string) {
		s.service(ctx, "payments")
		eb := s.backend(ctx, "payments", rack, func(eb *v1alpha1.ExternalBackend) { eb.Finalizers = finalizers })
		if len(finalizers) > 0 {
			DeferCleanup(func(ctx SpecContext) {
				edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) { eb.Finalizers = nil })
			})
		}
		s.expect(ctx, "payments", both)
		Eventually(o.series).WithArguments("externalbackend_targets", s.namespace, "payments", "state").
			Should(Equal(map[string]float64{"Healthy": 2, "Unhealthy": 0, "Unknown": 0, "Draining": 0, "Disabled": 0, "Standby": 0}))

		Expect(admin.Delete(ctx, eb)).To(Succeed())
		Eventually(s.slices).WithContext(ctx).Should(BeEmpty())
		Eventually(o.series).WithArguments("externalbackend_targets", s.namespace, "payments", "state").Should(BeEmpty())
		host := s.host("192.0.2.10")
		attempts := host.Attempts()
		Consistently(host.Attempts).Should(Equal(attempts))
	},
		Entry("if it is gone then"),
		Entry("if it waits for a finalizer of somebody", "example.com/wait"),
	)

	It("one that is recreated under its name starts anew", func(ctx SpecContext) {
		s.service(ctx, "payments")
		eb := s.backend(ctx, "payments", rack)
		s.expect(ctx, "payments", both)
		for _, address := range []string{"192.0.2.10", "192.0.2.11"} {
			s.host(address).Set(targets.Hang)
		}
		Expect(admin.Delete(ctx, eb)).To(Succeed())
		again := s.backend(ctx, "payments", rack)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": out, "192.0.2.11": out})
		Expect(s.slicesOf(ctx, "payments")[0].OwnerReferences[0].UID).To(Equal(again.UID))
	})

	It("its move to another Service takes the health along", func(ctx SpecContext) {
		s.service(ctx, "payments")
		s.service(ctx, "checkout")
		eb := s.backend(ctx, "payments", rack)
		s.expect(ctx, "payments", both)
		seen := s.watch(ctx)

		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) { eb.Spec.Service.Name = "checkout" })
		s.expect(ctx, "checkout", both)
		s.expect(ctx, "payments", endpoints{})
		Expect(seen.unready()).To(BeEmpty())
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
		Eventually(s.statusOf).WithContext(ctx).WithArguments("payments").Should(HaveField("Service.Name", "checkout"))

		s.host("192.0.2.10").Set(targets.Refuse)
		s.expect(ctx, "checkout", endpoints{"192.0.2.10": out, "192.0.2.11": in})
	})

	It("an edit keeps the health of what stays, and adds before it removes", func(ctx SpecContext) {
		added := s.host("192.0.2.12")
		added.Set(targets.Hang)
		s.service(ctx, "payments")
		eb := s.backend(ctx, "payments", rack)
		s.expect(ctx, "payments", both)
		seen := s.watch(ctx)
		mark := audit.mark()

		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) {
			eb.Spec.Targets[0].Name = "cage"
			eb.Spec.Targets[0].IP.Addresses = []v1alpha1.IPAddress{"192.0.2.12", "192.0.2.10"}
			eb.Spec.HealthCheck.Checks[0].HTTP.Path = "/readyz"
		})
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.12": out})
		added.Set(targets.Serve)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.12": in})
		Expect(s.slicesOf(ctx, "payments")).To(HaveExactElements(
			HaveField("Endpoints", HaveEach(HaveField("TargetRef.FieldPath", "spec.targets{cage}")))))
		Expect(seen.unready()).To(Equal([]string{"192.0.2.12"}), "only the new address waits for a check")
		Expect(s.writes(mark)).To(HaveLen(2), "the edit, and the verdict about the new address")
	})

	It("slices that outlive their ExternalBackend are swept", func(ctx SpecContext) {
		s.service(ctx, "payments")
		eb := s.backend(ctx, "payments", rack)
		s.expect(ctx, "payments", both)
		orphan := s.slicesOf(ctx, "payments")[0]
		Expect(admin.Delete(ctx, eb)).To(Succeed())
		Eventually(s.slices).WithContext(ctx).Should(BeEmpty())

		// As a controller of the cluster's would that restores a backup.
		Expect(admin.Create(ctx, &discoveryv1.EndpointSlice{
			ObjectMeta:  objectMeta(&orphan),
			AddressType: orphan.AddressType, Endpoints: orphan.Endpoints, Ports: orphan.Ports,
		})).To(Succeed())
		Eventually(s.slices).WithContext(ctx).Should(BeEmpty())
	})
})
