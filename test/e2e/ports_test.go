// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e && linux

package e2e

import (
	"context"
	"net/netip"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/rack"
	"externalbackend.dev/operator/test/traffic"
)

// twoPorts gives a Service the ports http (80, to 8080) and admin (81, to 9090).
func twoPorts(service *corev1.Service) {
	service.Spec.Ports = append(service.Spec.Ports, corev1.ServicePort{Name: "admin", Port: 81, TargetPort: intstr.FromInt32(9090)})
}

// leads publishes only one port.
func leads(name string, port int32) func(*v1alpha1.ExternalBackend) {
	return func(b *v1alpha1.ExternalBackend) { b.Spec.Ports = []v1alpha1.BackendPort{{Name: name, Port: port}} }
}

func describePorts() {
	It("leads each port to the right process where the same address is in several slices with different ports", func(ctx SpecContext) {
		s := newScene(ctx)
		service := s.service(ctx, "web", twoPorts)
		h := installed.Hosts[0]
		s.backend(ctx, "web", []*rack.Host{h}, leads("http", 8080))
		s.backend(ctx, "web-admin", []*rack.Host{h}, behind("web"), leads("admin", 9090))
		s.eventuallyRouted(ctx, "web", "http", h.Addresses()...)
		s.eventuallyRouted(ctx, "web", "admin", h.Addresses()...)
		Expect(s.ours(ctx, "web")).To(HaveLen(4), "a slice for each family and port")
		for _, to := range clusterIPs(service, 80) {
			Expect(answers(ctx, nil, to)).To(Equal([]traffic.Answer{{Host: h.Name, Port: 8080}}))
		}
		for _, to := range clusterIPs(service, 81) {
			Expect(answers(ctx, nil, to)).To(Equal([]traffic.Answer{{Host: h.Name, Port: 9090}}))
		}
	})

	It("leads each port of several addresses to the right process", func(ctx SpecContext) {
		s := newScene(ctx)
		service := s.service(ctx, "web", twoPorts)
		a, b := installed.Hosts[0], installed.Hosts[1]
		s.backend(ctx, "web", []*rack.Host{a}, leads("http", 8080))
		s.backend(ctx, "web-admin", []*rack.Host{b}, behind("web"), leads("admin", 9090))
		s.eventuallyRouted(ctx, "web", "http", a.Addresses()...)
		s.eventuallyRouted(ctx, "web", "admin", b.Addresses()...)
		for _, to := range clusterIPs(service, 80) {
			Expect(answers(ctx, nil, to)).To(Equal([]traffic.Answer{{Host: a.Name, Port: 8080}}))
		}
		for _, to := range clusterIPs(service, 81) {
			Expect(answers(ctx, nil, to)).To(Equal([]traffic.Answer{{Host: b.Name, Port: 9090}}))
		}
	})

	It("sends the traffic of an entry with ports of its own to these", func(ctx SpecContext) {
		s := newScene(ctx)
		service := s.service(ctx, "web")
		a, b := installed.Hosts[0], installed.Hosts[1]
		s.backend(ctx, "web", []*rack.Host{a, b}, func(backend *v1alpha1.ExternalBackend) {
			backend.Spec.Targets[1].Ports = []v1alpha1.TargetPort{{Name: "http", Port: 9090}}
		})
		s.eventuallyRouted(ctx, "web", "http", addresses(a, b)...)
		for _, to := range clusterIPs(service, 80) {
			Expect(answers(ctx, nil, to)).To(Equal([]traffic.Answer{{Host: a.Name, Port: 8080}, {Host: b.Name, Port: 9090}}))
		}
	})

	It("rule 13: leads by the name and protocol of the Service port, unnamed ones too, to the number of the target's", func(ctx SpecContext) {
		s := newScene(ctx)
		h := installed.Hosts[0]
		service := s.service(ctx, "web", func(service *corev1.Service) {
			service.Spec.Ports = []corev1.ServicePort{
				{Name: "tcp", Protocol: corev1.ProtocolTCP, Port: 53, TargetPort: intstr.FromInt32(8080)},
				{Name: "udp", Protocol: corev1.ProtocolUDP, Port: 53, TargetPort: intstr.FromInt32(9090)},
			}
		})
		s.backend(ctx, "web", []*rack.Host{h})
		s.eventuallyRoutedBy(ctx, "web", "tcp", "tcp", h.Addresses()...)
		s.eventuallyRoutedBy(ctx, "web", "udp", "udp", h.Addresses()...)
		unnamed := s.service(ctx, "unnamed", func(service *corev1.Service) { service.Spec.Ports[0].Name = "" })
		s.backend(ctx, "unnamed", []*rack.Host{h}, leads("", 9090))
		s.eventuallyRouted(ctx, "unnamed", "", h.Addresses()...)
		for i, to := range clusterIPs(service, 53) {
			Expect(answers(ctx, nil, to)).To(Equal([]traffic.Answer{{Host: h.Name, Port: 8080}}))
			Eventually(func() (traffic.Answer, error) { return askUDP(ctx, to, 0) }).WithContext(ctx).Should(Equal(traffic.Answer{Host: h.Name, Port: 9090}))
			Expect(answers(ctx, nil, clusterIPs(unnamed, 80)[i])).To(Equal([]traffic.Answer{{Host: h.Name, Port: 9090}}))
		}
	})

	It("resolves a named targetPort by spec.ports, differently for an entry with ports of its own", func(ctx SpecContext) {
		s := newScene(ctx)
		a, b := installed.Hosts[0], installed.Hosts[1]
		service := s.service(ctx, "web", func(service *corev1.Service) { service.Spec.Ports[0].TargetPort = intstr.FromString("web") })
		backend := s.backend(ctx, "web", []*rack.Host{a, b})
		s.eventuallyCondition(ctx, "web", v1alpha1.ConditionServiceResolved, "False", v1alpha1.ReasonTargetPortNamed)
		edit(ctx, backend, func(backend *v1alpha1.ExternalBackend) {
			leads("http", 9090)(backend)
			backend.Spec.Targets[1].Ports = []v1alpha1.TargetPort{{Name: "http", Port: 8080}}
		})
		s.eventuallyCondition(ctx, "web", v1alpha1.ConditionServiceResolved, "True", v1alpha1.ReasonServiceResolved)
		s.eventuallyRouted(ctx, "web", "http", addresses(a, b)...)
		for _, to := range clusterIPs(service, 80) {
			Expect(answers(ctx, nil, to)).To(Equal([]traffic.Answer{{Host: a.Name, Port: 9090}, {Host: b.Name, Port: 8080}}))
		}
	})

	It("follows the ports of a Service as they are added, renumbered, renamed and removed", func(ctx SpecContext) {
		s := newScene(ctx)
		service := s.service(ctx, "web")
		h := installed.Hosts[0]
		s.backend(ctx, "web", []*rack.Host{h})
		follows := func(name string, port, led uint16) {
			GinkgoHelper()
			s.eventuallyRouted(ctx, "web", name, h.Addresses()...)
			for _, to := range clusterIPs(service, port) {
				fetch := func() (traffic.Answer, error) { return traffic.Fetch(ctx, traffic.NewClient(nil), to) }
				Eventually(fetch).WithContext(ctx).Should(Equal(traffic.Answer{Host: h.Name, Port: led}))
				Expect(answers(ctx, nil, to)).To(Equal([]traffic.Answer{{Host: h.Name, Port: led}}))
			}
		}
		follows("http", 80, 8080)
		edit(ctx, service, twoPorts)
		follows("admin", 81, 9090)
		follows("http", 80, 8080)
		edit(ctx, service, func(service *corev1.Service) {
			service.Spec.Ports[0].TargetPort, service.Spec.Ports[1].TargetPort = service.Spec.Ports[1].TargetPort, service.Spec.Ports[0].TargetPort
		})
		follows("http", 80, 9090)
		follows("admin", 81, 8080)
		edit(ctx, service, func(service *corev1.Service) { service.Spec.Ports[1].Name, service.Spec.Ports[1].Port = "console", 82 })
		follows("console", 82, 8080)
		edit(ctx, service, func(service *corev1.Service) { service.Spec.Ports = service.Spec.Ports[1:] })
		s.eventuallyRouted(ctx, "web", "http")
		follows("console", 82, 8080)
	})

	It("rule 20: publishes one address an endpoint, so that every address of an entry takes traffic", func(ctx SpecContext) {
		s := newScene(ctx)
		service := s.service(ctx, "web")
		s.backend(ctx, "web", nil, func(b *v1alpha1.ExternalBackend) {
			b.Spec.Targets = []v1alpha1.Target{rack.NewTarget("all", addresses(installed.Hosts...)...)}
		})
		s.eventuallyRouted(ctx, "web", "http", addresses(installed.Hosts...)...)
		for _, slice := range s.ours(ctx, "web") {
			Expect(slice.Endpoints).To(HaveEach(HaveField("Addresses", HaveLen(1))))
		}
		for _, to := range clusterIPs(service, 80) {
			Expect(answerers(ctx, nil, to)).To(Equal(names(installed.Hosts...)))
		}
	})

	It("rule 25: publishes an address once, whoever lists it, and hands it over when the one who has it goes", func(ctx SpecContext) {
		s := newScene(ctx)
		service := s.service(ctx, "web")
		h := installed.Hosts[0]
		first := s.backend(ctx, "web", []*rack.Host{h})
		s.eventuallyPublished(ctx, "web", map[string][]*rack.Host{healthy: {h}})
		s.backend(ctx, "web-too", []*rack.Host{h}, behind("web"))
		s.eventuallyCondition(ctx, "web-too", v1alpha1.ConditionTargetsResolved, "True", v1alpha1.ReasonServedByAnother)
		Expect(s.entries(ctx, "web")).To(Equal([]string{"web 192.0.2.11", "web 2001:db8::11"}))

		Expect(api.Delete(ctx, first)).To(Succeed())
		Eventually(s.entries).WithContext(ctx).WithArguments("web").Should(Equal([]string{"web-too 192.0.2.11", "web-too 2001:db8::11"}))
		s.eventuallyRouted(ctx, "web", "http", h.Addresses()...)
		for _, to := range clusterIPs(service, 80) {
			Expect(answerers(ctx, nil, to)).To(Equal(names(h)))
		}
	})
}

// entries returns the owner and the address of every endpoint of ours, sorted.
func (s *scene) entries(ctx context.Context, service string) []string {
	GinkgoHelper()
	var all []string
	for _, slice := range s.ours(ctx, service) {
		for _, endpoint := range slice.Endpoints {
			all = append(all, slice.OwnerReferences[0].Name+" "+netip.MustParseAddr(endpoint.Addresses[0]).String())
		}
	}
	slices.Sort(all)
	return all
}
