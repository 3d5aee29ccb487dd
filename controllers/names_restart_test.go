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
	"externalbackend.dev/operator/test/nameserver"
	"externalbackend.dev/operator/test/targets"
)

// fail has the name server say nothing that helps about names, of both families.
func (s *scene) fail(labels ...string) {
	for _, label := range labels {
		for _, kind := range []string{"A", "AAAA"} {
			s.answer(label, kind, nameserver.Rcode(2))
		}
	}
}

// maxStale bounds how old an answer may become.
func maxStale(d v1alpha1.Duration) func(*v1alpha1.FQDNTarget) {
	return func(f *v1alpha1.FQDNTarget) { f.MaxStale = &d }
}

// nudge has a pass made without changing what it finds.
func (s *scene) nudge(ctx context.Context, eb *v1alpha1.ExternalBackend) {
	GinkgoHelper()
	edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) { eb.Spec.Drain.Duration += "0ms" })
	s.expectGeneration(ctx, eb)
}

// expectGeneration waits until an edit has been acted on.
func (s *scene) expectGeneration(ctx context.Context, eb *v1alpha1.ExternalBackend) {
	GinkgoHelper()
	Eventually(s.statusOf).WithContext(ctx).WithArguments(eb.Name).Should(HaveField("ObservedGeneration", eb.Generation))
}

