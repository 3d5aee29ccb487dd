// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/targets"
)

var _ = Describe("A target that is disabled", func() {
	var s *scene
	var eb *v1alpha1.ExternalBackend
	var host *targets.Host
	// begin publishes 192.0.2.10 and .11 of one entry and .20 of another.
	begin := func(ctx SpecContext) {
		GinkgoHelper()
		host = s.host("192.0.2.10")
		s.host("192.0.2.11")
		s.host("192.0.2.20")
		s.service(ctx, "payments")
		eb = s.backend(ctx, "payments", drainFor("1h"), entry("rack", "192.0.2.10", "192.0.2.11"), entry("cage", "192.0.2.20"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.11": in, "192.0.2.20": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, yes(v1alpha1.ReasonAllHealthy))
	}
	disable := func(ctx SpecContext) {
		GinkgoHelper()
		edit(ctx, eb, set(v1alpha1.TargetDisabled))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": out, "192.0.2.11": out, "192.0.2.20": in})
	}
	BeforeEach(func(ctx SpecContext) { s = newScene(ctx) })

	It("is checked, and ready at once when it is not disabled any more", func(ctx SpecContext) {
		sharedOperator()
		begin(ctx)
		seen := s.watch(ctx)
		edit(ctx, eb, set(v1alpha1.TargetDisabled))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": out, "192.0.2.11": out, "192.0.2.20": in})
		Expect(seen.all()).To(HaveLen(1), "it does not drain")
		Eventually(s.statusOf).WithContext(ctx).WithArguments("payments").Should(HaveField("Targets",
			v1alpha1.TargetCounts{Total: 3, Healthy: 1, Disabled: 2}))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, yes(v1alpha1.ReasonAllHealthy))
		Eventually(s.events).WithContext(ctx).WithArguments("payments").Should(HaveKeyWithValue("TargetsDisabled",
			ConsistOf("2 addresses are disabled and take no traffic: 192.0.2.10; 192.0.2.11")))

		host.Set(targets.Refuse)
		failed := host.Attempts() + 3
		Eventually(host.Attempts).Should(BeNumerically(">=", failed))
		edit(ctx, eb, set(v1alpha1.TargetActive))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": out, "192.0.2.11": in, "192.0.2.20": in})
		Expect(seen.all()).To(HaveLen(2), "no check had to come first")
	})

	DescribeTable("goes at once when it is taken out, since no traffic has to end",
		func(ctx SpecContext, remove func(*v1alpha1.ExternalBackend), left endpoints) {
			sharedOperator()
			begin(ctx)
			disable(ctx)
			seen := s.watch(ctx)
			edit(ctx, eb, remove)
			s.expect(ctx, "payments", left)
			Expect(seen.all()).To(HaveLen(1))
		},
		Entry("with its entry", withoutEntry, endpoints{"192.0.2.20": in}),
		Entry("with its address", withoutFirst, endpoints{"192.0.2.11": out, "192.0.2.20": in}),
		Entry("by state Drain", set(v1alpha1.TargetDrain), endpoints{"192.0.2.20": in}),
		Entry("with its entry, while nothing can be published anew", together(portOf("htpp"), withoutEntry), endpoints{"192.0.2.20": in}),
	)

	It("goes at once also after a restart", func(ctx SpecContext) {
		o := ownOperator(operatorOptions{})
		begin(ctx)
		disable(ctx)
		o.stop()
		seen := s.watch(ctx)
		edit(ctx, eb, withoutEntry)
		ownOperator(operatorOptions{})
		s.expect(ctx, "payments", endpoints{"192.0.2.20": in})
		Expect(seen.all()).To(HaveLen(1))
	})

	It("goes at once also if it was out when it was disabled, and passes its checks by now", func(ctx SpecContext) {
		sharedOperator()
		begin(ctx)
		host.Set(targets.Refuse)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": out, "192.0.2.11": in, "192.0.2.20": in})
		disable(ctx)
		host.Set(targets.Serve)
		attempts := host.Attempts()
		Eventually(host.Attempts).Should(BeNumerically(">=", attempts+3))
		seen := s.watch(ctx)
		edit(ctx, eb, withoutEntry)
		s.expect(ctx, "payments", endpoints{"192.0.2.20": in})
		Expect(seen.all()).To(HaveLen(1))
	})

	It("drains like any other once it was enabled again", func(ctx SpecContext) {
		sharedOperator()
		begin(ctx)
		host.Set(targets.Refuse)
		disable(ctx)
		edit(ctx, eb, set(v1alpha1.TargetActive))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": out, "192.0.2.11": in, "192.0.2.20": in})
		edit(ctx, eb, withoutEntry)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": unserving, "192.0.2.11": leaving, "192.0.2.20": in})
	})
})
