// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/util/intstr"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/targets"
)

var _ = Describe("A bad neighbour", func() {
	var s *scene
	BeforeEach(func(ctx SpecContext) { s = newScene(ctx) })

	DescribeTable("on the same Service holds up nobody",
		func(ctx SpecContext, spoil func(*v1alpha1.ExternalBackend), kind, reason string) {
			sharedOperator()
			host := s.host("192.0.2.10")
			s.service(ctx, "payments")
			bad := s.backend(ctx, "bad", of("payments"), spoil)
			s.expectCondition(ctx, "bad", kind, no(reason))
			s.nextSecond(bad) // the older one goes first in everything
			s.backend(ctx, "good", of("payments"), entry("rack", "192.0.2.10"))
			Eventually(s.endpointsOf).WithContext(ctx).WithArguments("payments").Should(HaveKeyWithValue("192.0.2.10", in))
			s.expectCondition(ctx, "good", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
			host.Set(targets.Refuse)
			Eventually(s.endpointsOf).WithContext(ctx).WithArguments("payments").Should(HaveKeyWithValue("192.0.2.10", out))
		},
		Entry("whose addresses are all denied", entry("bad", "127.0.0.1", "169.254.169.254"),
			v1alpha1.ConditionAccepted, v1alpha1.ReasonAddressDenied),
		Entry("whose port does not exist, and that wants the same address", func(eb *v1alpha1.ExternalBackend) {
			entry("bad", "192.0.2.10", "192.0.2.66")(eb)
			eb.Spec.Ports = []v1alpha1.BackendPort{{Name: "nothing", Port: 1}}
		}, v1alpha1.ConditionServiceResolved, v1alpha1.ReasonPortNotFound),
		Entry("whose check port does not exist", func(eb *v1alpha1.ExternalBackend) {
			entry("bad", "192.0.2.66")(eb)
			eb.Spec.HealthCheck.Checks[0].Port = new(intstr.FromString("nothing"))
		}, v1alpha1.ConditionAccepted, v1alpha1.ReasonCheckPortNotFound),
		Entry("whose targets are all dead", entry("bad", "192.0.2.66", "192.0.2.67"),
			v1alpha1.ConditionHealthy, v1alpha1.ReasonNoneHealthy),
	)

	It("whose writes get no answer delays no other Service", func(ctx SpecContext) {
		o := ownOperator(operatorOptions{})
		stuck, free := s, newScene(ctx)
		first, second := stuck.host("192.0.2.10"), free.host("192.0.2.20")
		stuck.service(ctx, "payments")
		stuck.backend(ctx, "payments", entry("rack", "192.0.2.10"))
		free.service(ctx, "checkout")
		free.backend(ctx, "checkout", entry("rack", "192.0.2.20"))
		stuck.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		free.expect(ctx, "checkout", endpoints{"192.0.2.20": in})

		o.requests.holdWrites(stuck.slicePath())
		first.Set(targets.Refuse)
		Eventually(o.requests.heldUp).Should(Equal(1))
		for _, flip := range []struct {
			behaviour targets.Behaviour
			published string
		}{{targets.Refuse, out}, {targets.Serve, in}} {
			second.Set(flip.behaviour)
			free.expect(ctx, "checkout", endpoints{"192.0.2.20": flip.published})
		}
		Expect(stuck.endpointsOf(ctx, "payments")).To(Equal(endpoints{"192.0.2.10": in}))

		o.requests.release()
		stuck.expect(ctx, "payments", endpoints{"192.0.2.10": out})
		stuck.expectCondition(ctx, "payments", v1alpha1.ConditionPublished, yes(v1alpha1.ReasonPublished))
	})

	It("that comes from a Service whose writes get no answer keeps nobody ready", func(ctx SpecContext) {
		o := ownOperator(operatorOptions{})
		host := s.host("192.0.2.10")
		s.host("192.0.2.11")
		s.service(ctx, "payments")
		s.service(ctx, "checkout")
		s.backend(ctx, "payments", hasty, entry("rack", "192.0.2.10"))
		moved := s.backend(ctx, "moved", of("checkout"), entry("rack", "192.0.2.11"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		s.expect(ctx, "checkout", endpoints{"192.0.2.11": in})

		stuck := newStandstill(writing(s.slicePath() + "/moved-"))
		o.requests.cause(stuck.fault)
		edit(ctx, moved, func(eb *v1alpha1.ExternalBackend) { eb.Spec.Targets[0].Zone = "a" })
		Eventually(stuck.heldUp).Should(BeNumerically(">", 0))
		edit(ctx, moved, of("payments"))
		host.Set(targets.Refuse)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": out})
		s.expect(ctx, "checkout", endpoints{"192.0.2.11": in})
		stuck.end()
		s.expect(ctx, "payments", endpoints{"192.0.2.10": out, "192.0.2.11": in})
		Eventually(s.slicesOf).WithContext(ctx).WithArguments("checkout").Should(BeEmpty())
	})

	It("that is a network which loses an answer causes no second write", func(ctx SpecContext) {
		o := ownOperator(operatorOptions{})
		host := s.host("192.0.2.10")
		s.service(ctx, "payments")
		s.backend(ctx, "payments", entry("rack", "192.0.2.10"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, yes(v1alpha1.ReasonAllHealthy))

		mark := audit.mark()
		o.requests.loseAnswers(s.slicePath())
		host.Set(targets.Refuse)
		Eventually(o.requests.heldUp).Should(Equal(1))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": out})
		o.requests.release()
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, no(v1alpha1.ReasonNoneHealthy))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionPublished, yes(v1alpha1.ReasonPublished))
		Expect(s.writes(mark)).To(HaveLen(1))
	})

	It("whose hosts never end an answer holds up no other check", func(ctx SpecContext) {
		sharedOperator()
		s.host("192.0.2.10").Set(targets.Endless)
		s.host("192.0.2.11").Set(targets.Drip)
		s.host("192.0.2.12").Set(targets.Hang)
		s.host("192.0.2.13").Set(targets.Vanish)
		good := s.host("192.0.2.20")
		s.service(ctx, "payments")
		s.backend(ctx, "bad", of("payments"), entry("rack", "192.0.2.10", "192.0.2.11", "192.0.2.12", "192.0.2.13"))
		s.backend(ctx, "good", of("payments"), entry("cage", "192.0.2.20"))
		want := endpoints{"192.0.2.10": in, "192.0.2.11": out, "192.0.2.12": out, "192.0.2.13": out, "192.0.2.20": in}
		s.expect(ctx, "payments", want)
		Eventually(s.statusOf).WithContext(ctx).WithArguments("bad").Should(HaveField("Unhealthy", HaveExactElements(
			And(HaveField("Address", "192.0.2.11"), HaveField("Reason", "ResponseTimeout")),
			And(HaveField("Address", "192.0.2.12"), HaveField("Reason", "ResponseTimeout")),
			And(HaveField("Address", "192.0.2.13"), HaveField("Reason", "ConnectTimeout")),
		)))
		good.Set(targets.Refuse)
		want["192.0.2.20"] = out
		s.expect(ctx, "payments", want)
	})

	It("that accepts and says nothing passes a TCP check", func(ctx SpecContext) {
		sharedOperator()
		s.host("192.0.2.10").Set(targets.Hang)
		s.service(ctx, "payments")
		s.backend(ctx, "payments", entry("rack", "192.0.2.10"), tcp)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
	})
})
