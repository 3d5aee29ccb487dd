// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e && linux

package e2enode

import (
	"net/netip"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"externalbackend.dev/operator/test/cluster"
	"externalbackend.dev/operator/test/rack"
)

var _ = Describe("A client in a Pod", func() {
	It("reaches the hosts outside, and only those that work", func(ctx SpecContext) {
		install(ctx)
		s := newScene(ctx)
		all := []string{"rack-a", "rack-b", "rack-c", "rack-d"}
		for _, to := range clusterIPs(s.service, 80) {
			Expect(answerers(ctx, to.String())).To(Equal(all))
		}

		By("asking for the Service by its name")
		name := serviceName + "." + s.namespace + ".svc." + cluster.DNSDomain
		for i, network := range []string{"ip4", "ip6"} {
			Eventually(func() ([]netip.Addr, error) { return pod.LookUp(ctx, network, name) }).WithContext(ctx).
				Should(Equal([]netip.Addr{netip.MustParseAddr(s.service.Spec.ClusterIPs[i])}))
		}
		Expect(answerers(ctx, name+":80")).To(Equal(all))

		By("killing a host")
		harm(hosts[0], (*rack.Host).Kill)
		s.eventuallyServe(ctx, hosts[1:]...)
		flipped := time.Now()
		result := s.flow.expectNoFailure(ctx, flipped)
		Expect(result.Hosts).NotTo(HaveKey("rack-a"))
		Expect(answerers(ctx, name+":80")).To(Equal(all[1:]))

		By("bringing it back")
		mend(ctx)
		s.eventuallyServe(ctx, hosts...)
		Expect(answerers(ctx, name+":80")).To(Equal(all))
		s.flow.expectNoFailure(ctx, flipped)
	}, SpecTimeout(caseBound))
})
