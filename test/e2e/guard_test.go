// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e && linux

package e2e

import (
	"net/netip"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/rack"
)

var _ = Describe("What may be targeted", func() {
	It("is nothing of the cluster, and the others are served", func(ctx SpecContext) {
		s := newScene(ctx)
		service := s.service(ctx, "web")
		host := installed.Hosts[0]
		var apiService corev1.Service
		Expect(api.Get(ctx, client.ObjectKey{Namespace: metav1.NamespaceDefault, Name: "kubernetes"}, &apiService)).To(Succeed())
		s.backend(ctx, "web", installed.Hosts[:1], func(b *v1alpha1.ExternalBackend) {
			b.Spec.Targets = append(b.Spec.Targets,
				rack.NewTarget("node", rack.NodeIPs...),
				rack.NewTarget("service", netip.MustParseAddr(apiService.Spec.ClusterIP), netip.MustParseAddr(service.Spec.ClusterIP)))
		})
		s.eventuallyPublished(ctx, "web", map[string][]*rack.Host{healthy: {host}})
		s.eventuallyCondition(ctx, "web", v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonAddressDenied)
		s.eventuallyRouted(ctx, "web", "http", addresses(host)...)
		for _, to := range clusterIPs(service, 80) {
			Expect(answerers(ctx, installed.Client.DialContext, to)).To(Equal(names(host)))
		}
	})

	It("is what policies allow: a host that one denies is left at once, and no request fails", func(ctx SpecContext) {
		s := newScene(ctx)
		service := s.service(ctx, "web")
		denied, others := installed.Hosts[0], installed.Hosts[1:]
		s.backend(ctx, "web", installed.Hosts, drainFor("1h"))
		s.eventuallyRouted(ctx, "web", "http", addresses(installed.Hosts...)...)
		f := startFlow(clusterIPs(service, 80)...)

		policy := &v1alpha1.ExternalBackendPolicy{
			ObjectMeta: metav1.ObjectMeta{Name: s.namespace},
			Spec: v1alpha1.ExternalBackendPolicySpec{
				NamespaceSelector: v1alpha1.NamespaceSelector{MatchLabels: v1alpha1.MatchLabels{corev1.LabelMetadataName: s.namespace}},
				Deny:              &v1alpha1.PolicyDeny{},
			},
		}
		for _, addr := range denied.Addresses() {
			policy.Spec.Deny.CIDRs = append(policy.Spec.Deny.CIDRs, v1alpha1.CIDR(netip.PrefixFrom(addr, addr.BitLen()).String()))
		}
		Expect(api.Create(ctx, policy)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(client.IgnoreNotFound(api.Delete(ctx, policy))).To(Succeed()) })
		s.eventuallyPublished(ctx, "web", map[string][]*rack.Host{healthy: others})
		s.eventuallyCondition(ctx, "web", v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonPolicyDenied)
		s.eventuallyRouted(ctx, "web", "http", addresses(others...)...)
		routed := time.Now()
		f.expectNoFailure(ctx, time.Time{})
		Expect(f.startedSince(routed)).To(HaveEach(Not(HaveField("Host", denied.Name))))

		Expect(api.Delete(ctx, policy)).To(Succeed())
		s.eventuallyRouted(ctx, "web", "http", addresses(installed.Hosts...)...)
		f.expectNoFailure(ctx, time.Time{})
	})
})
