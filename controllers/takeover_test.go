// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/targets"
)

var _ = Describe("An address that two ExternalBackends want", func() {
	var s *scene
	var older, younger *v1alpha1.ExternalBackend
	shared := endpoints{"192.0.2.10": in, "192.0.2.11": in, "192.0.2.12": in}
	servedBy := func(ctx SpecContext, name string) {
		GinkgoHelper()
		Eventually(s.ownersOf).WithContext(ctx).WithArguments("payments").Should(HaveKeyWithValue("192.0.2.10", name))
	}
	BeforeEach(func(ctx SpecContext) {
		sharedOperator()
		s = newScene(ctx)
		for _, address := range []string{"192.0.2.10", "192.0.2.11", "192.0.2.12"} {
			s.host(address)
		}
		s.service(ctx, "payments")
		older = s.backend(ctx, "zulu", of("payments"), entry("rack", "192.0.2.10"), entry("own", "192.0.2.11"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.11": in})
		s.nextSecond(older)
		younger = s.backend(ctx, "alpha", of("payments"), entry("cage", "192.0.2.10", "192.0.2.12"))
		s.expect(ctx, "payments", shared)
		servedBy(ctx, "zulu")
	})
	give := func(ctx SpecContext) {
		edit(ctx, older, func(eb *v1alpha1.ExternalBackend) { eb.Spec.Targets = eb.Spec.Targets[1:] })
	}

	It("goes over when its ExternalBackend is deleted, ready all the while", func(ctx SpecContext) {
		seen := s.watch(ctx)
		Expect(admin.Delete(ctx, older)).To(Succeed())
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.12": in})
		servedBy(ctx, "alpha")
		Expect(seen.gaps("payments", "192.0.2.10", "192.0.2.12")).To(BeEmpty())
	})

	It("goes over and back with edits of the spec, ready all the while", func(ctx SpecContext) {
		seen := s.watch(ctx)
		give(ctx)
		servedBy(ctx, "alpha")
		edit(ctx, older, entry("rack", "192.0.2.10"))
		servedBy(ctx, "zulu")
		s.expect(ctx, "payments", shared)
		Expect(seen.gaps("payments", "192.0.2.10", "192.0.2.11", "192.0.2.12")).To(BeEmpty())
		Expect(seen.unready()).To(BeEmpty())
	})

	It("that is dead is not brought back by going over", func(ctx SpecContext) {
		s.host("192.0.2.10").Set(targets.Refuse)
		dead := endpoints{"192.0.2.10": out, "192.0.2.11": in, "192.0.2.12": in}
		s.expect(ctx, "payments", dead)
		seen := s.watch(ctx)
		give(ctx)
		servedBy(ctx, "alpha")
		edit(ctx, older, entry("rack", "192.0.2.10"))
		servedBy(ctx, "zulu")
		s.expect(ctx, "payments", dead)
		Expect(seen.all()).NotTo(BeEmpty())
		Expect(seen.all()).To(HaveEach(HaveField("Endpoints", Or(Not(HaveKey("192.0.2.10")), HaveKeyWithValue("192.0.2.10", out)))))
		s.expectCondition(ctx, "zulu", v1alpha1.ConditionHealthy, no(v1alpha1.ReasonSomeUnhealthy, "1 of 2"))
		s.expectCondition(ctx, "alpha", v1alpha1.ConditionHealthy, yes(v1alpha1.ReasonAllHealthy))
	})

	It("on other ports is served by both, and starts unready in each", func(ctx SpecContext) {
		seen := s.watch(ctx)
		edit(ctx, younger, func(eb *v1alpha1.ExternalBackend) {
			eb.Spec.Targets[0].Ports = []v1alpha1.TargetPort{{Name: "http", Port: 9090}}
		})
		Eventually(s.ownersOf).WithContext(ctx).WithArguments("payments").Should(
			HaveKeyWithValue("192.0.2.10", Or(Equal("alphazulu"), Equal("zulualpha"))))
		s.expectCondition(ctx, "alpha", v1alpha1.ConditionHealthy, no(v1alpha1.ReasonNoneHealthy)) // nothing listens there
		s.expectCondition(ctx, "alpha", v1alpha1.ConditionTargetsResolved, yes(v1alpha1.ReasonTargetsResolved))
		Expect(seen.gaps("payments", "192.0.2.10", "192.0.2.11")).To(BeEmpty())
	})
})
