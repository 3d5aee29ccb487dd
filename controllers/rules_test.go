// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"maps"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/targets"
)

// Specs for rules of docs/endpointslice-rules.md that nothing else proves.

var _ = Describe("Objects", func() {
	BeforeEach(func() { sharedOperator() })

	It("of one name in two namespaces know nothing of each other (rule 3)", func(ctx SpecContext) {
		here, there := newScene(ctx), newScene(ctx)
		here.host("192.0.2.10")
		there.host("192.0.2.20")
		here.service(ctx, "payments")
		there.service(ctx, "payments")
		eb := here.backend(ctx, "payments", entry("rack", "192.0.2.10"))
		there.backend(ctx, "payments", entry("rack", "192.0.2.20"))
		here.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		there.expect(ctx, "payments", endpoints{"192.0.2.20": in})

		versions := there.versions(ctx)
		Expect(admin.Delete(ctx, eb)).To(Succeed())
		Eventually(here.slices).WithContext(ctx).Should(BeEmpty())
		Expect(there.versions(ctx)).To(Equal(versions))
	})

	It("of any kind but its own are left alone: it touches no Endpoints object (rule 53)", func(ctx SpecContext) {
		s := newScene(ctx)
		s.host("192.0.2.10")
		mark := audit.mark()
		s.service(ctx, "payments")
		eb := s.backend(ctx, "payments", entry("rack", "192.0.2.10"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		Expect(admin.Delete(ctx, eb)).To(Succeed())
		Eventually(s.slices).WithContext(ctx).Should(BeEmpty())
		Expect(audit.since(mark)).NotTo(ContainElement(HaveField("Resource", "endpoints")))
	})
})

var _ = Describe("A slice", func() {
	var s *scene
	BeforeEach(func(ctx SpecContext) {
		sharedOperator()
		s = newScene(ctx)
		s.host("192.0.2.10")
	})

	It("that has our name and owner without our label is taken over (rule 6)", func(ctx SpecContext) {
		s.service(ctx, "payments")
		eb := s.backend(ctx, "payments", none, entry("rack", "127.0.0.1"))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionAccepted, no(v1alpha1.ReasonAddressDenied))
		name := "payments-" + string(eb.UID)[:8] + "-ipv4-0"
		found := &discoveryv1.EndpointSlice{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: s.namespace, Name: name, Labels: map[string]string{
					discoveryv1.LabelServiceName: "payments",
					discoveryv1.LabelManagedBy:   "endpointslice-controller.k8s.io", // with which no cache has it
				},
				OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(eb, v1alpha1.GroupVersion.WithKind("ExternalBackend"))},
			},
			AddressType: discoveryv1.AddressTypeIPv4,
			Endpoints:   []discoveryv1.Endpoint{{Addresses: []string{"192.0.2.10"}}},
			Ports:       []discoveryv1.EndpointPort{{Name: new("http"), Port: new(int32(8080))}},
		}
		Expect(admin.Create(ctx, found)).To(Succeed())

		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) { eb.Spec.Targets[0].IP.Addresses[0] = "192.0.2.10" })
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		Expect(s.slices(ctx)).To(HaveExactElements(HaveField("UID", found.UID)))
		Expect(s.ours(ctx)).To(Equal([]string{name}))
	})

	It("takes an address over before the slice that had it loses it (rule 43)", func(ctx SpecContext) {
		s.service(ctx, "payments")
		first := s.backend(ctx, "first", of("payments"), none, entry("rack", "192.0.2.10"))
		s.nextSecond(first)
		s.backend(ctx, "second", of("payments"), none, entry("rack", "192.0.2.10", "192.0.2.11"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.11": in})
		Expect(s.ownersOf(ctx, "payments")).To(HaveKeyWithValue("192.0.2.10", "first"))
		before, seen := s.slicesOf(ctx, "payments"), s.watch(ctx)

		Expect(admin.Delete(ctx, first)).To(Succeed())
		Eventually(s.ownersOf).WithContext(ctx).WithArguments("payments").Should(HaveKeyWithValue("192.0.2.10", "second"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.11": in})
		Eventually(seen.all).Should(ContainElement(HaveField("Type", watch.Deleted)))
		Expect(seen.missing(before)).To(BeEmpty())
	})
})

// missing replays what was seen and returns the addresses that were there
// before and that no slice had at some moment.
func (w *sighting) missing(before []discoveryv1.EndpointSlice) []string {
	state := map[string]endpoints{}
	wanted := endpoints{}
	for _, slice := range before {
		state[slice.Name] = endpointsIn(slice)
		maps.Copy(wanted, state[slice.Name])
	}
	gone := map[string]bool{}
	for _, c := range w.all() {
		state[c.Name] = c.Endpoints
		if c.Type == watch.Deleted {
			delete(state, c.Name)
		}
		for address := range wanted {
			present := false
			for _, slice := range state {
				_, in := slice[address]
				present = present || in
			}
			gone[address] = gone[address] || !present
		}
	}
	maps.DeleteFunc(gone, func(_ string, missing bool) bool { return !missing })
	return slices.Sorted(maps.Keys(gone))
}

var _ = Describe("Published readiness", func() {
	var s *scene
	BeforeEach(func(ctx SpecContext) { s = newScene(ctx) })

	It("withdraws the last healthy target too (rule 36)", func(ctx SpecContext) {
		sharedOperator()
		s.host("192.0.2.10")
		s.host("192.0.2.11")
		s.service(ctx, "payments")
		s.backend(ctx, "payments", entry("rack", "192.0.2.10", "192.0.2.11"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.11": in})
		s.host("192.0.2.10").Set(targets.Refuse)
		s.host("192.0.2.11").Set(targets.Refuse)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": out, "192.0.2.11": out})
	})

	It("remembers the truth of an address that is published although it is not ready (rule 34)", func(ctx SpecContext) {
		o := ownOperator(operatorOptions{})
		host := s.host("192.0.2.10")
		host.Set(targets.Refuse)
		s.service(ctx, "payments", func(svc *corev1.Service) { svc.Spec.PublishNotReadyAddresses = true })
		s.backend(ctx, "payments", entry("rack", "192.0.2.10"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": "t,f,f"})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, no(v1alpha1.ReasonNoneHealthy))
		o.stop()

		seen, before := s.watch(ctx), host.Attempts()
		ownOperator(operatorOptions{})
		Eventually(host.Attempts).Should(BeNumerically(">=", before+3))
		Expect(seen.all()).To(BeEmpty())
	})
})

var _ = Describe("Where something is being deleted", func() {
	var s *scene
	var eb *v1alpha1.ExternalBackend
	var svc *corev1.Service
	BeforeEach(func(ctx SpecContext) {
		sharedOperator()
		s = newScene(ctx)
		svc = s.service(ctx, "payments", func(svc *corev1.Service) { svc.Finalizers = []string{"example.com/hold"} })
		DeferCleanup(func(ctx SpecContext) { edit(ctx, svc, func(svc *corev1.Service) { svc.Finalizers = nil }) })
		eb = s.backend(ctx, "payments", none, entry("rack", "192.0.2.10"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
	})

	It("a Service gets no new endpoints (rule 49)", func(ctx SpecContext) {
		Expect(admin.Delete(ctx, svc.DeepCopy())).To(Succeed())
		s.expectCondition(ctx, "payments", v1alpha1.ConditionServiceResolved, no(v1alpha1.ReasonServiceTerminating))
		mark := audit.mark()
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) {
			eb.Spec.Targets[0].IP.Addresses = append(eb.Spec.Targets[0].IP.Addresses, "192.0.2.11", "2001:db8::11")
		})
		Eventually(s.statusOf).WithContext(ctx).WithArguments("payments").Should(HaveField("ObservedGeneration", eb.Generation))
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(endpoints{"192.0.2.10": in}))
		Expect(s.writes(mark)).To(BeEmpty())
	})
})
