// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"cmp"
	"context"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"sigs.k8s.io/yaml"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/targets"
)

// contentOf returns what a slice tells its consumers and its owners, in a form
// that depends on no order.
func contentOf(slice discoveryv1.EndpointSlice) string {
	slice = *slice.DeepCopy()
	delete(slice.Annotations, corev1.EndpointsLastChangeTriggerTime) // of the last change of health
	slices.SortFunc(slice.Endpoints, func(a, b discoveryv1.Endpoint) int {
		return cmp.Compare(a.Addresses[0], b.Addresses[0])
	})
	text, err := yaml.Marshal(map[string]any{
		"labels": slice.Labels, "annotations": slice.Annotations, "owners": slice.OwnerReferences,
		"ports": slice.Ports, "endpoints": slice.Endpoints,
	})
	Expect(err).NotTo(HaveOccurred())
	return string(text)
}

// roomy publishes a Service in two slices, of which the first one has room for
// what the last one holds, and returns what is published and the last one.
// Slices are merged only where that frees more of them than it writes besides.
func (s *scene) roomy(ctx context.Context, service string) (endpoints, discoveryv1.EndpointSlice) {
	GinkgoHelper()
	s.service(ctx, service)
	eb := s.backend(ctx, service, none, entry("rack", numbered("198.51.100.0", 150)...))
	Eventually(s.endpointsOf).WithContext(ctx).WithArguments(service).Should(HaveLen(150))
	for i, leave := range []int{60, 30} { // of 100, then of 50
		list := s.slicesOf(ctx, service)
		Expect(list).To(HaveLen(2))
		going := list[i].Endpoints[leave:]
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) {
			ip := eb.Spec.Targets[0].IP
			ip.Addresses = slices.DeleteFunc(ip.Addresses, func(a v1alpha1.IPAddress) bool {
				return slices.ContainsFunc(going, func(e discoveryv1.Endpoint) bool { return e.Addresses[0] == string(a) })
			})
		})
		want := endpoints{}
		for _, a := range eb.Spec.Targets[0].IP.Addresses {
			want[string(a)] = in
		}
		s.expect(ctx, service, want)
	}
	list := s.slicesOf(ctx, service)
	Expect(list).To(HaveExactElements(HaveField("Endpoints", HaveLen(60)), HaveField("Endpoints", HaveLen(30))))
	return s.endpointsOf(ctx, service), list[1]
}

