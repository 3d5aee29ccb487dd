// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/aws/fake"
)

var _ = Describe("An instance that is not found", func() {
	const unknown = "i-0000000000000dead"
	var s *scene
	var f *fleet
	ticks := new(advanced)
	BeforeEach(func(ctx SpecContext) {
		ticks.by.Store(0)
		ownOperator(operatorOptions{clock: ticks})
		s = newScene(ctx)
		f = s.fleet(ctx)
		s.service(ctx, "payments")
	})
	two := func() (first, second string) { return f.run(s, "192.0.2.10"), f.run(s, "192.0.2.11") }

	DescribeTable("in one answer stays", func(ctx SpecContext, times int) {
		id, _ := two()
		f.served(ctx, s, []string{"192.0.2.10", "192.0.2.11"}, drainFor("1h"))
		history := s.watch(ctx)
		injected := f.fault(fake.Fault{Operation: "DescribeInstances", Times: times, Effect: fake.Lose(id)})
		Eventually(injected.Hits).WithContext(ctx).WithTimeout(2 * patience).Should(Equal(times))
		f.listed(ctx, 3)
		Expect(history.all()).To(BeEmpty())
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
	},
		Entry("if it is there when asked for by its id", 1),
		Entry("if it is not there when asked for by its id either", 2),
	)

	It("again and again is gone, without a grace, since somebody else may have its address", func(ctx SpecContext) {
		id, _ := two()
		f.served(ctx, s, []string{"192.0.2.10", "192.0.2.11"}, drainFor("1h"))
		history := s.watch(ctx)
		f.Purge(id)
		s.expect(ctx, "payments", endpoints{"192.0.2.11": in})
		Expect(history.all()).To(HaveLen(1), "it does not drain")
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
	})

	It("and never was is waited for, then reported, and served once it is there", func(ctx SpecContext) {
		eb := s.backend(ctx, "payments", f.selected("fleet", byID(unknown)))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionTargetsResolved, says(metav1.ConditionUnknown, v1alpha1.ReasonInstancesPending, unknown, "not found yet"))
		ticks.advance(6 * time.Minute)
		s.nudge(ctx, eb)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionTargetsResolved, no(v1alpha1.ReasonInstanceNotFound, unknown, "correct the id"))
		f.run(s, "192.0.2.10", func(i *fake.Instance) { i.ID = unknown })
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionTargetsResolved, yes(v1alpha1.ReasonTargetsResolved))
	})

	It("leaves others as they are, and the ExternalBackend Ready", func(ctx SpecContext) {
		id := f.run(s, "192.0.2.10")
		eb := s.backend(ctx, "payments", f.selected("fleet", byID(id, unknown)))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
		ticks.advance(6 * time.Minute)
		s.nudge(ctx, eb)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionTargetsResolved, yes(v1alpha1.ReasonInstanceNotFound, unknown))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
	})

	It("is told, too, where others are not running", func(ctx SpecContext) {
		running, stopped := two()
		f.Stop(stopped)
		eb := s.backend(ctx, "payments", f.selected("fleet", byID(running, stopped, unknown)))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		ticks.advance(6 * time.Minute)
		s.nudge(ctx, eb)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionTargetsResolved, yes(v1alpha1.ReasonInstanceNotFound, unknown, "correct the id"))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionTargetsResolved, yes(v1alpha1.ReasonInstanceNotFound, stopped))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
	})

	It("by any filter is reported at once", func(ctx SpecContext) {
		f.Run(fake.Instance{PrivateIP: "192.0.2.10", Tags: map[string]string{"app": "search"}})
		s.backend(ctx, "payments", f.selected("fleet"))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionTargetsResolved, no(v1alpha1.ReasonInstanceNotFound, "no instance in "+region, "correct the selector"))
	})
})
