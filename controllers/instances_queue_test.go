// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/aws/fake"
)

// queue gives the identity a queue.
func (f *fleet) queue(ctx context.Context) *fake.Queue {
	GinkgoHelper()
	q := f.Queue("events")
	edit(ctx, f.identity, func(identity *v1alpha1.AWSIdentity) { identity.Spec.Queues = []v1alpha1.EventQueue{{URL: q.URL()}} })
	return q
}

var _ = Describe("A message about an instance", func() {
	var s *scene
	var f *fleet
	var o *operator
	var q *fake.Queue
	var id string
	both := endpoints{"192.0.2.10": in, "192.0.2.11": in}
	left := endpoints{"192.0.2.10": leaving, "192.0.2.11": in}
	BeforeEach(func(ctx SpecContext) {
		// Without messages, nothing would be heard within the spec.
		o = ownOperator(operatorOptions{refresh: 10 * patience})
		s = newScene(ctx)
		f = s.fleet(ctx)
		q = f.queue(ctx)
		s.service(ctx, "payments")
		id = f.run(s, "192.0.2.10")
		f.run(s, "192.0.2.11")
	})
	serve := func(ctx context.Context, reasons ...v1alpha1.InstanceDrainReason) {
		GinkgoHelper()
		s.backend(ctx, "payments", drainFor("1h"), f.selected("fleet", drainOn(reasons...)))
		s.expect(ctx, "payments", both)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
	}

	It("that AWS is going to reclaim it has it drain, if the entry says so", func(ctx SpecContext) {
		serve(ctx, v1alpha1.DrainOnSpotInterruption)
		q.Send(f.SpotInterruption(id))
		s.expect(ctx, "payments", left)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionInstancesImpaired, yes(v1alpha1.ReasonSpotInterruption, id, "it drains"))
		Eventually(q.Len).WithContext(ctx).Should(BeZero())
	})

	It("that AWS is going to reclaim it is told at least", func(ctx SpecContext) {
		serve(ctx)
		q.Send(f.SpotInterruption(id))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionInstancesImpaired, yes(v1alpha1.ReasonSpotInterruption, id, "served all the same"))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(both))
	})

	It("that AWS is going to reclaim it counts for the next leader, too", func(ctx SpecContext) {
		serve(ctx, v1alpha1.DrainOnSpotInterruption)
		q.Send(f.SpotInterruption(id))
		s.expect(ctx, "payments", left)
		Eventually(q.Len).WithContext(ctx).Should(BeZero())
		history := s.watch(ctx)
		o.stop()
		o = ownOperator(operatorOptions{})
		f.listed(ctx, 3)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionInstancesImpaired, yes(v1alpha1.ReasonSpotInterruption, id))
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(left))
		Expect(history.all()).To(BeEmpty())
	})

	DescribeTable("has it looked at:", func(ctx SpecContext, message func() string, change func()) {
		serve(ctx)
		change()
		q.Send(message())
		s.expect(ctx, "payments", left)
	},
		Entry("another state", func() string { return f.StateChange(id, "stopping") }, func() { f.Stop(id) }),
		Entry("its Auto Scaling group ends it", func() string { return f.TerminateAction(id, "web") }, func() { f.Terminate(id) }),
	)

	It("is not believed: what AWS says counts", func(ctx SpecContext) {
		serve(ctx)
		history := s.watch(ctx)
		before := aws.Count("DescribeInstances")
		q.Send(f.StateChange(id, "terminated"))
		Eventually(aws.Count).WithContext(ctx).WithArguments("DescribeInstances").Should(BeNumerically(">", before))
		Eventually(q.Len).WithContext(ctx).Should(BeZero())
		f.Stop(id) // which comes last
		q.Send(f.StateChange(id, "stopping"))
		s.expect(ctx, "payments", left)
		Expect(history.all()).To(HaveLen(1))
	})

	It("that cannot be understood is deleted and harms nothing", func(ctx SpecContext) {
		serve(ctx, v1alpha1.DrainOnSpotInterruption)
		history := s.watch(ctx)
		elsewhere := f.account.Region("eu-central-1")
		garbage := []string{
			"{", "null", "[]", "42", `"text"`, `{"source":"aws.ec2"}`, `{"source":"aws.ec2","region":"eu-west-1","detail":null}`,
			`{"source":"aws.ec2","region":"eu-west-1","detail":{"instance-id":42}}`,
			`{"source":"aws.ec2","region":"eu-west-1","detail-type":"EC2 Spot Instance Interruption Warning","detail":{"instance-id":"i-*"}}`,
			f.SpotInterruption("i-0000000000000dead"), elsewhere.SpotInterruption(id), strings.Repeat("[", 100_000),
		}
		q.Send(garbage...)
		Eventually(q.Deleted).WithContext(ctx).WithTimeout(2 * patience).Should(Equal(len(garbage)))
		Expect(history.all()).To(BeEmpty())
		q.Send(f.SpotInterruption(id))
		s.expect(ctx, "payments", left)
	})
})

var _ = Describe("An AWSIdentity without a queue", func() {
	It("is told to whoever wants to hear of Spot interruptions", func(ctx SpecContext) {
		sharedOperator()
		s := newScene(ctx)
		f := s.fleet(ctx)
		s.service(ctx, "payments")
		f.run(s, "192.0.2.10")
		s.backend(ctx, "payments", f.selected("fleet", drainOn(v1alpha1.DrainOnSpotInterruption)))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		Eventually(s.sourceOf).WithContext(ctx).WithArguments("payments", "fleet").Should(HaveField("Problem", And(
			ContainSubstring("no queue in "+region), ContainSubstring(f.identity.Name))))
	})
})
