// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/nameserver"
	"externalbackend.dev/operator/test/targets"
)

var _ = Describe("What is told of a name that is passed through", func() {
	var s *scene
	BeforeEach(func(ctx SpecContext) {
		sharedOperator()
		s = newScene(ctx)
	})
	// goneOnce has it said once that a name does not exist.
	goneOnce := func(label string, then func(kind string) nameserver.Reply) {
		for _, kind := range []string{"A", "AAAA"} {
			s.answer(label, kind, nameserver.NXDomain(0), then(kind))
		}
	}
	back := func(label string) func(string) nameserver.Reply {
		name := s.hostname(label)
		records := map[string]string{"A": " 0 A 192.0.2.10", "AAAA": " 0 AAAA 2001:db8::10"}
		return func(kind string) nameserver.Reply { return nameserver.Records(name + records[kind]) }
	}

	It("by one NXDOMAIN after a restart takes nothing out", func(ctx SpecContext) {
		o := ownOperator(operatorOptions{})
		s.passes(ctx)
		o.stop()
		seen := s.watch(ctx)
		goneOnce("db", back("db"))
		ownOperator(operatorOptions{})
		s.asked(ctx, 10, "db", "A")
		s.asked(ctx, 10, "db", "AAAA")
		Expect(seen.unready()).To(BeEmpty())
	})

	It("by one NXDOMAIN after a restart, and then by nobody, is called stale", func(ctx SpecContext) {
		o := ownOperator(operatorOptions{})
		_, name := s.passes(ctx)
		o.stop()
		seen := s.watch(ctx)
		goneOnce("db", func(string) nameserver.Reply { return nameserver.Rcode(2) })
		ownOperator(operatorOptions{})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionStale, yes(v1alpha1.ReasonNameServerFailed))
		Expect(seen.all()).To(BeEmpty())
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(endpoints{name: in}))
	})

	It("by one NXDOMAIN after its hostname was edited takes nothing out", func(ctx SpecContext) {
		eb, _ := s.passes(ctx)
		seen := s.watch(ctx)
		goneOnce("new", back("new"))
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) { eb.Spec.Targets[0].FQDN.Hostname = s.hostname("new") })
		s.expect(ctx, "payments", endpoints{s.hostname("new"): in})
		Expect(seen.unready()).To(BeEmpty())
	})

	It("by one NXDOMAIN, and then by nobody, takes nothing from a younger neighbour", func(ctx SpecContext) {
		s.host("192.0.2.20")
		s.service(ctx, "payments", headless)
		s.fail("db")
		older := s.backend(ctx, "older", of("payments"), fqdn("db", s.hostname("db"), passedThrough))
		s.nextSecond(older)
		s.backend(ctx, "payments", entry("rack", "192.0.2.20"))
		s.expect(ctx, "payments", endpoints{"192.0.2.20": in})
		s.asked(ctx, 2, "db", "A")
		seen := s.watch(ctx)
		goneOnce("db", func(string) nameserver.Reply { return nameserver.Rcode(2) })
		s.asked(ctx, 3, "db", "A")
		s.asked(ctx, 3, "db", "AAAA")
		Expect(seen.all()).To(BeEmpty())
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(endpoints{"192.0.2.20": in}))
	})

	It("to be that it has no address gives way to a younger neighbour, and to a younger name", func(ctx SpecContext) {
		ownOperator(operatorOptions{retention: time.Second})
		_, name := s.passes(ctx)
		s.host("192.0.2.20")
		for _, kind := range []string{"A", "AAAA"} {
			s.answer("db", kind, nameserver.NXDomain(0))
		}
		s.expect(ctx, "payments", endpoints{name: out})
		younger := s.backend(ctx, "younger", of("payments"), entry("rack", "192.0.2.20"))
		s.expect(ctx, "payments", endpoints{"192.0.2.20": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionTargetsResolved, no(v1alpha1.ReasonNameNotFound, name))
		edit(ctx, younger, instead(fqdn("new", s.address("new", "192.0.2.20"), passedThrough)))
		s.expect(ctx, "payments", endpoints{s.hostname("new"): in})
	})

	It("has it go out when every address that is known is dead, though one family always fails", func(ctx SpecContext) {
		s.host("192.0.2.10")
		name := s.address("db", "192.0.2.10")
		s.answer("db", "AAAA", nameserver.Rcode(2))
		s.service(ctx, "payments", headless)
		s.backend(ctx, "payments", fqdn("db", name, passedThrough))
		s.expect(ctx, "payments", endpoints{name: in})
		s.hosts["192.0.2.10:8080"].Set(targets.Refuse)
		s.expect(ctx, "payments", endpoints{name: out})
		s.hosts["192.0.2.10:8080"].Set(targets.Serve)
		s.expect(ctx, "payments", endpoints{name: in})
	})

	Context("in the family that its Service has not", func() {
		begin := func(ctx SpecContext, addresses ...string) (name string) {
			GinkgoHelper()
			s.host("192.0.2.10")
			name = s.address("db", append(addresses, "192.0.2.10")...)
			s.service(ctx, "payments", headless, func(svc *corev1.Service) {
				svc.Spec.IPFamilyPolicy = new(corev1.IPFamilyPolicySingleStack)
				svc.Spec.IPFamilies = []corev1.IPFamily{corev1.IPv4Protocol}
			})
			s.backend(ctx, "payments", fqdn("db", name, passedThrough))
			return name
		}

		It("has it refused if that is denied, since who uses it looks it up for himself", func(ctx SpecContext) {
			begin(ctx, "fd00:ec2::254")
			s.expectCondition(ctx, "payments", v1alpha1.ConditionAccepted, no(v1alpha1.ReasonAddressDenied, "fd00:ec2::254"))
			Eventually(s.slices).WithContext(ctx).Should(BeEmpty())
		})

		It("is neither checked nor counted, nor called a problem", func(ctx SpecContext) {
			ownOperator(operatorOptions{retention: time.Second})
			name := begin(ctx, "2001:db8::99")
			s.expect(ctx, "payments", endpoints{name: in})
			s.asked(ctx, 3, "db", "AAAA")
			s.expectCondition(ctx, "payments", v1alpha1.ConditionTargetsResolved, yes(v1alpha1.ReasonTargetsResolved))
			Expect(s.sourceOf(ctx, "payments", "db")).To(Equal(v1alpha1.SourceStatus{Target: "db", Addresses: 1}))
			s.answer("db", "AAAA", nameserver.Rcode(2))
			s.answer("db", "A", nameserver.NXDomain(0))
			s.expect(ctx, "payments", endpoints{name: out})
			s.expectCondition(ctx, "payments", v1alpha1.ConditionStale, withdrawn)
		})
	})
})
