// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	discoveryv1 "k8s.io/api/discovery/v1"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/targets"
)

var _ = Describe("A restarted operator", func() {
	var s *scene
	var o *operator
	restart := func() {
		GinkgoHelper()
		o.stop()
		o = ownOperator(operatorOptions{})
	}
	// thresholds are higher here, to tell them from a single result.
	thresholds := func(eb *v1alpha1.ExternalBackend) {
		eb.Spec.HealthCheck.HealthyThreshold, eb.Spec.HealthCheck.UnhealthyThreshold = 2, 3
	}
	// rounds waits until hosts were checked so many times more.
	rounds := func(n int, hosts ...*targets.Host) {
		GinkgoHelper()
		before := attempts(hosts)
		for i, host := range hosts {
			Eventually(host.Attempts).Should(BeNumerically(">=", before[i]+n))
		}
	}
	BeforeEach(func(ctx SpecContext) {
		s = newScene(ctx)
		o = ownOperator(operatorOptions{})
	})

	It("takes the first of two slices at its word that have the same address, which was moving", func(ctx SpecContext) {
		s.host("192.0.2.10").Set(targets.Refuse)
		s.host("192.0.2.11")
		s.service(ctx, "payments")
		s.backend(ctx, "payments", entry("rack", "192.0.2.10", "192.0.2.11"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": out, "192.0.2.11": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, no(v1alpha1.ReasonSomeUnhealthy))
		o.stop()
		first := s.slicesOf(ctx, "payments")[0]
		second := &discoveryv1.EndpointSlice{ObjectMeta: objectMeta(&first), AddressType: first.AddressType, Ports: first.Ports}
		second.Name = strings.TrimSuffix(first.Name, "0") + "1"
		for _, e := range first.DeepCopy().Endpoints {
			if e.Addresses[0] == "192.0.2.10" {
				e.Conditions.Ready, e.Conditions.Serving = new(true), new(true)
				second.Endpoints = append(second.Endpoints, e)
			}
		}
		Expect(admin.Create(ctx, second)).To(Succeed())
		restart()
		s.expect(ctx, "payments", endpoints{"192.0.2.10": out, "192.0.2.11": in})
		Expect(s.versions(ctx)).To(Equal(map[string]string{first.Name: first.ResourceVersion}))
	})

	It("writes nothing when nothing has changed", func(ctx SpecContext) {
		host, dead := s.host("192.0.2.10"), s.host("192.0.2.11")
		s.host("2001:db8::10")
		dead.Set(targets.Refuse)
		s.service(ctx, "payments")
		s.backend(ctx, "payments", thresholds, entry("rack", "192.0.2.10", "192.0.2.11"), entry("six", "2001:db8::10"))
		s.backend(ctx, "spare", of("payments"), none, entry("rack", "192.0.2.11", "192.0.2.12"))
		published := endpoints{"192.0.2.10": in, "192.0.2.11": out, "2001:db8::10": in, "192.0.2.12": in}
		s.expect(ctx, "payments", published)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, no(v1alpha1.ReasonSomeUnhealthy))
		Eventually(s.statusOf).WithContext(ctx).WithArguments("payments").Should(
			HaveField("Targets", v1alpha1.TargetCounts{Total: 3, Healthy: 2, Unhealthy: 1}))
		versions, status := s.versions(ctx), s.statusOf(ctx, "payments")

		o.stop()
		mark := audit.mark()
		restart()
		rounds(4, host, dead)
		Expect(s.versions(ctx)).To(Equal(versions))
		Expect(s.writes(mark)).To(BeEmpty())
		Expect(s.statusOf(ctx, "payments")).To(Equal(status))
	})

	DescribeTable("changes published readiness only after full thresholds of fresh checks",
		func(ctx SpecContext, failure targets.Behaviour) {
			dying, reviving := s.host("192.0.2.10"), s.host("192.0.2.11")
			reviving.Set(targets.Refuse)
			s.service(ctx, "payments")
			s.backend(ctx, "payments", thresholds, entry("rack", "192.0.2.10", "192.0.2.11"))
			s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.11": out})
			s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, no(v1alpha1.ReasonSomeUnhealthy))

			o.stop()
			dying.Set(failure)
			reviving.Set(targets.Serve)
			seen, failed, passed := s.watch(ctx), dying.Attempts(), reviving.Attempts()
			restart()
			Eventually(s.endpointsOf).WithContext(ctx).WithArguments("payments").Should(HaveKeyWithValue("192.0.2.11", in))
			Expect(reviving.Attempts()-passed).To(BeNumerically(">=", 2), "checks before it was admitted")
			Eventually(s.endpointsOf).WithContext(ctx).WithArguments("payments").Should(HaveKeyWithValue("192.0.2.10", out))
			Expect(dying.Attempts()-failed).To(BeNumerically(">=", 3), "checks before it was withdrawn")
			Eventually(seen.all).Should(HaveLen(2), "one write a flip")
			Expect(s.endpointsOf(ctx, "payments")).To(Equal(endpoints{"192.0.2.10": out, "192.0.2.11": in}))
		},
		Entry("of a target that refuses", targets.Refuse),
		Entry("of a target that hangs", targets.Hang),
	)

	It("drops exactly the entries that were removed meanwhile, in one write", func(ctx SpecContext) {
		host := s.host("192.0.2.10")
		s.host("192.0.2.11")
		s.host("192.0.2.20")
		s.host("2001:db8::10")
		s.service(ctx, "payments")
		eb := s.backend(ctx, "payments", entry("rack", "192.0.2.10", "192.0.2.11", "2001:db8::10"), entry("cage", "192.0.2.20"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.11": in, "192.0.2.20": in, "2001:db8::10": in})
		o.stop()

		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) { eb.Spec.Targets = eb.Spec.Targets[:1] })
		seen := s.watch(ctx)
		host.Set(targets.Hang) // nothing that is known now speaks against it
		restart()
		left := endpoints{"192.0.2.10": in, "192.0.2.11": in, "2001:db8::10": in}
		s.expect(ctx, "payments", left)
		Eventually(seen.all).ShouldNot(BeEmpty())
		Eventually(s.statusOf).WithContext(ctx).WithArguments("payments").Should(HaveField("ObservedGeneration", eb.Generation))
		Expect(seen.all()).To(HaveExactElements(HaveField("Endpoints", endpoints{"192.0.2.10": in, "192.0.2.11": in})))
	})

	It("finds slices that lost their label meanwhile", func(ctx SpecContext) {
		want, last := s.roomy(ctx, "payments")
		o.stop()
		edit(ctx, last.DeepCopy(), func(e *discoveryv1.EndpointSlice) { delete(e.Labels, discoveryv1.LabelManagedBy) })
		restart()
		Eventually(s.ours).WithContext(ctx).Should(ContainElement(last.Name))
		s.expect(ctx, "payments", want)
		Expect(s.slicesOf(ctx, "payments")).To(HaveLen(2))
	})

	It("deletes what belongs to an ExternalBackend that was deleted meanwhile", func(ctx SpecContext) {
		s.host("192.0.2.10")
		s.service(ctx, "payments")
		eb := s.backend(ctx, "payments", entry("rack", "192.0.2.10"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		o.stop()
		Expect(admin.Delete(ctx, eb)).To(Succeed())
		restart()
		Eventually(s.slices).WithContext(ctx).Should(BeEmpty())
	})

	It("keeps what is published while the Service is missing", func(ctx SpecContext) {
		s.host("192.0.2.10")
		svc := s.service(ctx, "payments")
		s.backend(ctx, "payments", entry("rack", "192.0.2.10"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		o.stop()
		Expect(admin.Delete(ctx, svc)).To(Succeed())
		seen := s.watch(ctx)
		restart()
		s.expectCondition(ctx, "payments", v1alpha1.ConditionServiceResolved, no(v1alpha1.ReasonServiceNotFound))
		s.service(ctx, "payments")
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
		Eventually(seen.all).Should(HaveExactElements(HaveField("Endpoints", endpoints{"192.0.2.10": in})))
	})

	DescribeTable("converges after it was killed between a verdict and its publication",
		func(ctx SpecContext, cut func(*gate, string), writes int) {
			host := s.host("192.0.2.10")
			s.host("192.0.2.11")
			s.service(ctx, "payments")
			s.backend(ctx, "payments", entry("rack", "192.0.2.10", "192.0.2.11"))
			s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.11": in})
			s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, yes(v1alpha1.ReasonAllHealthy))

			cut(o.requests, s.slicePath())
			host.Set(targets.Refuse)
			Eventually(o.requests.heldUp).Should(Equal(1))
			if writes == 0 { // the one that is held up has got through
				s.expect(ctx, "payments", endpoints{"192.0.2.10": out, "192.0.2.11": in})
			}
			seen := s.watch(ctx)
			restart()
			s.expect(ctx, "payments", endpoints{"192.0.2.10": out, "192.0.2.11": in})
			s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, no(v1alpha1.ReasonSomeUnhealthy))
			rounds(3, host)
			Expect(seen.all()).To(HaveLen(writes))
		},
		Entry("before the write arrived", (*gate).holdWrites, 1),
		Entry("before the answer came back", (*gate).loseAnswers, 0),
	)
})