var _ = Describe("When the operator restarts, a name", func() {
	var s *scene
	var o *operator
	ticks := new(advanced)
	both := endpoints{"192.0.2.10": in, "2001:db8::10": in}
	var retention time.Duration
	restart := func(meanwhile func()) {
		GinkgoHelper()
		o.stop()
		meanwhile()
		o = ownOperator(operatorOptions{clock: ticks, retention: retention})
	}
	BeforeEach(func(ctx SpecContext) {
		ticks.by.Store(0)
		retention = 0
		o = ownOperator(operatorOptions{clock: ticks})
		s = newScene(ctx)
		for _, address := range []string{"192.0.2.10", "192.0.2.11", "192.0.2.12", "192.0.2.20", "2001:db8::10"} {
			s.host(address)
		}
		s.service(ctx, "payments")
	})
	resolved := func(ctx context.Context, edits ...func(*v1alpha1.ExternalBackend)) *v1alpha1.ExternalBackend {
		GinkgoHelper()
		eb := s.backend(ctx, "payments", append(edits, fqdn("db", s.address("db", "192.0.2.10", "2001:db8::10")))...)
		s.expect(ctx, "payments", both)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
		return eb
	}

	It("is kept though no name server is there, whatever else was edited", func(ctx SpecContext) {
		eb := s.backend(ctx, "payments", entry("rack", "192.0.2.20"), fqdn("db", s.address("db", "192.0.2.10", "2001:db8::10")))
		all := endpoints{"192.0.2.10": in, "2001:db8::10": in, "192.0.2.20": in}
		s.expect(ctx, "payments", all)
		DeferCleanup(func() { _ = nameServer.Start() }) // unless it runs
		restart(func() {
			nameServer.Stop()
			edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) {
				eb.Spec.Targets[0].IP.Addresses = []v1alpha1.IPAddress{"192.0.2.12"}
				fqdn("new", s.hostname("new"))(eb)
			})
		})
		kept := endpoints{"192.0.2.10": in, "2001:db8::10": in, "192.0.2.12": in}
		s.expect(ctx, "payments", kept)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionStale, yes(v1alpha1.ReasonNameServerTimeout, `"db"`))
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(kept))
		s.host("192.0.2.10").Set(targets.Refuse) // it is checked all the same
		s.expect(ctx, "payments", endpoints{"192.0.2.10": out, "2001:db8::10": in, "192.0.2.12": in})

		s.address("db", "192.0.2.11", "2001:db8::10")
		s.address("new", "192.0.2.20")
		Expect(nameServer.Start()).To(Succeed())
		s.expect(ctx, "payments", endpoints{"192.0.2.10": out, "192.0.2.11": in, "2001:db8::10": in, "192.0.2.12": in, "192.0.2.20": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionStale, withdrawn)
	})

	It("of which every answer is a part keeps the other parts, also when answers cease", func(ctx SpecContext) {
		part := func(address string) nameserver.Reply {
			return nameserver.Records(fmt.Sprintf("%s 0 A %s", s.hostname("pool"), address))
		}
		s.answer("pool", "A", part("192.0.2.10"), part("192.0.2.11"), part("192.0.2.12"))
		s.backend(ctx, "payments", fqdn("pool", s.hostname("pool")))
		all := endpoints{"192.0.2.10": in, "192.0.2.11": in, "192.0.2.12": in}
		s.expect(ctx, "payments", all)
		restart(func() { s.answer("pool", "A", part("192.0.2.12")) })
		s.asked(ctx, 10, "pool", "A")
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(all))
		Expect(s.sourceOf(ctx, "payments", "pool")).To(HaveField("Addresses", BeEquivalentTo(3)))

		s.answer("pool", "A", nameserver.Rcode(2))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionStale, yes(v1alpha1.ReasonNameServerFailed))
		ticks.advance(time.Hour)
		s.host("192.0.2.10").Set(targets.Refuse) // and a pass is made
		all["192.0.2.10"] = out
		s.expect(ctx, "payments", all)
	})

	DescribeTable("has to be said to be gone three times:", func(ctx SpecContext, gone nameserver.Reply, reason string) {
		resolved(ctx)
		retention = time.Second
		restart(func() {
			for _, kind := range []string{"A", "AAAA"} {
				s.answer("db", kind, gone, gone, nameserver.Rcode(2))
			}
		})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionStale, yes(v1alpha1.ReasonNameServerFailed))
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(both))
		s.answer("db", "A", gone)
		s.answer("db", "AAAA", gone)
		Eventually(s.slices).WithContext(ctx).Should(BeEmpty())
		s.expectCondition(ctx, "payments", v1alpha1.ConditionTargetsResolved, no(reason))
	},
		Entry("it does not exist", nameserver.NXDomain(0), v1alpha1.ReasonNameNotFound),
		Entry("it has no address", nameserver.NoData(0), v1alpha1.ReasonNoAddresses),
	)

	It("has been old for as long as it was before", func(ctx SpecContext) {
		eb := s.backend(ctx, "payments", fqdn("db", s.address("db", "192.0.2.10", "2001:db8::10"), maxStale("10m")))
		s.expect(ctx, "payments", both)
		s.fail("db")
		s.expectCondition(ctx, "payments", v1alpha1.ConditionStale, yes(v1alpha1.ReasonNameServerFailed))
		since := s.sourceOf(ctx, "payments", "db").StaleSince
		Expect(since).NotTo(BeNil())
		restart(func() { ticks.advance(9 * time.Minute) })
		s.asked(ctx, 3, "db", "A")
		s.nudge(ctx, eb)
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(both))
		Expect(s.sourceOf(ctx, "payments", "db").StaleSince).To(Equal(since))

		ticks.advance(2 * time.Minute)
		s.nudge(ctx, eb)
		Eventually(s.slices).WithContext(ctx).Should(BeEmpty())
		s.expectCondition(ctx, "payments", v1alpha1.ConditionTargetsResolved, no(v1alpha1.ReasonMaxStaleExceeded))
		s.nudge(ctx, eb)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionStale, yes(v1alpha1.ReasonNameServerFailed, "maxStale"))
		Expect(s.events(ctx, "payments")).NotTo(HaveKey("NamesAnswered"), "they have not")
		Expect(s.sourceOf(ctx, "payments", "db").StaleSince).To(Equal(since))
		s.address("db", "192.0.2.10", "2001:db8::10")
		s.expect(ctx, "payments", both)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionStale, withdrawn)
	})
})
