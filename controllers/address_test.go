// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"fmt"
	"net/netip"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/targets"
)

var _ = Describe("Addresses", func() {
	var s *scene
	BeforeEach(func(ctx SpecContext) {
		sharedOperator()
		s = newScene(ctx)
	})

	DescribeTable("that must not be targeted are named, and good neighbours are served",
		func(ctx SpecContext, denied string) {
			s.host("192.0.2.10")
			s.service(ctx, "payments")
			s.backend(ctx, "payments", entry("rack", "192.0.2.10", denied), entry("bad", denied))
			s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
			named := no(v1alpha1.ReasonAddressDenied, denied, `"rack"`, `"bad"`)
			s.expectCondition(ctx, "payments", v1alpha1.ConditionAccepted, named)
			s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, named)
			s.expectCondition(ctx, "payments", v1alpha1.ConditionTargetsResolved, no(v1alpha1.ReasonNoAddresses, `"bad"`))
			s.expectCondition(ctx, "payments", v1alpha1.ConditionPublished, yes(v1alpha1.ReasonPublished))
			Eventually(s.statusOf).WithContext(ctx).WithArguments("payments").Should(And(
				HaveField("Targets.Total", BeEquivalentTo(1)),
				HaveField("Sources", ConsistOf(
					And(HaveField("Target", "rack"), HaveField("Addresses", BeEquivalentTo(1)), HaveField("Problem", ContainSubstring(denied))),
					And(HaveField("Target", "bad"), HaveField("Addresses", BeZero()), HaveField("Problem", ContainSubstring(denied))),
				))))
			Eventually(s.events).WithContext(ctx).WithArguments("payments").Should(
				HaveKeyWithValue(v1alpha1.ReasonAddressDenied, ConsistOf(ContainSubstring(denied))))
		},
		Entry("metadata service", "169.254.169.254"),
		Entry("loopback", "127.0.0.1"),
		Entry("link-local", "fe80::1"),
		Entry("metadata service behind NAT64", "64:ff9b::a9fe:a9fe"),
	)

	It("listed twice are served once", func(ctx SpecContext) {
		s.host("192.0.2.10")
		s.host("2001:db8::10")
		s.service(ctx, "payments")
		s.backend(ctx, "payments",
			entry("rack", "192.0.2.10", "2001:db8::10", "2001:DB8:0::10"), entry("spare", "192.0.2.10"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "2001:db8::10": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionTargetsResolved, yes(v1alpha1.ReasonDuplicateAddress, "192.0.2.10", `"rack"`))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
		Eventually(s.statusOf).WithContext(ctx).WithArguments("payments").Should(HaveField("Targets.Total", BeEquivalentTo(2)))
	})

	It("of two ExternalBackends are served by the older one, then by the other", func(ctx SpecContext) {
		s.host("192.0.2.10")
		s.host("192.0.2.11")
		s.service(ctx, "payments")
		older := s.backend(ctx, "zulu", of("payments"), entry("rack", "192.0.2.10"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		s.nextSecond(older)
		s.backend(ctx, "alpha", of("payments"), entry("cage", "192.0.2.10", "192.0.2.11"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.11": in})
		told := yes(v1alpha1.ReasonServedByAnother, "192.0.2.10", `"zulu"`, `"rack"`)
		s.expectCondition(ctx, "alpha", v1alpha1.ConditionTargetsResolved, told)
		s.expectCondition(ctx, "zulu", v1alpha1.ConditionTargetsResolved, yes(v1alpha1.ReasonTargetsResolved))
		Eventually(s.events).WithContext(ctx).WithArguments("alpha").Should(
			HaveKeyWithValue(v1alpha1.ReasonServedByAnother, ConsistOf(ContainSubstring("192.0.2.10"))))
		Expect(s.ownersOf(ctx, "payments")).To(Equal(map[string]string{"192.0.2.10": "zulu", "192.0.2.11": "alpha"}))

		Expect(admin.Delete(ctx, older)).To(Succeed())
		Eventually(s.ownersOf).WithContext(ctx).WithArguments("payments").Should(
			Equal(map[string]string{"192.0.2.10": "alpha", "192.0.2.11": "alpha"}))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.11": in})
		s.expectCondition(ctx, "alpha", v1alpha1.ConditionTargetsResolved, yes(v1alpha1.ReasonTargetsResolved))
	})

	It("of a family that the Service does not have are named and not served", func(ctx SpecContext) {
		s.host("2001:db8::10")
		s.host("192.0.2.10")
		s.service(ctx, "payments", func(svc *corev1.Service) {
			svc.Spec.IPFamilyPolicy, svc.Spec.IPFamilies = new(corev1.IPFamilyPolicySingleStack), []corev1.IPFamily{corev1.IPv6Protocol}
		})
		s.backend(ctx, "payments", entry("rack", "192.0.2.10", "2001:db8::10"))
		s.expect(ctx, "payments", endpoints{"2001:db8::10": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionTargetsResolved, yes(v1alpha1.ReasonFamilyNotServed, "192.0.2.10", "IPv4"))
		Expect(s.host("192.0.2.10").Attempts()).To(BeZero())
	})

	It("beyond 100 go into further slices, 1001 of them into eleven", func(ctx SpecContext) {
		network.AcceptAll(netip.MustParsePrefix("198.18.0.0/20"))
		s.service(ctx, "payments")
		eb := s.backend(ctx, "payments", tcp,
			entry("most", numbered("198.18.0.0", 1000)...), entry("last", "192.0.2.10"))
		s.host("192.0.2.10").Set(targets.Refuse)
		want := endpoints{"192.0.2.10": out}
		for _, address := range numbered("198.18.0.0", 1000) {
			want[address] = in
		}
		s.expect(ctx, "payments", want)
		slices := s.slicesOf(ctx, "payments")
		Expect(slices).To(HaveLen(11))
		for _, slice := range slices {
			Expect(len(slice.Endpoints)).To(BeNumerically("<=", 100))
		}
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, no(v1alpha1.ReasonSomeUnhealthy, "1000 of 1001"))

		mark := audit.mark()
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) {
			eb.Spec.Targets[0].IP.Addresses = eb.Spec.Targets[0].IP.Addresses[1:]
		})
		delete(want, "198.18.0.0")
		s.expect(ctx, "payments", want)
		// The last slice goes, since its only endpoint has room where one left.
		Expect(s.writes(mark)).To(HaveExactElements(HavePrefix("update "), HavePrefix("delete ")))
		Expect(s.slicesOf(ctx, "payments")).To(HaveLen(10))

		mark = audit.mark()
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) {
			eb.Spec.Targets[0].IP.Addresses = eb.Spec.Targets[0].IP.Addresses[1:]
		})
		delete(want, "198.18.0.1")
		s.expect(ctx, "payments", want)
		Expect(s.writes(mark)).To(HaveLen(1))
	})
})

// numbered returns n consecutive addresses.
func numbered(first string, n int) []string {
	list := make([]string, n)
	addr := netip.MustParseAddr(first)
	for i := range list {
		list[i] = fmt.Sprint(addr)
		addr = addr.Next()
	}
	return list
}
