// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/api/v1alpha1"
)

// node makes a Node, as long as the spec lasts.
func node(ctx context.Context, name, podCIDR string, addresses ...string) *corev1.Node {
	GinkgoHelper()
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.NodeSpec{PodCIDR: podCIDR}}
	if podCIDR != "" {
		n.Spec.PodCIDRs = []string{podCIDR}
	}
	Expect(admin.Create(ctx, n)).To(Succeed())
	DeferCleanup(func(ctx SpecContext) { Expect(client.IgnoreNotFound(admin.Delete(ctx, n))).To(Succeed()) })
	for _, address := range addresses {
		n.Status.Addresses = append(n.Status.Addresses, corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: address})
	}
	Expect(admin.Status().Update(ctx, n)).To(Succeed())
	return n
}

var _ = Describe("The networks of the cluster", func() {
	var s *scene
	BeforeEach(func(ctx SpecContext) {
		sharedOperator()
		s = newScene(ctx)
	})
	denied := func(ctx SpecContext, name, address, what string) {
		GinkgoHelper()
		s.expectCondition(ctx, name, v1alpha1.ConditionAccepted, no(v1alpha1.ReasonAddressDenied, address, what))
	}

	It("are no targets: of Services, Pods, Nodes and the API server", func(ctx SpecContext) {
		node(ctx, "a", "198.51.100.0/26", "203.0.113.7", "2001:db8:7::7")
		cidr := &networkingv1.ServiceCIDR{ObjectMeta: metav1.ObjectMeta{Name: "more"}, Spec: networkingv1.ServiceCIDRSpec{CIDRs: []string{"198.18.7.0/24"}}}
		Expect(admin.Create(ctx, cidr)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(admin.Delete(ctx, cidr)).To(Succeed()) })
		var apiServer discoveryv1.EndpointSlice
		Expect(admin.Get(ctx, client.ObjectKey{Namespace: "default", Name: "kubernetes"}, &apiServer)).To(Succeed())
		svc := s.service(ctx, "payments")

		for i, target := range []struct{ address, what string }{
			{"198.51.100.7", "Pods of this cluster"},
			{"203.0.113.7", "a Node of this cluster"},
			{"2001:db8:7::7", "a Node of this cluster"},
			{"198.18.7.1", "Services of this cluster"},
			{svc.Spec.ClusterIP, "Services of this cluster"},
			{apiServer.Endpoints[0].Addresses[0], "the API server of this cluster"},
			{"64:ff9b::" + "203.0.113.7", "a Node of this cluster"},
			{"2002:" + hexOf("198.51.100.7") + "::1", "Pods of this cluster"},
		} {
			name := fmt.Sprintf("reach-%d", i)
			s.backend(ctx, name, of("payments"), none, entry("rack", target.address))
			denied(ctx, name, netip.MustParseAddr(target.address).String(), target.what)
		}
		Expect(s.slices(ctx)).To(BeEmpty())
	})

	It("are in no status and in no event, and neither are those of policies: what lives there is", func(ctx SpecContext) {
		node(ctx, "m", "198.51.100.0/26")
		s.policy(ctx, "off-limits", denying(v1alpha1.PolicyDeny{CIDRs: []v1alpha1.CIDR{"192.0.2.0/27"}}))
		s.service(ctx, "payments")
		s.backend(ctx, "payments", none, entry("pods", "198.51.100.7"), entry("others", "192.0.2.9"))
		denied(ctx, "payments", "198.51.100.7", "Pods of this cluster")
		denied(ctx, "payments", "192.0.2.9", "off-limits")
		Eventually(s.events).WithContext(ctx).WithArguments("payments").Should(HaveKey(v1alpha1.ReasonAddressDenied))
		told, err := json.Marshal([]any{s.statusOf(ctx, "payments"), s.events(ctx, "payments")})
		Expect(err).NotTo(HaveOccurred())
		Expect(string(told)).NotTo(Or(ContainSubstring("/26"), ContainSubstring("/27"), ContainSubstring("198.51.100.0"), ContainSubstring("192.0.2.0")))
	})

	It("take out at once what is published in a new one, and give it back when that is gone", func(ctx SpecContext) {
		s.host("192.0.2.10")
		s.service(ctx, "payments")
		s.backend(ctx, "payments", drainFor("1h"), entry("rack", "192.0.2.10"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		joined := node(ctx, "b", "192.0.2.0/28")
		Eventually(s.slices).WithContext(ctx).Should(BeEmpty())
		denied(ctx, "payments", "192.0.2.10", "Pods of this cluster")
		Expect(admin.Delete(ctx, joined)).To(Succeed())
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
	})
})

var _ = Describe("What an administrator allows of the cluster's own networks", func() {
	It("may be targeted, and nothing around it", func(ctx SpecContext) {
		node(ctx, "e", "192.0.2.0/24", "198.51.100.7")
		ownOperator(operatorOptions{exempt: []netip.Prefix{netip.MustParsePrefix("192.0.2.8/30"), netip.MustParsePrefix("169.254.0.0/16")}})
		s := newScene(ctx)
		s.host("192.0.2.10")
		s.service(ctx, "payments")
		s.backend(ctx, "payments", entry("rack", "192.0.2.10", "192.0.2.12", "198.51.100.7", "169.254.169.254"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionAccepted, no(v1alpha1.ReasonAddressDenied, "192.0.2.12", "198.51.100.7", "169.254.169.254"))
	})
})

// hexOf returns an IPv4 address as two groups of an IPv6 address.
func hexOf(address string) string {
	b := netip.MustParseAddr(address).As4()
	return fmt.Sprintf("%x:%x", uint16(b[0])<<8|uint16(b[1]), uint16(b[2])<<8|uint16(b[3]))
}
