// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/targets"
)

// portOf names the only port of an ExternalBackend. The Services of the specs
// have none but http.
func portOf(name string) func(*v1alpha1.ExternalBackend) {
	return func(eb *v1alpha1.ExternalBackend) {
		eb.Spec.Ports = []v1alpha1.BackendPort{{Name: name, Port: 8080}}
	}
}

// withoutEntry removes the first entry.
func withoutEntry(eb *v1alpha1.ExternalBackend) { eb.Spec.Targets = eb.Spec.Targets[1:] }

// together makes one edit of several.
func together(edits ...func(*v1alpha1.ExternalBackend)) func(*v1alpha1.ExternalBackend) {
	return func(eb *v1alpha1.ExternalBackend) {
		for _, edit := range edits {
			edit(eb)
		}
	}
}

var _ = Describe("Where a mistake in spec.ports lets nothing be published anew", func() {
	var s *scene
	var eb *v1alpha1.ExternalBackend
	var host *targets.Host
	mistaken := portOf("htpp")
	beginWith := func(ctx SpecContext, want endpoints, edits ...func(*v1alpha1.ExternalBackend)) {
		GinkgoHelper()
		edits = append(edits, portOf("http"), entry("rack", "192.0.2.10"), entry("cage", "192.0.2.11"))
		eb = s.backend(ctx, "payments", edits...)
		s.expect(ctx, "payments", want)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, yes(v1alpha1.ReasonAllHealthy))
	}
	begin := func(ctx SpecContext, edits ...func(*v1alpha1.ExternalBackend)) {
		GinkgoHelper()
		beginWith(ctx, endpoints{"192.0.2.10": in, "192.0.2.11": in}, edits...)
	}
	BeforeEach(func(ctx SpecContext) {
		sharedOperator()
		s = newScene(ctx)
		host = s.host("192.0.2.10")
		s.host("192.0.2.11")
		s.host("192.0.2.12")
		s.service(ctx, "payments")
	})

	DescribeTable("a target that is taken out drains, is checked, and goes when its time is over",
		func(ctx SpecContext, remove func(*v1alpha1.ExternalBackend)) {
			begin(ctx, drainFor("5s"))
			edit(ctx, eb, together(mistaken, remove))
			s.expect(ctx, "payments", endpoints{"192.0.2.10": leaving, "192.0.2.11": in})
			s.expectCondition(ctx, "payments", v1alpha1.ConditionServiceResolved, no(v1alpha1.ReasonPortNotFound))
			host.Set(targets.Refuse)
			s.expect(ctx, "payments", endpoints{"192.0.2.10": unserving, "192.0.2.11": in})
			Expect(s.deadline(ctx, "payments", "192.0.2.10")).To(BeTemporally("~", time.Now(), 7*time.Second))
			s.expect(ctx, "payments", endpoints{"192.0.2.11": in})
			Eventually(s.statusOf).WithContext(ctx).WithArguments("payments").Should(HaveField("Targets",
				v1alpha1.TargetCounts{Total: 1, Healthy: 1}))
			Eventually(s.events).WithContext(ctx).WithArguments("payments").Should(And(
				HaveKeyWithValue("TargetsDraining", ConsistOf(ContainSubstring("192.0.2.10"))),
				HaveKeyWithValue("TargetsDrained", ConsistOf(ContainSubstring("192.0.2.10")))))
		},
		Entry("when its entry is set to Drain", set(v1alpha1.TargetDrain)),
		Entry("when its entry is removed", withoutEntry),
	)

	It("a drain that has begun goes on, and tells the truth", func(ctx SpecContext) {
		begin(ctx, drainFor("1h"))
		edit(ctx, eb, set(v1alpha1.TargetDrain))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": leaving, "192.0.2.11": in})
		deadline := s.deadline(ctx, "payments", "192.0.2.10")
		edit(ctx, eb, mistaken)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionServiceResolved, no(v1alpha1.ReasonPortNotFound))
		host.Set(targets.Refuse)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": unserving, "192.0.2.11": in})
		Expect(s.deadline(ctx, "payments", "192.0.2.10")).To(BeTemporally("==", deadline))
		edit(ctx, eb, drainFor("0s"))
		s.expect(ctx, "payments", endpoints{"192.0.2.11": in})
	})

	It("what does not drain goes at once, the last address with its slice", func(ctx SpecContext) {
		begin(ctx, drainFor("0s"))
		mark := audit.mark()
		edit(ctx, eb, together(mistaken, withoutEntry))
		s.expect(ctx, "payments", endpoints{"192.0.2.11": in})
		edit(ctx, eb, set(v1alpha1.TargetDrain))
		Eventually(s.slices).WithContext(ctx).Should(BeEmpty())
		Expect(s.writes(mark)).To(HaveExactElements(HavePrefix("update "), HavePrefix("delete ")))
	})

	It("a family that the Service loses goes at once", func(ctx SpecContext) {
		s.host("2001:db8::10")
		beginWith(ctx, endpoints{"192.0.2.10": in, "192.0.2.11": in, "2001:db8::10": in},
			drainFor("1h"), entry("shelf", "2001:db8::10"), tcp)
		edit(ctx, eb, mistaken)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionServiceResolved, no(v1alpha1.ReasonPortNotFound))
		edit(ctx, s.serviceOf(ctx, "payments"), func(svc *corev1.Service) {
			svc.Spec.IPFamilyPolicy = new(corev1.IPFamilyPolicySingleStack)
			svc.Spec.IPFamilies, svc.Spec.ClusterIPs = svc.Spec.IPFamilies[:1], svc.Spec.ClusterIPs[:1]
		})
		Eventually(s.slices).WithContext(ctx).Should(HaveEach(HaveField("AddressType", discoveryv1.AddressTypeIPv4)))
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(endpoints{"192.0.2.10": in, "192.0.2.11": in}))
	})

	It("everything is back without a gap once it is mended", func(ctx SpecContext) {
		begin(ctx, drainFor("1h"))
		edit(ctx, eb, together(mistaken, set(v1alpha1.TargetDrain)))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": leaving, "192.0.2.11": in})
		seen := s.watch(ctx)
		edit(ctx, eb, together(portOf("http"), set(v1alpha1.TargetActive)))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.11": in})
		Expect(seen.gaps("payments", "192.0.2.11")).To(BeEmpty())
		Expect(seen.all()).To(HaveLen(1), "no check had to come first")
	})

	It("each address is checked on the port that it is published with", func(ctx SpecContext) {
		other, err := network.Host("192.0.2.13:9090")
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func() { network.Remove("192.0.2.13:9090") })
		eb = s.backend(ctx, "payments", portOf("http"), entry("rack", "192.0.2.10"), entry("shelf", "192.0.2.13"), func(eb *v1alpha1.ExternalBackend) {
			eb.Spec.Targets[1].Ports = []v1alpha1.TargetPort{{Name: "http", Port: 9090}}
		})
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.13": in})
		versions := s.versions(ctx)
		edit(ctx, eb, together(mistaken, func(eb *v1alpha1.ExternalBackend) { eb.Spec.Targets[1].Ports[0].Name = "htpp" }))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionServiceResolved, no(v1alpha1.ReasonPortNotFound))
		for _, h := range []*targets.Host{host, other} {
			attempts := h.Attempts()
			Eventually(h.Attempts).Should(BeNumerically(">=", attempts+3))
		}
		Expect(s.versions(ctx)).To(Equal(versions))
		other.Set(targets.Refuse)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.13": out})
	})
})

