// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/nameserver"
	"externalbackend.dev/operator/test/targets"
)

// tier puts the last entry in a tier.
func tier(n int32) func(*v1alpha1.ExternalBackend) {
	return func(eb *v1alpha1.ExternalBackend) { eb.Spec.Targets[len(eb.Spec.Targets)-1].Tier = n }
}

// available says when tiers suffice and which serve.
func available(count int32, mode v1alpha1.TierMode) func(*v1alpha1.ExternalBackend) {
	return func(eb *v1alpha1.ExternalBackend) {
		eb.Spec.Availability = &v1alpha1.Availability{
			MinHealthy: v1alpha1.MinHealthy{Count: count}, Tiers: v1alpha1.TierPolicy{Mode: mode, ReturnDelay: "10m"},
		}
	}
}

var _ = Describe("Of several tiers", func() {
	var s *scene
	var o *operator
	ticks := new(advanced)
	BeforeEach(func(ctx SpecContext) {
		ticks.by.Store(0)
		o = ownOperator(operatorOptions{clock: ticks})
		s = newScene(ctx)
		s.service(ctx, "payments")
		for _, address := range []string{"192.0.2.10", "192.0.2.11", "192.0.2.20", "192.0.2.21", "192.0.2.30"} {
			s.host(address)
		}
	})
	host := func(address string) *targets.Host { return s.hosts[address+":8080"] }
	three := func(ctx context.Context, policy func(*v1alpha1.ExternalBackend)) *v1alpha1.ExternalBackend {
		return s.backend(ctx, "payments", policy, entry("near", "192.0.2.10", "192.0.2.11"),
			entry("far", "192.0.2.20", "192.0.2.21"), tier(1), entry("last", "192.0.2.30"), tier(2))
	}
	near := endpoints{"192.0.2.10": in, "192.0.2.11": in, "192.0.2.20": out, "192.0.2.21": out, "192.0.2.30": out}
	far := endpoints{"192.0.2.10": out, "192.0.2.11": out, "192.0.2.20": in, "192.0.2.21": in, "192.0.2.30": out}

	It("the first that suffices serves alone, the next steps in at once, and the first comes back when it has for a while", func(ctx SpecContext) {
		history := s.watch(ctx)
		eb := three(ctx, available(1, v1alpha1.TierExclusive))
		s.expect(ctx, "payments", near)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, yes(v1alpha1.ReasonAllHealthy, "3 stand by"))
		Eventually(s.statusOf).WithContext(ctx).WithArguments("payments").Should(HaveField("Targets", v1alpha1.TargetCounts{Total: 5, Healthy: 2, Standby: 3}))
		Expect(history.all()).To(HaveExactElements(HaveField("Endpoints", near)), "never anything else")

		host("192.0.2.10").Set(targets.Refuse)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": out, "192.0.2.11": in, "192.0.2.20": out, "192.0.2.21": out, "192.0.2.30": out})
		host("192.0.2.11").Set(targets.Refuse)
		s.expect(ctx, "payments", far)
		Eventually(s.events).WithContext(ctx).WithArguments("payments").Should(HaveKey("TargetsHealthy"))

		By("coming back")
		host("192.0.2.10").Set(targets.Serve)
		host("192.0.2.11").Set(targets.Serve)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, yes(v1alpha1.ReasonAllHealthy, "3 stand by"))
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(far))
		ticks.advance(9 * time.Minute)
		s.nudge(ctx, eb)
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(far))
		ticks.advance(2 * time.Minute)
		s.nudge(ctx, eb)
		s.expect(ctx, "payments", near)
		Eventually(s.events).WithContext(ctx).WithArguments("payments").Should(HaveKey("TargetsStandBy"))
	})

	It("the first that suffices and those before it serve, if that is wanted", func(ctx SpecContext) {
		three(ctx, available(2, v1alpha1.TierCumulative))
		s.expect(ctx, "payments", near)
		host("192.0.2.10").Set(targets.Refuse)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": out, "192.0.2.11": in, "192.0.2.20": in, "192.0.2.21": in, "192.0.2.30": out})
	})

	It("all serve with what they have while none suffices", func(ctx SpecContext) {
		three(ctx, available(2, v1alpha1.TierExclusive))
		s.expect(ctx, "payments", near)
		host("192.0.2.20").Set(targets.Refuse)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, no(v1alpha1.ReasonSomeUnhealthy, "4 of 5"))
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(near))
		host("192.0.2.10").Set(targets.Refuse)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": out, "192.0.2.11": in, "192.0.2.20": out, "192.0.2.21": in, "192.0.2.30": in})
	})

	It("a worse one whose addresses were known first makes way at once", func(ctx SpecContext) {
		release := make(chan struct{})
		name := s.address("near", "192.0.2.10")
		s.answer("near", "A", nameserver.Until(release, nameserver.Records(name+" 0 A 192.0.2.10")))
		s.backend(ctx, "payments", available(1, v1alpha1.TierExclusive), fqdn("near", name), entry("far", "192.0.2.20"), tier(1))
		s.expect(ctx, "payments", endpoints{"192.0.2.20": in})
		close(release)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.20": out})

		By("serving by the delay from then on")
		host("192.0.2.10").Set(targets.Refuse)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": out, "192.0.2.20": in})
		host("192.0.2.10").Set(targets.Serve)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, yes(v1alpha1.ReasonAllHealthy, "1 stand"))
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(endpoints{"192.0.2.10": out, "192.0.2.20": in}))
	})

	It("the one that serves goes on when addresses that its name has no more are down", func(ctx SpecContext) {
		name := s.address("near", "192.0.2.10", "192.0.2.11")
		s.backend(ctx, "payments", available(1, v1alpha1.TierExclusive), func(eb *v1alpha1.ExternalBackend) {
			eb.Spec.Availability.MinHealthy.Percent = 60
		}, fqdn("near", name), entry("far", "192.0.2.20"), tier(1))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.11": in, "192.0.2.20": out})
		history := s.watch(ctx)
		s.address("near", "192.0.2.10")
		s.asked(ctx, 2, "near", "A")
		host("192.0.2.11").Set(targets.Refuse)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.11": out, "192.0.2.20": out})
		for _, c := range history.all() {
			Expect(c.Endpoints).To(HaveKeyWithValue("192.0.2.20", out))
		}

		By("being a part of the name again")
		s.address("near", "192.0.2.10", "192.0.2.11")
		s.expect(ctx, "payments", endpoints{"192.0.2.10": out, "192.0.2.11": out, "192.0.2.20": in})
	})

	It("the one that serves goes on after a restart", func(ctx SpecContext) {
		three(ctx, available(1, v1alpha1.TierExclusive))
		s.expect(ctx, "payments", near)
		host("192.0.2.10").Set(targets.Refuse)
		host("192.0.2.11").Set(targets.Refuse)
		s.expect(ctx, "payments", far)
		o.stop()
		host("192.0.2.10").Set(targets.Serve)
		host("192.0.2.11").Set(targets.Serve)
		history := s.watch(ctx)
		ownOperator(operatorOptions{clock: ticks})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, yes(v1alpha1.ReasonAllHealthy, "3 stand by"))
		noticed(host("192.0.2.10"), host("192.0.2.30"))
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(far))
		Expect(history.all()).To(BeEmpty())
	})
})
