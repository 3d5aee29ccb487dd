// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/targets"
)

// expecting has a body checked.
func expecting(body v1alpha1.ExpectedBody) func(*v1alpha1.ExternalBackend) {
	return check(v1alpha1.Check{Name: "http", HTTP: &v1alpha1.HTTPCheck{ExpectedBody: &body}})
}

// granting allows all networks of the specs, and some ways of checking.
func granting(checks v1alpha1.PolicyChecks) func(*v1alpha1.ExternalBackendPolicySpec) {
	return func(spec *v1alpha1.ExternalBackendPolicySpec) {
		spec.Allow = &v1alpha1.PolicyAllow{CIDRs: []v1alpha1.CIDR{"192.0.2.0/24"}, Checks: checks}
	}
}

var _ = Describe("The body of an answer", func() {
	const up, down = "HTTP/1.1 200 OK\r\n\r\nstatus: UP\n", "HTTP/1.1 200 OK\r\n\r\nstatus: DOWN\n"
	var s *scene
	var host *targets.Host
	BeforeEach(func(ctx SpecContext) {
		sharedOperator()
		s = newScene(ctx)
		host = s.host("192.0.2.10")
		host.Recite(up)
		s.service(ctx, "payments")
	})

	DescribeTable("takes an address out and in", func(ctx SpecContext, body v1alpha1.ExpectedBody) {
		s.policy(ctx, "bodies", granting(v1alpha1.PolicyChecks{BodyMatching: true}))
		s.backend(ctx, "payments", expecting(body), entry("rack", "192.0.2.10"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		host.Recite(down)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": out})
		Eventually(func(ctx SpecContext) []v1alpha1.UnhealthyTarget {
			return s.statusOf(ctx, "payments").Unhealthy
		}).WithContext(ctx).Should(ConsistOf(HaveField("Reason", "UnexpectedBody")))
		host.Recite(up)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
	},
		Entry("by a text that it contains", v1alpha1.ExpectedBody{Contains: "status: UP"}),
		Entry("by an expression that it matches", v1alpha1.ExpectedBody{Matches: `(?m)^status:\s+(UP|OK)$`}),
	)

	It("is looked at only where a policy allows it, and only as long as it does", func(ctx SpecContext) {
		eb := s.backend(ctx, "payments", expecting(v1alpha1.ExpectedBody{Contains: "UP"}), entry("rack", "192.0.2.10"))
		closed := no(v1alpha1.ReasonNoPolicy, `"rack"`, "192.0.2.10", "spec.allow.checks.bodyMatching: true", "ask an administrator")
		s.expectCondition(ctx, "payments", v1alpha1.ConditionAccepted, closed)
		Expect(host.Attempts()).To(BeZero())
		Expect(s.slices(ctx)).To(BeEmpty())

		policy := s.policy(ctx, "bodies", granting(v1alpha1.PolicyChecks{}))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionAccepted, no(v1alpha1.ReasonPolicyDenied, "bodyMatching", policy.Name))
		Expect(host.Attempts()).To(BeZero())
		edit(ctx, policy, func(p *v1alpha1.ExternalBackendPolicy) { p.Spec.Allow.Checks.BodyMatching = true })
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionAccepted, yes(v1alpha1.ReasonAccepted))

		edit(ctx, policy, func(p *v1alpha1.ExternalBackendPolicy) { p.Spec.Allow.Checks.BodyMatching = false })
		Eventually(s.slices).WithContext(ctx).Should(BeEmpty())
		s.expectCondition(ctx, "payments", v1alpha1.ConditionAccepted, no(v1alpha1.ReasonPolicyDenied, "bodyMatching", policy.Name))
		Expect(admin.Delete(ctx, policy)).To(Succeed())
		s.expectCondition(ctx, "payments", v1alpha1.ConditionAccepted, closed)
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) { eb.Spec.HealthCheck.Checks[0].HTTP.ExpectedBody = nil })
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
	})

	It("is not looked at any longer by a check that goes on because the next one is a mistake", func(ctx SpecContext) {
		policy := s.policy(ctx, "bodies", granting(v1alpha1.PolicyChecks{BodyMatching: true}))
		eb := s.backend(ctx, "payments", expecting(v1alpha1.ExpectedBody{Contains: "UP"}), entry("rack", "192.0.2.10"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		edit(ctx, eb, expecting(v1alpha1.ExpectedBody{Matches: "a{600}b{600}"}))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionAccepted, no(v1alpha1.ReasonInvalidSpec, "expectedBody.matches", "too large"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		edit(ctx, policy, func(p *v1alpha1.ExternalBackendPolicy) { p.Spec.Allow.Checks.BodyMatching = false })
		Eventually(s.slices).WithContext(ctx).Should(BeEmpty())
	})
})

var _ = Describe("The exact status of an answer", func() {
	const unavailable, gatewayTimeout = "HTTP/1.1 503 Service Unavailable\r\n\r\n", "HTTP/1.1 504 Gateway Timeout\r\n\r\n"
	codes := func(ctx SpecContext, s *scene) (list []int32) {
		for _, host := range s.statusOf(ctx, "payments").Unhealthy {
			list = append(list, host.HTTPStatus)
		}
		return list
	}

	It("is told in each namespace as its policies say, though the check is the same", func(ctx SpecContext) {
		o := sharedOperator()
		exact, class, without := newScene(ctx), newScene(ctx), newScene(ctx)
		policy := exact.policy(ctx, "exact", granting(v1alpha1.PolicyChecks{StatusDetail: v1alpha1.StatusDetailCode}))
		class.policy(ctx, "class", granting(v1alpha1.PolicyChecks{StatusDetail: v1alpha1.StatusDetailClass}))
		host := exact.host("192.0.2.10")
		scenes := []*scene{exact, class, without}
		for _, s := range scenes {
			s.service(ctx, "payments")
			s.backend(ctx, "payments", entry("rack", "192.0.2.10"))
			s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		}
		host.Recite(unavailable)
		for _, s := range scenes {
			s.expect(ctx, "payments", endpoints{"192.0.2.10": out})
			Eventually(s.warnings).WithContext(ctx).WithArguments("payments").Should(HaveKeyWithValue("TargetsUnhealthy", Not(BeEmpty())))
		}
		Eventually(codes).WithContext(ctx).WithArguments(exact).Should(Equal([]int32{503}))
		Expect(exact.statusOf(ctx, "payments").Unhealthy[0].Reason).To(Equal("UnexpectedStatus5xx"))
		Expect(exact.warnings(ctx, "payments")["TargetsUnhealthy"]).To(ContainElement(ContainSubstring("(UnexpectedStatus5xx, HTTP 503)")))
		for _, s := range scenes[1:] {
			Eventually(codes).WithContext(ctx).WithArguments(s).Should(Equal([]int32{0}))
			for _, told := range []any{s.statusOf(ctx, "payments"), s.events(ctx, "payments")} {
				text, err := yaml.Marshal(told)
				Expect(err).NotTo(HaveOccurred())
				Expect(string(text)).To(And(ContainSubstring("5xx"), Not(MatchRegexp(`\b503\b`))))
			}
		}
		families, err := o.metrics.Gather()
		Expect(err).NotTo(HaveOccurred())
		for _, family := range families {
			for _, m := range family.GetMetric() {
				Expect(m.GetLabel()).NotTo(ContainElement(HaveField("GetValue()", ContainSubstring("503"))))
			}
		}

		edit(ctx, policy, func(p *v1alpha1.ExternalBackendPolicy) { p.Spec.Allow.Checks.StatusDetail = "" })
		Eventually(codes).WithContext(ctx).WithArguments(exact).Should(Equal([]int32{0}))
	})

	It("that changes all the time is told no more often than anything else, and writes no slice", func(ctx SpecContext) {
		sharedOperator()
		s := newScene(ctx)
		s.policy(ctx, "exact", granting(v1alpha1.PolicyChecks{StatusDetail: v1alpha1.StatusDetailCode}))
		host := s.host("192.0.2.10")
		host.Recite(unavailable)
		svc := s.service(ctx, "payments")
		s.backend(ctx, "payments", entry("rack", "192.0.2.10"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": out})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, no(v1alpha1.ReasonNoneHealthy))
		Eventually(codes).WithContext(ctx).WithArguments(s).Should(Equal([]int32{503}))
		slices, mark, begin := s.versions(ctx), audit.mark(), time.Now()
		for i, answer := range []string{gatewayTimeout, unavailable, gatewayTimeout, unavailable, gatewayTimeout} {
			host.Recite(answer)
			noticed(host)
			// Another pass, which would tell it.
			edit(ctx, svc, func(svc *corev1.Service) {
				svc.Annotations = map[string]string{"example.com/pass": string(rune('a' + i))}
			})
		}
		Eventually(codes).WithContext(ctx).WithArguments(s).Should(Equal([]int32{504}))
		Expect(s.reports(mark)).To(BeNumerically("<=", 1+int(time.Since(begin)/(5*time.Second))))
		Expect(s.writes(mark)).To(BeEmpty())
		Expect(s.versions(ctx)).To(Equal(slices))
	})
})
