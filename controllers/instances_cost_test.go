// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/aws/fake"
)

// lastListed is when the listing of the fleet ended last.
func (f *fleet) lastListed(o *operator) time.Time {
	for _, source := range o.instances.Sources() {
		if source.Identity == f.identity.Name && source.Region == region {
			return source.Listed
		}
	}
	return time.Time{}
}

// stepped holds each request that lists instances until the one before it has been
// answered, and returns how many there were for so many listings.
func (f *fleet) stepped(ctx context.Context, o *operator, listings int) (requests int) {
	GinkgoHelper()
	hold := func() (*fake.Gate, *fake.Injection) {
		gate := fake.NewGate()
		DeferCleanup(gate.Open)
		injected := f.fault(fake.Fault{Operation: "DescribeInstances", Effect: gate.Effect()})
		Eventually(gate.Waiting).WithContext(ctx).WithTimeout(2 * patience).Should(Equal(1))
		return gate, injected
	}
	gate, injected := hold()
	for listed := f.lastListed(o); listings > 0; requests++ {
		injected.Remove()
		next := fake.NewGate()
		DeferCleanup(next.Open)
		waiting := f.fault(fake.Fault{Operation: "DescribeInstances", Effect: next.Effect()})
		gate.Open()
		Eventually(next.Waiting).WithContext(ctx).WithTimeout(2 * patience).Should(Equal(1))
		if now := f.lastListed(o); now.After(listed) {
			listed = now
			listings--
		}
		gate, injected = next, waiting
	}
	return requests
}

var _ = Describe("Instances in steady state", func() {
	var s *scene
	var f *fleet
	var o *operator
	BeforeEach(func(ctx SpecContext) {
		o = sharedOperator()
		s = newScene(ctx)
		f = s.fleet(ctx)
	})
	// crowd makes so many ExternalBackends, each with an instance of its own.
	crowd := func(ctx context.Context, n int) {
		GinkgoHelper()
		for i := range n {
			name, address := fmt.Sprintf("app-%d", i), fmt.Sprintf("192.0.2.%d", 10+i)
			f.run(s, address, app(name))
			s.service(ctx, name)
			s.backend(ctx, name, f.selected("fleet", tagged(v1alpha1.FilterValue(name))))
		}
		for i := range n {
			s.expect(ctx, fmt.Sprintf("app-%d", i), endpoints{fmt.Sprintf("192.0.2.%d", 10+i): in})
			s.expectCondition(ctx, fmt.Sprintf("app-%d", i), v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
		}
	}

	DescribeTable("cost one request a listing, whatever the number of ExternalBackends:", func(ctx SpecContext, n int) {
		crowd(ctx, n)
		f.listed(ctx, 2)
		const listings = 3
		Expect(f.stepped(ctx, o, listings)).To(Equal(listings))
	},
		Entry("two", 2),
		Entry("ten", 10),
	)

	It("cause no write of a slice or a status", func(ctx SpecContext) {
		crowd(ctx, 3)
		f.listed(ctx, 2)
		mark, versions := audit.mark(), s.versions(ctx)
		f.listed(ctx, 5)
		Expect(s.versions(ctx)).To(Equal(versions))
		Expect(s.writes(mark)).To(BeEmpty())
		Expect(s.reports(mark)).To(BeZero())
	})
})

var _ = Describe("A region that hangs", func() {
	It("delays nobody else", func(ctx SpecContext) {
		sharedOperator()
		s := newScene(ctx)
		stuck, free := s.fleet(ctx), s.fleet(ctx)
		s.service(ctx, "payments")
		s.service(ctx, "search")
		stuck.run(s, "192.0.2.10")
		id := free.run(s, "192.0.2.11")
		stuck.served(ctx, s, []string{"192.0.2.10"}, drainFor("1h"))
		gate := fake.NewGate()
		DeferCleanup(gate.Open)
		stuck.fault(fake.Fault{Operation: "DescribeInstances", Effect: gate.Effect()})
		Eventually(gate.Waiting).WithContext(ctx).Should(BeNumerically(">", 0))
		s.backend(ctx, "search", drainFor("1h"), free.selected("fleet"))
		s.expect(ctx, "search", endpoints{"192.0.2.11": in})
		free.Stop(id)
		s.expect(ctx, "search", endpoints{"192.0.2.11": leaving})
		Expect(gate.Waiting()).To(BeNumerically(">", 0), "it hangs all the while")
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(endpoints{"192.0.2.10": in}))
		gate.Open()
		stuck.listed(ctx, 1)
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(endpoints{"192.0.2.10": in}))
	})
})
