// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/translate"
	"externalbackend.dev/operator/test/targets"
)

// referenced leaves the Service to the user.
func referenced(eb *v1alpha1.ExternalBackend) {
	eb.Spec.Service = v1alpha1.ServiceReference{Management: v1alpha1.ServiceReferenced}
	eb.Spec.Ports[0].ServicePort = nil
}

var _ = Describe("The management of a Service", func() {
	var s *scene
	both := endpoints{"192.0.2.10": in, "192.0.2.11": in}
	rack := entry("rack", "192.0.2.10", "192.0.2.11")
	BeforeEach(func(ctx SpecContext) {
		sharedOperator()
		s = newScene(ctx)
		s.host("192.0.2.10")
		s.host("192.0.2.11")
	})

	It("leaves one of somebody else alone and serves it, until it is gone", func(ctx SpecContext) {
		foreign := s.service(ctx, "payments")
		mark := audit.mark()
		eb := s.backend(ctx, "payments", rack, managed(func(t *v1alpha1.ServiceTemplate) { t.Labels = v1alpha1.ServiceLabels{"team": "shop"} }))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionServiceResolved, no(v1alpha1.ReasonServiceNotOwned, `"payments"`))
		s.expect(ctx, "payments", both)
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) { eb.Spec.Service.Template.Labels["team"] = "bank" })
		Eventually(s.statusOf).WithContext(ctx).WithArguments("payments").Should(HaveField("ObservedGeneration", eb.Generation))
		Expect(s.serviceOf(ctx, "payments").ResourceVersion).To(Equal(foreign.ResourceVersion))
		Expect(s.serviceWrites(mark)).To(BeEmpty())

		Expect(admin.Delete(ctx, foreign)).To(Succeed())
		s.expectService(ctx, "payments", ownedBy(eb))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
	})

	It("ends with management Referenced, and the Service is not taken back", func(ctx SpecContext) {
		eb := s.backend(ctx, "payments", rack, managed(func(t *v1alpha1.ServiceTemplate) { t.Labels = v1alpha1.ServiceLabels{"team": "shop"} }))
		s.expect(ctx, "payments", both)
		before, seen := s.serviceOf(ctx, "payments"), s.watch(ctx)
		edit(ctx, eb, referenced)
		s.expectService(ctx, "payments", And(
			HaveField("UID", before.UID), HaveField("OwnerReferences", BeEmpty()), HaveField("Annotations", BeEmpty()),
			HaveField("Labels", before.Labels), HaveField("Spec", BeEquivalentTo(before.Spec))))
		released := s.serviceOf(ctx, "payments")
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))

		edit(ctx, eb, managed())
		s.expectCondition(ctx, "payments", v1alpha1.ConditionServiceResolved, no(v1alpha1.ReasonServiceNotOwned))
		Expect(s.serviceOf(ctx, "payments").ResourceVersion).To(Equal(released.ResourceVersion))
		Expect(seen.gaps("payments", "192.0.2.10", "192.0.2.11")).To(BeEmpty())
	})

	It("moves to a new name before the old Service goes", func(ctx SpecContext) {
		eb := s.backend(ctx, "payments", rack, managed())
		s.expect(ctx, "payments", both)
		mark, seen := audit.mark(), s.watch(ctx)
		edit(ctx, eb, of("checkout"))
		s.expect(ctx, "checkout", both)
		s.expectService(ctx, "checkout", ownedBy(eb))
		Eventually(s.serviceOf).WithContext(ctx).WithArguments("payments").Should(BeNil())
		s.expect(ctx, "payments", endpoints{})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
		Eventually(s.serviceWrites).WithArguments(mark).Should(HaveExactElements("create checkout", "delete payments"))
		Expect(seen.all()).To(HaveExactElements(
			And(HaveField("Service", "checkout"), HaveField("Endpoints", both)),
			And(HaveField("Service", "payments"), HaveField("Type", watch.Deleted))))
	})

	It("keeps the old Service and tells of its targets as long as the new one is refused", func(ctx SpecContext) {
		o := ownOperator(operatorOptions{})
		eb := s.backend(ctx, "payments", rack, entry("cage", "192.0.2.12"), managed())
		s.host("192.0.2.12")
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.11": in, "192.0.2.12": in})
		before := s.serviceOf(ctx, "payments")
		services := "/api/v1/namespaces/" + s.namespace + "/services"
		o.requests.cause(answerSome(always, creating(services), forbidden))
		edit(ctx, eb, of("checkout"))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionServiceResolved, no(v1alpha1.ReasonServiceUpdateRefused, `"checkout"`))
		s.host("192.0.2.11").Set(targets.Refuse)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.11": out, "192.0.2.12": in})
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) { eb.Spec.Targets = eb.Spec.Targets[:1] })
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.11": out, "192.0.2.12": out})
		Expect(s.serviceOf(ctx, "payments").UID).To(Equal(before.UID))
		Expect(o.requests.counts()["POST "+services]).To(Equal(3), "one for each generation of the spec")

		o.requests.cause(nil)
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) {
			eb.Spec.Service.Template.Labels = v1alpha1.ServiceLabels{"team": "shop"}
		})
		s.expect(ctx, "checkout", endpoints{"192.0.2.10": in, "192.0.2.11": out})
		s.expect(ctx, "payments", endpoints{})
		Eventually(s.serviceOf).WithContext(ctx).WithArguments("payments").Should(BeNil())
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
	})

	It("moves on to a new name though a user has deleted the old Service", func(ctx SpecContext) {
		eb := s.backend(ctx, "payments", rack, managed())
		s.expect(ctx, "payments", both)
		s.service(ctx, "checkout")
		edit(ctx, eb, of("checkout"))
		s.expect(ctx, "checkout", both)
		s.expect(ctx, "payments", both)
		Expect(admin.Delete(ctx, s.serviceOf(ctx, "payments"))).To(Succeed())
		s.expect(ctx, "payments", endpoints{})
		s.expect(ctx, "checkout", both)
	})

	It("outlasts an owner reference that somebody removes", func(ctx SpecContext) {
		eb := s.backend(ctx, "payments", rack, managed())
		s.expect(ctx, "payments", both)
		edit(ctx, s.serviceOf(ctx, "payments"), func(svc *corev1.Service) { svc.OwnerReferences = nil })
		s.expectService(ctx, "payments", ownedBy(eb))

		edit(ctx, s.serviceOf(ctx, "payments"), func(svc *corev1.Service) { svc.OwnerReferences, svc.Annotations = nil, nil })
		s.expectCondition(ctx, "payments", v1alpha1.ConditionServiceResolved, no(v1alpha1.ReasonServiceNotOwned))
		Expect(s.serviceOf(ctx, "payments").OwnerReferences).To(BeEmpty())
		s.expect(ctx, "payments", both)
	})

	It("is not taken back from another owner", func(ctx SpecContext) {
		s.backend(ctx, "payments", rack, managed())
		s.expect(ctx, "payments", both)
		other := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "release"}}
		Expect(admin.Create(ctx, other)).To(Succeed())
		owner := metav1.OwnerReference{APIVersion: "v1", Kind: "ConfigMap", Name: "release", UID: other.UID, Controller: new(true)}
		edit(ctx, s.serviceOf(ctx, "payments"), func(svc *corev1.Service) { svc.OwnerReferences = []metav1.OwnerReference{owner} })
		s.expectCondition(ctx, "payments", v1alpha1.ConditionServiceResolved, no(v1alpha1.ReasonServiceNotOwned, `ConfigMap "release"`))
		Expect(s.serviceOf(ctx, "payments").OwnerReferences).To(HaveExactElements(owner))
	})

	It("keeps the old Service as long as the new name is taken by somebody else", func(ctx SpecContext) {
		eb := s.backend(ctx, "payments", rack, managed())
		s.expect(ctx, "payments", both)
		foreign := s.service(ctx, "checkout")
		edit(ctx, eb, of("checkout"))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionServiceResolved, no(v1alpha1.ReasonServiceNotOwned, `"checkout"`))
		s.expect(ctx, "checkout", both)
		Consistently(s.serviceOf).WithContext(ctx).WithArguments("payments").ShouldNot(BeNil())

		Expect(admin.Delete(ctx, foreign)).To(Succeed())
		s.expectService(ctx, "checkout", ownedBy(eb))
		Eventually(s.serviceOf).WithContext(ctx).WithArguments("payments").Should(BeNil())
	})

	It("is that of the older of two ExternalBackends, and goes over to the other", func(ctx SpecContext) {
		older := s.backend(ctx, "zulu", of("payments"), entry("rack", "192.0.2.10"), managed(func(t *v1alpha1.ServiceTemplate) { t.Labels = v1alpha1.ServiceLabels{"team": "shop"} }))
		s.nextSecond(older)
		younger := s.backend(ctx, "alpha", of("payments"), entry("cage", "192.0.2.11"), managed(func(t *v1alpha1.ServiceTemplate) { t.Labels = v1alpha1.ServiceLabels{"team": "bank"} }))
		s.expect(ctx, "payments", both)
		s.expectCondition(ctx, "alpha", v1alpha1.ConditionServiceResolved, no(v1alpha1.ReasonServiceNotOwned, `"zulu"`))
		s.expectCondition(ctx, "zulu", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
		s.expectService(ctx, "payments", And(ownedBy(older), HaveField("Labels", HaveKeyWithValue("team", "shop"))))

		edit(ctx, older, of("checkout"))
		s.expectService(ctx, "checkout", ownedBy(older))
		s.expectService(ctx, "payments", And(ownedBy(younger), HaveField("Labels", HaveKeyWithValue("team", "bank"))))
		s.expectCondition(ctx, "alpha", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
		s.expect(ctx, "payments", endpoints{"192.0.2.11": in})
		s.expect(ctx, "checkout", endpoints{"192.0.2.10": in})
	})
})

