// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/targets"
)

// managed has the operator make the Service.
func managed(edits ...func(*v1alpha1.ServiceTemplate)) func(*v1alpha1.ExternalBackend) {
	return func(eb *v1alpha1.ExternalBackend) {
		eb.Spec.Service.Management = v1alpha1.ServiceManaged
		eb.Spec.Ports = []v1alpha1.BackendPort{{Name: "http", Port: 8080, ServicePort: new(int32(80))}}
		eb.Spec.Service.Template = &v1alpha1.ServiceTemplate{}
		for _, edit := range edits {
			edit(eb.Spec.Service.Template)
		}
	}
}

// serviceOf returns a Service; nil if there is none.
func (s *scene) serviceOf(ctx context.Context, name string) *corev1.Service {
	GinkgoHelper()
	var svc corev1.Service
	err := admin.Get(ctx, client.ObjectKey{Namespace: s.namespace, Name: name}, &svc)
	if client.IgnoreNotFound(err) == nil && err != nil {
		return nil
	}
	Expect(err).NotTo(HaveOccurred())
	return &svc
}

// expectService waits until a Service is there and so.
func (s *scene) expectService(ctx context.Context, name string, match types.GomegaMatcher) {
	GinkgoHelper()
	Eventually(s.serviceOf).WithContext(ctx).WithArguments(name).Should(And(Not(BeNil()), match))
}

// ownedBy matches an object that belongs to an ExternalBackend and to nobody
// else.
func ownedBy(eb *v1alpha1.ExternalBackend) types.GomegaMatcher {
	return HaveField("OwnerReferences", ConsistOf(metav1.OwnerReference{
		APIVersion: "externalbackend.dev/v1alpha1", Kind: "ExternalBackend", Name: eb.Name, UID: eb.UID, Controller: new(true),
	}))
}

