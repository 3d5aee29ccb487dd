// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"encoding/json"
	"maps"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/targets"
)

// manifest is what somebody keeps in Git, and applies server-side.
type manifest struct {
	manager string
	object  *unstructured.Unstructured
}

func (s *scene) manifest(manager, text string) manifest {
	GinkgoHelper()
	m := manifest{manager, &unstructured.Unstructured{}}
	Expect(yaml.Unmarshal([]byte(text), m.object)).To(Succeed())
	m.object.SetNamespace(s.namespace)
	return m
}

func (m manifest) apply(ctx context.Context, options ...client.ApplyOption) error {
	return admin.Apply(ctx, client.ApplyConfigurationFromUnstructured(m.object.DeepCopy()),
		append(options, client.FieldOwner(m.manager))...)
}

// reapply expects that applying everything again writes nothing.
func reapply(ctx context.Context, manifests ...manifest) {
	GinkgoHelper()
	stored := func() client.Object {
		object := &unstructured.Unstructured{}
		object.SetGroupVersionKind(manifests[0].object.GroupVersionKind())
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(manifests[0].object), object)).To(Succeed())
		return object
	}
	Eventually(func(g Gomega) { // the operator may patch the status meanwhile
		before := stored()
		for _, m := range manifests {
			Expect(m.apply(ctx)).To(Succeed(), m.manager)
		}
		after := stored()
		Expect(after.GetGeneration()).To(Equal(before.GetGeneration()))
		g.Expect(after.GetResourceVersion()).To(Equal(before.GetResourceVersion()))
	}).WithContext(ctx).Should(Succeed())
}

// owned returns who owns what at the top of an object, by manager and subresource.
func owned(fields []metav1.ManagedFieldsEntry) map[string][]string {
	GinkgoHelper()
	owners := map[string][]string{}
	for _, entry := range fields {
		var set map[string]json.RawMessage
		Expect(json.Unmarshal(entry.FieldsV1.Raw, &set)).To(Succeed())
		owner := entry.Manager + "/" + entry.Subresource
		owners[owner] = slices.Sorted(maps.Keys(set))
	}
	return owners
}

