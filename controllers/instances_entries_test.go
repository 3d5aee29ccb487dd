// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/aws/fake"
)

var _ = Describe("Entries with instances", func() {
	var s *scene
	var f *fleet
	both := endpoints{"192.0.2.10": in, "192.0.2.11": in}
	BeforeEach(func(ctx SpecContext) {
		sharedOperator()
		s = newScene(ctx)
		f = s.fleet(ctx)
		s.service(ctx, "payments")
	})

	It("that select the same one serve it once, from the first of them that is left", func(ctx SpecContext) {
		id := f.run(s, "192.0.2.10")
		f.run(s, "192.0.2.11")
		eb := s.backend(ctx, "payments", drainFor("1h"), f.selected("named", byID(id)), f.selected("fleet"))
		s.expect(ctx, "payments", both)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionTargetsResolved, yes(v1alpha1.ReasonDuplicateAddress, "192.0.2.10"))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
		seen := s.watch(ctx)
		edit(ctx, eb, withoutEntry)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionTargetsResolved, yes(v1alpha1.ReasonTargetsResolved))
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(both))
		Expect(seen.gaps("payments", "192.0.2.10", "192.0.2.11")).To(BeEmpty())
	})

	It("that had the same addresses by themselves serve on, there and back", func(ctx SpecContext) {
		f.run(s, "192.0.2.10")
		f.run(s, "192.0.2.11")
		eb := s.backend(ctx, "payments", entry("rack", "192.0.2.10", "192.0.2.11"))
		s.expect(ctx, "payments", both)
		seen := s.watch(ctx)
		addresses := eb.Spec.Targets
		edit(ctx, eb, instead(f.selected("rack")))
		Eventually(s.hostnames).WithContext(ctx).WithArguments("payments").Should(HaveLen(2))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) { eb.Spec.Targets = addresses })
		Eventually(s.hostnames).WithContext(ctx).WithArguments("payments").Should(BeEmpty())
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(both))
		Expect(seen.gaps("payments", "192.0.2.10", "192.0.2.11")).To(BeEmpty())
	})

	It("that are to drain do, and are back once that is taken back, though AWS is not asked any more", func(ctx SpecContext) {
		f.run(s, "192.0.2.10")
		eb := f.served(ctx, s, []string{"192.0.2.10"}, drainFor("1h"))
		edit(ctx, eb, set(v1alpha1.TargetDrain))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": leaving})
		f.remove(ctx)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionStale, yes(v1alpha1.ReasonIdentityNotFound))
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(endpoints{"192.0.2.10": leaving}))
		edit(ctx, eb, set(v1alpha1.TargetActive))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
	})

	It("that move to another Service take their instances along, though AWS is not asked any more", func(ctx SpecContext) {
		f.run(s, "192.0.2.10")
		s.service(ctx, "search")
		eb := f.served(ctx, s, []string{"192.0.2.10"}, drainFor("1h"))
		f.remove(ctx)
		s.expectStale(ctx, "payments", v1alpha1.ReasonIdentityNotFound)
		edit(ctx, eb, of("search"))
		s.expect(ctx, "search", endpoints{"192.0.2.10": in})
		s.expect(ctx, "payments", endpoints{})
		Expect(s.hostnames(ctx, "search")).To(HaveLen(1))
	})

	It("that are asked for elsewhere, where AWS does not answer, keep no address of an instance that is gone", func(ctx SpecContext) {
		ids := []string{f.run(s, "192.0.2.10"), f.run(s, "192.0.2.11")}
		eb := f.served(ctx, s, []string{"192.0.2.10", "192.0.2.11"}, drainFor("1h"))
		other := s.fleet(ctx)
		other.fault(fake.Fault{Operation: "DescribeInstances", Effect: fake.Deny()})
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) {
			eb.Spec.Targets[0].EC2.IdentityRef.Name = v1alpha1.IdentityName(other.identity.Name)
		})
		s.expectStale(ctx, "payments", v1alpha1.ReasonAWSAccessDenied)
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(endpoints{"192.0.2.10": in, "192.0.2.11": in}))
		f.Terminate(ids[0])
		f.Settle(ids[0])
		s.expect(ctx, "payments", endpoints{"192.0.2.11": in})
	})

	It("that are removed keep no address of an instance that is gone", func(ctx SpecContext) {
		ids := []string{f.run(s, "192.0.2.10"), f.run(s, "192.0.2.11")}
		s.host("192.0.2.12")
		eb := f.served(ctx, s, []string{"192.0.2.10", "192.0.2.11"}, drainFor("1h"))
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) {
			eb.Spec.Targets = nil
			entry("rack", "192.0.2.12")(eb)
		})
		s.expect(ctx, "payments", endpoints{"192.0.2.10": leaving, "192.0.2.11": leaving, "192.0.2.12": in})
		f.Terminate(ids[0])
		f.Settle(ids[0])
		s.expect(ctx, "payments", endpoints{"192.0.2.11": leaving, "192.0.2.12": in})
	})

	It("are served beside others", func(ctx SpecContext) {
		f.run(s, "192.0.2.10")
		s.host("192.0.2.11")
		s.backend(ctx, "payments", f.selected("fleet"), entry("rack", "192.0.2.11"))
		s.expect(ctx, "payments", both)
		Expect(s.hostnames(ctx, "payments")).To(HaveLen(1))
	})

	It("of one instance in two Services are served in each", func(ctx SpecContext) {
		f.run(s, "192.0.2.10")
		s.service(ctx, "search")
		f.served(ctx, s, []string{"192.0.2.10"})
		s.backend(ctx, "search", f.selected("fleet"))
		s.expect(ctx, "search", endpoints{"192.0.2.10": in})
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(endpoints{"192.0.2.10": in}))
	})
})
