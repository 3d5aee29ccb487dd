// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"bytes"
	"io"
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"externalbackend.dev/operator/api/v1alpha1"
)

// updating matches updates below a path that say something.
func updating(path, text string) func(*http.Request) bool {
	return func(r *http.Request) bool {
		if r.Method != http.MethodPut || !writing(path)(r) {
			return false
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return false
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		return bytes.Contains(body, []byte(text))
	}
}

// madeAnew matches the slice that took another one's place under its name.
func madeAnew(slice discoveryv1.EndpointSlice) types.GomegaMatcher {
	return And(HaveField("Name", slice.Name), Not(HaveField("UID", slice.UID)))
}

var (
	tooLarge       = metav1.Status{Status: metav1.StatusFailure, Code: http.StatusRequestEntityTooLarge, Reason: metav1.StatusReasonRequestEntityTooLarge}
	gatewayTimeout = metav1.Status{Status: metav1.StatusFailure, Code: http.StatusGatewayTimeout, Reason: metav1.StatusReasonTimeout}
	unauthorized   = metav1.Status{Status: metav1.StatusFailure, Code: http.StatusUnauthorized, Reason: metav1.StatusReasonUnauthorized}
)

var _ = Describe("An address that is denied goes though", func() {
	var s *scene
	var o *operator
	var ticks *advanced
	var svc *corev1.Service
	left := endpoints{"192.0.2.10": in, "192.0.2.12": in}
	BeforeEach(func(ctx SpecContext) {
		ticks = &advanced{}
		s, o = newScene(ctx), ownOperator(operatorOptions{clock: ticks})
		svc = s.service(ctx, "payments")
		s.backend(ctx, "payments", none, entry("rack", "192.0.2.10", "192.0.2.12", "192.0.2.11"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.11": in, "192.0.2.12": in})
	})
	deny := denying(v1alpha1.PolicyDeny{CIDRs: []v1alpha1.CIDR{"192.0.2.11/32"}})

	DescribeTable("what else is to change in its slice is refused", func(ctx SpecContext, policy func(*v1alpha1.ExternalBackendPolicySpec), reason string) {
		slice := s.slicesOf(ctx, "payments")[0]
		seen := s.watch(ctx)
		o.requests.cause(answerSome(always, updating(s.slicePath(), "hostile"), forbidden))
		edit(ctx, svc, func(svc *corev1.Service) { svc.Labels = map[string]string{"hostile": "yes"} })
		s.expectCondition(ctx, "payments", v1alpha1.ConditionPublished, no(v1alpha1.ReasonWriteFailed))
		s.policy(ctx, "deny", policy)
		s.expect(ctx, "payments", left)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionAccepted, no(reason, "192.0.2.11"))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionPublished, no(v1alpha1.ReasonWriteFailed))
		Expect(s.slicesOf(ctx, "payments")).To(ConsistOf(And(HaveField("UID", slice.UID), HaveField("Labels", slice.Labels))))
		Expect(seen.gaps("payments", "192.0.2.10")).To(BeEmpty())
		o.requests.cause(nil)
		Eventually(s.slices).WithContext(ctx).Should(ConsistOf(HaveField("Labels", HaveKey("hostile"))))
	},
		Entry("and a policy denies it", deny, v1alpha1.ReasonPolicyDenied),
		Entry("and it is one too many", func(spec *v1alpha1.ExternalBackendPolicySpec) {
			allowing("192.0.2.0/24")(spec)
			spec.Allow.MaxAddresses = 2
		}, v1alpha1.ReasonLimitExceeded),
	)

	DescribeTable("every update of its slice is refused, with the slice, which is made anew", func(ctx SpecContext, status metav1.Status) {
		slice := s.slicesOf(ctx, "payments")[0]
		o.requests.cause(answerSome(always, updating(s.slicePath(), ""), status))
		s.policy(ctx, "deny", deny)
		s.expect(ctx, "payments", left)
		Expect(s.slicesOf(ctx, "payments")).To(ConsistOf(madeAnew(slice)))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionPublished, yes(v1alpha1.ReasonPublished))
	},
		Entry("by a policy", forbidden),
		Entry("since it is too large", tooLarge),
	)

	DescribeTable("updates of its slice fail for long, with the slice", func(ctx SpecContext, status metav1.Status) {
		slice := s.slicesOf(ctx, "payments")[0]
		mark := audit.mark()
		o.requests.cause(answerSome(always, updating(s.slicePath(), ""), status))
		s.policy(ctx, "deny", deny)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionPublished, no(v1alpha1.ReasonWriteFailed))
		Expect(s.writes(mark)).NotTo(ContainElement(HavePrefix("delete ")))
		ticks.advance(30 * time.Second)
		s.expect(ctx, "payments", left)
		Expect(s.slicesOf(ctx, "payments")).To(ConsistOf(madeAnew(slice)))
	},
		Entry("by a webhook", internalError),
		Entry("since nobody answers behind the API server", gatewayTimeout),
		Entry("since nobody knows who writes", unauthorized),
	)

	DescribeTable("updates come to nothing for the moment, without its slice", func(ctx SpecContext, status metav1.Status) {
		slice := s.slicesOf(ctx, "payments")[0]
		mark := audit.mark()
		o.requests.cause(answerSome(always, updating(s.slicePath(), ""), status))
		s.policy(ctx, "deny", deny)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionPublished, no(v1alpha1.ReasonWriteFailed))
		o.requests.cause(nil)
		s.expect(ctx, "payments", left)
		Expect(s.writes(mark)).NotTo(ContainElement(HavePrefix("delete ")))
		Expect(s.slicesOf(ctx, "payments")).To(ConsistOf(HaveField("UID", slice.UID)))
	},
		Entry("since the API server is away", unavailable),
		Entry("since it has too much to do", tooMany),
		Entry("since a webhook fails", internalError),
		Entry("since nobody answers behind the API server", gatewayTimeout),
		Entry("since nobody knows who writes", unauthorized),
	)

	It("its namespace has been fenced meanwhile, which adds and brings back nothing", func(ctx SpecContext) {
		slice := s.slicesOf(ctx, "payments")[0]
		fence(ctx, s.namespace)
		s.policy(ctx, "deny", deny)
		s.expect(ctx, "payments", left)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionAccepted, no(v1alpha1.ReasonPolicyDenied, "192.0.2.11"))
		Expect(s.slicesOf(ctx, "payments")).To(ConsistOf(HaveField("UID", slice.UID)))
		edit(ctx, svc, func(svc *corev1.Service) { svc.Labels = map[string]string{"team": "shop"} })
		s.expectCondition(ctx, "payments", v1alpha1.ConditionPublished, no(v1alpha1.ReasonWriteFailed, "fenced"))
		s.policy(ctx, "more", denying(v1alpha1.PolicyDeny{CIDRs: []v1alpha1.CIDR{"192.0.2.12/32"}}))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		Expect(s.slicesOf(ctx, "payments")).To(ConsistOf(HaveField("UID", slice.UID)))
	})
})
