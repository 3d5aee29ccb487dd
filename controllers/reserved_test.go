// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/targets"
)

var _ = Describe("The Service of the API server", func() {
	// inDefault works where that Service is.
	inDefault := &scene{namespace: metav1.NamespaceDefault, hosts: make(map[string]*targets.Host)}
	create := func(ctx context.Context, o client.Object) {
		GinkgoHelper()
		Expect(admin.Create(ctx, o)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(client.IgnoreNotFound(admin.Delete(ctx, o))).To(Succeed()) })
	}
	names := func(list []discoveryv1.EndpointSlice) (names []string) {
		for i := range list {
			names = append(names, list[i].Name)
		}
		return names
	}

	DescribeTable("is never served by an ExternalBackend", func(ctx SpecContext, management func(*v1alpha1.ExternalBackend)) {
		sharedOperator()
		s := newScene(ctx)
		s.service(ctx, "payments")
		s.backend(ctx, "payments", none, entry("rack", "192.0.2.77"))
		s.expect(ctx, "payments", endpoints{"192.0.2.77": in})

		evil := inDefault.backend(ctx, "evil", of("kubernetes"), none, entry("rack", "192.0.2.77"), management, func(eb *v1alpha1.ExternalBackend) {
			eb.Spec.Ports = []v1alpha1.BackendPort{{Name: "https", Port: 6443}}
		})
		DeferCleanup(func(ctx SpecContext) { Expect(admin.Delete(ctx, evil)).To(Succeed()) })
		inDefault.expectCondition(ctx, "evil", v1alpha1.ConditionServiceResolved, no(v1alpha1.ReasonServiceReserved, "spec.service.name"))
		inDefault.expectCondition(ctx, "evil", v1alpha1.ConditionStalled, yes(v1alpha1.ReasonServiceReserved))
		inDefault.expectCondition(ctx, "evil", v1alpha1.ConditionPublished, no(v1alpha1.ReasonNotPublishable))
		Expect(names(inDefault.slicesOf(ctx, "kubernetes"))).To(ConsistOf("kubernetes"))
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(endpoints{"192.0.2.77": in}), "the address is the API server's now")
	},
		Entry("that refers to it", func(*v1alpha1.ExternalBackend) {}),
		Entry("that would manage it", managed()),
	)

	It("reads no slice of somebody else as the API server's", func(ctx SpecContext) {
		create(ctx, &discoveryv1.EndpointSlice{
			ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: "decoy", Labels: map[string]string{
				discoveryv1.LabelServiceName: "kubernetes", discoveryv1.LabelManagedBy: "somebody",
			}},
			AddressType: discoveryv1.AddressTypeIPv4, Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"192.0.2.77"}}},
		})
		ownOperator(operatorOptions{}) // it knows all slices when it decides first
		s := newScene(ctx)
		s.service(ctx, "payments")
		s.backend(ctx, "payments", none, entry("rack", "192.0.2.77"))
		s.expect(ctx, "payments", endpoints{"192.0.2.77": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
	})
})
