// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/targets"
)

// manyAddresses returns n addresses of which no spec has hosts.
func manyAddresses(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("198.51.100.%d", i+1)
	}
	return list
}

// onPort gives the first entry a port of its own.
func onPort(port int32) func(*v1alpha1.ExternalBackend) {
	return func(eb *v1alpha1.ExternalBackend) {
		eb.Spec.Targets[0].Ports = []v1alpha1.TargetPort{{Name: "http", Port: port}}
	}
}

var _ = Describe("An operator that dies in the middle of a plan", func() {
	for written := range 3 {
		It(fmt.Sprintf("after %d writes leaves nothing ready missing, and the next one ends it", written), func(ctx SpecContext) {
			s, o := newScene(ctx), ownOperator(operatorOptions{})
			addresses := manyAddresses(210)
			s.service(ctx, "payments")
			eb := s.backend(ctx, "payments", none, entry("moves", addresses[:150]...), entry("stays", addresses[150:]...))
			want, ports := endpoints{}, map[string]map[string]int32{}
			for i, a := range addresses {
				want[a], ports[a] = in, map[string]int32{"http": 8080}
				if i < 150 {
					ports[a]["http"] = 9090
				}
			}
			s.expect(ctx, "payments", want)
			s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
			seen := s.watch(ctx)

			// Three writes: what moves is added elsewhere before it is taken away.
			q := &quota{path: s.slicePath(), left: written}
			o.requests.cause(q.fault)
			edit(ctx, eb, onPort(9090))
			Eventually(q.heldUp).Should(Equal(1))
			o.stop()
			ownOperator(operatorOptions{})
			Eventually(s.portsOf).WithContext(ctx).WithArguments("payments").Should(Equal(ports))
			s.expect(ctx, "payments", want)
			s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
			Expect(seen.gaps("payments", addresses...)).To(BeEmpty())
		})
	}
})

