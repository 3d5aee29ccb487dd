// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/nameserver"
	"externalbackend.dev/operator/test/targets"
)

var _ = Describe("Of a name,", func() {
	var s *scene
	both := endpoints{"192.0.2.10": in, "2001:db8::10": in}
	address := map[string]string{"A": "192.0.2.10", "AAAA": "2001:db8::10"}
	begin := func(ctx context.Context) {
		GinkgoHelper()
		s = newScene(ctx)
		for _, address := range []string{"192.0.2.10", "192.0.2.11", "192.0.2.12", "2001:db8::10"} {
			s.host(address)
		}
	}
	resolved := func(ctx context.Context, edits ...func(*v1alpha1.ExternalBackend)) *v1alpha1.ExternalBackend {
		GinkgoHelper()
		s.service(ctx, "payments")
		eb := s.backend(ctx, "payments", append(edits, fqdn("db", s.address("db", address["A"], address["AAAA"])))...)
		s.expect(ctx, "payments", both)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
		return eb
	}

	DescribeTable("half an answer", func(ctx SpecContext, answered, failing string) {
		sharedOperator()
		begin(ctx)
		record := func(kind string) nameserver.Reply {
			return nameserver.Records(fmt.Sprintf("%s 0 %s %s", s.hostname("db"), kind, address[kind]))
		}
		s.answer("db", answered, record(answered))
		s.answer("db", failing, nameserver.Rcode(2))
		s.service(ctx, "payments")
		s.backend(ctx, "payments", fqdn("db", s.hostname("db")))
		s.expect(ctx, "payments", endpoints{address[answered]: in})
		Eventually(s.sourceOf).WithContext(ctx).WithArguments("payments", "db").Should(And(
			HaveField("Addresses", BeEquivalentTo(1)), HaveField("StaleSince", BeNil()), HaveField("Problem", ContainSubstring(failing))))

		By("the other half")
		s.answer("db", failing, record(failing))
		s.expect(ctx, "payments", both)

		By("half of it later")
		s.answer("db", failing, nameserver.Rcode(2))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionStale, yes(v1alpha1.ReasonNameServerFailed, failing))
		s.answer("db", answered, record(answered), record(answered))
		s.asked(ctx, 3, "db", answered)
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(both))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
	},
		Entry("A alone", "A", "AAAA"),
		Entry("AAAA alone", "AAAA", "A"),
	)

	It("an address that leaves the answers stays for now, and one that returns has kept its health", func(ctx SpecContext) {
		sharedOperator()
		begin(ctx)
		resolved(ctx)
		s.address("db", "192.0.2.11", "2001:db8::10")
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.11": in, "2001:db8::10": in})
		s.asked(ctx, 5, "db", "A")
		s.host("192.0.2.10").Set(targets.Refuse)
		seen := endpoints{"192.0.2.10": out, "192.0.2.11": in, "2001:db8::10": in}
		s.expect(ctx, "payments", seen)
		history := s.watch(ctx)
		s.address("db", "192.0.2.10", "2001:db8::10")
		s.asked(ctx, 5, "db", "A")
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(seen))
		Expect(history.all()).To(BeEmpty())
	})

	It("the last answer is served for as long as maxStale says", func(ctx SpecContext) {
		ticks := new(advanced)
		ownOperator(operatorOptions{clock: ticks})
		begin(ctx)
		s.service(ctx, "payments")
		eb := s.backend(ctx, "payments", entry("rack", "192.0.2.12"), fqdn("db", s.address("db", address["A"], address["AAAA"]), maxStale("10m")))
		all := endpoints{"192.0.2.10": in, "2001:db8::10": in, "192.0.2.12": in}
		s.expect(ctx, "payments", all)
		s.fail("db")
		s.expectCondition(ctx, "payments", v1alpha1.ConditionStale, yes(v1alpha1.ReasonNameServerFailed, "stay as they were"))
		ticks.advance(9 * time.Minute)
		s.nudge(ctx, eb)
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(all))
		ticks.advance(2 * time.Minute)
		s.nudge(ctx, eb)
		s.expect(ctx, "payments", endpoints{"192.0.2.12": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionTargetsResolved, no(v1alpha1.ReasonMaxStaleExceeded, `"db"`))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionStale, yes(v1alpha1.ReasonNameServerFailed, "taken out", "maxStale"))
		s.address("db", address["A"], address["AAAA"])
		s.expect(ctx, "payments", all)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionStale, withdrawn)
	})

	It("answers that say the same cause no request and no pass", func(ctx SpecContext) {
		ownOperator(operatorOptions{})
		begin(ctx)
		resolved(ctx)
		waitForSilence()
		mark := audit.mark()
		Eventually(func(g Gomega) {
			before := passes()
			s.asked(ctx, 20, "db", "A")
			g.Expect(passes()).To(Equal(before))
		}).WithTimeout(time.Minute).Should(Succeed())
		Expect(unexpected(audit.since(mark))).To(BeEmpty())
	})

	It("more records than are served are told", func(ctx SpecContext) {
		sharedOperator()
		begin(ctx)
		var records []string
		want := endpoints{}
		for i := range 70 {
			records = append(records, fmt.Sprintf("%s 0 A 203.0.113.%d", s.hostname("many"), i+1))
			if i < 64 {
				want[fmt.Sprintf("203.0.113.%d", i+1)] = in
			}
		}
		s.answer("many", "A", nameserver.Records(records...))
		s.service(ctx, "payments")
		s.backend(ctx, "payments", none, fqdn("many", s.hostname("many")))
		s.expect(ctx, "payments", want)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionTargetsResolved, yes(v1alpha1.ReasonRecordsDropped, "6 records"))
	})

	It("the addresses stay when the Service goes and comes while no name server answers, and when it gets a family", func(ctx SpecContext) {
		sharedOperator()
		begin(ctx)
		single := func(svc *corev1.Service) {
			svc.Spec.IPFamilyPolicy, svc.Spec.IPFamilies = new(corev1.IPFamilyPolicySingleStack), []corev1.IPFamily{corev1.IPv4Protocol}
		}
		svc := s.service(ctx, "payments", single)
		s.backend(ctx, "payments", fqdn("db", s.address("db", address["A"], address["AAAA"])))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		s.fail("db")
		s.expectCondition(ctx, "payments", v1alpha1.ConditionStale, yes(v1alpha1.ReasonNameServerFailed))
		Expect(admin.Delete(ctx, svc)).To(Succeed())
		s.expectCondition(ctx, "payments", v1alpha1.ConditionServiceResolved, no(v1alpha1.ReasonServiceNotFound))
		history := s.watch(ctx)
		s.service(ctx, "payments")
		s.expectCondition(ctx, "payments", v1alpha1.ConditionServiceResolved, yes(v1alpha1.ReasonServiceResolved))
		Eventually(history.all).Should(HaveExactElements(HaveField("Endpoints", endpoints{"192.0.2.10": in})))
		s.address("db", address["A"], address["AAAA"])
		s.expect(ctx, "payments", both)
	})

	It("a listed entry that becomes one has what it listed until there is an answer", func(ctx SpecContext) {
		sharedOperator()
		begin(ctx)
		s.service(ctx, "payments")
		eb := s.backend(ctx, "payments", entry("db", "192.0.2.10"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		s.fail("db")
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) {
			eb.Spec.Targets = nil
			fqdn("db", s.hostname("db"))(eb)
		})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionStale, yes(v1alpha1.ReasonNameServerFailed))
		s.asked(ctx, 3, "db", "A")
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(endpoints{"192.0.2.10": in}))

		By("renamed meanwhile")
		s.address("db", "192.0.2.11")
		s.expect(ctx, "payments", endpoints{"192.0.2.11": in})
		s.fail("db")
		s.expectCondition(ctx, "payments", v1alpha1.ConditionStale, yes(v1alpha1.ReasonNameServerFailed))
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) { eb.Spec.Targets[0].Name = "database" })
		s.expectCondition(ctx, "payments", v1alpha1.ConditionStale, yes(v1alpha1.ReasonNameServerFailed, `"database"`))
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(endpoints{"192.0.2.11": in}))
	})

	It("what it had before an edit goes when the new one is answered for, though the other family always fails", func(ctx SpecContext) {
		sharedOperator()
		begin(ctx)
		s.fail("db", "new")
		for label, address := range map[string]string{"db": "192.0.2.10", "new": "192.0.2.11"} {
			s.answer(label, "A", nameserver.Records(s.hostname(label)+" 0 A "+address))
		}
		s.service(ctx, "payments")
		eb := s.backend(ctx, "payments", fqdn("db", s.hostname("db")))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) { eb.Spec.Targets[0].FQDN.Hostname = s.hostname("new") })
		s.expect(ctx, "payments", endpoints{"192.0.2.11": in})

		By("being denied, at once")
		s.fail("db")
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) { eb.Spec.Targets[0].FQDN.Hostname = s.hostname("db") })
		s.expectCondition(ctx, "payments", v1alpha1.ConditionStale, yes(v1alpha1.ReasonNameServerFailed))
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(endpoints{"192.0.2.11": in}))
		s.policy(ctx, "names", denyingName(s.hostname("new")))
		Eventually(s.slices).WithContext(ctx).Should(BeEmpty())
	})

	It("what it had before an edit goes though the first write after that fails", func(ctx SpecContext) {
		o := ownOperator(operatorOptions{})
		begin(ctx)
		eb := resolved(ctx)
		release := make(chan struct{})
		s.answer("new", "A", nameserver.Until(release, nameserver.Records(s.hostname("new")+" 0 A 192.0.2.11")))
		s.answer("new", "AAAA", nameserver.Records(s.hostname("new")+" 0 AAAA 2001:db8::10"))
		o.requests.cause(answerFirst(1, s.slicePath(), internalError))
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) { eb.Spec.Targets[0].FQDN.Hostname = s.hostname("new") })
		s.asked(ctx, 3, "new", "AAAA")
		close(release)
		s.expect(ctx, "payments", endpoints{"192.0.2.11": in, "2001:db8::10": in})
	})

	It("nothing is stale once what failed is answered for, though the other family always fails", func(ctx SpecContext) {
		sharedOperator()
		begin(ctx)
		s.fail("db")
		s.service(ctx, "payments")
		s.backend(ctx, "payments", fqdn("db", s.hostname("db")))
		answers := nameserver.Records(s.hostname("db") + " 0 A 192.0.2.10")
		s.answer("db", "A", answers)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		s.asked(ctx, 2, "db", "AAAA")
		s.expectCondition(ctx, "payments", v1alpha1.ConditionStale, withdrawn)
		s.answer("db", "A", nameserver.Rcode(2))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionStale, yes(v1alpha1.ReasonNameServerFailed))
		s.answer("db", "A", answers)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionStale, withdrawn)
	})
})
