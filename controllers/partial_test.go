// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/targets"
)

var _ = Describe("Of the writes for one ExternalBackend", func() {
	var s *scene
	var o *operator
	var host *targets.Host
	var eb *v1alpha1.ExternalBackend
	BeforeEach(func(ctx SpecContext) {
		s, o = newScene(ctx), ownOperator(operatorOptions{})
		host = s.host("192.0.2.10")
		s.host("192.0.2.11")
		s.host("2001:db8::10")
		s.service(ctx, "payments")
		eb = s.backend(ctx, "payments", hasty, entry("rack", "192.0.2.10"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
	})
	withdraws := func(ctx SpecContext) {
		GinkgoHelper()
		edit(ctx, eb, entry("cage", "2001:db8::10"))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionPublished, no(v1alpha1.ReasonWriteFailed))
		host.Set(targets.Refuse)
		Eventually(s.endpointsOf).WithContext(ctx).WithArguments("payments").Should(HaveKeyWithValue("192.0.2.10", out))
	}

	It("a slice whose name is taken keeps nobody ready in another one", func(ctx SpecContext) {
		s.foreignSlice(ctx, "other", fmt.Sprintf("payments-%s-ipv6-0", string(eb.UID)[:8]), "somebody", "192.0.2.99")
		withdraws(ctx)
	})

	DescribeTable("a slice that cannot be created keeps nobody ready in another one", func(ctx SpecContext, fails fault) {
		o.requests.cause(on(creating(s.slicePath()), fails))
		withdraws(ctx)
	},
		Entry("for want of quota", answerFirst(always, "/", forbidden)),
		Entry("because a webhook fails", answerFirst(always, "/", internalError)),
	)

	It("none is told as published that was forestalled", func(ctx SpecContext) {
		o.requests.cause(answerFirst(always, s.slicePath(), conflict))
		edit(ctx, eb, entry("cage", "192.0.2.11"))
		Eventually(func(g Gomega, ctx context.Context) {
			if s.statusOf(ctx, "payments").ObservedGeneration == eb.Generation {
				Expect(s.condition(ctx, "payments", v1alpha1.ConditionPublished)).To(no(v1alpha1.ReasonWriteFailed), "who answers every write so is no competitor")
			}
			g.Expect(s.condition(ctx, "payments", v1alpha1.ConditionPublished)).To(no(v1alpha1.ReasonWriteFailed, "somebody else"))
		}).WithContext(ctx).Should(Succeed())
		o.requests.cause(nil)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.11": in})
		Eventually(s.statusOf).WithContext(ctx).WithArguments("payments").Should(HaveField("ObservedGeneration", eb.Generation))
	})

	It("one that was under way when it moved to another Service takes nothing from there", func(ctx SpecContext) {
		s.service(ctx, "checkout")
		o.requests.loseAnswers(s.slicePath())
		edit(ctx, eb, entry("cage", "2001:db8::10"))
		Eventually(o.requests.heldUp).Should(BeNumerically(">", 0))
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) { of("checkout")(eb); entry("shelf", "192.0.2.11")(eb) })
		o.requests.release()
		s.expect(ctx, "checkout", endpoints{"192.0.2.10": in, "192.0.2.11": in, "2001:db8::10": in})
		Eventually(s.slicesOf).WithContext(ctx).WithArguments("payments").Should(BeEmpty())
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, yes(v1alpha1.ReasonAllHealthy))
	})
})

var _ = Describe("A status", func() {
	var s *scene
	var o *operator
	BeforeEach(func(ctx SpecContext) { s, o = newScene(ctx), ownOperator(operatorOptions{}) })

	It("waits for its turn without costing passes", func(ctx SpecContext) {
		const services = 80 // and more than there is room for at once
		for i := range services {
			name := fmt.Sprintf("payments-%d", i)
			s.service(ctx, name)
			s.backend(ctx, name, none, entry("rack", fmt.Sprintf("198.51.100.%d", i+1)))
		}
		for i := range services {
			s.expectCondition(ctx, fmt.Sprintf("payments-%d", i), v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
		}
		o.stop()
		before := passes()
		ownOperator(operatorOptions{})
		list := v1alpha1.ExternalBackendList{}
		Expect(admin.List(ctx, &list)).To(Succeed())
		for i := range list.Items {
			if list.Items[i].Namespace == s.namespace {
				edit(ctx, &list.Items[i], func(eb *v1alpha1.ExternalBackend) { eb.Spec.Targets[0].Zone = "a" })
			}
		}
		for i := range services {
			Eventually(s.statusOf).WithContext(ctx).WithArguments(fmt.Sprintf("payments-%d", i)).Should(HaveField("ObservedGeneration", BeEquivalentTo(2)))
		}
		Expect(passes() - before).To(BeNumerically("<=", 6*services))
	})

	It("waits for none of other Services that get no answer", func(ctx SpecContext) {
		var stuck []*targets.Host
		serve := func(name, address string) *targets.Host {
			host := s.host(address)
			s.service(ctx, name)
			s.backend(ctx, name, hasty, entry("rack", address))
			s.expectCondition(ctx, name, v1alpha1.ConditionHealthy, yes(v1alpha1.ReasonAllHealthy))
			return host
		}
		for i := range 8 {
			stuck = append(stuck, serve(fmt.Sprintf("stuck-%d", i), fmt.Sprintf("192.0.2.%d", 50+i)))
		}
		good := serve("payments", "192.0.2.10")
		o.requests.holdWrites(strings.Join([]string{"/apis/externalbackend.dev/v1alpha1/namespaces", s.namespace, "externalbackends/stuck-"}, "/"))
		for _, host := range stuck {
			host.Set(targets.Refuse)
		}
		Eventually(o.requests.heldUp).WithTimeout(2 * patience).Should(Equal(len(stuck)))
		good.Set(targets.Refuse)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, no(v1alpha1.ReasonNoneHealthy))
		Expect(o.requests.heldUp()).To(BeNumerically("<=", 2*len(stuck)), "they are still waiting, or once more")
		o.requests.release()
	})
})

var _ = Describe("Drains that end shortly after each other", func() {
	It("are told each", func(ctx SpecContext) {
		sharedOperator()
		s := newScene(ctx)
		for _, address := range []string{"192.0.2.10", "192.0.2.11", "192.0.2.12"} {
			s.host(address)
		}
		s.service(ctx, "payments")
		eb := s.backend(ctx, "payments", drainFor("1s"), entry("a", "192.0.2.10"), entry("b", "192.0.2.11"), entry("c", "192.0.2.12"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.11": in, "192.0.2.12": in})
		edit(ctx, eb, set(v1alpha1.TargetDrain))
		s.expect(ctx, "payments", endpoints{"192.0.2.11": in, "192.0.2.12": in})
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) { eb.Spec.Targets[1].State = v1alpha1.TargetDrain })
		s.expect(ctx, "payments", endpoints{"192.0.2.12": in})
		Eventually(s.events).WithContext(ctx).WithArguments("payments").Should(HaveKeyWithValue("TargetsDrained",
			ConsistOf(ContainSubstring("192.0.2.10"), ContainSubstring("192.0.2.11"))))
	})
})
