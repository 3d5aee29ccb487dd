// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"fmt"
	"maps"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/targets"
)

var _ = Describe("A network of the cluster that would take out many addresses", func() {
	var s *scene
	var o *operator
	var svc *corev1.Service
	var eb *v1alpha1.ExternalBackend
	// hosts are 12 in the network; control is somewhere else.
	var hosts map[string]*targets.Host
	var control *targets.Host
	published := endpoints{}
	const elsewhere = "198.51.100.10"
	for i := range 12 {
		published[fmt.Sprintf("192.0.2.%d", 10+i)] = in
	}
	inside := slices.Sorted(maps.Keys(published))
	published[elsewhere] = in
	onlyElsewhere := endpoints{elsewhere: in}

	begins := func(ctx SpecContext, delay time.Duration) {
		GinkgoHelper()
		o = ownOperator(operatorOptions{denyDelay: delay})
		s, hosts = newScene(ctx), make(map[string]*targets.Host)
		for _, address := range inside {
			hosts[address] = s.host(address)
		}
		control = s.host(elsewhere)
		svc = s.service(ctx, "payments")
		eb = s.backend(ctx, "payments", entry("rack", inside...), entry("cage", elsewhere))
		s.expect(ctx, "payments", published)
	}
	announced := func(ctx SpecContext) *corev1.Node {
		GinkgoHelper()
		joined := node(ctx, "staged", "192.0.2.0/24")
		s.expectCondition(ctx, "payments", v1alpha1.ConditionDenyPending, yes(v1alpha1.ReasonClusterNetworksChanged, "12 published addresses", "192.0.2.10", "denied from"))
		return joined
	}
	refused := func(ctx SpecContext) {
		GinkgoHelper()
		s.expectCondition(ctx, "payments", v1alpha1.ConditionAccepted, no(v1alpha1.ReasonAddressDenied, "Pods of this cluster"))
	}

	It("is staged: what is published stays for the moment, and nothing is added", func(ctx SpecContext) {
		begins(ctx, time.Hour)
		joined := announced(ctx)
		edit(ctx, eb, entry("more", "192.0.2.99"))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionAccepted, no(v1alpha1.ReasonAddressDenied, "192.0.2.99"))
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(published))

		Expect(admin.Delete(ctx, joined)).To(Succeed())
		s.host("192.0.2.99")
		s.expectCondition(ctx, "payments", v1alpha1.ConditionAccepted, yes(v1alpha1.ReasonAccepted))
		Eventually(s.statusOf).WithContext(ctx).WithArguments("payments").Should(
			HaveField("Conditions", Not(ContainElement(HaveField("Type", v1alpha1.ConditionDenyPending)))))
	})

	It("takes them out when its time has come", func(ctx SpecContext) {
		begins(ctx, 10*time.Second)
		announced(ctx)
		Eventually(s.endpointsOf).WithContext(ctx).WithArguments("payments").WithTimeout(2 * patience).Should(Equal(onlyElsewhere))
		refused(ctx)
	})

	It("has nothing dialled in it: what is spared keeps the health that it has", func(ctx SpecContext) {
		begins(ctx, time.Hour)
		hosts["192.0.2.11"].Set(targets.Refuse)
		withOneOut := maps.Clone(published)
		withOneOut["192.0.2.11"] = out
		s.expect(ctx, "payments", withOneOut)
		joined := announced(ctx)
		attempts := func() (n int) {
			for _, host := range hosts {
				n += host.Attempts()
			}
			return n
		}
		before := attempts()
		hosts["192.0.2.10"].Set(targets.Refuse)
		hosts["192.0.2.11"].Set(targets.Serve)
		control.Set(targets.Refuse)
		withOneOut[elsewhere] = out
		s.expect(ctx, "payments", withOneOut)
		Expect(attempts()).To(Equal(before))
		edit(ctx, eb, none) // which makes everything healthy that may be
		withOneOut[elsewhere] = in
		s.expect(ctx, "payments", withOneOut)
		edit(ctx, svc, func(svc *corev1.Service) { svc.Spec.PublishNotReadyAddresses = true })
		edit(ctx, eb, entry("shelf", "198.51.100.11"))
		withOneOut["198.51.100.11"] = in
		s.expect(ctx, "payments", withOneOut)

		edit(ctx, svc, func(svc *corev1.Service) { svc.Spec.PublishNotReadyAddresses = false })
		edit(ctx, eb, check(v1alpha1.Check{Name: "http", HTTP: &v1alpha1.HTTPCheck{Path: "/healthz"}}))
		control.Set(targets.Serve)
		s.host("198.51.100.11")
		Expect(admin.Delete(ctx, joined)).To(Succeed())
		withOneOut["192.0.2.10"], withOneOut["192.0.2.11"] = out, in
		s.expect(ctx, "payments", withOneOut)
	})

	DescribeTable("refuses like a new one an address that its author", func(ctx SpecContext, change func(*v1alpha1.ExternalBackend)) {
		begins(ctx, time.Hour)
		announced(ctx)
		edit(ctx, eb, change)
		refused(ctx)
		Eventually(s.endpointsOf).WithContext(ctx).WithArguments("payments").Should(HaveLen(1))
	},
		Entry("moves to another port", func(eb *v1alpha1.ExternalBackend) {
			eb.Spec.Ports = []v1alpha1.BackendPort{{Name: "http", Port: 10250}}
		}),
		Entry("moves to another port by an entry of its own", func(eb *v1alpha1.ExternalBackend) {
			eb.Spec.Targets[0].Ports = []v1alpha1.TargetPort{{Name: "http", Port: 10250}}
		}),
	)

	It("has no other port checked either", func(ctx SpecContext) {
		begins(ctx, time.Hour)
		others := make(map[string]*targets.Host)
		for _, address := range append([]string{elsewhere}, inside...) {
			host, err := network.Host(address + ":10255")
			Expect(err).NotTo(HaveOccurred())
			others[address], s.hosts[address+":10255"] = host, host
		}
		announced(ctx)
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) {
			eb.Spec.HealthCheck.Checks = []v1alpha1.Check{{Name: "tcp", TCP: &v1alpha1.TCPCheck{}, Port: new(intstr.FromInt32(10255))}}
		})
		Eventually(others[elsewhere].Attempts).Should(BeNumerically(">", 1))
		for _, address := range inside {
			Expect(others[address].Attempts()).To(BeZero(), address)
		}
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(published))
	})

	// pendingSince is what the condition tells another operator.
	pendingSince := func(ctx SpecContext, name string) time.Time {
		GinkgoHelper()
		pending := meta.FindStatusCondition(s.statusOf(ctx, name).Conditions, v1alpha1.ConditionDenyPending)
		Expect(pending).NotTo(BeNil())
		return pending.LastTransitionTime.Time
	}
	// tell makes it that; nobody else may.
	tell := func(ctx SpecContext, eb *v1alpha1.ExternalBackend, since time.Time) {
		GinkgoHelper()
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(eb), eb)).To(Succeed())
		pending := meta.FindStatusCondition(eb.Status.Conditions, v1alpha1.ConditionDenyPending)
		Expect(pending).NotTo(BeNil())
		pending.LastTransitionTime = metav1.NewTime(since)
		Expect(admin.Status().Update(ctx, eb)).To(Succeed())
	}
	restarted := func() { o = ownOperator(operatorOptions{denyDelay: time.Hour}) }

	It("gets no more time by a restart", func(ctx SpecContext) {
		begins(ctx, time.Hour)
		announced(ctx)
		o.stop()
		tell(ctx, eb, time.Now().Add(-2*time.Hour))
		restarted()
		s.expect(ctx, "payments", onlyElsewhere)
		refused(ctx)
	})

	It("gets no less either, however few its author leaves there", func(ctx SpecContext) {
		begins(ctx, time.Hour)
		announced(ctx)
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) {
			eb.Spec.Drain.Duration = "0s"
			eb.Spec.Targets[0].IP.Addresses = eb.Spec.Targets[0].IP.Addresses[9:]
		})
		left := maps.Clone(published)
		for _, address := range inside[:9] {
			delete(left, address)
		}
		s.expect(ctx, "payments", left)
		o.stop()
		since := time.Now().Add(-30 * time.Minute).Truncate(time.Second)
		tell(ctx, eb, since)
		s.host("198.51.100.11")
		edit(ctx, eb, entry("shelf", "198.51.100.11"))
		restarted()
		left["198.51.100.11"] = in
		s.expect(ctx, "payments", left)
		Expect(pendingSince(ctx, "payments")).To(BeTemporally("==", since))
	})

	It("gets no less by an ExternalBackend that somebody keeps from going", func(ctx SpecContext) {
		begins(ctx, time.Hour)
		s.service(ctx, "kept")
		kept := s.backend(ctx, "kept", entry("rack", "192.0.2.10"))
		s.expect(ctx, "kept", endpoints{"192.0.2.10": in})
		joined := announced(ctx)
		s.expectCondition(ctx, "kept", v1alpha1.ConditionDenyPending, yes(v1alpha1.ReasonClusterNetworksChanged))
		edit(ctx, kept, func(eb *v1alpha1.ExternalBackend) { eb.Finalizers = []string{"example.com/stays"} })
		DeferCleanup(func(ctx SpecContext) {
			edit(ctx, kept, func(eb *v1alpha1.ExternalBackend) { eb.Finalizers = nil })
		}, NodeTimeout(time.Minute))
		Expect(admin.Delete(ctx, kept)).To(Succeed())
		Expect(admin.Delete(ctx, joined)).To(Succeed())
		Eventually(s.statusOf).WithContext(ctx).WithArguments("payments").Should(
			HaveField("Conditions", Not(ContainElement(HaveField("Type", v1alpha1.ConditionDenyPending)))))
		o.stop()
		tell(ctx, kept, time.Now().Add(-500*time.Hour))
		node(ctx, "again", "192.0.2.0/24")
		s.host("198.51.100.11")
		edit(ctx, eb, entry("shelf", "198.51.100.11"))
		restarted()
		with := maps.Clone(published)
		with["198.51.100.11"] = in
		s.expect(ctx, "payments", with)
		Expect(pendingSince(ctx, "payments")).To(BeTemporally(">", time.Now().Add(-time.Hour)))
	})

	It("is told with the time of the last one, which is how long another operator spares what it takes out", func(ctx SpecContext) {
		begins(ctx, time.Hour)
		var others []string
		for i := range 11 {
			others = append(others, fmt.Sprintf("203.0.113.%d", 10+i))
		}
		all := maps.Clone(published)
		for _, address := range others {
			s.host(address)
			all[address] = in
		}
		edit(ctx, eb, entry("more", others...))
		s.expect(ctx, "payments", all)
		announced(ctx)
		o.stop()
		tell(ctx, eb, time.Now().Add(-30*time.Minute))
		restarted()
		s.host("198.51.100.11")
		edit(ctx, eb, entry("shelf", "198.51.100.11"))
		all["198.51.100.11"] = in
		s.expect(ctx, "payments", all)
		node(ctx, "second", "203.0.113.0/24")
		s.expectCondition(ctx, "payments", v1alpha1.ConditionDenyPending, yes(v1alpha1.ReasonClusterNetworksChanged, "23 published addresses"))
		Expect(pendingSince(ctx, "payments")).To(BeTemporally(">", time.Now().Add(-15*time.Minute)))
	})
})