var _ = Describe("A managed Service that is renamed", func() {
	DescribeTable("is tried ever less often while its slices cannot be created", func(ctx SpecContext, refuse func(context.Context, *scene, *operator, *v1alpha1.ExternalBackend)) {
		o, s := ownOperator(operatorOptions{}), newScene(ctx)
		s.host("192.0.2.10")
		eb := s.backend(ctx, "payments", managed(), entry("rack", "192.0.2.10"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, yes(v1alpha1.ReasonAllHealthy))
		refuse(ctx, s, o, eb)
		attempts := func() int { return o.requests.counts()["POST "+s.slicePath()] }
		before := attempts()
		edit(ctx, eb, of("checkout"))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionPublished, no(v1alpha1.ReasonWriteFailed))
		Consistently(attempts).Should(BeNumerically("<", before+20))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		Expect(s.serviceOf(ctx, "payments")).NotTo(BeNil())
	},
		Entry("for want of quota", func(_ context.Context, s *scene, o *operator, _ *v1alpha1.ExternalBackend) {
			o.requests.cause(answerSome(always, creating(s.slicePath()), forbidden))
		}),
		Entry("since their name is taken", func(ctx context.Context, s *scene, _ *operator, eb *v1alpha1.ExternalBackend) {
			s.foreignSlice(ctx, "other", fmt.Sprintf("payments-%s-ipv4-1", string(eb.UID)[:8]), "somebody", "192.0.2.99")
		}),
	)
})

