// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e && linux

package e2e

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/rack"
	"externalbackend.dev/operator/test/traffic"
)

// udpPort is the port on the client's side of a datagram flow: conntrack
// remembers the flow by it.
const udpPort = 40053

// askUDP sends one datagram to the address from the port (0: any) and returns
// the answer.
func askUDP(ctx context.Context, to netip.AddrPort, from uint16) (traffic.Answer, error) {
	dialer := net.Dialer{LocalAddr: &net.UDPAddr{Port: int(from)}}
	conn, err := dialer.DialContext(ctx, "udp", to.String())
	if err != nil {
		return traffic.Answer{}, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(traffic.Timeout)); err != nil {
		return traffic.Answer{}, err
	}
	if _, err := conn.Write([]byte("?")); err != nil {
		return traffic.Answer{}, err
	}
	text := make([]byte, 100)
	n, err := conn.Read(text)
	if err != nil {
		return traffic.Answer{}, fmt.Errorf("no answer from %s: %w", to, err)
	}
	return traffic.ParseAnswer(string(text[:n]))
}

func describeReadiness() {
	It("rule 36: has connections refused at once while no host is ready", func(ctx SpecContext) {
		s := newScene(ctx)
		service := s.service(ctx, "web", ofType(corev1.ServiceTypeNodePort))
		harm(installed.Hosts[0], (*rack.Host).Sicken)
		s.backend(ctx, "web", installed.Hosts[:1])
		s.eventuallyPublished(ctx, "web", map[string][]*rack.Host{notReady: installed.Hosts[:1]})
		for _, to := range append(clusterIPs(service, 80), nodePorts(service)...) {
			Eventually(connect).WithContext(ctx).WithArguments(to).Should(MatchError(syscall.ECONNREFUSED))
		}
	})

	It("rule 32, rule 33: says of every endpoint whether it is ready, serving and terminating", func(ctx SpecContext) {
		s := newScene(ctx)
		s.service(ctx, "web")
		s.backend(ctx, "web", installed.Hosts)
		s.eventuallyPublished(ctx, "web", map[string][]*rack.Host{healthy: installed.Hosts})
		harm(installed.Hosts[0], (*rack.Host).Kill)
		s.eventuallyPublished(ctx, "web", map[string][]*rack.Host{notReady: installed.Hosts[:1], healthy: installed.Hosts[1:]})
		s.eventuallyRouted(ctx, "web", "http", addresses(installed.Hosts[1:]...)...)
	})

	It("rule 34: sends traffic to hosts that are not healthy if the Service has publishNotReadyAddresses", func(ctx SpecContext) {
		s := newScene(ctx)
		service := s.service(ctx, "web")
		h := installed.Hosts[0]
		harm(h, (*rack.Host).Sicken)
		s.backend(ctx, "web", []*rack.Host{h})
		s.eventuallyPublished(ctx, "web", map[string][]*rack.Host{notReady: {h}})
		edit(ctx, service, func(service *corev1.Service) { service.Spec.PublishNotReadyAddresses = true })
		s.eventuallyPublished(ctx, "web", map[string][]*rack.Host{toldReady: {h}})
		s.eventuallyRouted(ctx, "web", "http", h.Addresses()...)
		for _, to := range clusterIPs(service, 80) {
			Expect(answerers(ctx, nil, to)).To(Equal(names(h)))
		}
		edit(ctx, service, func(service *corev1.Service) { service.Spec.PublishNotReadyAddresses = false })
		s.eventuallyPublished(ctx, "web", map[string][]*rack.Host{notReady: {h}})
		s.eventuallyRouted(ctx, "web", "http")
	})

	It("lets a UDP client through when a host becomes ready, whatever conntrack remembers, and elsewhere when it is not any more", func(ctx SpecContext) {
		s := newScene(ctx)
		service := s.service(ctx, "dns", func(service *corev1.Service) {
			service.Spec.Ports = []corev1.ServicePort{{Name: "dns", Protocol: corev1.ProtocolUDP, Port: 53, TargetPort: intstr.FromInt32(9090)}}
		})
		a, b := installed.Hosts[0], installed.Hosts[1]
		harm(a, (*rack.Host).Sicken)
		harm(b, (*rack.Host).Sicken)
		s.backend(ctx, "dns", []*rack.Host{a, b})
		s.eventuallyPublished(ctx, "dns", map[string][]*rack.Host{notReady: {a, b}})
		for _, to := range clusterIPs(service, 53) {
			Eventually(func() error {
				_, err := askUDP(ctx, to, udpPort)
				return err
			}).WithContext(ctx).Should(HaveOccurred())
		}
		for _, well := range []*rack.Host{a, b} {
			sick := map[*rack.Host]*rack.Host{a: b, b: a}[well]
			Expect(sick.Sicken()).To(Succeed())
			Expect(well.Cure()).To(Succeed())
			s.eventuallyPublished(ctx, "dns", map[string][]*rack.Host{healthy: {well}, notReady: {sick}})
			s.eventuallyRoutedBy(ctx, "dns", "udp", "dns", well.Addresses()...)
			for _, to := range clusterIPs(service, 53) {
				Eventually(func() (traffic.Answer, error) { return askUDP(ctx, to, udpPort) }).WithContext(ctx).
					Should(Equal(traffic.Answer{Host: well.Name, Port: 9090}))
			}
		}
	})

	It("rule 9: makes a ClusterIP unreachable by the headless label for as long as the Service is headless", func(ctx SpecContext) {
		s := newScene(ctx)
		h := installed.Hosts[0]
		headless := s.service(ctx, "web", func(service *corev1.Service) { service.Spec.ClusterIP = corev1.ClusterIPNone })
		s.backend(ctx, "web", []*rack.Host{h})
		s.eventuallyPublished(ctx, "web", map[string][]*rack.Host{healthy: {h}})
		for _, slice := range s.ours(ctx, "web") {
			Expect(slice.Labels).To(HaveKey(corev1.IsHeadlessService))
		}
		s.eventuallyRouted(ctx, "web", "http")

		Expect(api.Delete(ctx, headless)).To(Succeed())
		service := s.service(ctx, "web")
		s.eventuallyRouted(ctx, "web", "http", h.Addresses()...)
		for _, slice := range s.ours(ctx, "web") {
			Expect(slice.Labels).NotTo(HaveKey(corev1.IsHeadlessService))
		}
		for _, to := range clusterIPs(service, 80) {
			Expect(answerers(ctx, nil, to)).To(Equal(names(h)))
		}
		// A user's label on the Service changes nothing; on a slice it would,
		// were it not taken off.
		edit(ctx, service, func(service *corev1.Service) {
			service.Labels = map[string]string{corev1.IsHeadlessService: "", "mirrored": "yes"}
		})
		Eventually(s.ours).WithContext(ctx).WithArguments("web").Should(HaveEach(HaveField("Labels", SatisfyAll(
			HaveKey("mirrored"), Not(HaveKey(corev1.IsHeadlessService))))))
		s.eventuallyRouted(ctx, "web", "http", h.Addresses()...)
		withoutOperator(ctx)
		for _, slice := range s.ours(ctx, "web") {
			edit(ctx, &slice, func(slice *discoveryv1.EndpointSlice) { slice.Labels[corev1.IsHeadlessService] = "" })
		}
		for _, to := range clusterIPs(service, 80) {
			Eventually(connect).WithContext(ctx).WithArguments(to).Should(MatchError(syscall.ECONNREFUSED))
		}
		Expect(installed.Replicas[0].Start(ctx)).To(Succeed())
		s.eventuallyRouted(ctx, "web", "http", h.Addresses()...)
		for _, to := range clusterIPs(service, 80) {
			Expect(answerers(ctx, nil, to)).To(Equal(names(h)))
		}
	})

	It("rule 38: warns of a traffic policy that keeps all traffic from targets, and serves again without it", func(ctx SpecContext) {
		s := newScene(ctx)
		service := s.service(ctx, "web", ofType(corev1.ServiceTypeNodePort))
		h := installed.Hosts[0]
		s.backend(ctx, "web", []*rack.Host{h})
		s.eventuallyRouted(ctx, "web", "http", h.Addresses()...)
		for _, slice := range s.ours(ctx, "web") {
			Expect(slice.Endpoints).To(HaveEach(HaveField("NodeName", BeNil())))
		}
		for _, policy := range []struct {
			set func(local bool)
			to  []netip.AddrPort
		}{
			{func(local bool) {
				edit(ctx, service, func(service *corev1.Service) {
					service.Spec.InternalTrafficPolicy = new(map[bool]corev1.ServiceInternalTrafficPolicy{
						true: corev1.ServiceInternalTrafficPolicyLocal, false: corev1.ServiceInternalTrafficPolicyCluster,
					}[local])
				})
			}, clusterIPs(service, 80)},
			{func(local bool) {
				edit(ctx, service, func(service *corev1.Service) {
					service.Spec.ExternalTrafficPolicy = map[bool]corev1.ServiceExternalTrafficPolicy{
						true: corev1.ServiceExternalTrafficPolicyLocal, false: corev1.ServiceExternalTrafficPolicyCluster,
					}[local]
				})
			}, nodePorts(service)},
		} {
			policy.set(true)
			s.eventuallyCondition(ctx, "web", v1alpha1.ConditionServiceResolved, "True", v1alpha1.ReasonTrafficPolicyLocal)
			Eventually(reached).WithContext(ctx).WithArguments(policy.to).Should(BeZero())
			policy.set(false)
			s.eventuallyCondition(ctx, "web", v1alpha1.ConditionServiceResolved, "True", v1alpha1.ReasonServiceResolved)
			Eventually(reached).WithContext(ctx).WithArguments(policy.to).Should(Equal(len(policy.to)))
		}
	})

	It("serves a Service again that was an ExternalName in between", func(ctx SpecContext) {
		s := newScene(ctx)
		service := s.service(ctx, "web")
		ports := slices.Clone(service.Spec.Ports)
		h := installed.Hosts[0]
		s.backend(ctx, "web", []*rack.Host{h})
		s.eventuallyRouted(ctx, "web", "http", h.Addresses()...)
		for _, next := range []corev1.ServiceType{corev1.ServiceTypeNodePort, corev1.ServiceTypeClusterIP} {
			edit(ctx, service, func(service *corev1.Service) {
				service.Spec = corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "legacy.example.com", Ports: ports}
			})
			s.eventuallyCondition(ctx, "web", v1alpha1.ConditionServiceResolved, "False", v1alpha1.ReasonServiceExternalName)
			Eventually(s.ours).WithContext(ctx).WithArguments("web").Should(BeEmpty())
			s.eventuallyRouted(ctx, "web", "http")
			edit(ctx, service, func(service *corev1.Service) {
				service.Spec = corev1.ServiceSpec{Type: next, Ports: ports}
			})
			s.eventuallyRouted(ctx, "web", "http", h.IP4)
			to := clusterIPs(service, 80)
			if next == corev1.ServiceTypeNodePort {
				to = append(to, nodePorts(service)[0])
			}
			for _, to := range to {
				Expect(answerers(ctx, installed.Client.DialContext, to)).To(Equal(names(h)))
			}
		}
	})
}
