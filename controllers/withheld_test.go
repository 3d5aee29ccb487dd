// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"net/http"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/targets"
)

var _ = Describe("A slice that cannot be created", func() {
	var s *scene
	var o *operator
	var host *targets.Host
	var svc *corev1.Service
	var eb *v1alpha1.ExternalBackend
	BeforeEach(func(ctx SpecContext) {
		s, o = newScene(ctx), ownOperator(operatorOptions{})
		host = s.host("192.0.2.10")
		for _, address := range []string{"192.0.2.11", "192.0.2.12", "2001:db8::10"} {
			s.host(address)
		}
		svc = s.service(ctx, "payments")
		eb = s.backend(ctx, "payments", hasty, drainFor("0s"), entry("rack", "192.0.2.10"), entry("cage", "192.0.2.11"), entry("shelf", "192.0.2.12"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.11": in, "192.0.2.12": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
	})
	creations := func(become fault) { o.requests.cause(on(creating(s.slicePath()), become)) }
	refused := answerFirst(always, "/", forbidden)
	// moves gives the second entry ports of its own, so that it needs a slice of
	// its own.
	moves := func(eb *v1alpha1.ExternalBackend) {
		eb.Spec.Targets[1].Ports = []v1alpha1.TargetPort{{Name: "http", Port: 8081}}
	}

	It("keeps nobody ready in the slice that an address was to leave for it", func(ctx SpecContext) {
		creations(refused)
		edit(ctx, eb, moves)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionPublished, no(v1alpha1.ReasonWriteFailed))
		host.Set(targets.Refuse)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": out, "192.0.2.11": out, "192.0.2.12": in})
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) { eb.Spec.Targets = eb.Spec.Targets[:2] })
		s.expect(ctx, "payments", endpoints{"192.0.2.10": out, "192.0.2.11": out})
		o.requests.cause(nil)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
		Expect(s.slicesOf(ctx, "payments")).To(HaveLen(2))
	})

	It("because it gets no answer keeps nobody ready", func(ctx SpecContext) {
		creations(func(r *http.Request, _ http.RoundTripper) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		edit(ctx, eb, moves)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionPublished, no(v1alpha1.ReasonWriteFailed))
		host.Set(targets.Refuse)
		Eventually(s.endpointsOf, "60s").WithContext(ctx).WithArguments("payments").Should(HaveKeyWithValue("192.0.2.10", out))
	})

	It("takes nothing from an ExternalBackend that serves the same address on another port", func(ctx SpecContext) {
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) { eb.Spec.Ports = []v1alpha1.BackendPort{{Name: "http", Port: 8080}} })
		edit(ctx, svc, func(svc *corev1.Service) {
			svc.Spec.Ports = append(svc.Spec.Ports, corev1.ServicePort{Name: "metrics", Port: 9090})
		})
		other := s.backend(ctx, "other", of("payments"), none, entry("rack", "192.0.2.11"), func(eb *v1alpha1.ExternalBackend) {
			eb.Spec.Ports = []v1alpha1.BackendPort{{Name: "metrics", Port: 9090}}
		})
		s.expectCondition(ctx, "other", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
		creations(refused)
		edit(ctx, eb, moves)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionPublished, no(v1alpha1.ReasonWriteFailed))
		Expect(admin.Delete(ctx, other)).To(Succeed())
		Eventually(s.slicesOf).WithContext(ctx).WithArguments("payments").Should(HaveLen(1))
	})
})
