// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/aws/fake"
)

// only has an identity allow one namespace.
func only(namespace string) func(*v1alpha1.AWSIdentity) {
	return func(identity *v1alpha1.AWSIdentity) {
		identity.Spec.AllowedNamespaces = &v1alpha1.NamespaceSelector{MatchLabels: v1alpha1.MatchLabels{corev1.LabelMetadataName: namespace}}
	}
}

// remove deletes the identity, and restore creates it again.
func (f *fleet) remove(ctx context.Context) {
	GinkgoHelper()
	Expect(admin.Delete(ctx, f.identity)).To(Succeed())
}

func (f *fleet) restore(ctx context.Context) {
	GinkgoHelper()
	f.identity.ObjectMeta = metav1.ObjectMeta{Name: f.identity.Name, Finalizers: f.identity.Finalizers}
	Expect(admin.Create(ctx, f.identity)).To(Succeed())
}

var _ = Describe("The AWSIdentity of instances", func() {
	var s *scene
	served := endpoints{"192.0.2.10": in}
	BeforeEach(func(ctx SpecContext) {
		sharedOperator()
		s = newScene(ctx)
		s.service(ctx, "payments")
	})
	denied := func(ctx context.Context, s *scene, parts ...string) {
		GinkgoHelper()
		s.expectCondition(ctx, "payments", v1alpha1.ConditionAccepted, no(v1alpha1.ReasonIdentityNotAllowed, parts...))
		Eventually(s.slices).WithContext(ctx).Should(BeEmpty())
	}
	It("may be created later", func(ctx SpecContext) {
		f := s.fleetWithoutIdentity() // one that was there a moment ago may be known for a second more
		f.run(s, "192.0.2.10")
		s.backend(ctx, "payments", f.selected("fleet"))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionTargetsResolved, no(v1alpha1.ReasonIdentityNotFound, f.identity.Name, "identityRef"))
		Expect(s.condition(ctx, "payments", v1alpha1.ConditionStale)).To(withdrawn)
		f.restore(ctx)
		s.expect(ctx, "payments", served)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
	})

	It("may be deleted and created again: what is served stays, and is stale meanwhile", func(ctx SpecContext) {
		f := s.fleet(ctx)
		id := f.run(s, "192.0.2.10")
		f.served(ctx, s, []string{"192.0.2.10"}, drainFor("1h"))
		history := s.watch(ctx)
		f.remove(ctx)
		s.expectStale(ctx, "payments", v1alpha1.ReasonIdentityNotFound, f.identity.Name)
		since := s.sourceOf(ctx, "payments", "fleet").StaleSince
		Expect(since).NotTo(BeNil())
		f.restore(ctx)
		s.expectFresh(ctx, "payments")
		Expect(history.all()).To(BeEmpty())
		f.Stop(id)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": leaving})
	})

	It("has to allow the namespace, as soon as it does not everything goes at once", func(ctx SpecContext) {
		f := s.fleet(ctx, only("somebody-else"))
		f.run(s, "192.0.2.10")
		s.backend(ctx, "payments", drainFor("1h"), f.selected("fleet"))
		denied(ctx, s, f.identity.Name, "spec.allowedNamespaces")
		Expect(f.listings()).To(BeZero())
		edit(ctx, f.identity, only(s.namespace))
		s.expect(ctx, "payments", served)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionAccepted, yes(v1alpha1.ReasonAccepted))
		history := s.watch(ctx)
		edit(ctx, f.identity, only("somebody-else"))
		denied(ctx, s)
		Expect(history.all()).NotTo(ContainElement(HaveField("Endpoints", HaveKeyWithValue("192.0.2.10", leaving))), "nothing drains")
	})

	It("has to allow the namespace by its labels, which may change", func(ctx SpecContext) {
		f := s.fleet(ctx, func(identity *v1alpha1.AWSIdentity) {
			identity.Spec.AllowedNamespaces = &v1alpha1.NamespaceSelector{MatchLabels: v1alpha1.MatchLabels{"team": "payments"}}
		})
		label := func(value string) {
			GinkgoHelper()
			ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.namespace}}
			edit(ctx, ns, func(ns *corev1.Namespace) { ns.Labels["team"] = value })
		}
		f.run(s, "192.0.2.10")
		s.backend(ctx, "payments", drainFor("1h"), f.selected("fleet"))
		denied(ctx, s)
		label("payments")
		s.expect(ctx, "payments", served)
		label("search")
		denied(ctx, s)
	})

	It("has to list the region", func(ctx SpecContext) {
		f := s.fleet(ctx, func(identity *v1alpha1.AWSIdentity) { identity.Spec.Regions = []v1alpha1.Region{"eu-central-1"} })
		f.run(s, "192.0.2.10")
		s.backend(ctx, "payments", drainFor("1h"), f.selected("fleet"))
		denied(ctx, s, f.identity.Name, region, "spec.regions")
		edit(ctx, f.identity, func(identity *v1alpha1.AWSIdentity) { identity.Spec.Regions = append(identity.Spec.Regions, region) })
		s.expect(ctx, "payments", served)
		edit(ctx, f.identity, func(identity *v1alpha1.AWSIdentity) { identity.Spec.Regions = identity.Spec.Regions[:1] })
		denied(ctx, s)
	})

	It("may be shared by namespaces, of which one that it does not allow gets nothing, also when it is gone", func(ctx SpecContext) {
		f := s.fleet(ctx)
		f.run(s, "192.0.2.10")
		another := newScene(ctx)
		another.service(ctx, "payments")
		for _, each := range []*scene{s, another} {
			each.backend(ctx, "payments", drainFor("1h"), f.selected("fleet"))
			each.expect(ctx, "payments", served)
		}
		edit(ctx, f.identity, only(s.namespace))
		denied(ctx, another)
		f.remove(ctx)
		another.expectCondition(ctx, "payments", v1alpha1.ConditionTargetsResolved, no(v1alpha1.ReasonIdentityNotFound))
		s.expectStale(ctx, "payments", v1alpha1.ReasonIdentityNotFound)
		Expect(another.slices(ctx)).To(BeEmpty())
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(served))
		f.restore(ctx)
		denied(ctx, another)
	})

	It("that allows the namespace no more takes out what another entry's edit has left, too", func(ctx SpecContext) {
		f, next := s.fleet(ctx), s.fleet(ctx)
		f.run(s, "192.0.2.10")
		eb := f.served(ctx, s, []string{"192.0.2.10"}, drainFor("1h"))
		next.fault(fake.Fault{Operation: "DescribeInstances", Effect: fake.Deny()})
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) {
			eb.Spec.Targets[0].EC2.IdentityRef.Name = v1alpha1.IdentityName(next.identity.Name)
		})
		s.expectStale(ctx, "payments", v1alpha1.ReasonAWSAccessDenied)
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(served), "nothing is known of the next ones yet")
		edit(ctx, f.identity, only("somebody-else"))
		Eventually(s.slices).WithContext(ctx).Should(BeEmpty())
	})

	It("that allows the namespace no more takes out what drains of an entry that is gone, too", func(ctx SpecContext) {
		f := s.fleet(ctx)
		f.run(s, "192.0.2.10")
		s.host("192.0.2.20")
		eb := s.backend(ctx, "payments", drainFor("1h"), f.selected("fleet"), entry("rack", "192.0.2.20"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.20": in})
		edit(ctx, eb, withoutEntry)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": leaving, "192.0.2.20": in})
		edit(ctx, f.identity, only("somebody-else"))
		s.expect(ctx, "payments", endpoints{"192.0.2.20": in})
	})
})
