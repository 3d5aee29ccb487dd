// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"errors"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/targets"
)

var _ = Describe("Of two operators", func() {
	It("one is active, and the other takes over without a write", func(ctx SpecContext) {
		s := newScene(ctx)
		host := s.host("192.0.2.10")
		s.host("192.0.2.11").Set(targets.Refuse)
		leader := ownOperator(operatorOptions{leaderElection: true})
		Eventually(leader.manager.Elected()).Should(BeClosed())
		standby := ownOperator(operatorOptions{leaderElection: true})
		svc := s.service(ctx, "payments")
		s.backend(ctx, "payments", entry("rack", "192.0.2.10", "192.0.2.11"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.11": out})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, no(v1alpha1.ReasonSomeUnhealthy))
		Expect(standby.manager.Elected()).NotTo(BeClosed())
		// Not even while the leader fails to.
		leader.requests.holdWrites(s.slicePath())
		edit(ctx, svc, func(svc *corev1.Service) { svc.Labels = map[string]string{"team": "shop"} })
		Eventually(leader.requests.heldUp).Should(Equal(1))
		Eventually(host.Attempts).Should(BeNumerically(">=", host.Attempts()+4))
		Expect(standby.requests.counts()).NotTo(HaveKey(ContainSubstring(s.slicePath())), "only the leader writes")
		leader.requests.release()
		Eventually(s.slicesOf).WithContext(ctx).WithArguments("payments").Should(HaveEach(HaveField("Labels", HaveKey("team"))))
		versions := s.versions(ctx)
		read := reads(leader.requests.counts())
		Eventually(func() [2]int { return reads(standby.requests.counts()) }).Should(Equal(read), "a standby knows what the leader does")

		leader.stop()
		Eventually(standby.manager.Elected()).Should(BeClosed())
		Eventually(host.Attempts).Should(BeNumerically(">=", host.Attempts()+4))
		Expect(s.versions(ctx)).To(Equal(versions))
		Expect(reads(standby.requests.counts())).To(Equal(read))

		host.Set(targets.Refuse)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": out, "192.0.2.11": out})
		Expect(standby.requests.counts()).To(HaveKey(ContainSubstring("PUT " + s.slicePath())))
	})

	It("the one that loses the API server ends, and the other takes over without a write", func(ctx SpecContext) {
		s := newScene(ctx)
		host := s.host("192.0.2.10")
		hasty := operatorOptions{leaderElection: true, lease: 9 * time.Second}
		leader := ownOperator(hasty)
		Eventually(leader.manager.Elected()).Should(BeClosed())
		standby := ownOperator(hasty)
		s.service(ctx, "payments")
		s.backend(ctx, "payments", entry("rack", "192.0.2.10"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, yes(v1alpha1.ReasonAllHealthy))
		versions := s.versions(ctx)

		leader.requests.holdWrites("/")
		Eventually(leader.ended).WithTimeout(2 * patience).Should(Receive(MatchError(ContainSubstring("leader election lost"))))
		leader.ended = nil
		Eventually(standby.manager.Elected()).WithTimeout(2 * patience).Should(BeClosed())
		Eventually(host.Attempts).Should(BeNumerically(">=", host.Attempts()+3))
		Expect(s.versions(ctx)).To(Equal(versions))
	})
})

// reads returns how often Services and EndpointSlices were read for caches.
func reads(sent map[string]int) [2]int {
	return [2]int{sent["GET /api/v1/services"], sent["GET /apis/discovery.k8s.io/v1/endpointslices"]}
}

var _ = Describe("An operator that fails", func() {
	It("waits for nothing of its own before it ends", func(ctx SpecContext) {
		o, s := ownOperator(operatorOptions{}), newScene(ctx)
		s.host("192.0.2.10")
		s.backend(ctx, "payments", managed(), entry("rack", "192.0.2.10"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		failure := errors.New("out of order")
		Expect(o.manager.Add(manager.RunnableFunc(func(context.Context) error { return failure }))).To(Succeed())
		var ended error
		Eventually(o.ended).Should(Receive(&ended))
		o.ended = nil
		Expect(ended).To(Equal(failure), "no word of a grace period that has passed")
	})
})
