// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e && linux

package e2e

import (
	"context"
	"errors"
	"net/netip"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/cluster"
	"externalbackend.dev/operator/test/rack"
)

// What kube-proxy makes of our slices must not depend on its mode. All cases of
// a mode run in one go, so that kube-proxy is restarted only once for each.
var _ = Describe("Data plane", func() {
	for _, mode := range []cluster.ProxyMode{cluster.NFTables, cluster.IPTables} {
		Context("with kube-proxy in "+string(mode)+" mode", Ordered, ContinueOnFailure, func() {
			BeforeAll(func(ctx SpecContext) {
				Expect(installed.Cluster.SetProxyMode(ctx, mode)).To(Succeed())
			}, NodeTimeout(waitBound))
			describeSpread()
			describeOutages()
			describePorts()
			describeReadiness()
			describeDrain()
			describeTopology()
		})
	}
})

func describeSpread() {
	It("spreads the traffic of a ClusterIP over all healthy hosts and no other, in both families", func(ctx SpecContext) {
		s := newScene(ctx)
		service := s.service(ctx, "web")
		s.backend(ctx, "web", installed.Hosts)
		s.eventuallyPublished(ctx, "web", map[string][]*rack.Host{healthy: installed.Hosts})
		s.eventuallyRouted(ctx, "web", "http", addresses(installed.Hosts...)...)
		Expect(clusterIPs(service, 80)).To(HaveLen(2))
		for _, to := range clusterIPs(service, 80) {
			Expect(answerers(ctx, nil, to)).To(Equal(names(installed.Hosts...)), "by way of %s", to)
		}
		harm(installed.Hosts[3], (*rack.Host).Sicken)
		s.eventuallyPublished(ctx, "web", map[string][]*rack.Host{healthy: installed.Hosts[:3], notReady: installed.Hosts[3:]})
		s.eventuallyRouted(ctx, "web", "http", addresses(installed.Hosts[:3]...)...)
		for _, to := range clusterIPs(service, 80) {
			Expect(answerers(ctx, nil, to)).To(Equal(names(installed.Hosts[:3]...)), "by way of %s", to)
		}
	})

	It("leads each family to the targets of that family only, and follows a Service that loses one and has it back", func(ctx SpecContext) {
		s := newScene(ctx)
		service := s.service(ctx, "web")
		four, six := installed.Hosts[0], installed.Hosts[1]
		s.backend(ctx, "web", nil, func(b *v1alpha1.ExternalBackend) {
			b.Spec.Targets = []v1alpha1.Target{rack.NewTarget("four", four.IP4), rack.NewTarget("six", six.IP6)}
		})
		served := func() {
			GinkgoHelper()
			for _, to := range clusterIPs(service, 80) {
				want := four
				if to.Addr().Is6() {
					want = six
				}
				Expect(answerers(ctx, nil, to)).To(Equal(names(want)), "by way of %s", to)
			}
		}
		s.eventuallyRouted(ctx, "web", "http", four.IP4, six.IP6)
		served()

		edit(ctx, service, func(service *corev1.Service) {
			service.Spec.IPFamilyPolicy = new(corev1.IPFamilyPolicySingleStack)
			service.Spec.IPFamilies, service.Spec.ClusterIPs = service.Spec.IPFamilies[:1], service.Spec.ClusterIPs[:1]
		})
		s.eventuallyRouted(ctx, "web", "http", four.IP4)
		Eventually(s.published).WithContext(ctx).WithArguments("web").Should(HaveLen(1))
		served()
		edit(ctx, service, func(service *corev1.Service) {
			service.Spec.IPFamilyPolicy = new(corev1.IPFamilyPolicyPreferDualStack)
		})
		Expect(clusterIPs(service, 80)).To(HaveLen(2))
		s.eventuallyRouted(ctx, "web", "http", four.IP4, six.IP6)
		served()
	})

	It("serves a NodePort to clients outside of the cluster, and a ClusterIP to clients with an address of their own", func(ctx SpecContext) {
		s := newScene(ctx)
		service := s.service(ctx, "web", ofType(corev1.ServiceTypeNodePort))
		s.backend(ctx, "web", installed.Hosts)
		s.eventuallyRouted(ctx, "web", "http", addresses(installed.Hosts...)...)
		for _, to := range append(clusterIPs(service, 80), nodePorts(service)...) {
			Expect(answerers(ctx, installed.Client.DialContext, to)).To(Equal(names(installed.Hosts...)), "by way of %s", to)
		}
	})

	It("serves the addresses of a load balancer to clients outside of the cluster", func(ctx SpecContext) {
		s := newScene(ctx)
		service := s.service(ctx, "web", ofType(corev1.ServiceTypeLoadBalancer))
		s.backend(ctx, "web", installed.Hosts)
		s.eventuallyRouted(ctx, "web", "http", addresses(installed.Hosts...)...)
		balancer := []netip.Addr{netip.MustParseAddr("203.0.113.80"), netip.MustParseAddr("2001:db8:2::80")}
		for _, ip := range balancer { // as a cloud's controller does
			service.Status.LoadBalancer.Ingress = append(service.Status.LoadBalancer.Ingress, corev1.LoadBalancerIngress{IP: ip.String()})
		}
		Expect(api.Status().Update(ctx, service)).To(Succeed())
		for _, ip := range balancer {
			to := netip.AddrPortFrom(ip, 80)
			Eventually(connect).WithContext(ctx).WithArguments(to).Should(Succeed())
			Expect(answerers(ctx, installed.Client.DialContext, to)).To(Equal(names(installed.Hosts...)), "by way of %s", to)
		}
	})
}

