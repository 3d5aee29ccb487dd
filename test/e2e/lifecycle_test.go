// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e && linux

package e2e

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/rack"
)

// collectBound is how long the garbage collector may take: it looks only every
// 30 s whether there are new kinds, such as ours in a new cluster.
const collectBound = time.Minute

// allSlices returns the namespace's EndpointSlices, of whatever Service.
func (s *scene) allSlices(ctx context.Context) []discoveryv1.EndpointSlice {
	GinkgoHelper()
	var list discoveryv1.EndpointSliceList
	Expect(api.List(ctx, &list, client.InNamespace(s.namespace))).To(Succeed())
	return list.Items
}

// gone says whether the object is not there any more.
func gone(ctx context.Context, object client.Object) bool {
	return apierrors.IsNotFound(api.Get(ctx, client.ObjectKeyFromObject(object), object))
}

// managed lets the operator create the Service, with the port http (80, to 8080).
func managed(b *v1alpha1.ExternalBackend) {
	b.Spec.Service.Management = v1alpha1.ServiceManaged
	b.Spec.Service.Template = &v1alpha1.ServiceTemplate{IPFamilyPolicy: new(string(corev1.IPFamilyPolicyPreferDualStack))}
	b.Spec.Ports = []v1alpha1.BackendPort{{Name: "http", Port: 8080, ServicePort: new(int32(80))}}
}

var _ = Describe("Life cycle", func() {
	It("leaves nothing of a deleted ExternalBackend", func(ctx SpecContext) {
		s := newScene(ctx)
		s.service(ctx, "web")
		backend := s.backend(ctx, "web", installed.Hosts)
		s.eventuallyRouted(ctx, "web", "http", addresses(installed.Hosts...)...)
		Expect(api.Delete(ctx, backend)).To(Succeed())
		Eventually(s.allSlices).WithContext(ctx).Should(BeEmpty())
		s.eventuallyRouted(ctx, "web", "http")
	})

	It("has kube-controller-manager's garbage collector delete the slices while no operator runs", func(ctx SpecContext) {
		s := newScene(ctx)
		s.service(ctx, "web")
		backend := s.backend(ctx, "web", installed.Hosts)
		s.eventuallyPublished(ctx, "web", map[string][]*rack.Host{healthy: installed.Hosts})
		withoutOperator(ctx)
		Expect(api.Delete(ctx, backend)).To(Succeed())
		Eventually(s.allSlices).WithContext(ctx).WithTimeout(collectBound).Should(BeEmpty())
		s.eventuallyRouted(ctx, "web", "http")
	})

	It("keeps nothing in kube-proxy of a deleted Service, serves the next one of that name, and leaves nothing when both are deleted", func(ctx SpecContext) {
		s := newScene(ctx)
		service := s.service(ctx, "web")
		backend := s.backend(ctx, "web", installed.Hosts)
		s.eventuallyRouted(ctx, "web", "http", addresses(installed.Hosts...)...)
		Expect(api.Delete(ctx, service)).To(Succeed())
		s.eventuallyRouted(ctx, "web", "http")
		s.eventuallyCondition(ctx, "web", v1alpha1.ConditionServiceResolved, "False", v1alpha1.ReasonServiceNotFound)
		again := s.service(ctx, "web")
		s.eventuallyRouted(ctx, "web", "http", addresses(installed.Hosts...)...)
		for _, to := range clusterIPs(again, 80) {
			Expect(answerers(ctx, nil, to)).To(Equal(names(installed.Hosts...)))
		}
		Expect(api.Delete(ctx, again)).To(Succeed())
		s.eventuallyRouted(ctx, "web", "http")
		Expect(api.Delete(ctx, backend)).To(Succeed())
		Eventually(s.allSlices).WithContext(ctx).Should(BeEmpty())
	})

	It("rule 50: hands the slices over to a Service that was recreated, without taking them down", func(ctx SpecContext) {
		s := newScene(ctx)
		service := s.service(ctx, "web")
		s.backend(ctx, "web", installed.Hosts)
		s.eventuallyPublished(ctx, "web", map[string][]*rack.Host{healthy: installed.Hosts})
		before := map[string]string{}
		for _, slice := range s.ours(ctx, "web") {
			before[slice.Name] = string(slice.UID)
		}
		Expect(api.Delete(ctx, service)).To(Succeed())
		again := s.service(ctx, "web")
		Eventually(func(g Gomega) {
			after := map[string]string{}
			for _, slice := range s.ours(ctx, "web") {
				after[slice.Name] = string(slice.UID)
				g.Expect(slice.Annotations).To(ContainElement(string(again.UID)))
			}
			g.Expect(after).To(Equal(before))
		}).WithContext(ctx).Should(Succeed())
		s.eventuallyPublished(ctx, "web", map[string][]*rack.Host{healthy: installed.Hosts})
		s.eventuallyRouted(ctx, "web", "http", addresses(installed.Hosts...)...)
	})

	It("leaves nothing of a deleted namespace", func(ctx SpecContext) {
		s := newScene(ctx)
		s.service(ctx, "web")
		s.service(ctx, "db", headless)
		s.backend(ctx, "web", installed.Hosts)
		s.backend(ctx, "db", installed.Hosts)
		s.backend(ctx, "own", installed.Hosts, managed)
		s.eventuallyPublished(ctx, "web", map[string][]*rack.Host{healthy: installed.Hosts})
		s.eventuallyPublished(ctx, "db", map[string][]*rack.Host{healthy: installed.Hosts})
		s.eventuallyPublished(ctx, "own", map[string][]*rack.Host{healthy: installed.Hosts})
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.namespace}}
		Expect(api.Delete(ctx, namespace)).To(Succeed())
		Eventually(gone).WithContext(ctx).WithArguments(namespace).Should(BeTrue())
		Expect(s.allSlices(ctx)).To(BeEmpty())
	})

	It("creates a managed Service, serves it, and leaves nothing of it", func(ctx SpecContext) {
		s := newScene(ctx)
		backend := s.backend(ctx, "web", installed.Hosts, managed)
		s.eventuallyRouted(ctx, "web", "http", addresses(installed.Hosts...)...)
		service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "web"}}
		Expect(api.Get(ctx, client.ObjectKeyFromObject(service), service)).To(Succeed())
		Expect(answers(ctx, nil, clusterIPs(service, 80)[0])).To(HaveLen(len(installed.Hosts)))
		Expect(api.Delete(ctx, backend)).To(Succeed())
		Eventually(gone).WithContext(ctx).WithArguments(service).Should(BeTrue())
		Eventually(s.allSlices).WithContext(ctx).Should(BeEmpty())
	})
})
