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

// drainOn takes instances out for other reasons than their state.
func drainOn(reasons ...v1alpha1.InstanceDrainReason) func(*v1alpha1.EC2Target) {
	return func(t *v1alpha1.EC2Target) { t.DrainOn = reasons }
}

var _ = Describe("An instance", func() {
	var s *scene
	var f *fleet
	both := endpoints{"192.0.2.10": in, "192.0.2.11": in}
	left := endpoints{"192.0.2.10": leaving, "192.0.2.11": in}
	BeforeEach(func(ctx SpecContext) {
		sharedOperator()
		s = newScene(ctx)
		f = s.fleet(ctx)
		s.service(ctx, "payments")
		s.host("192.0.2.10")
	})
	spec := fake.Instance{PrivateIP: "192.0.2.10", Tags: map[string]string{"app": "payments"}}

	It("that is pending is waited for", func(ctx SpecContext) {
		id := f.Launch(spec)
		s.backend(ctx, "payments", f.selected("fleet"))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionTargetsResolved, says(metav1.ConditionUnknown, v1alpha1.ReasonInstancesPending, id, "pending"))
		Expect(s.endpointsOf(ctx, "payments")).To(BeEmpty())
		f.Settle(id)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
	})

	It("that is not in service in its Auto Scaling group yet is waited for", func(ctx SpecContext) {
		id := f.run(s, "192.0.2.10", func(i *fake.Instance) { i.Group, i.Lifecycle = "web", "Pending:Wait" })
		s.backend(ctx, "payments", f.selected("fleet"))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionTargetsResolved, says(metav1.ConditionUnknown, v1alpha1.ReasonInstancesPending, id, "Pending:Wait"))
		Expect(s.endpointsOf(ctx, "payments")).To(BeEmpty())
		f.Update(id, func(i *fake.Instance) { i.Lifecycle = "InService" })
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
	})

	It("in a group is as it was while nothing is known of the group", func(ctx SpecContext) {
		id := f.run(s, "192.0.2.10", func(i *fake.Instance) { i.Group = "web" })
		f.run(s, "192.0.2.11")
		f.served(ctx, s, []string{"192.0.2.10", "192.0.2.11"}, drainFor("1h"))
		history := s.watch(ctx)
		injected := f.fault(fake.Fault{Operation: "DescribeAutoScalingInstances", Times: 1, Effect: fake.Fail(400, "ValidationError", "no")})
		Eventually(injected.Hits).WithContext(ctx).WithTimeout(2 * patience).Should(Equal(1))
		f.listed(ctx, 2)
		Expect(history.all()).To(BeEmpty())
		f.Update(id, func(i *fake.Instance) { i.Lifecycle = "Terminating:Wait" })
		s.expect(ctx, "payments", left)
	})

	It("that was stopped is served again when it has started, as soon as its checks pass", func(ctx SpecContext) {
		id := f.run(s, "192.0.2.10")
		f.run(s, "192.0.2.11")
		f.served(ctx, s, []string{"192.0.2.10", "192.0.2.11"}, drainFor("1h"))
		f.Stop(id)
		f.Settle(id)
		s.expect(ctx, "payments", left)
		f.Start(id)
		f.listed(ctx, 2)
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(left), "it is pending")
		f.Settle(id)
		s.expect(ctx, "payments", both)
	})

	It("that is the only one and stops is told, and drains", func(ctx SpecContext) {
		id := f.run(s, "192.0.2.10")
		f.served(ctx, s, []string{"192.0.2.10"}, drainFor("1h"))
		f.Stop(id)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": leaving})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionTargetsResolved, no(v1alpha1.ReasonInstancesNotRunning, id, "stopping"))
	})

	It("drains for as long as spec.drain says", func(ctx SpecContext) {
		id := f.run(s, "192.0.2.10")
		f.run(s, "192.0.2.11")
		f.served(ctx, s, []string{"192.0.2.10", "192.0.2.11"}, drainFor("3s"))
		history := s.watch(ctx)
		f.Stop(id)
		s.expect(ctx, "payments", endpoints{"192.0.2.11": in})
		Expect(history.all()).To(ContainElement(HaveField("Endpoints", left)))
		Eventually(s.events).WithContext(ctx).WithArguments("payments").Should(And(
			HaveKeyWithValue("TargetsDraining", ConsistOf(ContainSubstring("192.0.2.10"))),
			HaveKeyWithValue("TargetsDrained", ConsistOf(ContainSubstring("192.0.2.10")))))
	})

	DescribeTable("that AWS says is not well is told, and drains if the entry says so:",
		func(ctx SpecContext, ail func(*fake.Instance), reason string, drains v1alpha1.InstanceDrainReason, part string) {
			id := f.run(s, "192.0.2.10", ail)
			f.run(s, "192.0.2.11")
			eb := f.served(ctx, s, []string{"192.0.2.10", "192.0.2.11"}, drainFor("1h"))
			s.expectCondition(ctx, "payments", v1alpha1.ConditionInstancesImpaired, yes(reason, id, part, "served all the same"))
			s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
			edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) { drainOn(drains)(eb.Spec.Targets[0].EC2) })
			s.expect(ctx, "payments", left)
			s.expectCondition(ctx, "payments", v1alpha1.ConditionInstancesImpaired, yes(reason, id, part, "it drains"))
			edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) { drainOn()(eb.Spec.Targets[0].EC2) })
			s.expect(ctx, "payments", both)
		},
		Entry("its own check", func(i *fake.Instance) { i.InstanceStatus = "impaired" },
			v1alpha1.ReasonStatusImpaired, v1alpha1.DrainOnImpairedStatus, "impaired"),
		Entry("the check of its system", func(i *fake.Instance) { i.SystemStatus = "impaired" },
			v1alpha1.ReasonStatusImpaired, v1alpha1.DrainOnImpairedStatus, "impaired"),
		Entry("an event", func(i *fake.Instance) {
			i.Events = []fake.Event{{Code: "instance-retirement", NotBefore: time.Now().Add(time.Hour)}}
		}, v1alpha1.ReasonScheduledEvent, v1alpha1.DrainOnScheduledEvent, "instance-retirement not before "),
	)

	It("is served though its status cannot be asked for", func(ctx SpecContext) {
		f.fault(fake.Fault{Operation: "DescribeInstanceStatus", Effect: fake.Deny()})
		f.run(s, "192.0.2.10")
		f.served(ctx, s, []string{"192.0.2.10"})
		Expect(s.condition(ctx, "payments", v1alpha1.ConditionStale)).To(withdrawn)
	})
})