// leaveBound is how long a host that fails may stay in service: its next check
// begins within 1 s, and two must fail, each within 1 s and 1 s apart. That
// doubled, for the API server, kube-proxy and a slow machine.
const leaveBound = 2 * 4 * time.Second

// describeOutages: a host that fails leaves within its bound, and once
// kube-proxy has followed no request fails any more; it comes back as well.
func describeOutages() {
	start := func(ctx context.Context, h *rack.Host) error { return h.Start(ctx, installed.LogDir()) }
	at := func(mend func(*rack.Host) error) func(context.Context, *rack.Host) error {
		return func(_ context.Context, h *rack.Host) error { return mend(h) }
	}
	for _, outage := range []struct {
		what string
		harm func(*rack.Host) error
		mend func(context.Context, *rack.Host) error
	}{
		{"is killed", (*rack.Host).Kill, start},
		{"hangs", (*rack.Host).Hang, at((*rack.Host).Resume)},
		{"rejects", (*rack.Host).Reject, at((*rack.Host).Accept)},
		{"vanishes", (*rack.Host).Unplug, at((*rack.Host).Plug)},
	} {
		It("takes out a host that "+outage.what+" without a failed request after the flip, and takes it back", func(ctx SpecContext) {
			s := newScene(ctx)
			service := s.service(ctx, "web")
			s.backend(ctx, "web", installed.Hosts)
			s.eventuallyRouted(ctx, "web", "http", addresses(installed.Hosts...)...)
			f := startFlow(clusterIPs(service, 80)...)
			f.expectNoFailure(ctx, time.Time{})

			bad, good := installed.Hosts[0], installed.Hosts[1:]
			harm(bad, outage.harm)
			leaving, cancel := context.WithTimeoutCause(ctx, leaveBound, errors.New("the host has not left within its bound"))
			defer cancel()
			s.eventuallyPublished(leaving, "web", map[string][]*rack.Host{healthy: good, notReady: {bad}})
			s.eventuallyRouted(leaving, "web", "http", addresses(good...)...)
			Expect(f.expectNoFailure(ctx, time.Now())).To(HaveEach(Not(HaveField("Host", bad.Name))))

			Expect(outage.mend(ctx, bad)).To(Succeed())
			s.eventuallyPublished(ctx, "web", map[string][]*rack.Host{healthy: installed.Hosts})
			s.eventuallyRouted(ctx, "web", "http", addresses(installed.Hosts...)...)
			back := time.Now()
			Expect(f.expectNoFailure(ctx, back)).To(ContainElement(HaveField("Host", bad.Name)))
		})
	}
}
