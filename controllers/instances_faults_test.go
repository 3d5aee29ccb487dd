// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/aws/fake"
	"externalbackend.dev/operator/test/targets"
)

var _ = Describe("While AWS does not tell of instances, what is served", func() {
	const listing = "DescribeInstances"
	var s *scene
	var f *fleet
	both := endpoints{"192.0.2.10": in, "192.0.2.11": in}
	BeforeEach(func(ctx SpecContext) {
		sharedOperator()
		s = newScene(ctx)
		f = s.fleet(ctx)
		s.service(ctx, "payments")
		f.run(s, "192.0.2.10")
		f.run(s, "192.0.2.11")
	})
	serve := func(ctx context.Context) {
		GinkgoHelper()
		f.served(ctx, s, []string{"192.0.2.10", "192.0.2.11"}, drainFor("1h"))
	}

	DescribeTable("stays, and the status says why and since when:", func(ctx SpecContext, fault fake.Fault, reason string) {
		f.SetPageSize(1)
		serve(ctx)
		history := s.watch(ctx)
		begun := time.Now().Truncate(time.Second)
		fault.Operation = listing
		injected := f.fault(fault)
		s.expectStale(ctx, "payments", reason, "ec2:DescribeInstances", region, "its addresses stay as they were")
		since := s.sourceOf(ctx, "payments", "fleet").StaleSince
		Expect(since).NotTo(BeNil())
		Expect(since.Time).To(BeTemporally(">=", begun))
		before := injected.Hits()
		Eventually(injected.Hits).WithContext(ctx).WithTimeout(2 * patience).Should(BeNumerically(">", before+1))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionTargetsResolved, yes(v1alpha1.ReasonTargetsResolved))
		Expect(s.sourceOf(ctx, "payments", "fleet")).To(And(HaveField("StaleSince", Equal(since)), HaveField("Addresses", BeEquivalentTo(2))))
		injected.Remove()
		s.expectFresh(ctx, "payments")
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(both))
		Expect(history.all()).To(BeEmpty(), "no slice was written")
	},
		Entry("it throttles", fake.Fault{Effect: fake.Throttle()}, v1alpha1.ReasonAWSThrottled),
		Entry("it denies the call", fake.Fault{Effect: fake.Deny()}, v1alpha1.ReasonAWSAccessDenied),
		Entry("the second page fails", fake.Fault{Page: 2, Effect: fake.Deny()}, v1alpha1.ReasonAWSAccessDenied),
		Entry("the service is unavailable", fake.Fault{Effect: fake.Unavailable()}, v1alpha1.ReasonAWSUnavailable),
		Entry("the answer ends early", fake.Fault{Effect: fake.Truncate()}, v1alpha1.ReasonAWSUnavailable),
		Entry("the answer is garbage", fake.Fault{Effect: fake.Garbage()}, v1alpha1.ReasonAWSUnavailable),
		Entry("the second page is garbage", fake.Fault{Page: 2, Effect: fake.Garbage()}, v1alpha1.ReasonAWSUnavailable),
		Entry("the connection breaks", fake.Fault{Effect: fake.Reset()}, v1alpha1.ReasonAWSUnavailable),
		Entry("the credentials have run out", fake.Fault{Effect: fake.Expire()}, v1alpha1.ReasonAWSCredentialsInvalid),
		Entry("the region is not enabled", fake.Fault{Effect: fake.OptIn()}, v1alpha1.ReasonAWSRegionUnknown),
	)

	It("stays if nothing is found once, with success", func(ctx SpecContext) {
		serve(ctx)
		history := s.watch(ctx)
		// Once when they are listed and once when they are looked for.
		injected := f.fault(fake.Fault{Operation: listing, Times: 2, Effect: fake.Empty()})
		Eventually(injected.Hits).WithContext(ctx).WithTimeout(2 * patience).Should(Equal(2))
		f.listed(ctx, 3)
		Expect(history.all()).To(BeEmpty())
		Expect(s.condition(ctx, "payments", v1alpha1.ConditionStale)).To(withdrawn)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
	})

	It("is checked all the same", func(ctx SpecContext) {
		serve(ctx)
		f.fault(fake.Fault{Operation: listing, Effect: fake.Deny()})
		s.expectStale(ctx, "payments", v1alpha1.ReasonAWSAccessDenied)
		s.hosts["192.0.2.10:8080"].Set(targets.Refuse)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": out, "192.0.2.11": in})
		s.hosts["192.0.2.10:8080"].Set(targets.Serve)
		s.expect(ctx, "payments", both)
	})

	It("stays when the role cannot be assumed any more", func(ctx SpecContext) {
		serve(ctx)
		history := s.watch(ctx)
		f.account.DropRole(f.role)
		aws.ExpireSessions()
		s.expectStale(ctx, "payments", v1alpha1.ReasonAWSCredentialsInvalid, "sts:AssumeRole")
		Expect(history.all()).To(BeEmpty())
		f.account.Role(fake.Role{Name: "externalbackend"})
		s.expectFresh(ctx, "payments")
		Expect(history.all()).To(BeEmpty())
	})

	DescribeTable("is nothing if nothing was known before:", func(ctx SpecContext, effect fake.Effect, reason string) {
		injected := f.fault(fake.Fault{Operation: listing, Effect: effect})
		s.backend(ctx, "payments", f.selected("fleet"))
		Eventually(s.condition).WithContext(ctx).WithTimeout(3*patience).WithArguments("payments", v1alpha1.ConditionTargetsResolved).
			Should(no(reason, `"fleet"`, "ec2:DescribeInstances", region, "since "))
		Expect(s.condition(ctx, "payments", v1alpha1.ConditionStale)).To(withdrawn, "nothing is served")
		Expect(s.endpointsOf(ctx, "payments")).To(BeEmpty())
		injected.Remove()
		Eventually(s.endpointsOf).WithContext(ctx).WithTimeout(2 * patience).WithArguments("payments").Should(Equal(both))
	},
		Entry("the call is denied", fake.Deny(), v1alpha1.ReasonAWSAccessDenied),
		Entry("the service is unavailable", fake.Unavailable(), v1alpha1.ReasonAWSUnavailable),
		Entry("the region is not enabled", fake.OptIn(), v1alpha1.ReasonAWSRegionUnknown),
	)
})