var _ = Describe("Slices that somebody else tampers with", func() {
	var s *scene
	var slice discoveryv1.EndpointSlice
	both := endpoints{"192.0.2.10": in, "192.0.2.11": in}
	BeforeEach(func(ctx SpecContext) {
		sharedOperator()
		s = newScene(ctx)
		s.host("192.0.2.10")
		s.host("192.0.2.11")
		s.service(ctx, "payments")
		s.backend(ctx, "payments", entry("rack", "192.0.2.10", "192.0.2.11"))
		s.expect(ctx, "payments", both)
		slice = s.slicesOf(ctx, "payments")[0]
	})

	DescribeTable("are repaired in place", func(ctx SpecContext, tamper func(*discoveryv1.EndpointSlice)) {
		edit(ctx, slice.DeepCopy(), tamper)
		Eventually(s.slices).WithContext(ctx).Should(ConsistOf(And(
			WithTransform(contentOf, Equal(contentOf(slice))), HaveField("UID", slice.UID))))
	},
		Entry("an endpoint removed", func(e *discoveryv1.EndpointSlice) { e.Endpoints = e.Endpoints[:1] }),
		Entry("all endpoints removed", func(e *discoveryv1.EndpointSlice) { e.Endpoints = nil }),
		Entry("an endpoint added", func(e *discoveryv1.EndpointSlice) {
			e.Endpoints = append(e.Endpoints, discoveryv1.Endpoint{Addresses: []string{"192.0.2.99"}})
		}),
		Entry("an address replaced", func(e *discoveryv1.EndpointSlice) { e.Endpoints[0].Addresses[0] = "192.0.2.99" }),
		Entry("a condition changed", func(e *discoveryv1.EndpointSlice) { e.Endpoints[0].Conditions.Ready = new(false) }),
		Entry("conditions left out", func(e *discoveryv1.EndpointSlice) {
			e.Endpoints[0].Conditions = discoveryv1.EndpointConditions{}
		}),
		Entry("provenance removed", func(e *discoveryv1.EndpointSlice) { e.Endpoints[0].TargetRef = nil }),
		Entry("a zone added", func(e *discoveryv1.EndpointSlice) { e.Endpoints[0].Zone = new("moon-1a") }),
		Entry("a port changed", func(e *discoveryv1.EndpointSlice) { e.Ports[0].Port = new(int32(1)) }),
		Entry("ports removed", func(e *discoveryv1.EndpointSlice) { e.Ports = nil }),
		Entry("a label added", func(e *discoveryv1.EndpointSlice) { e.Labels["service.kubernetes.io/headless"] = "" }),
		Entry("the service-name label removed", func(e *discoveryv1.EndpointSlice) { delete(e.Labels, discoveryv1.LabelServiceName) }),
		Entry("the managed-by label removed", func(e *discoveryv1.EndpointSlice) { delete(e.Labels, discoveryv1.LabelManagedBy) }),
		Entry("the managed-by label changed", func(e *discoveryv1.EndpointSlice) {
			e.Labels[discoveryv1.LabelManagedBy] = "endpointslice-controller.k8s.io"
		}),
		Entry("the owner reference removed", func(e *discoveryv1.EndpointSlice) { e.OwnerReferences = nil }),
		Entry("the owner reference made to hold up deletions", func(e *discoveryv1.EndpointSlice) {
			e.OwnerReferences[0].BlockOwnerDeletion = new(true)
		}),
		Entry("the owner reference no longer that of a controller", func(e *discoveryv1.EndpointSlice) {
			e.OwnerReferences[0].Controller = nil
		}),
		Entry("the owner reference and the managed-by label removed", func(e *discoveryv1.EndpointSlice) {
			e.OwnerReferences = nil
			delete(e.Labels, discoveryv1.LabelManagedBy)
		}),
		Entry("the recorded Service removed", func(e *discoveryv1.EndpointSlice) { e.Annotations = nil }),
	)

	It("are not filled up elsewhere when they lose their managed-by label", func(ctx SpecContext) {
		want, last := s.roomy(ctx, "checkout")
		stripped := edit(ctx, last.DeepCopy(), func(e *discoveryv1.EndpointSlice) { delete(e.Labels, discoveryv1.LabelManagedBy) })
		Eventually(s.slicesOf).WithContext(ctx).WithArguments("checkout").Should(ContainElement(And(
			HaveField("Name", last.Name), HaveField("ResourceVersion", Not(Equal(stripped.ResourceVersion))))))
		Expect(s.endpointsOf(ctx, "checkout")).To(Equal(want))
		Expect(s.ours(ctx)).To(ContainElement(last.Name))
	})

	It("are recreated with the same health when they are deleted", func(ctx SpecContext) {
		seen := s.watch(ctx)
		Expect(admin.Delete(ctx, slice.DeepCopy())).To(Succeed())
		s.expect(ctx, "payments", both)
		again := s.slicesOf(ctx, "payments")
		Expect(again).To(HaveLen(1))
		Expect(contentOf(again[0])).To(Equal(contentOf(slice)))
		Expect(again[0].UID).NotTo(Equal(slice.UID))
		Expect(seen.unready()).To(BeEmpty())
	})

	It("are recreated though nothing else happens to their Service", func(ctx SpecContext) {
		s.service(ctx, "quiet")
		s.backend(ctx, "quiet", none, entry("rack", "192.0.2.10"))
		s.expect(ctx, "quiet", endpoints{"192.0.2.10": in})
		s.expectCondition(ctx, "quiet", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
		deleted := s.slicesOf(ctx, "quiet")[0]
		Expect(admin.Delete(ctx, deleted.DeepCopy())).To(Succeed())
		Eventually(s.slicesOf).WithContext(ctx).WithArguments("quiet").Should(ConsistOf(
			And(HaveField("Name", deleted.Name), HaveField("UID", Not(Equal(deleted.UID))))))
	})

	It("go back to their Service when they are relabelled for another one", func(ctx SpecContext) {
		s.host("192.0.2.20")
		s.service(ctx, "checkout")
		s.backend(ctx, "checkout", entry("cage", "192.0.2.20"))
		s.expect(ctx, "checkout", endpoints{"192.0.2.20": in})

		edit(ctx, slice.DeepCopy(), func(e *discoveryv1.EndpointSlice) { e.Labels[discoveryv1.LabelServiceName] = "checkout" })
		s.expect(ctx, "payments", both)
		s.expect(ctx, "checkout", endpoints{"192.0.2.20": in})
		Expect(s.slices(ctx)).To(HaveLen(2))
	})

	It("go back to their Service when they are relabelled for one that nobody serves", func(ctx SpecContext) {
		edit(ctx, slice.DeepCopy(), func(e *discoveryv1.EndpointSlice) { e.Labels[discoveryv1.LabelServiceName] = "nobody" })
		s.expect(ctx, "payments", both)
		Eventually(s.slicesOf).WithContext(ctx).WithArguments("nobody").Should(BeEmpty())
		Expect(s.slices(ctx)).To(HaveLen(1))
	})
})

var _ = Describe("Slices of somebody else", func() {
	var s *scene
	BeforeEach(func(ctx SpecContext) {
		sharedOperator()
		s = newScene(ctx)
		s.host("192.0.2.10")
	})

	It("are never touched, whatever happens to ours", func(ctx SpecContext) {
		s.service(ctx, "payments")
		kept := []any{}
		for name, manager := range map[string]string{"by-hand": "me", "by-kubernetes": "endpointslice-controller.k8s.io", "mirrored": "endpointslicemirroring-controller.k8s.io"} {
			foreign := s.foreignSlice(ctx, "payments", name, manager, "192.0.2.10", "203.0.113.1")
			kept = append(kept, And(HaveField("Name", name), HaveField("ResourceVersion", foreign.ResourceVersion)))
		}
		eb := s.backend(ctx, "payments", entry("rack", "192.0.2.10"))
		Eventually(s.ours).WithContext(ctx).Should(HaveLen(1))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, yes(v1alpha1.ReasonAllHealthy))
		s.host("192.0.2.11")
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) { eb.Spec.Targets[0].IP.Addresses[0] = "192.0.2.11" })
		Eventually(s.ownersOf).WithContext(ctx).WithArguments("payments").Should(HaveKeyWithValue("192.0.2.11", "payments"))
		Expect(admin.Delete(ctx, eb)).To(Succeed())
		Eventually(s.ours).WithContext(ctx).Should(BeEmpty())
		Expect(s.slices(ctx)).To(ConsistOf(kept...))
	})

	It("that have taken our name are named, left alone, and hold up nobody else", func(ctx SpecContext) {
		s.host("2001:db8::10")
		s.host("192.0.2.20")
		eb := s.backend(ctx, "payments", entry("rack", "192.0.2.10", "2001:db8::10"))
		s.backend(ctx, "neighbour", of("payments"), entry("cage", "192.0.2.20"))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionServiceResolved, no(v1alpha1.ReasonServiceNotFound))
		name := "payments-" + string(eb.UID)[:8] + "-ipv4-0"
		squatter := s.foreignSlice(ctx, "payments", name, "me", "203.0.113.1")

		s.service(ctx, "payments")
		s.expectCondition(ctx, "payments", v1alpha1.ConditionPublished, no(v1alpha1.ReasonWriteFailed, name, "belongs to somebody else"))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, no(v1alpha1.ReasonWriteFailed, name))
		Eventually(s.endpointsOf).WithContext(ctx).WithArguments("payments").Should(And(
			HaveKeyWithValue("192.0.2.20", in), HaveKeyWithValue("203.0.113.1", in)))
		s.expectCondition(ctx, "neighbour", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
		Expect(s.slices(ctx)).To(ContainElement(And(
			HaveField("Name", name), HaveField("ResourceVersion", squatter.ResourceVersion))))

		Expect(admin.Delete(ctx, squatter)).To(Succeed())
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "2001:db8::10": in, "192.0.2.20": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
	})
})

