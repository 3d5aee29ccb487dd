// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e && linux

package e2e

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/cluster"
	"externalbackend.dev/operator/test/rack"
)

// lookUpBound is how long an answer of the DNS may take.
const lookUpBound = 2 * time.Second

// resolve returns the addresses of a name of one family ("ip4" or "ip6"), as
// the client outside sees them, sorted; none if it has none.
func resolve(ctx context.Context, family, name string) []string {
	ctx, cancel := context.WithTimeout(ctx, lookUpBound)
	defer cancel()
	addrs, err := installed.Cluster.Resolver(installed.Client.DialContext).LookupNetIP(ctx, family, name+".")
	if err != nil {
		return nil // what is waited for says whether that is right
	}
	return texts(unmapped(addrs))
}

func unmapped(addrs []netip.Addr) []netip.Addr {
	for i := range addrs {
		addrs[i] = addrs[i].Unmap()
	}
	return addrs
}

// resolveSRV returns "TARGET PORT" of every SRV record of the Service port.
func resolveSRV(ctx context.Context, port, name string) []string {
	ctx, cancel := context.WithTimeout(ctx, lookUpBound)
	defer cancel()
	_, records, err := installed.Cluster.Resolver(installed.Client.DialContext).LookupSRV(ctx, port, "tcp", name+".")
	if err != nil {
		return nil
	}
	var all []string
	for _, r := range records {
		all = append(all, fmt.Sprintf("%s %d", r.Target, r.Port))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// eventuallyResolves waits until the name has exactly the hosts' addresses.
func eventuallyResolves(ctx context.Context, name string, hosts ...*rack.Host) {
	GinkgoHelper()
	var four, six []netip.Addr
	for _, h := range hosts {
		four, six = append(four, h.IP4), append(six, h.IP6)
	}
	want := map[string][]string{"ip4": texts(four), "ip6": texts(six)}
	for family, addrs := range want {
		if len(hosts) == 0 {
			Eventually(resolve).WithContext(ctx).WithArguments(family, name).Should(BeEmpty())
			continue
		}
		Eventually(resolve).WithContext(ctx).WithArguments(family, name).Should(Equal(addrs), "%s of %s", family, name)
	}
}

func (s *scene) dnsName(service string) string {
	return service + "." + s.namespace + ".svc." + cluster.DNSDomain
}

func headless(service *corev1.Service) { service.Spec.ClusterIP = corev1.ClusterIPNone }

var _ = Describe("DNS", func() {
	It("gives the cluster IPs of a Service to clients, whatever becomes of the hosts", func(ctx SpecContext) {
		s := newScene(ctx)
		service := s.service(ctx, "web")
		s.backend(ctx, "web", installed.Hosts)
		Eventually(resolve).WithContext(ctx).WithArguments("ip4", s.dnsName("web")).Should(Equal(service.Spec.ClusterIPs[:1]))
		Eventually(resolve).WithContext(ctx).WithArguments("ip6", s.dnsName("web")).Should(Equal(service.Spec.ClusterIPs[1:]))
		Eventually(resolveSRV).WithContext(ctx).WithArguments("http", s.dnsName("web")).Should(Equal([]string{s.dnsName("web") + ". 80"}))
	})

	It("gives the healthy hosts of a headless Service to clients, each also under the name of its entry", func(ctx SpecContext) {
		s := newScene(ctx)
		s.service(ctx, "db", headless)
		s.backend(ctx, "db", installed.Hosts)
		name := s.dnsName("db")
		eventuallyResolves(ctx, name, installed.Hosts...)
		var records []string
		for _, h := range installed.Hosts {
			eventuallyResolves(ctx, h.Name+"."+name, h)
			records = append(records, h.Name+"."+name+". 8080")
		}
		Eventually(resolveSRV).WithContext(ctx).WithArguments("http", name).Should(Equal(records))

		harm(installed.Hosts[0], (*rack.Host).Kill)
		eventuallyResolves(ctx, name, installed.Hosts[1:]...)
		eventuallyResolves(ctx, installed.Hosts[0].Name+"."+name)
		Eventually(resolveSRV).WithContext(ctx).WithArguments("http", name).Should(Equal(records[1:]))
	})

	It("gives hosts that are not healthy as well if the Service has publishNotReadyAddresses", func(ctx SpecContext) {
		s := newScene(ctx)
		service := s.service(ctx, "db", headless)
		harm(installed.Hosts[0], (*rack.Host).Sicken)
		s.backend(ctx, "db", installed.Hosts)
		name := s.dnsName("db")
		eventuallyResolves(ctx, name, installed.Hosts[1:]...)
		edit(ctx, service, func(service *corev1.Service) { service.Spec.PublishNotReadyAddresses = true })
		eventuallyResolves(ctx, name, installed.Hosts...)
		edit(ctx, service, func(service *corev1.Service) { service.Spec.PublishNotReadyAddresses = false })
		eventuallyResolves(ctx, name, installed.Hosts[1:]...)
	})

	It("does not give a host that drains", func(ctx SpecContext) {
		s := newScene(ctx)
		s.service(ctx, "db", headless)
		backend := s.backend(ctx, "db", installed.Hosts)
		eventuallyResolves(ctx, s.dnsName("db"), installed.Hosts...)
		edit(ctx, backend, setState(0, v1alpha1.TargetDrain))
		s.eventuallyPublished(ctx, "db", map[string][]*rack.Host{draining: installed.Hosts[:1], healthy: installed.Hosts[1:]})
		eventuallyResolves(ctx, s.dnsName("db"), installed.Hosts[1:]...)
		edit(ctx, backend, setState(0, v1alpha1.TargetActive))
		eventuallyResolves(ctx, s.dnsName("db"), installed.Hosts...)
	})

	It("forgets a headless Service's hosts with the ExternalBackend", func(ctx SpecContext) {
		s := newScene(ctx)
		s.service(ctx, "db", headless)
		backend := s.backend(ctx, "db", installed.Hosts)
		eventuallyResolves(ctx, s.dnsName("db"), installed.Hosts...)
		Expect(api.Delete(ctx, backend)).To(Succeed())
		eventuallyResolves(ctx, s.dnsName("db"))
	})
})