var _ = Describe("Where a mistake of one of two ExternalBackends lets it publish nothing anew", func() {
	var s *scene
	var older, younger *v1alpha1.ExternalBackend
	mistaken := portOf("htpp")
	// begin has the older one serve rack and cage, the younger one what it is given.
	begin := func(ctx SpecContext, edits ...func(*v1alpha1.ExternalBackend)) {
		GinkgoHelper()
		older = s.backend(ctx, "zulu", of("payments"), portOf("http"), entry("rack", "192.0.2.10"), entry("cage", "192.0.2.11"), edits[0])
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.11": in})
		s.nextSecond(older)
		younger = s.backend(ctx, "alpha", append(edits[1:], of("payments"), portOf("http"))...)
	}
	cageOn := func(number int32, name string) func(*v1alpha1.ExternalBackend) {
		return func(eb *v1alpha1.ExternalBackend) {
			eb.Spec.Targets[len(eb.Spec.Targets)-1].Ports = []v1alpha1.TargetPort{{Name: name, Port: number}}
		}
	}
	BeforeEach(func(ctx SpecContext) {
		sharedOperator()
		s = newScene(ctx)
		for _, address := range []string{"192.0.2.10", "192.0.2.11", "192.0.2.12"} {
			s.host(address)
		}
		s.service(ctx, "payments")
	})

	It("no address is behind a port twice, whatever ports its entry had (rule 25)", func(ctx SpecContext) {
		_, err := network.Host("192.0.2.11:9090")
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func() { network.Remove("192.0.2.11:9090") })
		begin(ctx, cageOn(9090, "http"), entry("cage", "192.0.2.11"), cageOn(9090, "http"))
		s.expectCondition(ctx, "alpha", v1alpha1.ConditionTargetsResolved, yes(v1alpha1.ReasonServedByAnother))
		edit(ctx, older, together(mistaken, cageOn(9090, "htpp")))
		s.expectCondition(ctx, "zulu", v1alpha1.ConditionServiceResolved, no(v1alpha1.ReasonPortNotFound))
		Consistently(s.ownersOf).WithContext(ctx).WithArguments("payments").Should(
			Equal(map[string]string{"192.0.2.10": "zulu", "192.0.2.11": "zulu"}))
		s.expectCondition(ctx, "alpha", v1alpha1.ConditionTargetsResolved, yes(v1alpha1.ReasonServedByAnother))
	})

	It("it takes no address that it does not publish", func(ctx SpecContext) {
		begin(ctx, hasty, entry("attic", "192.0.2.12"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.11": in, "192.0.2.12": in})
		s.expectCondition(ctx, "alpha", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
		seen := s.watch(ctx)
		edit(ctx, older, together(mistaken, entry("attic", "192.0.2.12")))
		s.expectCondition(ctx, "zulu", v1alpha1.ConditionServiceResolved, no(v1alpha1.ReasonPortNotFound))
		Consistently(s.ownersOf).WithContext(ctx).WithArguments("payments").Should(HaveKeyWithValue("192.0.2.12", "alpha"))

		edit(ctx, older, portOf("http"))
		Eventually(s.ownersOf).WithContext(ctx).WithArguments("payments").Should(HaveKeyWithValue("192.0.2.12", "zulu"))
		Expect(seen.gaps("payments", "192.0.2.12")).To(BeEmpty())
	})

	It("it lets go of an address that the other one serves, without a gap", func(ctx SpecContext) {
		begin(ctx, hasty, entry("attic", "192.0.2.12"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.11": in, "192.0.2.12": in})
		edit(ctx, younger, mistaken)
		s.expectCondition(ctx, "alpha", v1alpha1.ConditionServiceResolved, no(v1alpha1.ReasonPortNotFound))
		seen := s.watch(ctx)
		edit(ctx, older, entry("attic", "192.0.2.12"))
		Eventually(s.ownersOf).WithContext(ctx).WithArguments("payments").Should(HaveKeyWithValue("192.0.2.12", "zulu"))
		Expect(seen.gaps("payments", "192.0.2.12")).To(BeEmpty())
	})

	It("it has a part in the hints of all (rule 40)", func(ctx SpecContext) {
		edit(ctx, s.serviceOf(ctx, "payments"), func(svc *corev1.Service) { svc.Spec.TrafficDistribution = new("PreferClose") })
		begin(ctx, func(eb *v1alpha1.ExternalBackend) { eb.Spec.Targets[0].Zone, eb.Spec.Targets[1].Zone = "a", "b" },
			zoned("attic", "c", "192.0.2.12"))
		expectTopology := func(want map[string]string) {
			GinkgoHelper()
			Eventually(s.topologyOf).WithContext(ctx).WithArguments("payments").Should(Equal(want))
		}
		hinted := map[string]string{"192.0.2.10": "a from a", "192.0.2.11": "b from b", "192.0.2.12": "c from c"}
		expectTopology(hinted)
		edit(ctx, older, mistaken)
		s.expectCondition(ctx, "zulu", v1alpha1.ConditionServiceResolved, no(v1alpha1.ReasonPortNotFound))
		edit(ctx, younger, func(eb *v1alpha1.ExternalBackend) { eb.Spec.Targets[0].Zone = "" })
		expectTopology(map[string]string{"192.0.2.10": "a", "192.0.2.11": "b", "192.0.2.12": ""})
		edit(ctx, younger, func(eb *v1alpha1.ExternalBackend) { eb.Spec.Targets[0].Zone = "c" })
		expectTopology(hinted)
	})
})
