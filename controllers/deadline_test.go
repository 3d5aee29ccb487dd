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
	discoveryv1 "k8s.io/api/discovery/v1"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/sliceplan"
	"externalbackend.dev/operator/test/targets"
)

var _ = Describe("A drain", func() {
	var s *scene
	var eb *v1alpha1.ExternalBackend
	var ticks *advanced
	begin := func(ctx SpecContext) *operator {
		GinkgoHelper()
		ticks = &advanced{}
		o := ownOperator(operatorOptions{clock: ticks})
		s.host("192.0.2.10")
		s.host("192.0.2.11")
		s.service(ctx, "payments")
		eb = s.backend(ctx, "payments", drainFor("10m"), entry("rack", "192.0.2.10", "192.0.2.11"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.11": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, yes(v1alpha1.ReasonAllHealthy))
		edit(ctx, eb, withoutFirst)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": leaving, "192.0.2.11": in})
		return o
	}
	// restart ends the operator and starts one that much later.
	restart := func(o *operator, later time.Duration) *operator {
		GinkgoHelper()
		o.stop()
		ticks.advance(later)
		return ownOperator(operatorOptions{clock: ticks})
	}
	// looksAgain has the operator look at everything once more.
	looksAgain := func(ctx SpecContext) {
		GinkgoHelper()
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) { eb.Spec.HealthCheck.UnhealthyThreshold++ })
		Eventually(s.statusOf).WithContext(ctx).WithArguments("payments").Should(HaveField("ObservedGeneration", eb.Generation))
	}
	tamper := func(ctx SpecContext, text string) {
		GinkgoHelper()
		edit(ctx, &s.slicesOf(ctx, "payments")[0], func(slice *discoveryv1.EndpointSlice) {
			slice.Annotations[sliceplan.StateAnnotation] = text
			if text == "" {
				delete(slice.Annotations, sliceplan.StateAnnotation)
			}
		})
	}
	BeforeEach(func(ctx SpecContext) { s = newScene(ctx) })

	It("goes on after a restart without a write, and ends when it should", func(ctx SpecContext) {
		o := begin(ctx)
		versions := s.versions(ctx)
		restart(o, 5*time.Minute)
		looksAgain(ctx)
		Expect(s.versions(ctx)).To(Equal(versions))
		ticks.advance(6 * time.Minute)
		looksAgain(ctx)
		s.expect(ctx, "payments", endpoints{"192.0.2.11": in})
	})

	It("that ended while no operator ran ends with the first write of the next one", func(ctx SpecContext) {
		o := begin(ctx)
		seen := s.watch(ctx)
		restart(o, 11*time.Minute)
		s.expect(ctx, "payments", endpoints{"192.0.2.11": in})
		Expect(seen.all()).To(HaveLen(1))
	})

	DescribeTable("is as long as it is, whatever somebody writes into its record", func(ctx SpecContext, text string) {
		begin(ctx)
		tamper(ctx, text)
		ticks.advance(9 * time.Minute)
		looksAgain(ctx)
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(endpoints{"192.0.2.10": leaving, "192.0.2.11": in}))
		ticks.advance(2 * time.Minute)
		looksAgain(ctx)
		s.expect(ctx, "payments", endpoints{"192.0.2.11": in})
	},
		Entry("nothing", ""),
		Entry("nonsense", "{"),
		Entry("a time that has passed", `{"192.0.2.10":{"drainUntil":"1999-01-01T00:00:00Z"}}`),
		Entry("a time that nobody will see", `{"192.0.2.10":{"drainUntil":"2999-01-01T00:00:00Z"}}`),
	)

	DescribeTable("begins anew if nobody knows any more when it ends", func(ctx SpecContext, text string) {
		o := begin(ctx)
		o.stop()
		tamper(ctx, text)
		ticks.advance(9 * time.Minute)
		ownOperator(operatorOptions{clock: ticks})
		looksAgain(ctx)
		ticks.advance(9 * time.Minute)
		looksAgain(ctx)
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(endpoints{"192.0.2.10": leaving, "192.0.2.11": in}))
		ticks.advance(2 * time.Minute)
		looksAgain(ctx)
		s.expect(ctx, "payments", endpoints{"192.0.2.11": in})
	},
		Entry("since its record is gone", ""),
		Entry("since its record is nonsense", "{"),
		Entry("since its record was made to say a time that nobody will see", `{"192.0.2.10":{"drainUntil":"2999-01-01T00:00:00Z"}}`),
	)

	It("begins anew, and lasts no longer, where the next operator's clock is behind", func(ctx SpecContext) {
		o := begin(ctx)
		restart(o, -time.Hour)
		looksAgain(ctx)
		ticks.advance(9 * time.Minute)
		looksAgain(ctx)
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(endpoints{"192.0.2.10": leaving, "192.0.2.11": in}))
		ticks.advance(2 * time.Minute)
		looksAgain(ctx)
		s.expect(ctx, "payments", endpoints{"192.0.2.11": in})
	})

	It("is shorter by as much as the next operator's clock is ahead", func(ctx SpecContext) {
		o := begin(ctx)
		restart(o, 4*time.Minute)
		looksAgain(ctx)
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(endpoints{"192.0.2.10": leaving, "192.0.2.11": in}))
		ticks.advance(7 * time.Minute)
		looksAgain(ctx)
		s.expect(ctx, "payments", endpoints{"192.0.2.11": in})
	})

	It("goes on while the Service is being deleted, and ends when it should", func(ctx SpecContext) {
		begin(ctx)
		svc := s.serviceOf(ctx, "payments")
		edit(ctx, svc, func(svc *corev1.Service) { svc.Finalizers = []string{"example.com/hold"} })
		DeferCleanup(func(ctx SpecContext) { edit(ctx, svc, func(svc *corev1.Service) { svc.Finalizers = nil }) })
		Expect(admin.Delete(ctx, svc.DeepCopy())).To(Succeed())
		s.expectCondition(ctx, "payments", v1alpha1.ConditionServiceResolved, no(v1alpha1.ReasonServiceTerminating))
		s.host("192.0.2.10").Set(targets.Refuse)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": unserving, "192.0.2.11": in})
		ticks.advance(11 * time.Minute)
		looksAgain(ctx)
		s.expect(ctx, "payments", endpoints{"192.0.2.11": in})
	})

	It("of an hour does not put off a write that failed", func(ctx SpecContext) {
		o := begin(ctx)
		o.requests.cause(answerFirst(1, s.slicePath(), internalError))
		s.host("192.0.2.11").Set(targets.Refuse)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": leaving, "192.0.2.11": out})
	})
})

