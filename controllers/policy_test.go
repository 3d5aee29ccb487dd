// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/guard"
	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/test/targets"
)

// policy makes an ExternalBackendPolicy for the namespace of the scene, as long as
// the spec lasts. The shared operator goes by it from then on.
func (s *scene) policy(ctx context.Context, name string, edits ...func(*v1alpha1.ExternalBackendPolicySpec)) *v1alpha1.ExternalBackendPolicy {
	GinkgoHelper()
	policy := &v1alpha1.ExternalBackendPolicy{ObjectMeta: metav1.ObjectMeta{Name: s.namespace + "-" + name}}
	policy.Spec.NamespaceSelector.MatchLabels = v1alpha1.MatchLabels{corev1.LabelMetadataName: s.namespace}
	for _, edit := range edits {
		edit(&policy.Spec)
	}
	before := s.scopeBefore(ctx)
	Expect(admin.Create(ctx, policy)).To(Succeed())
	DeferCleanup(func(ctx SpecContext) { Expect(client.IgnoreNotFound(admin.Delete(ctx, policy))).To(Succeed()) })
	if before != nil && policy.Spec.NamespaceSelector.MatchLabels[corev1.LabelMetadataName] != "" {
		Eventually(shared.reach.Scope).WithContext(ctx).WithArguments(s.namespace).ShouldNot(BeIdenticalTo(before), "the policy is not in force")
	}
	return policy
}

// enforced waits until an operator of the spec's own goes by a policy that does not
// allow 198.51.100.99.
func (s *scene) enforced(ctx context.Context) {
	GinkgoHelper()
	witness := s.backend(ctx, "witness", of("payments"), entry("rack", "198.51.100.99"))
	s.expectCondition(ctx, "witness", v1alpha1.ConditionAccepted, no(v1alpha1.ReasonPolicyDenied))
	Expect(admin.Delete(ctx, witness)).To(Succeed())
}

// scopeBefore returns what the shared operator knows that the namespace may target,
// which it finds out once a second at most; nil if none runs.
func (s *scene) scopeBefore(ctx context.Context) (scope *guard.Scope) {
	GinkgoHelper()
	if shared != nil {
		Eventually(func() *guard.Scope { scope = shared.reach.Scope(s.namespace); return scope }).WithContext(ctx).ShouldNot(BeNil(), "the namespace is not known")
	}
	return scope
}

// allowing grants networks, on any port.
func allowing(cidrs ...v1alpha1.CIDR) func(*v1alpha1.ExternalBackendPolicySpec) {
	return func(spec *v1alpha1.ExternalBackendPolicySpec) {
		if spec.Allow == nil {
			spec.Allow = &v1alpha1.PolicyAllow{}
		}
		spec.Allow.CIDRs = append(spec.Allow.CIDRs, cidrs...)
	}
}

func onPorts(ports ...v1alpha1.PortRange) func(*v1alpha1.ExternalBackendPolicySpec) {
	return func(spec *v1alpha1.ExternalBackendPolicySpec) { spec.Allow.Ports = ports }
}

func withChecks(checks v1alpha1.PolicyChecks) func(*v1alpha1.ExternalBackendPolicySpec) {
	return func(spec *v1alpha1.ExternalBackendPolicySpec) { spec.Allow.Checks = checks }
}

func denying(deny v1alpha1.PolicyDeny) func(*v1alpha1.ExternalBackendPolicySpec) {
	return func(spec *v1alpha1.ExternalBackendPolicySpec) { spec.Deny = &deny }
}

// expectIntervals waits until both addresses are checked once an interval at most.
func (s *scene) expectIntervals(ctx context.Context, o *operator, interval time.Duration) {
	GinkgoHelper()
	timing := HaveField("Timing", And(HaveField("Interval", interval), HaveField("EdgeInterval", interval), HaveField("UnhealthyInterval", interval)))
	Eventually(o.asked.checksOf).WithContext(ctx).WithArguments(s.namespace, "payments").Should(And(
		HaveKeyWithValue("192.0.2.10", ConsistOf(timing)), HaveKeyWithValue("192.0.2.11", ConsistOf(timing))))
}

