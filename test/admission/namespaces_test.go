// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package admission_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	fencedLabel = "externalbackend.dev/fenced"

	closedToSlices   = "the operator may write no EndpointSlice in a namespace that is fenced"
	closedToServices = "the operator may write no Service in a namespace that is fenced"
	apiServers       = "the Service kubernetes in the namespace default is the API server's"
)

// serving gives a slice the port of a Service of somebody else, and has it serve.
func serving(service string, port int32) func(*discoveryv1.EndpointSlice) {
	return func(s *discoveryv1.EndpointSlice) {
		s.Labels[discoveryv1.LabelServiceName] = service
		s.Ports = []discoveryv1.EndpointPort{{Name: new("port"), Port: new(port), Protocol: new(corev1.ProtocolTCP)}}
		s.Endpoints[0].Conditions.Ready = new(true)
	}
}

// draining serves those that it serves already, and takes no others.
var draining = discoveryv1.EndpointConditions{Ready: new(false), Serving: new(true), Terminating: new(true)}

func inside(namespace string) func(*discoveryv1.EndpointSlice) {
	return func(s *discoveryv1.EndpointSlice) { s.Namespace = namespace }
}

// label sets the label of a namespace, until the spec is over and the API server
// has noticed; "" is none.
func label(ctx context.Context, namespace, value string) {
	GinkgoHelper()
	set := func(ctx context.Context, value string) {
		var ns corev1.Namespace
		Expect(admin.Get(ctx, client.ObjectKey{Name: namespace}, &ns)).To(Succeed())
		before := client.MergeFrom(ns.DeepCopy())
		if ns.Labels == nil {
			ns.Labels = map[string]string{}
		}
		if ns.Labels[fencedLabel] = value; value == "" {
			delete(ns.Labels, fencedLabel)
		}
		Expect(admin.Patch(ctx, &ns, before)).To(Succeed())
	}
	set(ctx, value)
	DeferCleanup(func(ctx SpecContext) {
		set(ctx, "")
		as := Succeed()
		if namespace == "kube-system" {
			as = refusedBy(sliceFence, closedToSlices)
		}
		Eventually(func(ctx context.Context) error {
			return client.NewDryRunClient(operator).Create(ctx, slice("trial", inside(namespace)))
		}).WithContext(ctx).Should(as)
	}, NodeTimeout(time.Minute))
}