var _ = Describe("Who applies server-side", func() {
	var s *scene
	BeforeEach(func(ctx SpecContext) {
		sharedOperator()
		s = newScene(ctx)
		s.host("192.0.2.10")
		s.host("192.0.2.11")
	})
	const head = "apiVersion: externalbackend.dev/v1alpha1\nkind: ExternalBackend\n"

	It("shares an ExternalBackend with others, and never meets the operator", func(ctx SpecContext) {
		s.service(ctx, "payments")
		shop := s.manifest("shop", head+`
metadata: {name: payments, labels: {team: shop}, annotations: {example.com/owner: shop}}
spec:
  healthCheck: {interval: 1s, edgeInterval: 1s, healthyThreshold: 1, unhealthyThreshold: 2, checks: [{name: tcp, tcp: {}}]}
  targets: [{name: rack, ip: {addresses: [192.0.2.10]}}]
`)
		annex := s.manifest("annex", head+`
metadata: {name: payments, labels: {annex: "true"}}
spec: {targets: [{name: annex, ip: {addresses: [192.0.2.11]}}]}
`)
		Expect(shop.apply(ctx)).To(Succeed())
		Expect(annex.apply(ctx)).To(Succeed())
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.11": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, yes(v1alpha1.ReasonAllHealthy))
		reapply(ctx, shop, annex)

		for _, behaviour := range []targets.Behaviour{targets.Refuse, targets.Serve} {
			s.host("192.0.2.11").Set(behaviour)
			want := map[targets.Behaviour]string{targets.Refuse: v1alpha1.ReasonSomeUnhealthy, targets.Serve: v1alpha1.ReasonAllHealthy}[behaviour]
			s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, HaveField("Reason", want))
			reapply(ctx, shop, annex)
		}

		By("one of them taking over a field of the other")
		rival := s.manifest("rival", head+`
metadata: {name: payments, labels: {team: rival}}
spec: {healthCheck: {unhealthyThreshold: 3}}
`)
		Expect(rival.apply(ctx)).To(MatchError(ContainSubstring(`conflicts with "shop"`)))
		Expect(rival.apply(ctx, client.ForceOwnership)).To(Succeed())
		Eventually(s.statusOf).WithContext(ctx).WithArguments("payments").Should(HaveField("ObservedGeneration", asStored(ctx, shop.object).GetGeneration()))
		Expect(shop.apply(ctx)).To(MatchError(ContainSubstring(`conflicts with "rival"`)))
		reapply(ctx, rival, annex)

		By("looking at who owns what")
		stored := asStored(ctx, shop.object)
		owners := owned(stored.GetManagedFields())
		for owner, fields := range owners {
			if !slices.Contains([]string{"shop/", "annex/", "rival/"}, owner) {
				Expect(owner).To(HaveSuffix("/status"))
				Expect(fields).To(HaveExactElements("f:status"))
			}
		}
		Expect(owners).To(And(HaveLen(4), HaveKey("shop/"), HaveKey("annex/"), HaveKey("rival/")))
		Expect(stored.GetLabels()).To(Equal(map[string]string{"team": "rival", "annex": "true"}))
		Expect(stored.GetAnnotations()).To(Equal(map[string]string{"example.com/owner": "shop"}))
	})

	It("with a status in the manifest has no effect on it", func(ctx SpecContext) {
		s.service(ctx, "payments")
		m := s.manifest("shop", head+`
metadata: {name: payments}
spec: {targets: [{name: rack, ip: {addresses: [192.0.2.10]}}], healthCheck: {checks: [{name: tcp, tcp: {}}]}}
status: {observedGeneration: 99}
`)
		Expect(m.apply(ctx)).To(Succeed())
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
		reapply(ctx, m)
		Expect(s.statusOf(ctx, "payments").ObservedGeneration).To(BeEquivalentTo(1))
	})

	It("labels a managed Service, which stays so whatever the operator writes", func(ctx SpecContext) {
		eb := s.backend(ctx, "payments", entry("rack", "192.0.2.10"), managed(func(t *v1alpha1.ServiceTemplate) {
			t.Labels = v1alpha1.ServiceLabels{"tier": "gold"}
		}))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		team := s.manifest("team", `
apiVersion: v1
kind: Service
metadata: {name: payments, labels: {team: shop}, annotations: {example.com/pager: shop}}
`)
		Expect(team.apply(ctx)).To(Succeed())
		reapply(ctx, team)
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) {
			eb.Spec.Service.Template.Labels = v1alpha1.ServiceLabels{"tier": "silver"}
		})
		s.expectService(ctx, "payments", And(
			HaveField("Labels", Equal(map[string]string{"tier": "silver", "team": "shop"})),
			HaveField("Annotations", HaveKeyWithValue("example.com/pager", "shop"))))
		reapply(ctx, team)

		By("taking a label of the template")
		thief := s.manifest("thief", "apiVersion: v1\nkind: Service\nmetadata: {name: payments, labels: {tier: lead}}\n")
		Expect(thief.apply(ctx)).To(MatchError(apierrors.IsConflict, "a conflict"))
		Expect(thief.apply(ctx, client.ForceOwnership)).To(Succeed())
		s.expectService(ctx, "payments", HaveField("Labels", Equal(map[string]string{"tier": "silver", "team": "shop"})))
		reapply(ctx, team)
		Expect(owned((*s.serviceOf(ctx, "payments")).ManagedFields)["team/"]).To(HaveExactElements("f:metadata"))
		Expect(s.serviceOf(ctx, "payments").Spec.Type).To(Equal(corev1.ServiceTypeClusterIP))
	})
})