var _ = Describe("An ExternalBackendPolicy", func() {
	const all = v1alpha1.CIDR("192.0.2.0/24")
	var s *scene
	var o *operator
	var eb *v1alpha1.ExternalBackend
	both := endpoints{"192.0.2.10": in, "192.0.2.11": in}
	BeforeEach(func(ctx SpecContext) {
		o = sharedOperator()
		s = newScene(ctx)
		s.host("192.0.2.10")
		s.host("192.0.2.11")
		s.service(ctx, "payments")
		eb = s.backend(ctx, "payments", drainFor("1h"), entry("rack", "192.0.2.10"), entry("cage", "192.0.2.11"))
		s.expect(ctx, "payments", both)
	})

	It("takes out at once what it does not allow, and nothing else", func(ctx SpecContext) {
		one := s.policy(ctx, "one", allowing("192.0.2.10/32"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionAccepted, no(v1alpha1.ReasonPolicyDenied, `"cage"`, "192.0.2.11", one.Name))
		Expect(s.condition(ctx, "payments", v1alpha1.ConditionTargetsResolved)).To(no(v1alpha1.ReasonNoAddresses, `"cage"`))

		other := s.policy(ctx, "other", allowing("192.0.2.11/32"))
		s.expect(ctx, "payments", both)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionAccepted, yes(v1alpha1.ReasonAccepted))
		Expect(admin.Delete(ctx, other)).To(Succeed())
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		Expect(admin.Delete(ctx, one)).To(Succeed())
		s.expect(ctx, "payments", both)
	})

	It("that denies wins over all that allow", func(ctx SpecContext) {
		s.policy(ctx, "all", allowing(all))
		denies := s.policy(ctx, "deny", denying(v1alpha1.PolicyDeny{CIDRs: []v1alpha1.CIDR{"192.0.2.11/32"}}))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionAccepted, no(v1alpha1.ReasonPolicyDenied, "192.0.2.11", denies.Name))
	})

	It("is for the namespaces that it selects, as they are labelled now", func(ctx SpecContext) {
		s.policy(ctx, "team", allowing("198.51.100.0/24"), func(spec *v1alpha1.ExternalBackendPolicySpec) {
			spec.NamespaceSelector.MatchLabels = v1alpha1.MatchLabels{"team": s.namespace}
		})
		neighbour := newScene(ctx)
		neighbour.service(ctx, "payments")
		neighbour.backend(ctx, "payments", none, entry("rack", "192.0.2.10"))
		neighbour.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.namespace}}
		edit(ctx, namespace, func(ns *corev1.Namespace) { ns.Labels["team"] = s.namespace })
		Eventually(s.slicesOf).WithContext(ctx).WithArguments("payments").Should(BeEmpty())
		edit(ctx, namespace, func(ns *corev1.Namespace) { ns.Labels["team"] = "another" })
		s.expect(ctx, "payments", both)
		Expect(neighbour.endpointsOf(ctx, "payments")).To(Equal(endpoints{"192.0.2.10": in}))
	})

	DescribeTable("is kept to", func(ctx SpecContext, spec func(*v1alpha1.ExternalBackendPolicySpec), use func(*v1alpha1.ExternalBackend), complaint string) {
		if use != nil {
			edit(ctx, eb, use)
			s.expect(ctx, "payments", both)
		}
		policy := s.policy(ctx, "narrow", allowing(all), spec)
		Eventually(s.slicesOf).WithContext(ctx).WithArguments("payments").Should(BeEmpty())
		s.expectCondition(ctx, "payments", v1alpha1.ConditionAccepted, no(v1alpha1.ReasonPolicyDenied, complaint, policy.Name))
	},
		Entry("in the ports that are published", onPorts("443", "9000-9999"), nil, "8080"),
		Entry("in the ports that it denies", denying(v1alpha1.PolicyDeny{Ports: []v1alpha1.PortRange{"8000-8100"}}), nil, "8080"),
		Entry("in the ports that are checked", onPorts("8080"), check(v1alpha1.Check{
			Name: "ssh", TCP: &v1alpha1.TCPCheck{}, Port: new(intstr.FromInt32(22)),
		}), "22"),
		Entry("in the kinds of checks", withChecks(v1alpha1.PolicyChecks{Kinds: []v1alpha1.CheckKind{v1alpha1.CheckKindTCP}}), nil, "HTTP"),
		Entry("in whether anything is checked", withChecks(v1alpha1.PolicyChecks{Kinds: []v1alpha1.CheckKind{v1alpha1.CheckKindTCP, v1alpha1.CheckKindHTTP}}),
			none, "None"),
		Entry("in what is sent as Host", withChecks(v1alpha1.PolicyChecks{}), check(v1alpha1.Check{
			Name: "http", HTTP: &v1alpha1.HTTPCheck{Hostname: "admin.internal"},
		}), "customHost"),
		Entry("in what names a host as Host does", withChecks(v1alpha1.PolicyChecks{}), check(v1alpha1.Check{
			Name: "http", HTTP: &v1alpha1.HTTPCheck{Headers: []v1alpha1.HTTPHeader{{Name: "x-forwarded-host", Value: new("admin.internal")}}},
		}), "customHost"),
	)

	It("lengthens the intervals of checks that are too short, and says so", func(ctx SpecContext) {
		policy := s.policy(ctx, "slow", allowing(all), withChecks(v1alpha1.PolicyChecks{MinInterval: new(v1alpha1.Duration("1h"))}))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionAccepted, yes(v1alpha1.ReasonAccepted, "1h0m0s"))
		s.expectIntervals(ctx, o, time.Hour)
		s.expect(ctx, "payments", both)
		edit(ctx, policy, func(p *v1alpha1.ExternalBackendPolicy) { p.Spec.Allow.Checks.MinInterval = nil })
		s.expectIntervals(ctx, o, time.Second)
	})

	It("lengthens the intervals of checks that go on because the next ones are a mistake", func(ctx SpecContext) {
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) {
			eb.Spec.HealthCheck.Checks[0].Port = new(intstr.FromString("htpp"))
		})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionAccepted, no(v1alpha1.ReasonCheckPortNotFound))
		policy := s.policy(ctx, "slow", allowing(all), withChecks(v1alpha1.PolicyChecks{MinInterval: new(v1alpha1.Duration("1h"))}))
		s.expectIntervals(ctx, o, time.Hour)
		edit(ctx, policy, func(p *v1alpha1.ExternalBackendPolicy) { p.Spec.Allow.Checks.MinInterval = nil })
		s.expectIntervals(ctx, o, time.Second)
		s.expect(ctx, "payments", both)
	})

	It("keeps a target that drains from being checked as it is not allowed, and it stays as it was", func(ctx SpecContext) {
		tcpOnly := v1alpha1.PolicyChecks{Kinds: []v1alpha1.CheckKind{v1alpha1.CheckKindTCP}}
		edit(ctx, eb, tcp)
		s.policy(ctx, "tcp", allowing("192.0.2.10/32"), withChecks(tcpOnly))
		s.policy(ctx, "any", allowing("192.0.2.11/32"), withChecks(v1alpha1.PolicyChecks{CustomHost: true}))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionAccepted, yes(v1alpha1.ReasonAccepted))
		s.expect(ctx, "payments", both)
		edit(ctx, eb, together(withoutEntry, check(v1alpha1.Check{Name: "http", HTTP: &v1alpha1.HTTPCheck{Hostname: "admin.internal"}})))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": leaving, "192.0.2.11": in})
		Eventually(o.asked.checksOf).WithArguments(s.namespace, "payments").Should(And(
			HaveLen(1), HaveKeyWithValue("192.0.2.11", ConsistOf(HaveField("HTTP.Host", "admin.internal")))))
		edit(ctx, eb, tcp)
		Eventually(o.asked.checksOf).WithArguments(s.namespace, "payments").Should(HaveKeyWithValue("192.0.2.10", ConsistOf(HaveField("Kind", health.TCP))))
		s.host("192.0.2.10").Set(targets.Refuse)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": unserving, "192.0.2.11": in})
		edit(ctx, eb, check(v1alpha1.Check{Name: "http", HTTP: &v1alpha1.HTTPCheck{Hostname: "admin.internal"}}))
		Eventually(o.asked.checksOf).WithArguments(s.namespace, "payments").Should(HaveLen(1))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": unserving, "192.0.2.11": in})
	})

	It("limits the addresses of an ExternalBackend", func(ctx SpecContext) {
		policy := s.policy(ctx, "few", allowing(all), func(spec *v1alpha1.ExternalBackendPolicySpec) { spec.Allow.MaxAddresses = 1 })
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionAccepted, no(v1alpha1.ReasonLimitExceeded, `"cage"`, "192.0.2.11"))
		edit(ctx, eb, entry("again", "192.0.2.10"))
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) {
			eb.Spec.Targets = append(eb.Spec.Targets[2:], eb.Spec.Targets[:2]...)
		})
		s.settled(ctx, eb)
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(endpoints{"192.0.2.10": in}))
		edit(ctx, policy, func(p *v1alpha1.ExternalBackendPolicy) { p.Spec.Allow.MaxAddresses = 2 })
		s.expect(ctx, "payments", both)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionAccepted, yes(v1alpha1.ReasonAccepted))
	})
})

var _ = Describe("Where a policy is required", func() {
	It("a namespace without one reaches nothing, and has nothing left when it is gone", func(ctx SpecContext) {
		s := newScene(ctx)
		ownOperator(operatorOptions{requirePolicy: true})
		host := s.host("192.0.2.10")
		s.service(ctx, "payments")
		s.backend(ctx, "payments", entry("rack", "192.0.2.10"))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionAccepted, no(v1alpha1.ReasonNoPolicy, "192.0.2.10"))
		Expect(host.Attempts()).To(BeZero())
		Expect(s.slices(ctx)).To(BeEmpty())

		host.Set(targets.Serve)
		policy := s.policy(ctx, "some", allowing("192.0.2.0/24"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		Expect(admin.Delete(ctx, policy)).To(Succeed())
		Eventually(s.slices).WithContext(ctx).Should(BeEmpty())
		s.expectCondition(ctx, "payments", v1alpha1.ConditionAccepted, no(v1alpha1.ReasonNoPolicy))
	})
})