var _ = Describe("Whoever gets hold of the operator's token gives no endpoints", Serial, func() {
	// refused expects it of creating a slice, and of making one of one that is
	// there, which can be deleted.
	refused := func(ctx context.Context, in string, edit func(*discoveryv1.EndpointSlice), message string) {
		GinkgoHelper()
		evil := slice("evil", inside(in), edit)
		Eventually(func(ctx context.Context) error {
			return client.NewDryRunClient(operator).Create(ctx, evil.DeepCopy())
		}).WithContext(ctx).Should(refusedBy(sliceFence, message))
		Expect(operator.Create(ctx, evil.DeepCopy())).To(refusedBy(sliceFence, message))
		Expect(client.NewDryRunClient(unfenced).Create(ctx, evil.DeepCopy())).To(Succeed(), "the control case")

		there := stored(ctx, slice("evil", inside(in)))
		changed := there.DeepCopy()
		edit(changed)
		Expect(operator.Update(ctx, changed.DeepCopy())).To(refusedBy(sliceFence, message))
		Expect(client.NewDryRunClient(unfenced).Update(ctx, changed)).To(Succeed(), "the control case")
		Expect(operator.Delete(ctx, there)).To(Succeed())
	}

	It("to the cluster's DNS", func(ctx SpecContext) {
		refused(ctx, "kube-system", serving("kube-dns", 53), closedToSlices)
	})

	It("to the API server", func(ctx SpecContext) {
		refused(ctx, "default", serving("kubernetes", 443), apiServers)
		label(ctx, "default", "false")
		refused(ctx, "default", serving("kubernetes", 443), apiServers)
	})

	It("in a namespace that is fenced", func(ctx SpecContext) {
		mustCreate(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "vault", Labels: map[string]string{fencedLabel: "true"}}})
		refused(ctx, "vault", serving("vault", 8200), closedToSlices)
	})

	It("in a namespace that is fenced, but by taking some out", func(ctx SpecContext) {
		label(ctx, namespace, "true")
		before := stored(ctx, slice("payments", addresses("192.0.2.10", "192.0.2.11", "192.0.2.12"), serving("payments", 80), func(s *discoveryv1.EndpointSlice) {
			s.Endpoints[1].Conditions = discoveryv1.EndpointConditions{Ready: new(false), Serving: new(false), Terminating: new(true)}
			s.Endpoints[2].Hostname = new("c")
		}))
		Eventually(func(ctx context.Context) error {
			return client.NewDryRunClient(operator).Create(ctx, slice("trial"))
		}).WithContext(ctx).Should(refusedBy(sliceFence, closedToSlices))
		for what, edit := range map[string]func(*discoveryv1.EndpointSlice){
			"nothing":          func(*discoveryv1.EndpointSlice) {},
			"the first":        func(s *discoveryv1.EndpointSlice) { s.Endpoints = s.Endpoints[1:] },
			"the last":         func(s *discoveryv1.EndpointSlice) { s.Endpoints = s.Endpoints[:2] },
			"one in between":   func(s *discoveryv1.EndpointSlice) { s.Endpoints = slices.Delete(s.Endpoints, 1, 2) },
			"all":              func(s *discoveryv1.EndpointSlice) { s.Endpoints = nil },
			"what one does":    func(s *discoveryv1.EndpointSlice) { s.Endpoints[0].Conditions.Ready = new(false) },
			"one, by draining": func(s *discoveryv1.EndpointSlice) { s.Endpoints[0].Conditions = draining },
			"one, when it tells": func(s *discoveryv1.EndpointSlice) {
				s.Annotations = map[string]string{"externalbackend.dev/endpoint-state": "{}"}
			},
		} {
			after := before.DeepCopy()
			edit(after)
			Expect(client.NewDryRunClient(operator).Update(ctx, after)).To(Succeed(), what)
		}
		for what, edit := range map[string]func(*discoveryv1.EndpointSlice){
			"another address":  func(s *discoveryv1.EndpointSlice) { s.Endpoints[0].Addresses[0] = "192.0.2.13" },
			"one address more": func(s *discoveryv1.EndpointSlice) { s.Endpoints[0].Addresses = []string{"192.0.2.10", "192.0.2.13"} },
			"one endpoint more": func(s *discoveryv1.EndpointSlice) {
				s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{Addresses: []string{"192.0.2.13"}})
			},
			"one that is ready":            func(s *discoveryv1.EndpointSlice) { s.Endpoints[1].Conditions.Ready = new(true) },
			"one that is ready, unsaid":    func(s *discoveryv1.EndpointSlice) { s.Endpoints[1].Conditions.Ready = nil },
			"one without conditions":       func(s *discoveryv1.EndpointSlice) { s.Endpoints[1].Conditions = discoveryv1.EndpointConditions{} },
			"one that serves as it drains": func(s *discoveryv1.EndpointSlice) { s.Endpoints[1].Conditions = draining },
			"another name of one":          func(s *discoveryv1.EndpointSlice) { s.Endpoints[0].Hostname = new("c") },
			"another node of one":          func(s *discoveryv1.EndpointSlice) { s.Endpoints[0].NodeName = new("node") },
			"another port":                 func(s *discoveryv1.EndpointSlice) { s.Ports[0].Port = new(int32(443)) },
			"another name of the port":     func(s *discoveryv1.EndpointSlice) { s.Ports[0].Name = new("https") },
			"a port more": func(s *discoveryv1.EndpointSlice) {
				s.Ports = append(s.Ports, discoveryv1.EndpointPort{Name: new("more"), Port: new(int32(443))})
			},
			"no ports, which may be any":     func(s *discoveryv1.EndpointSlice) { s.Ports = nil },
			"another Service":                func(s *discoveryv1.EndpointSlice) { s.Labels[discoveryv1.LabelServiceName] = "vault" },
			"a label by which others see it": func(s *discoveryv1.EndpointSlice) { s.Labels["service.kubernetes.io/service-proxy-name"] = "mesh" },
		} {
			for name, less := range map[string]func(*discoveryv1.EndpointSlice){
				what: func(*discoveryv1.EndpointSlice) {}, what + " and one endpoint less": func(s *discoveryv1.EndpointSlice) { s.Endpoints = slices.Delete(s.Endpoints, 2, 3) },
			} {
				after := before.DeepCopy()
				edit(after)
				less(after)
				Expect(client.NewDryRunClient(operator).Update(ctx, after.DeepCopy())).To(refusedBy(sliceFence, closedToSlices), name)
				Expect(client.NewDryRunClient(unfenced).Update(ctx, after)).To(Succeed(), "the control case: %s", name)
			}
		}
	})

	It("in a namespace that is fenced, but by taking one out of the largest slice", func(ctx SpecContext) {
		label(ctx, namespace, "true")
		list := make([]string, 1000)
		for i := range list {
			list[i] = netip.MustParseAddr(fmt.Sprintf("2001:db8:1111:2222:3333:4444:%x:%x", i/250+1, i%250+1)).String()
		}
		before := stored(ctx, slice("payments", addresses(list...)))
		for name, at := range map[string]int{"the first": 0, "one in the middle": 500, "the last": 999} {
			after := before.DeepCopy()
			after.Endpoints[100].Conditions = draining
			after.Endpoints = slices.Delete(after.Endpoints, at, at+1)
			Expect(client.NewDryRunClient(operator).Update(ctx, after)).To(Succeed(), name)
		}
	})

	It("in a namespace with a value of the label that nobody knows", func(ctx SpecContext) {
		label(ctx, namespace, "yes")
		refused(ctx, namespace, serving("payments", 80), closedToSlices)
	})

	DescribeTable("nor Services", func(ctx SpecContext, in, name, message string, value string) {
		label(ctx, in, value)
		edit := func(s *corev1.Service) { s.Namespace = in }
		try := func(ctx context.Context) error {
			return client.NewDryRunClient(operator).Create(ctx, service(name, edit))
		}
		Eventually(try).WithContext(ctx).Should(refusedBy(serviceFence, message))
		if name != "kubernetes" {
			Expect(client.NewDryRunClient(unfenced).Create(ctx, service(name, edit))).To(Succeed(), "the control case")
		}
	},
		Entry("in kube-system", "kube-system", "evil", closedToServices, ""),
		Entry("in a namespace that is fenced", namespace, "evil", closedToServices, "true"),
		Entry("in the place of the API server's", "default", "kubernetes", apiServers, ""),
	)
})

var _ = Describe("In kube-system", Serial, func() {
	It("the operator works when an administrator has opened it", func(ctx SpecContext) {
		label(ctx, "kube-system", "false")
		opened := slice("metrics-server", inside("kube-system"))
		Eventually(func(ctx context.Context) error { return operator.Create(ctx, opened) }).WithContext(ctx).Should(Succeed())
		addresses("192.0.2.11")(opened)
		Expect(operator.Update(ctx, opened)).To(Succeed())
		Expect(operator.Delete(ctx, opened)).To(Succeed())
		made := service("metrics-server", func(s *corev1.Service) { s.Namespace = "kube-system" })
		Expect(operator.Create(ctx, made)).To(Succeed())
		Expect(operator.Delete(ctx, made)).To(Succeed())
	})

	It("nothing of others is touched by the fence", func(ctx SpecContext) {
		dns := stored(ctx, slice("dns", inside("kube-system"), foreign, serving("kube-dns", 53)))
		dns.Endpoints[0].Conditions.Ready = new(false)
		Expect(unfenced.Update(ctx, dns)).To(Succeed())
	})
})
