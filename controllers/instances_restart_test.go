// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/aws/fake"
	"externalbackend.dev/operator/test/targets"
)

// tagged selects the instances with another value of the tag app.
func tagged(app v1alpha1.FilterValue) func(*v1alpha1.EC2Target) {
	return func(t *v1alpha1.EC2Target) {
		t.Selector.Filters = []v1alpha1.InstanceFilter{{Name: "tag:app", Values: []v1alpha1.FilterValue{app}}}
	}
}

// app gives an instance another value of the tag.
func app(value string) func(*fake.Instance) {
	return func(i *fake.Instance) { i.Tags = map[string]string{"app": value} }
}

var _ = Describe("When the operator restarts, instances", func() {
	var s *scene
	var f *fleet
	var o *operator
	var first, second string
	both := endpoints{"192.0.2.10": in, "192.0.2.11": in}
	restart := func(meanwhile func()) {
		GinkgoHelper()
		o.stop()
		meanwhile()
		o = ownOperator(operatorOptions{})
	}
	BeforeEach(func(ctx SpecContext) {
		o = ownOperator(operatorOptions{})
		s = newScene(ctx)
		f = s.fleet(ctx)
		s.service(ctx, "payments")
		first, second = f.run(s, "192.0.2.10"), f.run(s, "192.0.2.11")
	})
	serve := func(ctx SpecContext) *v1alpha1.ExternalBackend {
		GinkgoHelper()
		return f.served(ctx, s, []string{"192.0.2.10", "192.0.2.11"}, drainFor("1h"))
	}

	It("stay as they are if AWS is down, and no slice is written", func(ctx SpecContext) {
		serve(ctx)
		history, versions := s.watch(ctx), s.versions(ctx)
		var outage *fake.Injection
		restart(func() { outage = down(fake.Reset()) })
		s.expectStale(ctx, "payments", v1alpha1.ReasonAWSUnavailable, region)
		Expect(s.versions(ctx)).To(Equal(versions))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionTargetsResolved, yes(v1alpha1.ReasonTargetsResolved))
		outage.Remove()
		s.expectFresh(ctx, "payments")
		Expect(s.versions(ctx)).To(Equal(versions))
		Expect(history.all()).To(BeEmpty())
		s.hosts["192.0.2.10:8080"].Set(targets.Refuse)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": out, "192.0.2.11": in})
	})

	It("stay as they are if nothing has changed, and no slice is written", func(ctx SpecContext) {
		serve(ctx)
		history := s.watch(ctx)
		restart(func() {})
		f.listed(ctx, 3)
		Expect(history.all()).To(BeEmpty())
	})

	DescribeTable("are what they have become meanwhile:", func(ctx SpecContext, change func(), want endpoints) {
		serve(ctx)
		restart(change)
		s.expect(ctx, "payments", want)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionStale, withdrawn)
	},
		Entry("one that stopped drains", func() { f.Stop(first); f.Settle(first) }, endpoints{"192.0.2.10": leaving, "192.0.2.11": in}),
		Entry("one that was terminated is gone", func() { f.Terminate(first); f.Settle(first) }, endpoints{"192.0.2.11": in}),
		Entry("one that is forgotten is gone", func() { f.Terminate(first); f.Settle(first); f.Purge(first) }, endpoints{"192.0.2.11": in}),
		Entry("one that has another address is not at the one before", func() {
			s.host("192.0.2.12")
			f.Update(second, func(i *fake.Instance) { i.Interfaces[0].Addresses[0].Private = "192.0.2.12" })
		}, endpoints{"192.0.2.10": in, "192.0.2.12": in}),
	)

	It("that do not match an edited selector drain, once AWS has answered", func(ctx SpecContext) {
		eb := serve(ctx)
		var outage *fake.Injection
		restart(func() {
			outage = down(fake.Deny())
			f.run(s, "192.0.2.12", app("search"))
			edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) { tagged("search")(eb.Spec.Targets[0].EC2) })
		})
		s.expectGeneration(ctx, eb)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionStale, Not(withdrawn))
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(both))
		outage.Remove()
		s.expect(ctx, "payments", endpoints{"192.0.2.10": leaving, "192.0.2.11": leaving, "192.0.2.12": in})
	})

	It("stay with an entry that got another name, though AWS is down", func(ctx SpecContext) {
		eb := serve(ctx)
		seen := s.watch(ctx)
		var outage *fake.Injection
		restart(func() {
			outage = down(fake.Deny())
			edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) { eb.Spec.Targets[0].Name = "renamed" })
		})
		s.expectGeneration(ctx, eb)
		s.expectStale(ctx, "payments", v1alpha1.ReasonAWSCredentialsInvalid, `"renamed"`)
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(both))
		outage.Remove()
		s.expectFresh(ctx, "payments")
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(both))
		Expect(seen.gaps("payments", "192.0.2.10", "192.0.2.11")).To(BeEmpty())
	})

	It("of an entry that was removed are not taken for those of another, though AWS is down", func(ctx SpecContext) {
		f.run(s, "192.0.2.12", app("search"))
		eb := s.backend(ctx, "payments", drainFor("1h"), f.selected("fleet"), f.selected("search", tagged("search")))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.11": in, "192.0.2.12": in})
		restart(func() {
			down(fake.Deny())
			edit(ctx, eb, withoutEntry)
		})
		left := endpoints{"192.0.2.10": leaving, "192.0.2.11": leaving, "192.0.2.12": in}
		s.expect(ctx, "payments", left)
		s.expectStale(ctx, "payments", v1alpha1.ReasonAWSCredentialsInvalid)
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(left))
	})
})

