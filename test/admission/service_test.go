// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package admission_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"externalbackend.dev/operator/internal/translate"
)

const serviceFence = "externalbackend-service-fence"

// service returns a Service as the operator makes it, with changes.
func service(name string, edits ...func(*corev1.Service)) *corev1.Service {
	s := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: name, OwnerReferences: []metav1.OwnerReference{owner},
			Annotations: map[string]string{translate.ManagedKeysAnnotation: `{"owner":{"name":"payments","uid":"8c0dd73e-4d0c-4d5a-a1f5-2d3a1e7a9d11"}}`},
		},
		Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeClusterIP, Ports: []corev1.ServicePort{{Name: "http", Port: 80}}},
	}
	for _, edit := range edits {
		edit(s)
	}
	return s
}

func disowned(s *corev1.Service) { s.OwnerReferences = nil }

func unmarked(s *corev1.Service) { s.Annotations = nil }

// users makes a Service a user's.
func users(s *corev1.Service) {
	disowned(s)
	unmarked(s)
}

func selecting(s *corev1.Service) { s.Spec.Selector = map[string]string{"app": "payments"} }

func external(s *corev1.Service) { s.Spec.ExternalIPs = []string{"192.0.2.99"} }

func nodePort(s *corev1.Service) { s.Spec.Type = corev1.ServiceTypeNodePort }

func loadBalanced(s *corev1.Service) { s.Spec.LoadBalancerIP = "192.0.2.99" }

func notReady(s *corev1.Service) { s.Spec.PublishNotReadyAddresses = true }

const (
	notOurService = "the operator may touch no Service that it did not create"
	noMark        = "must have an ExternalBackend as its controller and the annotation externalbackend.dev/managed-keys"
	otherShape    = "must have type ClusterIP and no selector"
	externalIPs   = "the operator may set no externalIPs"
)

var _ = Describe("A Service of the operator's", func() {
	It("is created, changed, handed over and deleted", func(ctx SpecContext) {
		s := service("payments")
		Expect(operator.Create(ctx, s)).To(Succeed())
		s.Labels, s.Spec.Ports[0].Port = map[string]string{"team": "shop"}, 81
		Expect(operator.Update(ctx, s)).To(Succeed())
		users(s)
		Expect(operator.Update(ctx, s)).To(Succeed())
		Expect(operator.Delete(ctx, s)).To(refusedBy(serviceFence, notOurService), "it is the user's now")
		Expect(unfenced.Delete(ctx, s)).To(Succeed(), "the control case")

		headless := service("payments", func(s *corev1.Service) { s.Spec.ClusterIP = corev1.ClusterIPNone })
		Expect(operator.Create(ctx, headless)).To(Succeed())
		Expect(operator.Delete(ctx, headless)).To(Succeed())
	})

	DescribeTable("is repaired when somebody has changed it", func(ctx SpecContext, edit func(*corev1.Service)) {
		s := service("payments", edit)
		mustCreate(ctx, s)
		s.OwnerReferences, s.Annotations = service("").OwnerReferences, service("").Annotations
		s.Spec.Type, s.Spec.Selector = corev1.ServiceTypeClusterIP, nil
		Expect(operator.Update(ctx, s)).To(Succeed())
	},
		Entry("without the owner", disowned),
		Entry("without the record", unmarked),
		Entry("with a selector", selecting),
		Entry("with another type", nodePort),
		Entry("with external IPs, which stay theirs", external),
		Entry("with the address of a load balancer, which stays theirs", loadBalanced),
		Entry("with addresses that are not ready, which stays theirs", notReady),
	)

	It("is handed over with the shape that its user gave it", func(ctx SpecContext) {
		s := service("payments", external, nodePort, selecting)
		mustCreate(ctx, s)
		users(s)
		Expect(operator.Update(ctx, s)).To(Succeed())
	})

	It("is deleted when somebody has removed the owner", func(ctx SpecContext) {
		s := service("payments", disowned)
		mustCreate(ctx, s)
		Expect(operator.Delete(ctx, s)).To(Succeed())
	})
})

var _ = Describe("The fence of Services", func() {
	DescribeTable("keeps the operator from creating one", func(ctx SpecContext, edit func(*corev1.Service), message string) {
		Expect(operator.Create(ctx, service("payments", edit))).To(refusedBy(serviceFence, message))
		s := service("payments", edit)
		Expect(unfenced.Create(ctx, s)).To(Succeed(), "the control case")
		Expect(unfenced.Delete(ctx, s)).To(Succeed())
	},
		Entry("without an owner", disowned, noMark),
		Entry("without the record", unmarked, noMark),
		Entry("without either", users, noMark),
		Entry("with an owner of another kind", func(s *corev1.Service) { s.OwnerReferences[0].Kind = "Deployment" }, noMark),
		Entry("with an owner of another group", func(s *corev1.Service) { s.OwnerReferences[0].APIVersion = "example.com/v1" }, noMark),
		Entry("with an owner that is no controller", func(s *corev1.Service) { s.OwnerReferences[0].Controller = nil }, noMark),
		Entry("with a selector", selecting, otherShape),
		Entry("with external IPs", external, externalIPs),
		Entry("with the address of a load balancer", loadBalanced, "may set no loadBalancerIP"),
		Entry("with addresses that are not ready", notReady, "may not set publishNotReadyAddresses"),
		Entry("with an external name besides", func(s *corev1.Service) { s.Spec.ExternalName = "metadata.google.internal" }, "may set no externalName"),
		Entry("with node ports", nodePort, otherShape),
		Entry("with a load balancer", func(s *corev1.Service) { s.Spec.Type = corev1.ServiceTypeLoadBalancer }, otherShape),
		Entry("with an external name", func(s *corev1.Service) {
			s.Spec = corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "metadata.google.internal"}
		}, otherShape),
	)

	DescribeTable("keeps the operator from changing one of its own", func(ctx SpecContext, edit func(*corev1.Service), message string) {
		s := service("payments")
		mustCreate(ctx, s)
		edit(s)
		Expect(operator.Update(ctx, s.DeepCopy())).To(refusedBy(serviceFence, message))
		Expect(unfenced.Update(ctx, s.DeepCopy())).To(Succeed(), "the control case")
	},
		Entry("into one without an owner", disowned, noMark),
		Entry("into one without the record", unmarked, noMark),
		Entry("into one with a selector", selecting, otherShape),
		Entry("into one with external IPs", external, externalIPs),
		Entry("into one with the address of a load balancer", loadBalanced, "may set no loadBalancerIP"),
		Entry("into one with addresses that are not ready", notReady, "may not set publishNotReadyAddresses"),
		Entry("while handing it over", func(s *corev1.Service) {
			users(s)
			selecting(s)
		}, noMark),
	)

	DescribeTable("keeps the operator from touching one of others", func(ctx SpecContext, edit func(*corev1.Service)) {
		s := service("payments", edit)
		mustCreate(ctx, s)
		taken := s.DeepCopy()
		taken.OwnerReferences, taken.Annotations = service("").OwnerReferences, service("").Annotations
		Expect(operator.Update(ctx, taken.DeepCopy())).To(refusedBy(serviceFence, notOurService))
		Expect(operator.Delete(ctx, s)).To(refusedBy(serviceFence, notOurService))
		Expect(unfenced.Update(ctx, taken)).To(Succeed(), "the control case")
		Expect(unfenced.Delete(ctx, s)).To(Succeed(), "the control case")
	},
		Entry("a user's", users),
		Entry("one of another controller, whatever it says", func(s *corev1.Service) { s.OwnerReferences[0].Kind = "Deployment" }),
	)
})
