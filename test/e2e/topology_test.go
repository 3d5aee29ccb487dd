// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e && linux

package e2e

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/lab"
	"externalbackend.dev/operator/test/rack"
)

// hinted returns how many endpoints of ours have hints, and how many there are.
func (s *scene) hinted(ctx context.Context, service string) (hinted, all int) {
	GinkgoHelper()
	for _, slice := range s.ours(ctx, service) {
		for _, endpoint := range slice.Endpoints {
			all++
			if endpoint.Hints != nil {
				hinted++
			}
		}
	}
	return hinted, all
}

func describeTopology() {
	It("rule 40: keeps traffic in the node's zone with trafficDistribution, as long as all entries have a zone", func(ctx SpecContext) {
		s := newScene(ctx)
		near, far := installed.Hosts[:2], installed.Hosts[2:]
		service := s.service(ctx, "web", func(service *corev1.Service) {
			service.Spec.TrafficDistribution = new(corev1.ServiceTrafficDistributionPreferSameZone)
		})
		backend := s.backend(ctx, "web", installed.Hosts, func(b *v1alpha1.ExternalBackend) {
			for i := range b.Spec.Targets {
				b.Spec.Targets[i].Zone = map[bool]string{true: lab.Zone, false: "zone-b"}[i < 2]
			}
		})
		s.eventuallyRouted(ctx, "web", "http", addresses(near...)...)
		for _, to := range clusterIPs(service, 80) {
			Expect(answerers(ctx, nil, to)).To(Equal(names(near...)))
		}

		// A flip in the zone leaves the other; without any, the others serve.
		harm(near[0], (*rack.Host).Sicken)
		s.eventuallyRouted(ctx, "web", "http", near[1].Addresses()...)
		harm(near[1], (*rack.Host).Sicken)
		s.eventuallyRouted(ctx, "web", "http", addresses(far...)...)
		Expect(near[0].Cure()).To(Succeed())
		Expect(near[1].Cure()).To(Succeed())
		s.eventuallyRouted(ctx, "web", "http", addresses(near...)...)
		edit(ctx, backend, setState(0, v1alpha1.TargetDrain))
		s.eventuallyRouted(ctx, "web", "http", near[1].Addresses()...)
		edit(ctx, backend, setState(0, v1alpha1.TargetActive))
		s.eventuallyRouted(ctx, "web", "http", addresses(near...)...)

		edit(ctx, backend, func(b *v1alpha1.ExternalBackend) { b.Spec.Targets[3].Zone = "" })
		s.eventuallyRouted(ctx, "web", "http", addresses(installed.Hosts...)...)
		Eventually(func() int { hinted, _ := s.hinted(ctx, "web"); return hinted }).WithContext(ctx).Should(BeZero())
		edit(ctx, backend, func(b *v1alpha1.ExternalBackend) { b.Spec.Targets[3].Zone = "zone-b" })
		s.eventuallyRouted(ctx, "web", "http", addresses(near...)...)
		// Targets are on no node, so that of the same node means the same zone.
		for _, other := range []string{corev1.ServiceTrafficDistributionPreferClose, corev1.ServiceTrafficDistributionPreferSameNode} {
			edit(ctx, service, func(service *corev1.Service) { service.Spec.TrafficDistribution = nil })
			s.eventuallyRouted(ctx, "web", "http", addresses(installed.Hosts...)...)
			Eventually(func() int { hinted, _ := s.hinted(ctx, "web"); return hinted }).WithContext(ctx).Should(BeZero())
			edit(ctx, service, func(service *corev1.Service) { service.Spec.TrafficDistribution = &other })
			s.eventuallyRouted(ctx, "web", "http", addresses(near...)...)
		}
	})
}
