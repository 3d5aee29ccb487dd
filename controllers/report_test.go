// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"net/http"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	clocktesting "k8s.io/utils/clock/testing"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/targets"
)

// The API server of these specs takes 100 ms for a patch, by the operator's clock.
var _ = Describe("A status that the API server takes its time for", func() {
	It("is patched again after a hundred times as long, unless a condition changes", func(ctx SpecContext) {
		s, ticks := newScene(ctx), clocktesting.NewFakeClock(time.Now())
		o := ownOperator(operatorOptions{clock: ticks})
		addresses := numbered("192.0.2.10", 6)
		published := endpoints{}
		for _, address := range addresses {
			s.host(address)
			published[address] = in
		}
		s.service(ctx, "payments")
		s.backend(ctx, "payments", hasty, entry("rack", addresses...))
		s.expect(ctx, "payments", published)
		ticks.Step(time.Second)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, yes(v1alpha1.ReasonAllHealthy))
		o.requests.cause(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
			if reporting(r) {
				ticks.Step(100 * time.Millisecond)
			}
			return next.RoundTrip(r)
		})
		fail := func(address string, after time.Duration) {
			GinkgoHelper()
			ticks.Step(after)
			s.host(address).Set(targets.Refuse)
			published[address] = out
			s.expect(ctx, "payments", published)
		}

		fail(addresses[0], time.Minute)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, no(v1alpha1.ReasonSomeUnhealthy))
		mark := audit.mark()
		for _, address := range addresses[1:4] {
			fail(address, 3*time.Second)
		}
		fail(addresses[4], 500*time.Millisecond)
		ticks.Step(10 * time.Second)
		Eventually(s.statusOf).WithContext(ctx).WithArguments("payments").Should(HaveField("Targets.Unhealthy", BeEquivalentTo(5)))
		Expect(s.reports(mark)).To(Equal(1))
		fail(addresses[5], time.Second)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, no(v1alpha1.ReasonNoneHealthy))
	})
})

// reporting says whether a request is a patch of a status.
func reporting(r *http.Request) bool {
	return r.Method == http.MethodPatch && strings.HasPrefix(r.URL.Path, "/apis/externalbackend.dev/")
}

var _ = Describe("A status that is on its way", func() {
	var s *scene
	var o *operator
	var host *targets.Host
	var eb *v1alpha1.ExternalBackend
	var svc *corev1.Service
	BeforeEach(func(ctx SpecContext) {
		s, o = newScene(ctx), ownOperator(operatorOptions{})
		host = s.host("192.0.2.10")
		svc = s.service(ctx, "payments")
		eb = s.backend(ctx, "payments", hasty, entry("rack", "192.0.2.10"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, yes(v1alpha1.ReasonAllHealthy))
	})
	outdated := func(ctx SpecContext) *standstill {
		GinkgoHelper()
		still := newStandstill(reporting)
		o.requests.cause(still.fault)
		host.Set(targets.Refuse)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": out})
		Eventually(still.heldUp).Should(Equal(1))
		return still
	}

	It("does not stay when targets are by then as they were before", func(ctx SpecContext) {
		mark, still := audit.mark(), outdated(ctx)
		host.Set(targets.Serve)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		noticed(host)
		still.end()
		Eventually(s.reports).WithArguments(mark).Should(BeNumerically(">=", 2))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, yes(v1alpha1.ReasonAllHealthy))
	})

	It("does not stay when the write that it tells of has been made up for by then", func(ctx SpecContext) {
		mark, still, again := audit.mark(), newStandstill(reporting), newStandstill(func(r *http.Request) bool {
			return r.Method == http.MethodPut && strings.HasPrefix(r.URL.Path, s.slicePath())
		})
		refuse := answerFirst(1, s.slicePath(), forbidden)
		o.requests.cause(refuse.then(again.fault).then(still.fault))
		edit(ctx, svc, func(svc *corev1.Service) { svc.Labels = map[string]string{"team": "shop"} })
		Eventually(still.heldUp).Should(Equal(1))
		again.end()
		Eventually(s.slicesOf).WithContext(ctx).WithArguments("payments").Should(HaveEach(HaveField("Labels", HaveKey("team"))))
		noticed(host)
		still.end()
		Eventually(s.reports).WithArguments(mark).Should(BeNumerically(">=", 2))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionPublished, yes(v1alpha1.ReasonPublished))
	})

	It("is followed by the next one though its ExternalBackend has moved to another Service", func(ctx SpecContext) {
		s.service(ctx, "checkout")
		still := outdated(ctx)
		edit(ctx, eb, of("checkout"))
		s.expect(ctx, "checkout", endpoints{"192.0.2.10": out})
		noticed(host)
		still.end()
		s.settled(ctx, eb)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, no(v1alpha1.ReasonNoneHealthy))
	})
})