var _ = Describe("A Service that cannot be released", func() {
	DescribeTable("is told until it can", func(ctx SpecContext, verb, reason string, change func(*v1alpha1.ExternalBackend), released types.GomegaMatcher) {
		o, s := ownOperator(operatorOptions{}), newScene(ctx)
		s.host("192.0.2.10")
		eb := s.backend(ctx, "payments", managed(), entry("rack", "192.0.2.10"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, yes(v1alpha1.ReasonAllHealthy))
		o.requests.cause(answerSome(always, func(r *http.Request) bool {
			return r.Method == verb && strings.HasSuffix(r.URL.Path, "/services/payments")
		}, forbidden))
		edit(ctx, eb, change)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionServiceResolved, no(v1alpha1.ReasonWriteFailed, `"payments"`, reason, "made up by the test"))
		s.expect(ctx, translate.ServiceName(eb), endpoints{"192.0.2.10": in})
		Expect(s.serviceOf(ctx, "payments")).To(ownedBy(eb))
		Consistently(func() int {
			return o.requests.counts()[verb+" /api/v1/namespaces/"+s.namespace+"/services/payments"]
		}).Should(BeNumerically("<", 20), "it is tried ever less often")
		o.requests.cause(nil)
		Eventually(s.serviceOf).WithContext(ctx).WithArguments("payments").Should(released)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
	},
		Entry("when it is to be left to the user", http.MethodPut, "released", referenced, HaveField("OwnerReferences", BeEmpty())),
		Entry("when there is another one", http.MethodDelete, "deleted", of("checkout"), BeNil()),
	)

	It("is told no more when it is wanted again", func(ctx SpecContext) {
		o, s := ownOperator(operatorOptions{}), newScene(ctx)
		s.host("192.0.2.10")
		eb := s.backend(ctx, "payments", managed(), entry("rack", "192.0.2.10"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		o.requests.cause(answerFirst(always, "/api/v1/namespaces/"+s.namespace+"/services/payments", forbidden))
		edit(ctx, eb, referenced)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionServiceResolved, no(v1alpha1.ReasonWriteFailed))
		edit(ctx, eb, managed())
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
		Expect(s.serviceOf(ctx, "payments")).To(ownedBy(eb))
	})
})
