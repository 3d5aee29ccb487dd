// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/aws/fake"
	"externalbackend.dev/operator/test/targets"
)

// nodeOn makes a Node that is an instance, as long as the spec lasts.
func nodeOn(ctx context.Context, name, id string, labels map[string]string) *corev1.Node {
	GinkgoHelper()
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}
	if id != "" {
		n.Spec.ProviderID = "aws:///eu-west-1a/" + id
	}
	Expect(admin.Create(ctx, n)).To(Succeed())
	DeferCleanup(func(ctx SpecContext) { Expect(client.IgnoreNotFound(admin.Delete(ctx, n))).To(Succeed()) })
	return n
}

var _ = Describe("Nodes of the cluster", func() {
	var s *scene
	var f *fleet
	BeforeEach(func(ctx SpecContext) {
		sharedOperator()
		s = newScene(ctx)
		f = s.fleet(ctx)
		s.service(ctx, "payments")
	})

	It("are never targets", func(ctx SpecContext) {
		id, other := f.run(s, "192.0.2.10"), f.run(s, "192.0.2.11")
		nodeOn(ctx, s.namespace, id, map[string]string{"topology.k8s.aws/zone-id": "euw1-az1", corev1.LabelTopologyZone: "seen"})
		s.backend(ctx, "witness", of("payments"), f.selected("witness", byID(other)))
		Eventually(s.topologyOf).WithContext(ctx).WithArguments("payments").Should(Equal(map[string]string{"192.0.2.11": "seen"}), "the Node is known")
		history := s.watch(ctx)
		s.backend(ctx, "payments", f.selected("fleet"))
		s.expect(ctx, "payments", endpoints{"192.0.2.11": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionAccepted, no(v1alpha1.ReasonAddressDenied, id, "is a Node of this cluster"))
		f.listed(ctx, 2)
		Expect(history.all()).NotTo(ContainElement(HaveField("Endpoints", HaveKey("192.0.2.10"))))
	})

	DescribeTable("are no targets any more when they become one,", func(ctx SpecContext, broken bool) {
		id := f.run(s, "192.0.2.10")
		f.run(s, "192.0.2.11")
		f.served(ctx, s, []string{"192.0.2.10", "192.0.2.11"}, drainFor("1h"))
		if broken {
			f.remove(ctx)
			s.expectStale(ctx, "payments", v1alpha1.ReasonIdentityNotFound)
		}
		history := s.watch(ctx)
		node := nodeOn(ctx, s.namespace, id, nil)
		s.expect(ctx, "payments", endpoints{"192.0.2.11": in})
		Expect(history.all()).NotTo(ContainElement(HaveField("Endpoints", HaveKeyWithValue("192.0.2.10", leaving))), "it does not drain")
		Expect(admin.Delete(ctx, node)).To(Succeed())
		if !broken {
			s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.11": in})
		}
	},
		Entry("and again when they cease to be", false),
		Entry("though AWS cannot be asked", true),
	)

	It("tell the zones of instances, which stay when the last one is gone", func(ctx SpecContext) {
		named := func(zone string) func(*fake.Instance) { return func(i *fake.Instance) { i.Zone = zone } }
		zone := func(id, name string) map[string]string {
			return map[string]string{"topology.k8s.aws/zone-id": id, corev1.LabelTopologyZone: name}
		}
		f.run(s, "192.0.2.10", named("eu-west-1a"))
		f.run(s, "192.0.2.11", named("eu-west-1b"))
		f.run(s, "192.0.2.12", named("eu-west-1a"), app("search"))
		node := nodeOn(ctx, s.namespace+"-1", "", zone("euw1-az1", "eu-west-1c"))
		s.backend(ctx, "payments", f.selected("fleet"), f.selected("search", tagged("search")), func(eb *v1alpha1.ExternalBackend) {
			eb.Spec.Targets[1].Zone = "ours"
		})
		expectZones := func(want map[string]string) {
			GinkgoHelper()
			Eventually(s.topologyOf).WithContext(ctx).WithArguments("payments").Should(Equal(want))
		}
		expectZones(map[string]string{"192.0.2.10": "eu-west-1c", "192.0.2.11": "", "192.0.2.12": "ours"})

		By("another Node")
		nodeOn(ctx, s.namespace+"-2", "", zone("euw1-az2", "eu-west-1a"))
		known := map[string]string{"192.0.2.10": "eu-west-1c", "192.0.2.11": "eu-west-1a", "192.0.2.12": "ours"}
		expectZones(known)

		By("the last Node of a zone going")
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
		history := s.watch(ctx)
		Expect(admin.Delete(ctx, node)).To(Succeed())
		f.listed(ctx, 3)
		expectZones(known)
		Expect(history.all()).To(BeEmpty())
		s.hosts["192.0.2.10:8080"].Set(targets.Refuse)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": out, "192.0.2.11": in, "192.0.2.12": in})
		expectZones(known)
	})

	It("tell no zone of an instance that has no other than what an edit took away", func(ctx SpecContext) {
		f.run(s, "192.0.2.10")
		eb := f.served(ctx, s, []string{"192.0.2.10"})
		for _, zone := range []string{"ours", ""} {
			edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) { eb.Spec.Targets[0].Zone = zone })
			Eventually(s.topologyOf).WithContext(ctx).WithArguments("payments").Should(Equal(map[string]string{"192.0.2.10": zone}))
		}
	})
})
