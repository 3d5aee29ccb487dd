// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/targets"
)

var _ = Describe("A Service that cannot be served", func() {
	var s *scene
	both := endpoints{"192.0.2.10": in, "192.0.2.11": in}
	BeforeEach(func(ctx SpecContext) {
		sharedOperator()
		s = newScene(ctx)
		s.host("192.0.2.10")
		s.host("192.0.2.11")
	})
	rack := entry("rack", "192.0.2.10", "192.0.2.11")

	It("is named while it is missing, and served once it is there", func(ctx SpecContext) {
		s.backend(ctx, "payments", rack, of("checkout"))
		missing := no(v1alpha1.ReasonServiceNotFound, `"checkout"`)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionServiceResolved, missing)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, missing)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionPublished, no(v1alpha1.ReasonNotPublishable))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionAccepted, yes(v1alpha1.ReasonAccepted))
		Expect(s.condition(ctx, "payments", v1alpha1.ConditionStalled)).To(BeZero(), "the Service may still come")
		Eventually(s.events).WithContext(ctx).WithArguments("payments").Should(
			HaveKeyWithValue(v1alpha1.ReasonServiceNotFound, ConsistOf(ContainSubstring(`"checkout"`))))
		Expect(s.slices(ctx)).To(BeEmpty())
		// No outage, as ExternalBackendDown knows.
		Expect(s.statusOf(ctx, "payments").Targets).To(And(HaveField("Unknown", BeEquivalentTo(2)), HaveField("Unhealthy", BeZero())))

		svc := s.service(ctx, "checkout")
		s.expect(ctx, "checkout", both)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
		Eventually(s.statusOf).WithContext(ctx).WithArguments("payments").Should(
			HaveField("Service", HaveValue(Equal(v1alpha1.ServiceStatus{Name: "checkout", UID: svc.UID}))))
	})

	It("is told to be of type ExternalName", func(ctx SpecContext) {
		svc := s.service(ctx, "payments", func(svc *corev1.Service) {
			svc.Spec = corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "pay.example.com"}
		})
		s.backend(ctx, "payments", rack)
		external := no(v1alpha1.ReasonServiceExternalName, `"payments"`, "ClusterIP")
		s.expectCondition(ctx, "payments", v1alpha1.ConditionServiceResolved, external)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionStalled, yes(v1alpha1.ReasonServiceExternalName))
		Expect(s.slices(ctx)).To(BeEmpty())

		edit(ctx, svc, func(svc *corev1.Service) {
			svc.Spec = corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(8080)}}}
		})
		s.expect(ctx, "payments", both)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
		Expect(s.condition(ctx, "payments", v1alpha1.ConditionStalled)).To(BeZero())
	})

	It("loses our slices when it gets a selector, and has them back without it", func(ctx SpecContext) {
		svc := s.service(ctx, "payments")
		s.backend(ctx, "payments", rack)
		s.expect(ctx, "payments", both)
		pods := s.foreignSlice(ctx, "payments", "payments-pods", "endpointslice-controller.k8s.io", "203.0.113.1")

		edit(ctx, svc, func(svc *corev1.Service) { svc.Spec.Selector = map[string]string{"app": "payments"} })
		selects := no(v1alpha1.ReasonServiceHasSelector, `"payments"`, "remove spec.selector")
		s.expectCondition(ctx, "payments", v1alpha1.ConditionServiceResolved, selects)
		s.expect(ctx, "payments", endpoints{"203.0.113.1": in})
		Eventually(s.events).WithContext(ctx).WithArguments("payments").Should(
			HaveKeyWithValue(v1alpha1.ReasonServiceHasSelector, ConsistOf(ContainSubstring(`"payments"`))))

		edit(ctx, svc, func(svc *corev1.Service) { svc.Spec.Selector = nil })
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.11": in, "203.0.113.1": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
		Expect(s.slices(ctx)).To(ContainElement(HaveField("ResourceVersion", pods.ResourceVersion)))
	})
})

