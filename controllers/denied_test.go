// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"errors"
	"maps"
	"net/http"
	"net/netip"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/controllers"
	"externalbackend.dev/operator/internal/guard"
	"externalbackend.dev/operator/test/targets"
)

var _ = Describe("An address that is denied goes at once, and its neighbours are as they are,", func() {
	var s *scene
	var o *operator
	var eb *v1alpha1.ExternalBackend
	var services string // their path
	all := endpoints{"192.0.2.10": in, "192.0.2.11": in, "192.0.2.12": in}
	rack := entry("rack", "192.0.2.10", "192.0.2.11", "192.0.2.12")
	cidr := func(cidrs ...v1alpha1.CIDR) func(*v1alpha1.ExternalBackendPolicySpec) {
		return denying(v1alpha1.PolicyDeny{CIDRs: cidrs})
	}
	BeforeEach(func() {
		o = ownOperator(operatorOptions{})
	})
	begin := func(ctx SpecContext, edits ...func(*v1alpha1.ExternalBackend)) {
		GinkgoHelper()
		s = newScene(ctx)
		services = "/api/v1/namespaces/" + s.namespace + "/services"
		for address := range all {
			s.host(address)
		}
		eb = s.backend(ctx, "payments", append(edits, hasty, rack, managed())...)
		s.expect(ctx, "payments", all)
	}

	DescribeTable("while its Service is", func(ctx SpecContext, hold func(SpecContext), told bool) {
		begin(ctx)
		hold(ctx)
		s.host("192.0.2.10").Set(targets.Refuse)
		s.policy(ctx, "deny", cidr("192.0.2.11/32"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": out, "192.0.2.12": in})
		if told {
			s.expectCondition(ctx, "payments", v1alpha1.ConditionAccepted, no(v1alpha1.ReasonPolicyDenied, "192.0.2.11"))
			Expect(s.condition(ctx, "payments", v1alpha1.ConditionPublished)).NotTo(HaveField("Reason", v1alpha1.ReasonWriteFailed))
		} else {
			Expect(s.statusOf(ctx, "payments").ObservedGeneration).To(BeNumerically("<", eb.Generation), "it is not acted on yet")
		}
		s.policy(ctx, "rest", cidr("192.0.2.0/24"))
		Eventually(s.slices).WithContext(ctx).Should(BeEmpty())
	},
		Entry("a former one, the next having a selector", func(ctx SpecContext) {
			s.service(ctx, "checkout", func(svc *corev1.Service) { svc.Spec.Selector = map[string]string{"app": "checkout"} })
			edit(ctx, eb, of("checkout"))
			s.expectCondition(ctx, "payments", v1alpha1.ConditionServiceResolved, no(v1alpha1.ReasonServiceHasSelector))
		}, true),
		Entry("a former one, the next not being allowed", func(ctx SpecContext) {
			o.requests.cause(answerFirst(always, services, forbidden))
			edit(ctx, eb, of("checkout"))
			s.expectCondition(ctx, "payments", v1alpha1.ConditionServiceResolved, no(v1alpha1.ReasonServiceUpdateRefused))
		}, true),
		Entry("written, without an answer", func(ctx SpecContext) {
			o.requests.holdWrites(services)
			edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) {
				eb.Spec.Service.Template.Labels = v1alpha1.ServiceLabels{"team": "shop"}
			})
			Eventually(o.requests.heldUp).Should(Equal(1))
		}, false),
	)

	It("while its Service is absent", func(ctx SpecContext) {
		s = newScene(ctx)
		svc := s.service(ctx, "payments")
		s.backend(ctx, "payments", none, rack)
		s.expect(ctx, "payments", all)
		Expect(admin.Delete(ctx, svc)).To(Succeed())
		s.expectCondition(ctx, "payments", v1alpha1.ConditionServiceResolved, no(v1alpha1.ReasonServiceNotFound))
		s.policy(ctx, "deny", cidr("192.0.2.11/32"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.12": in})
		s.policy(ctx, "rest", cidr("192.0.2.0/24"))
		Eventually(s.slices).WithContext(ctx).Should(BeEmpty())
	})

	It("while it cannot be put where it may be", func(ctx SpecContext) {
		s = newScene(ctx)
		s.service(ctx, "payments")
		s.policy(ctx, "there", allowing("192.0.2.11/32"), onPorts("8081"))
		policy := s.policy(ctx, "here", allowing("192.0.2.0/24"), onPorts("8080"))
		eb = s.backend(ctx, "payments", none, entry("rack", "192.0.2.10", "192.0.2.12"), entry("cage", "192.0.2.11"))
		s.expect(ctx, "payments", all)
		o.requests.cause(answerSome(always, creating(s.slicePath()), forbidden))
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) {
			eb.Spec.Targets[1].Ports = []v1alpha1.TargetPort{{Name: "http", Port: 8081}}
		})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionPublished, no(v1alpha1.ReasonWriteFailed))
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(all))
		edit(ctx, policy, func(p *v1alpha1.ExternalBackendPolicy) {
			p.Spec.Allow.CIDRs = []v1alpha1.CIDR{"192.0.2.10/32", "192.0.2.12/32"}
		})
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.12": in})
	})

	It("while other writes get no answer, the last ones with their slice", func(ctx SpecContext) {
		s = newScene(ctx)
		s.service(ctx, "payments")
		s.policy(ctx, "six", allowing("2001:db8::/32"))
		policy := s.policy(ctx, "four", allowing("192.0.2.0/24"))
		eb = s.backend(ctx, "payments", none, rack)
		s.expect(ctx, "payments", all)
		o.requests.cause(on(creating(s.slicePath()), func(*http.Request, http.RoundTripper) (*http.Response, error) {
			return nil, errors.New("made up: the connection broke")
		}))
		edit(ctx, eb, entry("cage", "2001:db8::10"))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionPublished, no(v1alpha1.ReasonWriteFailed))
		edit(ctx, policy, func(p *v1alpha1.ExternalBackendPolicy) {
			p.Spec.Allow.Checks.Kinds = []v1alpha1.CheckKind{v1alpha1.CheckKindTCP} // and nothing is checked
		})
		Eventually(s.slices).WithContext(ctx).Should(BeEmpty())
	})

	DescribeTable("before anything is written that may hang", func(ctx SpecContext, denied v1alpha1.CIDR, left endpoints) {
		s = newScene(ctx)
		s.service(ctx, "payments")
		eb = s.backend(ctx, "payments", none, rack)
		s.expect(ctx, "payments", all)
		o.stop()
		edit(ctx, eb, entry("cage", "2001:db8::10"))
		s.policy(ctx, "deny", cidr(denied))
		hung := newStandstill(func(r *http.Request) bool { return r.Method == http.MethodPost && r.URL.Path == s.slicePath() })
		ownOperator(operatorOptions{fault: hung.fault})
		s.expect(ctx, "payments", left)
		Eventually(hung.stuck.Load).Should(BeEquivalentTo(1))
		hung.end()
		rest := maps.Clone(left)
		rest["2001:db8::10"] = in
		s.expect(ctx, "payments", rest)
	},
		Entry("from a slice", v1alpha1.CIDR("192.0.2.11/32"), endpoints{"192.0.2.10": in, "192.0.2.12": in}),
		Entry("with its slice", v1alpha1.CIDR("192.0.2.0/24"), endpoints{}),
	)
})

