// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/targets"
)

// scene is a namespace of a spec's own and what it makes in there.
type scene struct {
	namespace string
	hosts     map[string]*targets.Host
}

// newScene makes a namespace. When the spec ends, its ExternalBackends and
// slices go, so that no operator works for them any longer; there is no
// controller that would remove the namespace.
func newScene(ctx context.Context) *scene {
	GinkgoHelper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "shop-"}}
	Expect(admin.Create(ctx, ns)).To(Succeed())
	s := &scene{namespace: ns.Name, hosts: make(map[string]*targets.Host)}
	DeferCleanup(func(ctx SpecContext) {
		in := client.InNamespace(s.namespace)
		Expect(admin.DeleteAllOf(ctx, &v1alpha1.ExternalBackend{}, in)).To(Succeed())
		if shared == nil {
			Expect(admin.DeleteAllOf(ctx, &discoveryv1.EndpointSlice{}, in)).To(Succeed())
		}
		Eventually(s.ours).WithContext(ctx).Should(BeEmpty(), "slices outlive their ExternalBackend")
		for address := range s.hosts {
			network.Remove(address)
		}
	})
	return s
}

// host is a host outside the cluster, on port 8080.
func (s *scene) host(address string) *targets.Host {
	GinkgoHelper()
	if !strings.Contains(address, "]") && strings.Count(address, ":") > 1 {
		address = "[" + address + "]"
	}
	if !strings.HasSuffix(address, ":8080") {
		address += ":8080"
	}
	h, err := network.Host(address)
	Expect(err).NotTo(HaveOccurred())
	s.hosts[address] = h
	return h
}

// service creates a Service without a selector, for both families, with one
// port that the targets serve on 8080.
func (s *scene) service(ctx context.Context, name string, edits ...func(*corev1.Service)) *corev1.Service {
	GinkgoHelper()
	svc := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: name},
		Spec: corev1.ServiceSpec{
			IPFamilyPolicy: new(corev1.IPFamilyPolicyRequireDualStack),
			Ports:          []corev1.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromInt32(8080)}},
		},
	}
	for _, edit := range edits {
		edit(svc)
	}
	Expect(admin.Create(ctx, svc)).To(Succeed())
	return svc
}

// backend creates an ExternalBackend whose targets are checked by HTTP every
// second: one failure makes a verdict pending, two of them one. Nothing drains.
func (s *scene) backend(ctx context.Context, name string, edits ...func(*v1alpha1.ExternalBackend)) *v1alpha1.ExternalBackend {
	GinkgoHelper()
	eb := &v1alpha1.ExternalBackend{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: name},
		Spec: v1alpha1.ExternalBackendSpec{
			HealthCheck: v1alpha1.HealthCheck{
				Interval: "1s", EdgeInterval: "1s", HealthyThreshold: 1, UnhealthyThreshold: 2,
				Checks: []v1alpha1.Check{{Name: "http", HTTP: &v1alpha1.HTTPCheck{Path: "/healthz"}}},
			},
			Drain: v1alpha1.DrainPolicy{Duration: "0s"},
		},
	}
	for _, edit := range edits {
		edit(eb)
	}
	Expect(admin.Create(ctx, eb)).To(Succeed())
	return eb
}

// entry adds a target entry.
func entry(name string, addresses ...string) func(*v1alpha1.ExternalBackend) {
	ip := &v1alpha1.IPTarget{}
	for _, a := range addresses {
		ip.Addresses = append(ip.Addresses, v1alpha1.IPAddress(a))
	}
	return func(eb *v1alpha1.ExternalBackend) {
		eb.Spec.Targets = append(eb.Spec.Targets, v1alpha1.Target{Name: name, IP: ip})
	}
}

// of makes an ExternalBackend serve a Service of another name.
func of(service string) func(*v1alpha1.ExternalBackend) {
	return func(eb *v1alpha1.ExternalBackend) { eb.Spec.Service.Name = service }
}

// check replaces the check.
func check(c v1alpha1.Check) func(*v1alpha1.ExternalBackend) {
	return func(eb *v1alpha1.ExternalBackend) { eb.Spec.HealthCheck.Checks = []v1alpha1.Check{c} }
}

var (
	tcp  = check(v1alpha1.Check{Name: "tcp", TCP: &v1alpha1.TCPCheck{}})
	none = check(v1alpha1.Check{Name: "none", None: &v1alpha1.NoCheck{}})
)

// edit changes an object as a user does, with the version that is there.
func edit[T client.Object](ctx context.Context, object T, change func(T)) T {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(object), object)).To(Succeed())
		change(object)
		g.Expect(admin.Update(ctx, object)).To(Succeed())
	}).Should(Succeed())
	return object
}

// foreignSlice creates a slice of a Service that somebody else manages.
func (s *scene) foreignSlice(ctx context.Context, service, name, manager string, addresses ...string) *discoveryv1.EndpointSlice {
	GinkgoHelper()
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: name, Labels: map[string]string{
			discoveryv1.LabelServiceName: service, discoveryv1.LabelManagedBy: manager,
		}},
		AddressType: discoveryv1.AddressTypeIPv4,
	}
	for _, address := range addresses {
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{
			Addresses:  []string{address},
			Conditions: discoveryv1.EndpointConditions{Ready: new(true), Serving: new(true), Terminating: new(false)},
		})
	}
	Expect(admin.Create(ctx, slice)).To(Succeed())
	return slice
}

// nextSecond waits until what is created now is younger than an object: the
// API server tells creation times in whole seconds.
func (s *scene) nextSecond(o client.Object) {
	GinkgoHelper()
	Eventually(time.Now).Should(BeTemporally(">=", o.GetCreationTimestamp().Add(time.Second)))
}

// objectMeta returns what of an object's metadata is given by its creator.
func objectMeta(o client.Object) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace: o.GetNamespace(), Name: o.GetName(), Labels: o.GetLabels(),
		Annotations: o.GetAnnotations(), OwnerReferences: o.GetOwnerReferences(),
	}
}
