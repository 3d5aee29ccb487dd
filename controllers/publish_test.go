// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/targets"
)

var _ = Describe("From apply to published", func() {
	var s *scene
	BeforeEach(func(ctx SpecContext) {
		sharedOperator()
		s = newScene(ctx)
	})

	It("writes complete slices of both families, unready until a check has passed", func(ctx SpecContext) {
		v4, v6 := s.host("192.0.2.10"), s.host("2001:db8::10")
		v4.Set(targets.Hang)
		v6.Set(targets.Hang)
		svc := s.service(ctx, "payments", func(svc *corev1.Service) {
			svc.Labels = map[string]string{"team": "shop"}
			svc.Annotations = map[string]string{"note": "not mirrored"}
			svc.Spec.Ports = []corev1.ServicePort{
				{Name: "http", Port: 80, TargetPort: intstr.FromInt32(8080), AppProtocol: new("kubernetes.io/h2c")},
				{Name: "dns", Port: 53, Protocol: corev1.ProtocolUDP},
			}
		})
		eb := s.backend(ctx, "payments", entry("rack", "192.0.2.10", "2001:db8::10"), func(eb *v1alpha1.ExternalBackend) {
			eb.Spec.HealthCheck.UnhealthyThreshold = 10 // no verdict for the time being
		})

		s.expect(ctx, "payments", endpoints{"192.0.2.10": out, "2001:db8::10": out})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, says(metav1.ConditionUnknown, v1alpha1.ReasonChecksPending))
		v4.Set(targets.Serve)
		v6.Set(targets.Serve)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "2001:db8::10": in})

		slices := s.slicesOf(ctx, "payments")
		Expect(slices).To(HaveLen(2))
		for i, family := range []discoveryv1.AddressType{discoveryv1.AddressTypeIPv4, discoveryv1.AddressTypeIPv6} {
			Expect(slices[i].AddressType).To(Equal(family))
			Expect(slices[i].Name).To(HavePrefix("payments-" + string(eb.UID)[:8]))
			Expect(slices[i].Labels).To(Equal(map[string]string{
				"kubernetes.io/service-name":             "payments",
				"endpointslice.kubernetes.io/managed-by": "controller.externalbackend.dev",
				"team":                                   "shop",
			}))
			Expect(slices[i].Annotations).To(And(HaveLen(2),
				HaveKeyWithValue("externalbackend.dev/service-uid", string(svc.UID)),
				HaveKeyWithValue("endpoints.kubernetes.io/last-change-trigger-time", WithTransform(parseTime, BeTemporally(">", eb.CreationTimestamp.Time)))))
			Expect(slices[i].OwnerReferences).To(Equal([]metav1.OwnerReference{{
				APIVersion: "externalbackend.dev/v1alpha1", Kind: "ExternalBackend",
				Name: "payments", UID: eb.UID, Controller: new(true),
			}}))
			Expect(slices[i].Ports).To(Equal([]discoveryv1.EndpointPort{
				{Name: new("http"), Port: new(int32(8080)), Protocol: new(corev1.ProtocolTCP), AppProtocol: new("kubernetes.io/h2c")},
				{Name: new("dns"), Port: new(int32(53)), Protocol: new(corev1.ProtocolUDP)},
			}))
			Expect(slices[i].Endpoints).To(HaveLen(1))
			Expect(slices[i].Endpoints[0].TargetRef).To(Equal(&corev1.ObjectReference{
				APIVersion: "externalbackend.dev/v1alpha1", Kind: "ExternalBackend",
				Namespace: s.namespace, Name: "payments", UID: eb.UID, FieldPath: "spec.targets{rack}",
			}))
		}
	})

	It("reports conditions, counts, sources and events", func(ctx SpecContext) {
		s.host("192.0.2.10")
		s.host("192.0.2.11").Set(targets.Refuse)
		svc := s.service(ctx, "payments")
		eb := s.backend(ctx, "payments", entry("rack", "192.0.2.10", "192.0.2.11"))

		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, no(v1alpha1.ReasonSomeUnhealthy, "1 of 2"))
		for kind, reason := range map[string]string{
			v1alpha1.ConditionAccepted:        v1alpha1.ReasonAccepted,
			v1alpha1.ConditionServiceResolved: v1alpha1.ReasonServiceResolved,
			v1alpha1.ConditionTargetsResolved: v1alpha1.ReasonTargetsResolved,
			v1alpha1.ConditionPublished:       v1alpha1.ReasonPublished,
			v1alpha1.ConditionReady:           v1alpha1.ReasonReady,
		} {
			s.expectCondition(ctx, "payments", kind, yes(reason))
		}
		Eventually(s.statusOf).WithContext(ctx).WithArguments("payments").Should(And(
			HaveField("ObservedGeneration", eb.Generation),
			HaveField("Conditions", HaveLen(6)),
			HaveField("Service", HaveValue(Equal(v1alpha1.ServiceStatus{Name: "payments", UID: svc.UID}))),
			HaveField("Targets", v1alpha1.TargetCounts{Total: 2, Healthy: 1, Unhealthy: 1}),
			HaveField("Sources", []v1alpha1.SourceStatus{{Target: "rack", Addresses: 2}}),
			HaveField("Unhealthy", ConsistOf(And(
				HaveField("Address", "192.0.2.11"), HaveField("Target", "rack"), HaveField("Reason", "ConnectionRefused"),
			))),
		))
		Eventually(s.events).WithContext(ctx).WithArguments("payments").Should(And(
			HaveKeyWithValue(v1alpha1.ReasonPublished, ConsistOf("the EndpointSlices are up to date")),
			HaveKeyWithValue(v1alpha1.ReasonSomeUnhealthy, ConsistOf(ContainSubstring("1 of 2"))),
		))
	})

	It("marks the slices of a headless Service, and mirrors labels that change", func(ctx SpecContext) {
		s.host("192.0.2.10")
		svc := s.service(ctx, "payments", func(svc *corev1.Service) {
			svc.Spec.ClusterIP = corev1.ClusterIPNone
			svc.Labels = map[string]string{"team": "shop", "tier": "gold"}
		})
		s.backend(ctx, "payments", entry("rack", "192.0.2.10"))
		labels := func(ctx SpecContext) map[string]string {
			if slices := s.slicesOf(ctx, "payments"); len(slices) == 1 {
				return slices[0].Labels
			}
			return nil
		}
		Eventually(labels).WithContext(ctx).Should(And(
			HaveKeyWithValue("service.kubernetes.io/headless", ""), HaveKeyWithValue("tier", "gold")))
		edit(ctx, svc, func(svc *corev1.Service) { svc.Labels = map[string]string{"team": "bank"} })
		Eventually(labels).WithContext(ctx).Should(And(
			HaveKeyWithValue("team", "bank"), Not(HaveKey("tier")), HaveKey("service.kubernetes.io/headless")))
	})

	It("publishes a headless Service without ports", func(ctx SpecContext) {
		s.service(ctx, "payments", func(svc *corev1.Service) {
			svc.Spec.ClusterIP, svc.Spec.Ports = corev1.ClusterIPNone, nil
		})
		s.host("192.0.2.10")
		s.backend(ctx, "payments", entry("rack", "192.0.2.10"), check(v1alpha1.Check{
			Name: "tcp", Port: new(intstr.FromInt32(8080)), TCP: &v1alpha1.TCPCheck{},
		}))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		Expect(s.slicesOf(ctx, "payments")[0].Ports).To(BeEmpty())
	})

	It("publishes unready addresses as ready where the Service wants that, and tells the truth in serving", func(ctx SpecContext) {
		host := s.host("192.0.2.10")
		host.Set(targets.Refuse)
		s.service(ctx, "payments", func(svc *corev1.Service) { svc.Spec.PublishNotReadyAddresses = true })
		s.backend(ctx, "payments", entry("rack", "192.0.2.10"))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, no(v1alpha1.ReasonNoneHealthy))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": "t,f,f"})
		host.Set(targets.Serve)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, yes(v1alpha1.ReasonAllHealthy))
	})

	It("lets addresses serve before their first check with initialState Healthy", func(ctx SpecContext) {
		host := s.host("192.0.2.10")
		host.Set(targets.Vanish)
		s.service(ctx, "payments")
		s.backend(ctx, "payments", entry("rack", "192.0.2.10"), func(eb *v1alpha1.ExternalBackend) {
			eb.Spec.HealthCheck.InitialState = v1alpha1.InitialStateHealthy
		})
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		s.expect(ctx, "payments", endpoints{"192.0.2.10": out})
	})

	It("checks nothing with a check of kind none", func(ctx SpecContext) {
		host := s.host("192.0.2.10")
		s.service(ctx, "payments")
		s.backend(ctx, "payments", entry("rack", "192.0.2.10"), none)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, yes(v1alpha1.ReasonAllHealthy))
		Eventually(s.events).WithContext(ctx).WithArguments("payments").Should(HaveKeyWithValue(v1alpha1.ReasonPublished, HaveLen(1)))
		Consistently(host.Attempts).Should(BeZero())
	})

	It("verifies certificates of targets that are checked over HTTPS", func(ctx SpecContext) {
		_, certificate, err := network.SecureHost("192.0.2.10:8080", "pay.example.com")
		Expect(err).NotTo(HaveOccurred())
		s.host("192.0.2.10") // so that it goes with the spec
		s.service(ctx, "payments")
		trusting := func(tls *v1alpha1.CheckTLS) func(*v1alpha1.ExternalBackend) {
			return check(v1alpha1.Check{Name: "https", HTTP: &v1alpha1.HTTPCheck{}, TLS: tls})
		}
		eb := s.backend(ctx, "payments", entry("rack", "192.0.2.10"), trusting(&v1alpha1.CheckTLS{ServerName: "pay.example.com"}))
		reason := func(ctx SpecContext) string {
			if list := s.statusOf(ctx, "payments").Unhealthy; len(list) == 1 {
				return list[0].Reason
			}
			return ""
		}
		Eventually(reason).WithContext(ctx).Should(Equal("CertificateUntrusted"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": out})

		edit(ctx, eb, trusting(&v1alpha1.CheckTLS{ServerName: "pay.example.com", CABundle: certificate}))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		edit(ctx, eb, trusting(&v1alpha1.CheckTLS{ServerName: "www.example.com", CABundle: certificate}))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": out})
		Eventually(reason).WithContext(ctx).Should(Equal("CertificateNameMismatch"))
		edit(ctx, eb, trusting(&v1alpha1.CheckTLS{InsecureSkipVerify: true}))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
	})
})

func parseTime(text string) (time.Time, error) { return time.Parse(time.RFC3339Nano, text) }
