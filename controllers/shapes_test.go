// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/targets"
)

// hostnamesOf returns the hostname of each address; empty if it has none.
func (s *scene) hostnamesOf(ctx context.Context, service string) map[string]string {
	found := map[string]string{}
	for _, slice := range s.slicesOf(ctx, service) {
		for _, e := range slice.Endpoints {
			found[e.Addresses[0]] = ""
			if e.Hostname != nil {
				found[e.Addresses[0]] = *e.Hostname
			}
		}
	}
	return found
}

// portsOf returns the ports of each address by their names.
func (s *scene) portsOf(ctx context.Context, service string) map[string]map[string]int32 {
	found := map[string]map[string]int32{}
	for _, slice := range s.slicesOf(ctx, service) {
		ports := map[string]int32{}
		for _, p := range slice.Ports {
			ports[*p.Name] = *p.Port
		}
		for address := range endpointsIn(slice) {
			found[address] = ports
		}
	}
	return found
}

var _ = Describe("A Service", func() {
	var s *scene
	both := endpoints{"192.0.2.10": in, "2001:db8::10": in}
	rack, cage := entry("rack", "192.0.2.10"), entry("cage", "2001:db8::10")
	unnamed := map[string]string{"192.0.2.10": "", "2001:db8::10": ""}
	named := map[string]string{"192.0.2.10": "rack", "2001:db8::10": "cage"}
	headless := func(svc *corev1.Service) { svc.Spec.ClusterIP = corev1.ClusterIPNone }
	BeforeEach(func(ctx SpecContext) {
		sharedOperator()
		s = newScene(ctx)
		s.host("192.0.2.10")
		s.host("2001:db8::10")
	})

	DescribeTable("is served whatever its type", func(ctx SpecContext, shape func(*corev1.Service), hostnames map[string]string) {
		s.service(ctx, "payments", shape)
		s.backend(ctx, "payments", rack, cage)
		s.expect(ctx, "payments", both)
		Expect(s.hostnamesOf(ctx, "payments")).To(Equal(hostnames))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionServiceResolved, yes(v1alpha1.ReasonServiceResolved))
		s.host("192.0.2.10").Set(targets.Refuse)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": out, "2001:db8::10": in})
	},
		Entry("ClusterIP", func(svc *corev1.Service) { svc.Spec.Type = corev1.ServiceTypeClusterIP }, unnamed),
		Entry("NodePort", func(svc *corev1.Service) { svc.Spec.Type = corev1.ServiceTypeNodePort }, unnamed),
		Entry("LoadBalancer", func(svc *corev1.Service) { svc.Spec.Type = corev1.ServiceTypeLoadBalancer }, unnamed),
		Entry("headless", headless, named),
	)

	It("that is no longer headless loses hostnames and label, without a gap", func(ctx SpecContext) {
		svc := s.service(ctx, "payments", headless)
		s.backend(ctx, "payments", rack, cage)
		s.expect(ctx, "payments", both)
		seen := s.watch(ctx)
		Expect(admin.Delete(ctx, svc)).To(Succeed())
		s.service(ctx, "payments")
		Eventually(s.hostnamesOf).WithContext(ctx).WithArguments("payments").Should(Equal(unnamed))
		Expect(s.slicesOf(ctx, "payments")).To(HaveEach(HaveField("Labels", Not(HaveKey("service.kubernetes.io/headless")))))
		Expect(seen.gaps("payments", "192.0.2.10", "2001:db8::10")).To(BeEmpty())
	})

	It("that is made anew as a headless one gets hostnames and label, without a gap", func(ctx SpecContext) {
		svc := s.service(ctx, "payments")
		s.backend(ctx, "payments", rack, cage)
		s.expect(ctx, "payments", both)
		seen := s.watch(ctx)
		Expect(admin.Delete(ctx, svc)).To(Succeed())
		s.service(ctx, "payments", headless)
		Eventually(s.hostnamesOf).WithContext(ctx).WithArguments("payments").Should(Equal(named))
		Expect(s.slicesOf(ctx, "payments")).To(HaveEach(HaveField("Labels", HaveKey("service.kubernetes.io/headless"))))
		Expect(seen.gaps("payments", "192.0.2.10", "2001:db8::10")).To(BeEmpty())
	})

	It("that is headless and has no ports is served without, and with some once it has, without a gap", func(ctx SpecContext) {
		svc := s.service(ctx, "payments", headless, func(svc *corev1.Service) { svc.Spec.Ports = nil })
		s.backend(ctx, "payments", rack, cage, check(v1alpha1.Check{Name: "http", Port: new(intstr.FromInt32(8080)), HTTP: &v1alpha1.HTTPCheck{}}))
		s.expect(ctx, "payments", both)
		Expect(s.slicesOf(ctx, "payments")).To(HaveEach(HaveField("Ports", BeEmpty())))
		seen := s.watch(ctx)
		edit(ctx, svc, func(svc *corev1.Service) {
			svc.Spec.Ports = []corev1.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromInt32(8080)}}
		})
		http := map[string]int32{"http": 8080}
		Eventually(s.portsOf).WithContext(ctx).WithArguments("payments").Should(Equal(
			map[string]map[string]int32{"192.0.2.10": http, "2001:db8::10": http}))
		s.expect(ctx, "payments", both)
		Expect(seen.gaps("payments", "192.0.2.10", "2001:db8::10")).To(BeEmpty())
	})

	It("that gets a second family gets the addresses of it, and keeps those of the first as they are", func(ctx SpecContext) {
		svc := s.service(ctx, "payments", func(svc *corev1.Service) {
			svc.Spec.IPFamilyPolicy, svc.Spec.IPFamilies = new(corev1.IPFamilyPolicySingleStack), []corev1.IPFamily{corev1.IPv4Protocol}
		})
		s.backend(ctx, "payments", rack, cage)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionTargetsResolved, no(v1alpha1.ReasonNoAddresses, `"cage"`))
		v4 := s.slicesOf(ctx, "payments")[0]
		edit(ctx, svc, func(svc *corev1.Service) { svc.Spec.IPFamilyPolicy = new(corev1.IPFamilyPolicyRequireDualStack) })
		s.expect(ctx, "payments", both)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionTargetsResolved, yes(v1alpha1.ReasonTargetsResolved))
		Expect(s.slicesOf(ctx, "payments")).To(ContainElement(And(HaveField("UID", v4.UID), HaveField("ResourceVersion", v4.ResourceVersion))))
	})

	It("that begins to publish addresses which are not ready does so in place, and ends it", func(ctx SpecContext) {
		svc := s.service(ctx, "payments", headless)
		s.backend(ctx, "payments", rack, cage)
		s.host("192.0.2.10").Set(targets.Refuse)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": out, "2001:db8::10": in})
		slices := s.slicesOf(ctx, "payments")
		edit(ctx, svc, func(svc *corev1.Service) { svc.Spec.PublishNotReadyAddresses = true })
		s.expect(ctx, "payments", endpoints{"192.0.2.10": "t,f,f", "2001:db8::10": in})
		edit(ctx, svc, func(svc *corev1.Service) { svc.Spec.PublishNotReadyAddresses = false })
		s.expect(ctx, "payments", endpoints{"192.0.2.10": out, "2001:db8::10": in})
		Expect(s.slicesOf(ctx, "payments")).To(HaveExactElements(HaveField("UID", slices[0].UID), HaveField("UID", slices[1].UID)))
	})

	It("that becomes an ExternalName loses its slices, and has them back when that ends", func(ctx SpecContext) {
		svc := s.service(ctx, "payments")
		s.backend(ctx, "payments", rack, cage)
		s.expect(ctx, "payments", both)
		edit(ctx, svc, func(svc *corev1.Service) {
			svc.Spec = corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "pay.example.com"}
		})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionServiceResolved, no(v1alpha1.ReasonServiceExternalName))
		Eventually(s.slices).WithContext(ctx).Should(BeEmpty())

		seen := s.watch(ctx)
		edit(ctx, svc, func(svc *corev1.Service) {
			svc.Spec = corev1.ServiceSpec{
				IPFamilyPolicy: new(corev1.IPFamilyPolicyRequireDualStack),
				Ports:          []corev1.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromInt32(8080)}},
			}
		})
		s.expect(ctx, "payments", both)
		Expect(seen.unready()).To(BeEmpty(), "the health was known all the while")
	})

	DescribeTable("with a traffic policy that keeps traffic on the node is warned of",
		func(ctx SpecContext, set func(*corev1.Service), field string, reset func(*corev1.Service)) {
			svc := s.service(ctx, "payments", set)
			s.backend(ctx, "payments", rack, cage)
			s.expect(ctx, "payments", both)
			s.expectCondition(ctx, "payments", v1alpha1.ConditionServiceResolved, yes(v1alpha1.ReasonTrafficPolicyLocal, field))
			s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
			Eventually(s.warnings).WithContext(ctx).WithArguments("payments").Should(
				HaveKeyWithValue(v1alpha1.ReasonTrafficPolicyLocal, ConsistOf(ContainSubstring(field))))
			edit(ctx, svc, reset)
			s.expectCondition(ctx, "payments", v1alpha1.ConditionServiceResolved, yes(v1alpha1.ReasonServiceResolved))
		},
		Entry("from inside", func(svc *corev1.Service) {
			svc.Spec.InternalTrafficPolicy = new(corev1.ServiceInternalTrafficPolicyLocal)
		}, "internalTrafficPolicy", func(svc *corev1.Service) {
			svc.Spec.InternalTrafficPolicy = new(corev1.ServiceInternalTrafficPolicyCluster)
		}),
		Entry("from outside", func(svc *corev1.Service) {
			svc.Spec.Type, svc.Spec.ExternalTrafficPolicy = corev1.ServiceTypeNodePort, corev1.ServiceExternalTrafficPolicyLocal
		}, "externalTrafficPolicy", func(svc *corev1.Service) {
			svc.Spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyCluster
		}),
	)

	It("has the addresses of entries with ports of their own in slices of their own, without a gap", func(ctx SpecContext) {
		atPort := check(v1alpha1.Check{Name: "http", Port: new(intstr.FromInt32(8080)), HTTP: &v1alpha1.HTTPCheck{}})
		s.host("192.0.2.11")
		s.service(ctx, "payments", func(svc *corev1.Service) {
			svc.Spec.Ports = append(svc.Spec.Ports, corev1.ServicePort{Name: "admin", Port: 81, TargetPort: intstr.FromInt32(8081)})
		})
		eb := s.backend(ctx, "payments", entry("rack", "192.0.2.10"), entry("cage", "192.0.2.11"), atPort)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.11": in})
		Expect(s.slicesOf(ctx, "payments")).To(HaveLen(1))
		seen := s.watch(ctx)
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) {
			eb.Spec.Targets[1].Ports = []v1alpha1.TargetPort{{Name: "http", Port: 9090}}
		})
		usual, own := map[string]int32{"http": 8080, "admin": 8081}, map[string]int32{"http": 9090, "admin": 8081}
		Eventually(s.portsOf).WithContext(ctx).WithArguments("payments").Should(Equal(
			map[string]map[string]int32{"192.0.2.10": usual, "192.0.2.11": own}))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.11": in})

		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) { eb.Spec.Targets[1].Ports = nil })
		Eventually(s.portsOf).WithContext(ctx).WithArguments("payments").Should(Equal(
			map[string]map[string]int32{"192.0.2.10": usual, "192.0.2.11": usual}))
		Expect(seen.gaps("payments", "192.0.2.10", "192.0.2.11")).To(BeEmpty())
	})

	It("with a targetPort that is a name is resolved by the ports of the entries", func(ctx SpecContext) {
		s.service(ctx, "payments", func(svc *corev1.Service) {
			svc.Spec.Ports = append(svc.Spec.Ports, corev1.ServicePort{Name: "grpc", Port: 81, TargetPort: intstr.FromString("grpc-port")})
		})
		eb := s.backend(ctx, "payments", rack, cage, check(v1alpha1.Check{Name: "http", Port: new(intstr.FromInt32(8080)), HTTP: &v1alpha1.HTTPCheck{}}))
		grpc := func(entry int, port int32) {
			edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) {
				eb.Spec.Targets[entry].Ports = []v1alpha1.TargetPort{{Name: "grpc", Port: port}}
			})
		}
		grpc(0, 8081)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionServiceResolved, no(v1alpha1.ReasonTargetPortNamed, `"grpc"`))
		Eventually(s.portsOf).WithContext(ctx).WithArguments("payments").Should(Equal(map[string]map[string]int32{
			"192.0.2.10": {"http": 8080, "grpc": 8081}, "2001:db8::10": {"http": 8080},
		}))
		grpc(1, 8082)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
		Eventually(s.portsOf).WithContext(ctx).WithArguments("payments").Should(Equal(map[string]map[string]int32{
			"192.0.2.10": {"http": 8080, "grpc": 8081}, "2001:db8::10": {"http": 8080, "grpc": 8082},
		}))
		s.expect(ctx, "payments", both)
	})
})