// lateGuard answers the first question about a namespace with what was true when
// it was asked, after it has become known that an address is denied.
type lateGuard struct {
	*controllers.Reach
	namespace string
	denied    netip.Addr
	first     sync.Once
	asked     chan struct{}
	changed   <-chan struct{}
}

func (g *lateGuard) Scope(namespace string) *guard.Scope {
	scope := g.Reach.Scope(namespace)
	if namespace == g.namespace && scope != nil {
		g.first.Do(func() {
			close(g.asked)
			for g.Reach.Scope(namespace).Addr(g.denied) == nil {
				<-g.changed
			}
		})
	}
	return scope
}

var _ = Describe("A pass", func() {
	It("that began before an address was denied is followed by another one, also the first after a start", func(ctx SpecContext) {
		before := ownOperator(operatorOptions{})
		s := newScene(ctx)
		s.service(ctx, "payments")
		s.backend(ctx, "payments", none, entry("rack", "192.0.2.10"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		before.stop()
		changed := make(chan struct{}, 100)
		late := &lateGuard{namespace: s.namespace, denied: netip.MustParseAddr("192.0.2.10"), asked: make(chan struct{}), changed: changed}
		ownOperator(operatorOptions{guard: func(reach *controllers.Reach) controllers.Guard {
			late.Reach = reach
			revet := reach.Changed
			reach.Changed = func(of func(namespace string) bool) {
				revet(of)
				changed <- struct{}{}
			}
			return late
		}})
		Eventually(late.asked).Should(BeClosed())
		s.policy(ctx, "deny", denying(v1alpha1.PolicyDeny{CIDRs: []v1alpha1.CIDR{"192.0.2.0/24"}}))
		Eventually(s.slices).WithContext(ctx).Should(BeEmpty())
	})
})