var _ = Describe("Two operators that both take themselves for the leader", func() {
	It("publish nothing twice and take nothing down, and come to rest", func(ctx SpecContext) {
		s := newScene(ctx)
		first, second := ownOperator(operatorOptions{}), ownOperator(operatorOptions{})
		host := s.host("192.0.2.10")
		addresses := manyAddresses(120)
		want := endpoints{"192.0.2.10": in}
		s.service(ctx, "payments")
		s.backend(ctx, "payments", hasty, entry("rack", "192.0.2.10"))
		many := s.backend(ctx, "many", of("payments"), none, entry("rack", addresses...))
		for _, a := range addresses {
			want[a] = in
		}
		s.expect(ctx, "payments", want)
		seen := s.watch(ctx)
		for i, port := range []int32{9090, 9091, 9092} {
			edit(ctx, many, onPort(port))
			flip := []struct {
				behaviour targets.Behaviour
				published string
			}{{targets.Refuse, out}, {targets.Serve, in}, {targets.Refuse, out}}[i]
			host.Set(flip.behaviour)
			want["192.0.2.10"] = flip.published
			s.expect(ctx, "payments", want)
		}
		for _, name := range []string{"payments", "many"} {
			s.expectCondition(ctx, name, v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
		}
		noticed(host) // by both: one may have told the other's verdict back until then
		s.expect(ctx, "payments", want)
		versions := s.versions(ctx)
		noticed(host)
		Expect(s.versions(ctx)).To(Equal(versions))
		Expect(seen.gaps("payments", addresses...)).To(BeEmpty())
		for _, o := range []*operator{first, second} {
			Expect(puts(o, s)).To(BeNumerically(">", 0), "both have written")
		}
	})
})

var _ = Describe("A write that meets something else than was read", func() {
	var s *scene
	var o *operator
	BeforeEach(func(ctx SpecContext) {
		s, o = newScene(ctx), ownOperator(operatorOptions{})
		s.service(ctx, "payments")
	})
	held := func() {
		GinkgoHelper()
		Eventually(o.requests.heldUp).Should(Equal(1))
	}
	service := func() *corev1.Service {
		svc := &corev1.Service{}
		svc.Namespace, svc.Name = s.namespace, "payments"
		return svc
	}

	It("since its slice was deleted creates it anew, with the latest verdict", func(ctx SpecContext) {
		host := s.host("192.0.2.10")
		s.backend(ctx, "payments", entry("rack", "192.0.2.10"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		o.requests.holdWrites(s.slicePath())
		host.Set(targets.Refuse)
		held()
		Expect(admin.Delete(ctx, &s.slicesOf(ctx, "payments")[0])).To(Succeed())
		o.requests.release()
		s.expect(ctx, "payments", endpoints{"192.0.2.10": out})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionPublished, yes(v1alpha1.ReasonPublished))
		Expect(s.events(ctx, "payments")).NotTo(HaveKey(v1alpha1.ReasonWriteFailed))
	})

	It("since its ExternalBackend was deleted leaves nothing behind", func(ctx SpecContext) {
		o.requests.holdWrites(s.slicePath())
		eb := s.backend(ctx, "payments", none, entry("rack", "192.0.2.10"))
		held()
		Expect(admin.Delete(ctx, eb)).To(Succeed())
		seen := s.watch(ctx)
		o.requests.release()
		Eventually(seen.all).Should(HaveExactElements(HaveField("Type", BeEquivalentTo("ADDED")), HaveField("Type", BeEquivalentTo("DELETED"))))
	})

	It("since its Service is another one by now is bound to that", func(ctx SpecContext) {
		o.requests.holdWrites(s.slicePath())
		s.backend(ctx, "payments", none, entry("rack", "192.0.2.10"))
		held()
		Expect(admin.Delete(ctx, service())).To(Succeed())
		svc := s.service(ctx, "payments")
		o.requests.release()
		Eventually(func(ctx context.Context) string { return s.serviceUIDs(ctx, "payments") }).WithContext(ctx).Should(Equal(string(svc.UID)))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
	})

	It("since it took effect and its answer was lost is not there twice", func(ctx SpecContext) {
		mark := audit.mark()
		o.requests.loseAnswers(s.slicePath())
		s.backend(ctx, "payments", none, entry("rack", "192.0.2.10"))
		held()
		o.requests.release()
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(endpoints{"192.0.2.10": in}))
		Expect(s.slicesOf(ctx, "payments")).To(HaveLen(1))
		Expect(s.writes(mark)).To(ContainElement("create " + s.slicesOf(ctx, "payments")[0].Name))
	})

	It("since the ExternalBackend was moved whose status it reports is made up for", func(ctx SpecContext) {
		s.service(ctx, "checkout")
		o.requests.holdWrites("/apis/externalbackend.dev/")
		eb := s.backend(ctx, "payments", none, entry("rack", "192.0.2.10"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		held()
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) { eb.Spec.Service.Name = "checkout" })
		s.expect(ctx, "checkout", endpoints{"192.0.2.10": in})
		s.expect(ctx, "payments", endpoints{})
		o.requests.release()
		Eventually(s.statusOf).WithContext(ctx).WithArguments("payments").Should(HaveField("Service.Name", "checkout"))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
	})

	It("since the ExternalBackend was deleted whose status it reports is given up", func(ctx SpecContext) {
		o.requests.holdWrites("/apis/externalbackend.dev/")
		eb := s.backend(ctx, "payments", none, entry("rack", "192.0.2.10"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		held()
		Expect(admin.Delete(ctx, eb)).To(Succeed())
		s.expect(ctx, "payments", endpoints{})
		mark := audit.mark()
		o.requests.release()
		Eventually(s.reports).WithArguments(mark).Should(Equal(1))
		again := s.backend(ctx, "payments", none, entry("rack", "192.0.2.11"))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
		Expect(client.IgnoreNotFound(admin.Delete(ctx, again))).To(Succeed())
	})
})
