// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"maps"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/targets"
)

var _ = Describe("A target that dies and comes back", func() {
	var s *scene
	BeforeEach(func(ctx SpecContext) {
		sharedOperator()
		s = newScene(ctx)
	})

	DescribeTable("is withdrawn and admitted again with one write each",
		func(ctx SpecContext, failure targets.Behaviour, reason string) {
			host := s.host("192.0.2.10")
			s.host("192.0.2.11")
			s.host("2001:db8::10")
			s.service(ctx, "payments")
			s.backend(ctx, "payments", entry("rack", "192.0.2.10", "192.0.2.11", "2001:db8::10"))
			healthy := endpoints{"192.0.2.10": in, "192.0.2.11": in, "2001:db8::10": in}
			s.expect(ctx, "payments", healthy)
			slice := s.slicesOf(ctx, "payments")[0]
			Expect(endpointsIn(slice)).To(HaveKey("192.0.2.10"))
			s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, yes(v1alpha1.ReasonAllHealthy))

			mark := audit.mark()
			host.Set(failure)
			dead := maps.Clone(healthy)
			dead["192.0.2.10"] = out
			s.expect(ctx, "payments", dead)
			s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, no(v1alpha1.ReasonSomeUnhealthy, "2 of 3"))
			Eventually(s.statusOf).WithContext(ctx).WithArguments("payments").Should(HaveField("Unhealthy",
				ConsistOf(And(HaveField("Address", "192.0.2.10"), HaveField("Reason", reason)))))
			Eventually(s.events).WithContext(ctx).WithArguments("payments").Should(HaveKeyWithValue("TargetsUnhealthy",
				ConsistOf("1 address no longer takes traffic: 192.0.2.10 ("+reason+")")))
			s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
			Expect(s.writes(mark)).To(ConsistOf("update " + slice.Name))

			host.Set(targets.Serve)
			s.expect(ctx, "payments", healthy)
			s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, yes(v1alpha1.ReasonAllHealthy))
			Expect(s.writes(mark)).To(ConsistOf("update "+slice.Name, "update "+slice.Name))
			Expect(s.statusOf(ctx, "payments").Unhealthy).To(BeEmpty())
		},
		Entry("refusing connections", targets.Refuse, "ConnectionRefused"),
		Entry("switched off", targets.Vanish, "ConnectTimeout"),
		Entry("accepting and saying nothing", targets.Hang, "ResponseTimeout"),
		Entry("answering 500", targets.ServerError, "UnexpectedStatus5xx"),
		Entry("dripping a body", targets.Drip, "ResponseTimeout"),
	)

	It("is told in an event each time, and in the status at most every 5 s unless a condition changes", func(ctx SpecContext) {
		addresses := numbered("192.0.2.10", 6)
		for _, address := range addresses {
			s.host(address)
		}
		s.service(ctx, "payments")
		s.backend(ctx, "payments", entry("rack", addresses...), func(eb *v1alpha1.ExternalBackend) {
			eb.Spec.HealthCheck.UnhealthyThreshold = 1
		})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, yes(v1alpha1.ReasonAllHealthy))

		// From the second flip on, no condition changes any more.
		mark, begin := audit.mark(), time.Now()
		var told []any
		for _, address := range addresses[:5] {
			s.host(address).Set(targets.Refuse)
			Eventually(s.endpointsOf).WithContext(ctx).WithArguments("payments").Should(HaveKeyWithValue(address, out))
			told = append(told, "1 address no longer takes traffic: "+address+" (ConnectionRefused)")
		}
		Eventually(s.statusOf).WithContext(ctx).WithArguments("payments").Should(HaveField("Targets.Unhealthy", BeEquivalentTo(5)))
		Expect(s.reports(mark)).To(BeNumerically("<=", 2+int(time.Since(begin)/(5*time.Second))))
		Eventually(s.events).WithContext(ctx).WithArguments("payments").Should(HaveKeyWithValue("TargetsUnhealthy", ConsistOf(told...)))
	})

	It("stays as it is as long as failures stay below the threshold", func(ctx SpecContext) {
		host := s.host("192.0.2.10")
		s.service(ctx, "payments")
		s.backend(ctx, "payments", entry("rack", "192.0.2.10"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, yes(v1alpha1.ReasonAllHealthy))
		mark := audit.mark()

		for range 2 {
			host.FailNext(1)
			Eventually(host.Failures).Should(BeZero())
			passed := host.Attempts() + 1
			Eventually(host.Attempts).Should(BeNumerically(">=", passed))
		}
		Expect(s.writes(mark)).To(BeEmpty())
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(endpoints{"192.0.2.10": in}))
	})
})