var _ = Describe("A slice that somebody edits while it is being written", func() {
	var s *scene
	var o *operator
	var eb *v1alpha1.ExternalBackend
	var slice discoveryv1.EndpointSlice
	var mark int
	BeforeEach(func(ctx SpecContext) {
		s, o = newScene(ctx), ownOperator(operatorOptions{})
		s.host("192.0.2.10")
		s.service(ctx, "payments")
		eb = s.backend(ctx, "payments", entry("rack", "192.0.2.10"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		slice = s.slicesOf(ctx, "payments")[0]
		mark = audit.mark()
		o.requests.holdWrites(s.slicePath())
	})
	interfere := func(ctx SpecContext) {
		GinkgoHelper()
		Eventually(o.requests.heldUp).Should(Equal(1))
		edit(ctx, slice.DeepCopy(), func(e *discoveryv1.EndpointSlice) { e.Labels["mine"] = "yes" })
		o.requests.release()
	}

	It("is not overwritten unseen", func(ctx SpecContext) {
		s.host("192.0.2.10").Set(targets.Refuse)
		interfere(ctx)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": out})
		Eventually(s.slices).WithContext(ctx).Should(ConsistOf(HaveField("Labels", Not(HaveKey("mine")))))
		Eventually(s.writes).WithArguments(mark).Should(Equal([]string{"update " + slice.Name + " (409)", "update " + slice.Name}))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionPublished, yes(v1alpha1.ReasonPublished))
		Expect(s.events(ctx, "payments")).NotTo(HaveKey(v1alpha1.ReasonWriteFailed), "a lost race is no failure")
	})

	It("is not deleted unseen", func(ctx SpecContext) {
		Expect(admin.Delete(ctx, eb)).To(Succeed())
		interfere(ctx)
		Eventually(s.slices).WithContext(ctx).Should(BeEmpty())
		Eventually(s.writes).WithArguments(mark).Should(Equal([]string{"delete " + slice.Name + " (409)", "delete " + slice.Name}))
	})
})