var _ = Describe("A managed Service", func() {
	var s *scene
	both := endpoints{"192.0.2.10": in, "192.0.2.11": in}
	rack := entry("rack", "192.0.2.10", "192.0.2.11")
	BeforeEach(func(ctx SpecContext) {
		sharedOperator()
		s = newScene(ctx)
		s.host("192.0.2.10")
		s.host("192.0.2.11")
	})
	It("is created as the template says, and served", func(ctx SpecContext) {
		eb := s.backend(ctx, "payments", rack, managed(func(t *v1alpha1.ServiceTemplate) {
			t.Labels = v1alpha1.ServiceLabels{"team": "shop"}
			t.Annotations = v1alpha1.ServiceAnnotations{"example.com/scrape": "yes"}
			t.TrafficDistribution = new("PreferClose")
		}), func(eb *v1alpha1.ExternalBackend) {
			eb.Spec.Ports = append(eb.Spec.Ports, v1alpha1.BackendPort{Name: "dns", Port: 5353, Protocol: v1alpha1.ProtocolUDP, AppProtocol: new("example.com/dns")})
		})
		s.expect(ctx, "payments", both)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
		svc := s.serviceOf(ctx, "payments")
		Expect(svc).To(And(ownedBy(eb),
			HaveField("Labels", Equal(map[string]string{"team": "shop"})),
			HaveField("Annotations", HaveKeyWithValue("example.com/scrape", "yes")),
			HaveField("Spec.Type", corev1.ServiceTypeClusterIP),
			HaveField("Spec.Selector", BeEmpty()),
			HaveField("Spec.ClusterIP", Not(BeEmpty())),
			HaveField("Spec.TrafficDistribution", HaveValue(Equal("PreferClose"))),
			HaveField("Spec.Ports", HaveExactElements(
				And(HaveField("Name", "http"), HaveField("Port", BeEquivalentTo(80)), HaveField("TargetPort", intstr.FromInt32(8080)), HaveField("Protocol", corev1.ProtocolTCP)),
				And(HaveField("Name", "dns"), HaveField("Port", BeEquivalentTo(5353)), HaveField("TargetPort", intstr.FromInt32(5353)),
					HaveField("Protocol", corev1.ProtocolUDP), HaveField("AppProtocol", HaveValue(Equal("example.com/dns")))),
			)),
		))
		Expect(s.slicesOf(ctx, "payments")).To(ConsistOf(And(
			HaveField("Labels", HaveKeyWithValue("team", "shop")),
			HaveField("Annotations", HaveKeyWithValue("externalbackend.dev/service-uid", string(svc.UID))))))
		Eventually(s.statusOf).WithContext(ctx).WithArguments("payments").Should(
			HaveField("Service", HaveValue(Equal(v1alpha1.ServiceStatus{Name: "payments", UID: svc.UID}))))
	})

	It("gets no annotation that the administrator does not allow, which is told", func(ctx SpecContext) {
		s.backend(ctx, "payments", rack, managed(func(t *v1alpha1.ServiceTemplate) {
			t.Annotations = v1alpha1.ServiceAnnotations{"example.com/scrape": "yes", "cloud.example.org/internet-facing": "yes"}
		}))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionAccepted, no(v1alpha1.ReasonAnnotationDenied, "cloud.example.org/internet-facing"))
		s.expect(ctx, "payments", both)
		Expect(s.serviceOf(ctx, "payments").Annotations).To(And(HaveKey("example.com/scrape"), Not(HaveKey("cloud.example.org/internet-facing"))))
	})

	It("follows every later edit of the spec, without a gap", func(ctx SpecContext) {
		eb := s.backend(ctx, "payments", rack, managed(func(t *v1alpha1.ServiceTemplate) {
			t.Labels = v1alpha1.ServiceLabels{"team": "shop", "tier": "gold"}
			t.Annotations = v1alpha1.ServiceAnnotations{"example.com/scrape": "yes"}
			t.TrafficDistribution = new("PreferClose")
			t.IPFamilies = []v1alpha1.IPFamily{"IPv4"}
		}), check(v1alpha1.Check{Name: "http", Port: new(intstr.FromInt32(8080)), HTTP: &v1alpha1.HTTPCheck{}}))
		s.expect(ctx, "payments", both)
		before, seen := s.serviceOf(ctx, "payments"), s.watch(ctx)
		edit(ctx, before.DeepCopy(), func(svc *corev1.Service) {
			svc.Labels["mine"], svc.Annotations["mine"] = "too", "too"
		})

		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) {
			t := eb.Spec.Service.Template
			t.Labels, t.Annotations, t.TrafficDistribution = v1alpha1.ServiceLabels{"team": "bank"}, nil, nil
			t.IPFamilyPolicy, t.IPFamilies = new("RequireDualStack"), nil
			eb.Spec.Ports[0].ServicePort, eb.Spec.Ports[0].Port = new(int32(81)), 9090
		})
		s.expectService(ctx, "payments", And(
			HaveField("UID", before.UID), HaveField("Spec.ClusterIP", before.Spec.ClusterIP),
			HaveField("Labels", Equal(map[string]string{"team": "bank", "mine": "too"})),
			HaveField("Annotations", And(HaveKeyWithValue("mine", "too"), Not(HaveKey("example.com/scrape")))),
			HaveField("Spec.TrafficDistribution", BeNil()), HaveField("Spec.IPFamilies", HaveLen(2)),
			HaveField("Spec.Ports", HaveExactElements(And(
				HaveField("Port", BeEquivalentTo(81)), HaveField("TargetPort", intstr.FromInt32(9090)))))))
		Eventually(s.slicesOf).WithContext(ctx).WithArguments("payments").Should(HaveExactElements(And(
			HaveField("Labels", And(HaveKeyWithValue("team", "bank"), Not(HaveKey("tier")))),
			HaveField("Ports", HaveExactElements(HaveField("Port", HaveValue(BeEquivalentTo(9090))))))))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
		s.expect(ctx, "payments", both)
		Expect(seen.gaps("payments", "192.0.2.10", "192.0.2.11")).To(BeEmpty())
	})

	It("is restored where the user edits what the template says, and left alone elsewhere", func(ctx SpecContext) {
		s.backend(ctx, "payments", rack, managed(func(t *v1alpha1.ServiceTemplate) {
			t.Labels = v1alpha1.ServiceLabels{"team": "shop"}
		}))
		s.expect(ctx, "payments", both)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
		before, seen := s.serviceOf(ctx, "payments"), s.watch(ctx)

		mark := audit.mark()
		edit(ctx, before.DeepCopy(), func(svc *corev1.Service) {
			svc.Labels = map[string]string{"team": "thieves", "mine": "too"}
			svc.Spec.Ports[0].Port = 8888
			svc.Spec.Type = corev1.ServiceTypeNodePort
		})
		s.expectService(ctx, "payments", And(
			HaveField("Labels", Equal(map[string]string{"team": "shop", "mine": "too"})),
			HaveField("Spec.Type", corev1.ServiceTypeClusterIP),
			HaveField("Spec.Ports", BeEquivalentTo(before.Spec.Ports)),
			HaveField("Spec.ClusterIP", before.Spec.ClusterIP)))
		Eventually(s.serviceWrites).WithArguments(mark).Should(HaveExactElements("update payments"))

		mark = audit.mark()
		edit(ctx, before.DeepCopy(), func(svc *corev1.Service) {
			svc.Annotations["mine"] = "too"
			svc.Spec.SessionAffinity = corev1.ServiceAffinityClientIP
			svc.Spec.InternalTrafficPolicy = new(corev1.ServiceInternalTrafficPolicyLocal)
		})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionServiceResolved, yes(v1alpha1.ReasonTrafficPolicyLocal))
		Expect(s.serviceWrites(mark)).To(BeEmpty())
		Expect(s.serviceOf(ctx, "payments").Spec.SessionAffinity).To(Equal(corev1.ServiceAffinityClientIP))
		Expect(seen.gaps("payments", "192.0.2.10", "192.0.2.11")).To(BeEmpty())
	})

	It("is not served with Pods when a user gives it a selector", func(ctx SpecContext) {
		s.backend(ctx, "payments", rack, managed())
		s.expect(ctx, "payments", both)
		seen := s.watch(ctx)
		edit(ctx, s.serviceOf(ctx, "payments"), func(svc *corev1.Service) { svc.Spec.Selector = map[string]string{"app": "payments"} })
		s.expectService(ctx, "payments", HaveField("Spec.Selector", BeEmpty()))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
		Expect(seen.gaps("payments", "192.0.2.10", "192.0.2.11")).To(BeEmpty())
	})

	It("is made anew when a user deletes it, and its slices go along", func(ctx SpecContext) {
		eb := s.backend(ctx, "payments", rack, managed())
		s.expect(ctx, "payments", both)
		old, slice, seen := s.serviceOf(ctx, "payments"), s.slicesOf(ctx, "payments")[0], s.watch(ctx)
		Expect(admin.Delete(ctx, old.DeepCopy())).To(Succeed())
		s.expectService(ctx, "payments", And(ownedBy(eb), HaveField("UID", Not(Equal(old.UID)))))
		again := s.serviceOf(ctx, "payments")
		Eventually(s.slicesOf).WithContext(ctx).WithArguments("payments").Should(ConsistOf(And(
			HaveField("UID", slice.UID),
			HaveField("Annotations", HaveKeyWithValue("externalbackend.dev/service-uid", string(again.UID))))))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
		Expect(seen.gaps("payments", "192.0.2.10", "192.0.2.11")).To(BeEmpty())
	})

	It("keeps what cannot change, which is told, until it is deleted", func(ctx SpecContext) {
		eb := s.backend(ctx, "payments", rack, managed())
		s.expect(ctx, "payments", both)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, yes(v1alpha1.ReasonAllHealthy))
		before, seen, mark := s.serviceOf(ctx, "payments"), s.watch(ctx), audit.mark()
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) {
			eb.Spec.Service.Template.Headless = true
			eb.Spec.Service.Template.Labels = v1alpha1.ServiceLabels{"team": "shop"}
		})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionServiceResolved, no(v1alpha1.ReasonServiceUpdateRefused, "delete the Service"))
		s.expectService(ctx, "payments", And(HaveField("Labels", HaveKey("team")), HaveField("Spec.ClusterIP", before.Spec.ClusterIP)))
		s.host("192.0.2.11").Set(targets.Refuse)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.11": out})
		Expect(s.serviceWrites(mark)).To(HaveLen(1), "the label")

		Expect(admin.Delete(ctx, before.DeepCopy())).To(Succeed())
		s.expectService(ctx, "payments", HaveField("Spec.ClusterIP", corev1.ClusterIPNone))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionServiceResolved, yes(v1alpha1.ReasonServiceResolved))
		Eventually(s.slicesOf).WithContext(ctx).WithArguments("payments").Should(
			HaveEach(HaveField("Labels", HaveKey("service.kubernetes.io/headless"))))
		Expect(seen.gaps("payments", "192.0.2.10")).To(BeEmpty())
	})

	It("that the API server refuses is told in its words, once, and tried again with the next edit", func(ctx SpecContext) {
		quota := &corev1.ResourceQuota{
			ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "no-more"},
			Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourceServices: resource.MustParse("0")}},
		}
		Expect(admin.Create(ctx, quota)).To(Succeed())
		quota.Status = corev1.ResourceQuotaStatus{Hard: quota.Spec.Hard, Used: quota.Spec.Hard}
		Expect(admin.Status().Update(ctx, quota)).To(Succeed())
		try := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "try"}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}}}
		Eventually(func() error { return admin.Create(ctx, try.DeepCopy(), client.DryRunAll) }).Should(MatchError(ContainSubstring("no-more")))

		mark := audit.mark()
		eb := s.backend(ctx, "payments", rack, managed())
		refused := no(v1alpha1.ReasonServiceUpdateRefused, "no-more")
		s.expectCondition(ctx, "payments", v1alpha1.ConditionServiceResolved, refused)
		s.backend(ctx, "neighbour", of("payments"), entry("cage", "192.0.2.12")) // as good a reason as any to look again
		s.expectCondition(ctx, "neighbour", v1alpha1.ConditionServiceResolved, no(v1alpha1.ReasonServiceNotFound))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionServiceResolved, refused)
		Expect(s.serviceWrites(mark)).To(HaveExactElements(HaveSuffix("(403)")))

		Expect(admin.Delete(ctx, quota)).To(Succeed())
		Eventually(func() error { return admin.Create(ctx, try.DeepCopy(), client.DryRunAll) }).Should(Succeed())
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) {
			eb.Spec.Service.Template.Labels = v1alpha1.ServiceLabels{"team": "shop"}
		})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
		Eventually(s.endpointsOf).WithContext(ctx).WithArguments("payments").Should(And(HaveKeyWithValue("192.0.2.10", in), HaveKeyWithValue("192.0.2.11", in)))
		Expect(s.serviceWrites(mark)).To(HaveLen(2))
	})

	It("whose writes fail does not hold up what becomes of its targets", func(ctx SpecContext) {
		o := ownOperator(operatorOptions{})
		eb := s.backend(ctx, "payments", rack, managed())
		s.expect(ctx, "payments", both)
		o.requests.cause(answerFirst(always, "/api/v1/namespaces/"+s.namespace+"/services", internalError))
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) {
			eb.Spec.Service.Template.Labels = v1alpha1.ServiceLabels{"team": "shop"}
		})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionServiceResolved, no(v1alpha1.ReasonWriteFailed))
		s.host("192.0.2.11").Set(targets.Refuse)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.11": out})

		o.requests.cause(nil)
		s.expectService(ctx, "payments", HaveField("Labels", HaveKeyWithValue("team", "shop")))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionServiceResolved, yes(v1alpha1.ReasonServiceResolved))
	})
})
