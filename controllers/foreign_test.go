// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/targets"
)

// Values of the managed-by label of slices that Kubernetes writes.
const (
	fromSelectors = "endpointslice-controller.k8s.io"
	fromEndpoints = "endpointslicemirroring-controller.k8s.io"
)

// liveLists returns how often the operator has listed slices of the namespace
// since a mark, past all caches.
func (s *scene) liveLists(mark int) (n int) {
	for _, r := range audit.since(mark) {
		if r.Namespace == s.namespace && r.String() == "list endpointslices" {
			n++
		}
	}
	return n
}

var _ = Describe("Slices of somebody else on our Service", func() {
	var s *scene
	var svc *corev1.Service
	var mark int
	BeforeEach(func(ctx SpecContext) {
		sharedOperator()
		s = newScene(ctx)
		s.host("192.0.2.10")
		mark = audit.mark()
		svc = s.service(ctx, "payments")
		s.backend(ctx, "payments", entry("rack", "192.0.2.10"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
	})
	conflict := func(parts ...string) types.GomegaMatcher { return yes(v1alpha1.ReasonForeignEndpointSlices, parts...) }
	noConflict := func(ctx SpecContext) {
		GinkgoHelper()
		s.expectCondition(ctx, "payments", v1alpha1.ConditionConflict, BeZero())
	}
	untouched := func(ctx SpecContext, foreign *discoveryv1.EndpointSlice) {
		GinkgoHelper()
		Expect(s.slices(ctx)).To(ContainElement(And(
			HaveField("Name", foreign.Name), HaveField("ResourceVersion", foreign.ResourceVersion))))
	}
	flip := func(ctx SpecContext) {
		GinkgoHelper()
		s.host("192.0.2.10").Set(targets.Refuse)
		Eventually(s.endpointsOf).WithContext(ctx).WithArguments("payments").Should(HaveKeyWithValue("192.0.2.10", out))
		s.host("192.0.2.10").Set(targets.Serve)
		Eventually(s.endpointsOf).WithContext(ctx).WithArguments("payments").Should(HaveKeyWithValue("192.0.2.10", in))
	}

	DescribeTable("are reported and left alone until they are gone", func(ctx SpecContext, manager string, parts ...string) {
		noConflict(ctx)
		foreign := s.foreignSlice(ctx, "payments", "theirs", manager, "203.0.113.1")
		s.expectCondition(ctx, "payments", v1alpha1.ConditionConflict, conflict(append(parts, `"theirs"`)...))
		Eventually(s.events).WithContext(ctx).WithArguments("payments").Should(
			HaveKeyWithValue(v1alpha1.ReasonForeignEndpointSlices, ConsistOf(ContainSubstring(`"theirs"`))))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
		flip(ctx)
		untouched(ctx, foreign)

		Expect(admin.Delete(ctx, foreign)).To(Succeed())
		noConflict(ctx)
		Eventually(s.events).WithContext(ctx).WithArguments("payments").Should(HaveKeyWithValue("ForeignEndpointSlicesGone", HaveLen(1)))
		Expect(s.liveLists(mark)).To(Equal(1), "live lists in all")
	},
		Entry("hand-made ones", "me", "managed by me", "delete them once"),
		Entry("hand-made ones without a manager", "", "managed by nobody", "delete them once"),
		Entry("copies of an Endpoints object", fromEndpoints, fromEndpoints, `Endpoints object "payments"`),
	)

	It("are those of the Service that they are relabelled for", func(ctx SpecContext) {
		s.service(ctx, "checkout")
		s.backend(ctx, "checkout", entry("rack", "192.0.2.10"))
		foreign := s.foreignSlice(ctx, "payments", "theirs", "me", "203.0.113.1")
		s.expectCondition(ctx, "payments", v1alpha1.ConditionConflict, conflict(`"theirs"`))
		edit(ctx, foreign, func(e *discoveryv1.EndpointSlice) { e.Labels[discoveryv1.LabelServiceName] = "checkout" })
		s.expectCondition(ctx, "checkout", v1alpha1.ConditionConflict, conflict(`"theirs"`))
		noConflict(ctx)
		untouched(ctx, foreign)
	})

	It("are reported where a selector has left them behind", func(ctx SpecContext) {
		setSelector := func(selector map[string]string, status types.GomegaMatcher) {
			GinkgoHelper()
			edit(ctx, svc, func(svc *corev1.Service) { svc.Spec.Selector = selector })
			s.expectCondition(ctx, "payments", v1alpha1.ConditionServiceResolved, status)
		}
		selects, resolved := no(v1alpha1.ReasonServiceHasSelector), yes(v1alpha1.ReasonServiceResolved)
		setSelector(map[string]string{"app": "payments"}, selects)
		pods := s.foreignSlice(ctx, "payments", "payments-pods", fromSelectors, "203.0.113.1")
		noConflict(ctx)

		mark = audit.mark()
		setSelector(nil, resolved)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionConflict, conflict(`"payments-pods"`, "left over from a selector"))
		flip(ctx)
		untouched(ctx, pods)
		Expect(s.liveLists(mark)).To(Equal(1), "live lists for the lost selector")

		Expect(admin.Delete(ctx, pods)).To(Succeed())
		setSelector(map[string]string{"app": "payments"}, selects)
		setSelector(nil, resolved)
		noConflict(ctx)
	})

	It("are looked for again after a minute where a selector has left them behind", func(ctx SpecContext) {
		pods := s.foreignSlice(ctx, "payments", "payments-pods", fromSelectors, "203.0.113.1")
		ticks := &advanced{}
		ownOperator(operatorOptions{clock: ticks})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionConflict, conflict(`"payments-pods"`))
		Expect(admin.Delete(ctx, pods)).To(Succeed())
		flip(ctx)
		Expect(s.condition(ctx, "payments", v1alpha1.ConditionConflict)).NotTo(BeZero())
		ticks.advance(time.Minute)
		flip(ctx)
		noConflict(ctx)
	})
})

var _ = Describe("A Service with slices of its user's", func() {
	DescribeTable("is taken over without a gap", func(ctx SpecContext, manager string) {
		sharedOperator()
		s := newScene(ctx)
		both := []string{"192.0.2.10", "192.0.2.11"}
		for _, address := range both {
			s.host(address)
		}
		s.service(ctx, "payments")
		before := s.foreignSlice(ctx, "payments", "by-hand", manager, both...)
		seen := s.watch(ctx)

		s.backend(ctx, "payments", entry("rack", both...))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionConflict, yes(v1alpha1.ReasonForeignEndpointSlices, `"by-hand"`))
		for _, kind := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionPublished, v1alpha1.ConditionHealthy} {
			s.expectCondition(ctx, "payments", kind, HaveField("Status", metav1.ConditionTrue))
		}
		Expect(admin.Delete(ctx, before)).To(Succeed())
		s.expectCondition(ctx, "payments", v1alpha1.ConditionConflict, BeZero())

		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.11": in})
		Expect(seen.gaps("payments", both...)).To(BeEmpty())
		Expect(seen.unready()).To(BeEmpty(), "an address that is there twice must be so alike")
		Expect(s.ours(ctx)).To(HaveLen(1))
	},
		Entry("from hand-made slices", "me"),
		Entry("from an Endpoints object", fromEndpoints),
	)
})
