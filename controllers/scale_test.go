// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"fmt"
	"net/netip"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"externalbackend.dev/operator/api/v1alpha1"
)

var _ = Describe("An ExternalBackend of the largest size", func() {
	It("is created, reconciled and updated with one write for one edited address", func(ctx SpecContext) {
		sharedOperator()
		s := newScene(ctx)
		// A status that is long may be 15 s old, and first checks take up to 10 s.
		SetDefaultEventuallyTimeout(time.Minute)
		DeferCleanup(func() { SetDefaultEventuallyTimeout(patience) })
		network.AcceptAll(netip.MustParsePrefix("198.19.0.0/16"))
		s.service(ctx, "payments")
		eb := s.backend(ctx, "payments", tcp, func(eb *v1alpha1.ExternalBackend) {
			eb.Spec.HealthCheck.Interval, eb.Spec.HealthCheck.EdgeInterval = "1h", "1h"
			eb.Spec.HealthCheck.UnhealthyThreshold = 1
			eb.Spec.HealthCheck.InitialState = v1alpha1.InitialStateHealthy
			for n := range 5 {
				entry(fmt.Sprintf("rack-%d", n), numbered(fmt.Sprintf("198.19.%d.0", 10*n), 1000)...)(eb)
			}
			// 40 of them refuse connections.
			for n, address := range numbered("198.51.100.0", 40) {
				eb.Spec.Targets[4].IP.Addresses[n] = v1alpha1.IPAddress(address)
			}
		})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, no(v1alpha1.ReasonSomeUnhealthy, "4960 of 5000"))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
		Expect(s.slicesOf(ctx, "payments")).To(HaveLen(50))
		published := s.endpointsOf(ctx, "payments")
		Expect(published).To(HaveLen(5000))
		Expect(published["198.19.0.0"]).To(Equal(in))
		Expect(published["198.51.100.7"]).To(Equal(out))
		Eventually(s.statusOf).WithContext(ctx).WithArguments("payments").Should(And(
			HaveField("Targets", v1alpha1.TargetCounts{Total: 5000, Healthy: 4960, Unhealthy: 40}),
			HaveField("Unhealthy", HaveLen(32)),
			HaveField("Sources", And(HaveLen(5), HaveEach(HaveField("Addresses", BeEquivalentTo(1000))))),
		))

		mark := audit.mark()
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) { eb.Spec.Targets[2].IP.Addresses[500] = "198.19.99.99" })
		Eventually(s.endpointsOf).WithContext(ctx).WithArguments("payments").Should(And(
			HaveLen(5000), HaveKeyWithValue("198.19.99.99", in), Not(HaveKey("198.19.21.244"))))
		Eventually(s.statusOf).WithContext(ctx).WithArguments("payments").Should(HaveField("ObservedGeneration", eb.Generation))
		Expect(s.writes(mark)).To(HaveLen(1))
	})
})