var _ = Describe("Ports", func() {
	var s *scene
	BeforeEach(func(ctx SpecContext) {
		sharedOperator()
		s = newScene(ctx)
		s.host("192.0.2.10")
	})
	rack := entry("rack", "192.0.2.10")
	ports := func(list ...v1alpha1.BackendPort) func(*v1alpha1.ExternalBackend) {
		return func(eb *v1alpha1.ExternalBackend) { eb.Spec.Ports = list }
	}
	published := func(ctx SpecContext) map[string]int32 {
		found := map[string]int32{}
		for _, slice := range s.slicesOf(ctx, "payments") {
			for _, p := range slice.Ports {
				found[*p.Name+"/"+string(*p.Protocol)] = *p.Port
			}
		}
		return found
	}

	It("names a port that the Service does not have, and publishes the others", func(ctx SpecContext) {
		svc := s.service(ctx, "payments")
		s.backend(ctx, "payments", rack, ports(
			v1alpha1.BackendPort{Name: "http", Port: 8080}, v1alpha1.BackendPort{Name: "admin", Port: 9090}))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionServiceResolved, no(v1alpha1.ReasonPortNotFound, `"admin"`, `"payments"`))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionStalled, yes(v1alpha1.ReasonPortNotFound))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		Expect(published(ctx)).To(Equal(map[string]int32{"http/TCP": 8080}))

		edit(ctx, svc, func(svc *corev1.Service) {
			svc.Spec.Ports = append(svc.Spec.Ports, corev1.ServicePort{Name: "admin", Port: 90})
		})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
		Eventually(published).WithContext(ctx).Should(Equal(map[string]int32{"http/TCP": 8080, "admin/TCP": 9090}))
	})

	It("names a targetPort that is a name, until spec.ports resolves it", func(ctx SpecContext) {
		s.service(ctx, "payments", func(svc *corev1.Service) {
			svc.Spec.Ports = append(svc.Spec.Ports, corev1.ServicePort{Name: "grpc", Port: 81, TargetPort: intstr.FromString("grpc-port")})
		})
		eb := s.backend(ctx, "payments", rack)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionServiceResolved,
			no(v1alpha1.ReasonTargetPortNamed, `"grpc"`, `"grpc-port"`, "spec.ports"))
		Eventually(published).WithContext(ctx).Should(Equal(map[string]int32{"http/TCP": 8080}))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})

		edit(ctx, eb, ports(v1alpha1.BackendPort{Name: "http", Port: 8080}, v1alpha1.BackendPort{Name: "grpc", Port: 8081}))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
		Eventually(published).WithContext(ctx).Should(Equal(map[string]int32{"http/TCP": 8080, "grpc/TCP": 8081}))
	})

	It("names a check port that is not published, and goes on with the checks before", func(ctx SpecContext) {
		host := s.host("192.0.2.10")
		s.service(ctx, "payments")
		eb := s.backend(ctx, "payments", rack)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})

		port := func(name string) func(*v1alpha1.ExternalBackend) {
			return func(eb *v1alpha1.ExternalBackend) { eb.Spec.HealthCheck.Checks[0].Port = new(intstr.FromString(name)) }
		}
		mark := audit.mark()
		edit(ctx, eb, port("admin"))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionAccepted, no(v1alpha1.ReasonCheckPortNotFound, `"admin"`))
		Expect(s.writes(mark)).To(BeEmpty())
		host.Set(targets.Refuse)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": out})

		edit(ctx, eb, port("http"))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionAccepted, yes(v1alpha1.ReasonAccepted))
		host.Set(targets.Serve)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
	})

	It("keeps what is published, and true, while the Service has no port for it", func(ctx SpecContext) {
		host := s.host("192.0.2.10")
		svc := s.service(ctx, "payments")
		s.backend(ctx, "payments", rack, ports(v1alpha1.BackendPort{Name: "http", Port: 8080}))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})

		mark := audit.mark()
		edit(ctx, svc, func(svc *corev1.Service) { svc.Spec.Ports[0].Name = "web" })
		s.expectCondition(ctx, "payments", v1alpha1.ConditionServiceResolved, no(v1alpha1.ReasonPortNotFound, `"http"`, `"web"`))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionPublished, no(v1alpha1.ReasonNotPublishable))
		Expect(s.writes(mark)).To(BeEmpty())
		host.Set(targets.Refuse)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": out})
		Expect(published(ctx)).To(Equal(map[string]int32{"http/TCP": 8080}))

		edit(ctx, svc, func(svc *corev1.Service) { svc.Spec.Ports[0].Name = "http" })
		host.Set(targets.Serve)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
	})

	It("changes them in place when those of the Service change", func(ctx SpecContext) {
		svc := s.service(ctx, "payments")
		s.backend(ctx, "payments", rack, check(v1alpha1.Check{
			Name: "http", Port: new(intstr.FromInt32(8080)), HTTP: &v1alpha1.HTTPCheck{},
		}))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		slice := s.slicesOf(ctx, "payments")[0]
		mark := audit.mark()

		edit(ctx, svc, func(svc *corev1.Service) {
			svc.Spec.Ports[0].TargetPort = intstr.FromInt32(9090)
			svc.Spec.Ports[0].AppProtocol = new("https")
		})
		Eventually(published).WithContext(ctx).Should(Equal(map[string]int32{"http/TCP": 9090}))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		now := s.slicesOf(ctx, "payments")[0]
		Expect(now.UID).To(Equal(slice.UID))
		Expect(now.Ports[0].AppProtocol).To(HaveValue(Equal("https")))
		Eventually(s.writes).WithArguments(mark).Should(ConsistOf("update " + slice.Name))
	})

	It("removes the slices of a family that the Service loses, and names its addresses", func(ctx SpecContext) {
		s.host("2001:db8::10")
		svc := s.service(ctx, "payments")
		s.backend(ctx, "payments", entry("rack", "192.0.2.10", "2001:db8::10"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "2001:db8::10": in})
		v4 := s.slicesOf(ctx, "payments")[0]

		edit(ctx, svc, func(svc *corev1.Service) {
			svc.Spec.IPFamilyPolicy = new(corev1.IPFamilyPolicySingleStack)
			svc.Spec.IPFamilies, svc.Spec.ClusterIPs = svc.Spec.IPFamilies[:1], svc.Spec.ClusterIPs[:1]
		})
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionTargetsResolved, yes(v1alpha1.ReasonFamilyNotServed, "2001:db8::10", "IPv6"))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, says(metav1.ConditionTrue, v1alpha1.ReasonReady))
		Expect(s.slicesOf(ctx, "payments")).To(ConsistOf(And(
			HaveField("AddressType", discoveryv1.AddressTypeIPv4), HaveField("ResourceVersion", v4.ResourceVersion))))

		edit(ctx, svc, func(svc *corev1.Service) { svc.Spec.IPFamilyPolicy = new(corev1.IPFamilyPolicyRequireDualStack) })
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "2001:db8::10": in})
	})
})
