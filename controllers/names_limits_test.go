// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"externalbackend.dev/operator/api/v1alpha1"
)

var _ = Describe("Names that are more than", func() {
	var s *scene
	BeforeEach(func(ctx SpecContext) { s = newScene(ctx) })

	It("a policy allows addresses take no place of those that are listed or published", func(ctx SpecContext) {
		sharedOperator()
		for _, address := range []string{"192.0.2.10", "192.0.2.11", "192.0.2.20"} {
			s.host(address)
		}
		s.policy(ctx, "limit", allowing("0.0.0.0/0", "::/0"), func(spec *v1alpha1.ExternalBackendPolicySpec) {
			spec.Allow.MaxAddresses = 2
			spec.Allow.Hostnames = []v1alpha1.HostnamePattern{"*.example"}
		})
		s.service(ctx, "payments")
		s.backend(ctx, "payments", fqdn("db", s.address("db", "192.0.2.11")), entry("rack", "192.0.2.20"))
		published := endpoints{"192.0.2.11": in, "192.0.2.20": in}
		s.expect(ctx, "payments", published)
		seen := s.watch(ctx)
		s.address("db", "192.0.2.10", "192.0.2.11")
		s.expectCondition(ctx, "payments", v1alpha1.ConditionAccepted, no(v1alpha1.ReasonLimitExceeded, "192.0.2.10"))
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(published))
		Expect(seen.all()).To(BeEmpty())
	})

	It("5,000 addresses in one ExternalBackend leave the last ones out", func(ctx SpecContext) {
		sharedOperator()
		edits := []func(*v1alpha1.ExternalBackend){none}
		addresses := 0
		for e := range 3 {
			var records []string
			for h := range 32 {
				label := fmt.Sprintf("h%d-%d", e, h)
				records = append(records, "0 9001 "+label)
				var list []string
				for range 64 {
					list = append(list, fmt.Sprintf("20.0.%d.%d", addresses/250, addresses%250+1))
					addresses++
				}
				s.address(label, list...)
			}
			edits = append(edits, fqdn(fmt.Sprintf("e%d", e), s.records(fmt.Sprintf("_web._tcp.e%d", e), records...), srv))
		}
		s.service(ctx, "payments")
		s.backend(ctx, "payments", edits...)
		Eventually(s.statusOf).WithContext(ctx).WithArguments("payments").Should(HaveField("Targets.Total", BeEquivalentTo(5000)))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionTargetsResolved, yes(v1alpha1.ReasonRecordsDropped, "more than are served"))
		Expect(s.endpointsOf(ctx, "payments")).To(HaveLen(5000))
	})

	It("a namespace may ask for wait until there is room", func(ctx SpecContext) {
		ownOperator(operatorOptions{maxQuestions: 3})
		s.host("192.0.2.10")
		s.service(ctx, "payments")
		first := s.backend(ctx, "first", none, fqdn("db", s.address("db", "192.0.2.10")), of("payments"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		s.host("192.0.2.11")
		s.service(ctx, "checkout")
		s.backend(ctx, "checkout", none, fqdn("db", s.address("other", "192.0.2.11")))
		s.expectCondition(ctx, "checkout", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
		Eventually(s.sourceOf).WithContext(ctx).WithArguments("checkout", "db").Should(HaveField("Problem", ContainSubstring("--dns-max-questions-per-namespace")))
		s.backend(ctx, "late", none, fqdn("db", s.address("late", "192.0.2.11")), of("payments"))
		s.expectCondition(ctx, "late", v1alpha1.ConditionTargetsResolved, no(v1alpha1.ReasonTooManyNames))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})

		Expect(admin.Delete(ctx, first)).To(Succeed())
		s.expect(ctx, "payments", endpoints{"192.0.2.11": in})
		s.expectCondition(ctx, "late", v1alpha1.ConditionTargetsResolved, yes(v1alpha1.ReasonTargetsResolved))
	})
})