var _ = Describe("An address that cannot be taken away", func() {
	var s *scene
	var o *operator
	var eb *v1alpha1.ExternalBackend
	var ticks *advanced
	both := endpoints{"192.0.2.10": in, "192.0.2.11": in}
	start := func(ctx SpecContext, edits ...func(*v1alpha1.ExternalBackend)) {
		GinkgoHelper()
		eb = s.backend(ctx, "payments", append(edits, hasty, drainFor("10m"), entry("rack", "192.0.2.10"), entry("cage", "192.0.2.11"))...)
		s.expect(ctx, "payments", both)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, yes(v1alpha1.ReasonAllHealthy))
	}
	BeforeEach(func(ctx SpecContext) {
		s, ticks = newScene(ctx), &advanced{}
		o = ownOperator(operatorOptions{clock: ticks})
		s.host("192.0.2.10")
		s.host("192.0.2.11")
	})

	DescribeTable("is told to drain all the while", func(ctx SpecContext, change func(*v1alpha1.ExternalBackend)) {
		s.service(ctx, "payments")
		start(ctx)
		o.requests.cause(answerFirst(always, s.slicePath(), unavailable))
		edit(ctx, eb, change)
		s.settled(ctx, eb)
		told := HaveField("Targets.Draining", BeEquivalentTo(1))
		Expect(s.statusOf(ctx, "payments")).To(told)
		ticks.advance(11 * time.Minute)
		before := passes()
		Eventually(passes).Should(BeNumerically(">=", before+2))
		Consistently(s.statusOf).WithContext(ctx).WithArguments("payments").Should(told)
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(both))
	},
		Entry("when its entry is set to Drain", func(eb *v1alpha1.ExternalBackend) { eb.Spec.Targets[1].State = v1alpha1.TargetDrain }),
		Entry("when its entry is removed", func(eb *v1alpha1.ExternalBackend) { eb.Spec.Targets = eb.Spec.Targets[:1] }),
		Entry("when it is to go at once", func(eb *v1alpha1.ExternalBackend) {
			eb.Spec.Targets, eb.Spec.Drain.Duration = eb.Spec.Targets[:1], "0s"
		}),
	)

	It("since the Service is to be written first is told to have drained when it has, and once", func(ctx SpecContext) {
		start(ctx, managed())
		still := newStandstill(func(r *http.Request) bool {
			return r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/services/payments")
		})
		o.requests.cause(still.fault)
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) {
			eb.Spec.Service.Template.Labels = v1alpha1.ServiceLabels{"team": "shop"}
			eb.Spec.Targets = eb.Spec.Targets[:1]
		})
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.11": leaving})
		ticks.advance(11 * time.Minute)
		s.host("192.0.2.10").Set(targets.Refuse)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": out, "192.0.2.11": leaving})
		s.host("192.0.2.10").Set(targets.Serve)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.11": leaving})
		Eventually(s.events).WithContext(ctx).WithArguments("payments").Should(HaveKey("TargetsHealthy"))
		Expect(s.events(ctx, "payments")).NotTo(HaveKey("TargetsDrained"))
		still.end()
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		Eventually(s.events).WithContext(ctx).WithArguments("payments").Should(HaveKeyWithValue("TargetsDrained", HaveLen(1)))
	})
})
