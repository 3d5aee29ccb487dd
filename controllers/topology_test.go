// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/targets"
)

// zoned adds a target entry in a zone.
func zoned(name, zone string, addresses ...string) func(*v1alpha1.ExternalBackend) {
	return func(eb *v1alpha1.ExternalBackend) {
		entry(name, addresses...)(eb)
		eb.Spec.Targets[len(eb.Spec.Targets)-1].Zone = zone
	}
}

// topologyOf returns the zone of each address and where traffic to it may come
// from, such as "a from a"; "a" without hints.
func (s *scene) topologyOf(ctx context.Context, service string) map[string]string {
	found := map[string]string{}
	for _, slice := range s.slicesOf(ctx, service) {
		for _, e := range slice.Endpoints {
			found[e.Addresses[0]] = topologyIn(e)
		}
	}
	return found
}

func topologyIn(e discoveryv1.Endpoint) string {
	var words []string
	if e.Zone != nil {
		words = append(words, *e.Zone)
	}
	if e.Hints != nil {
		words = append(words, "from")
		for _, zone := range e.Hints.ForZones {
			words = append(words, zone.Name)
		}
	}
	return strings.Join(words, " ")
}

var _ = Describe("Zones", func() {
	var s *scene
	var svc *corev1.Service
	var eb *v1alpha1.ExternalBackend
	hinted := map[string]string{"192.0.2.10": "a from a", "192.0.2.11": "b from b", "2001:db8::10": "a from a"}
	bare := map[string]string{"192.0.2.10": "a", "192.0.2.11": "b", "2001:db8::10": "a"}
	expectTopology := func(ctx SpecContext, want map[string]string) {
		GinkgoHelper()
		Eventually(s.topologyOf).WithContext(ctx).WithArguments("payments").Should(Equal(want))
	}
	with := func(of map[string]string, address, topology string) map[string]string {
		all := map[string]string{address: topology}
		for a, t := range of {
			if a != address {
				all[a] = t
			}
		}
		return all
	}
	BeforeEach(func(ctx SpecContext) {
		sharedOperator()
		s = newScene(ctx)
		for _, address := range []string{"192.0.2.10", "192.0.2.11", "2001:db8::10", "192.0.2.20"} {
			s.host(address)
		}
		svc = s.service(ctx, "payments", func(svc *corev1.Service) { svc.Spec.TrafficDistribution = new("PreferClose") })
		eb = s.backend(ctx, "payments", zoned("rack", "a", "192.0.2.10", "2001:db8::10"), zoned("cage", "b", "192.0.2.11"))
		expectTopology(ctx, hinted)
	})

	It("become hints as long as the Service asks for them", func(ctx SpecContext) {
		edit(ctx, svc, func(svc *corev1.Service) { svc.Spec.TrafficDistribution = nil })
		expectTopology(ctx, bare)
		edit(ctx, svc, func(svc *corev1.Service) { svc.Spec.TrafficDistribution = new("PreferSameZone") })
		expectTopology(ctx, hinted)
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) { eb.Spec.Targets[1].Zone = "c" })
		expectTopology(ctx, with(hinted, "192.0.2.11", "c from c"))
	})

	It("become hints as long as every address has one, whoever wants it", func(ctx SpecContext) {
		edit(ctx, eb, entry("somewhere", "192.0.2.20"))
		expectTopology(ctx, with(bare, "192.0.2.20", ""))
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) { eb.Spec.Targets = eb.Spec.Targets[:2] })
		expectTopology(ctx, hinted)

		another := s.backend(ctx, "another", of("payments"), entry("somewhere", "192.0.2.20"))
		expectTopology(ctx, with(bare, "192.0.2.20", ""))
		edit(ctx, another, func(eb *v1alpha1.ExternalBackend) { eb.Spec.Targets[0].Zone = "b" })
		expectTopology(ctx, with(hinted, "192.0.2.20", "b from b"))
	})

	It("stay hints while an address without one drains", func(ctx SpecContext) {
		edit(ctx, eb, together(entry("somewhere", "192.0.2.20"), drainFor("1h")))
		expectTopology(ctx, with(bare, "192.0.2.20", ""))
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) { eb.Spec.Targets[2].State = v1alpha1.TargetDrain })
		expectTopology(ctx, with(hinted, "192.0.2.20", ""))
		Expect(s.endpointsOf(ctx, "payments")).To(HaveKeyWithValue("192.0.2.20", leaving))
	})

	It("leave a flip at one write of one slice", func(ctx SpecContext) {
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, yes(v1alpha1.ReasonAllHealthy))
		first := s.slicesOf(ctx, "payments")[0].Name
		mark := audit.mark()
		s.host("192.0.2.10").Set(targets.Refuse)
		expectTopology(ctx, with(hinted, "192.0.2.10", "a"))
		s.host("192.0.2.10").Set(targets.Serve)
		expectTopology(ctx, hinted)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, yes(v1alpha1.ReasonAllHealthy))
		Expect(s.writes(mark)).To(HaveExactElements("update "+first, "update "+first))
	})
})