var _ = Describe("What is revoked while no operator runs", func() {
	DescribeTable("goes at once, though AWS is down:", func(ctx SpecContext, revoke func(context.Context, *scene, *fleet)) {
		o := ownOperator(operatorOptions{})
		s := newScene(ctx)
		f := s.fleet(ctx)
		s.service(ctx, "payments")
		f.run(s, "192.0.2.10")
		f.served(ctx, s, []string{"192.0.2.10"}, drainFor("1h"))
		history := s.watch(ctx)
		o.stop()
		down(fake.Deny())
		revoke(ctx, s, f)
		ownOperator(operatorOptions{})
		Eventually(s.slices).WithContext(ctx).Should(BeEmpty())
		Expect(history.all()).To(HaveLen(1), "it does not drain")
	},
		Entry("the AWSIdentity", func(ctx context.Context, _ *scene, f *fleet) { edit(ctx, f.identity, only("somebody-else")) }),
		Entry("the region", func(ctx context.Context, _ *scene, f *fleet) {
			edit(ctx, f.identity, func(identity *v1alpha1.AWSIdentity) { identity.Spec.Regions = []v1alpha1.Region{"eu-central-1"} })
		}),
		Entry("the permission of the policies", func(ctx context.Context, s *scene, _ *fleet) { s.policy(ctx, "networks", allowing("192.0.2.0/24")) }),
	)
})

var _ = Describe("Instances of an entry that is removed", func() {
	It("drain, and are not taken for those of a new one that nothing is known of", func(ctx SpecContext) {
		sharedOperator()
		s := newScene(ctx)
		f := s.fleet(ctx)
		s.service(ctx, "payments")
		f.run(s, "192.0.2.10")
		eb := f.served(ctx, s, []string{"192.0.2.10"}, drainFor("1h"))
		f.fault(fake.Fault{Operation: "DescribeInstances", Effect: fake.Deny()})
		s.expectStale(ctx, "payments", v1alpha1.ReasonAWSAccessDenied)
		edit(ctx, eb, together(f.selected("search", tagged("search")), withoutEntry))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": leaving})
	})
})
