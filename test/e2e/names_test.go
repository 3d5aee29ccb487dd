// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e && linux

package e2e

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/lab"
	"externalbackend.dev/operator/test/rack"
	"externalbackend.dev/operator/test/traffic"
)

var dnsOutage = flag.Duration("dns-outage", 15*time.Second, "how long the name server is away while clients are at work")

// retained is how long an address that a name has lost stays at most: a minute, its
// drain, and what a busy machine takes.
const retained = 3 * time.Minute

// records are those of a name that stands for hosts.
func records(name string, hosts ...*rack.Host) []string {
	var list []string
	for _, h := range hosts {
		list = append(list, fmt.Sprintf("%s 1 A %s", name, h.IP4), fmt.Sprintf("%s 1 AAAA %s", name, h.IP6))
	}
	return list
}

// setRecords has the name server know these and no others.
func setRecords(lists ...[]string) {
	GinkgoHelper()
	var all []string
	for _, list := range lists {
		all = append(all, list...)
	}
	Expect(installed.Names.Set(all...)).To(Succeed())
}

// named has an ExternalBackend stand for a name alone.
func named(name string, edits ...func(*v1alpha1.FQDNTarget)) func(*v1alpha1.ExternalBackend) {
	fqdn := &v1alpha1.FQDNTarget{Hostname: name + "." + lab.NameDomain}
	for _, edit := range edits {
		edit(fqdn)
	}
	return func(b *v1alpha1.ExternalBackend) {
		b.Spec.Targets = append(b.Spec.Targets, v1alpha1.Target{Name: "name", FQDN: fqdn})
	}
}

// eventuallyStale waits until the condition Stale is there, or not.
func (s *scene) eventuallyStale(ctx context.Context, name string, want bool) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		var b v1alpha1.ExternalBackend
		g.Expect(api.Get(ctx, client.ObjectKey{Namespace: s.namespace, Name: name}, &b)).To(Succeed())
		g.Expect(b.Status.Conditions).To(ContainElement(HaveField("Type", v1alpha1.ConditionPublished))) // it was looked at
		stale := ContainElement(And(HaveField("Type", v1alpha1.ConditionStale), HaveField("Status", metav1.ConditionTrue)))
		if !want {
			stale = Not(stale)
		}
		g.Expect(b.Status.Conditions).To(stale)
	}).WithContext(ctx).WithTimeout(time.Minute).Should(Succeed()) // names are asked every 30 s after a long outage
}

// hostPorts returns which hosts answer at an address, and on which ports.
func hostPorts(ctx context.Context, to netip.AddrPort) []string {
	client := traffic.NewClient(installed.Client.DialContext)
	seen := map[string]bool{}
	for range enough {
		if a, err := traffic.Fetch(ctx, client, to); err == nil {
			seen[fmt.Sprintf("%s:%d", a.Host, a.Port)] = true
		}
	}
	return slices.Collect(maps.Keys(seen))
}

var _ = Describe("A name", Ordered, func() {
	It("is followed under a running client: what comes serves, what goes drains, and no request fails", func(ctx SpecContext) {
		before, after := installed.Hosts[:2], installed.Hosts[1:3]
		setRecords(records("moving", before...))
		s := newScene(ctx)
		service := s.service(ctx, "web")
		s.backend(ctx, "web", nil, named("moving"), drainFor("2s"))
		s.eventuallyRouted(ctx, "web", "http", addresses(before...)...)
		f := startFlow(clusterIPs(service, 80)...)

		setRecords(records("moving", after...))
		s.eventuallyRouted(ctx, "web", "http", addresses(installed.Hosts[:3]...)...)
		Eventually(s.published).WithContext(ctx).WithTimeout(retained).WithArguments("web").ShouldNot(HaveKey(before[0].IP4.String()))
		s.eventuallyRouted(ctx, "web", "http", addresses(after...)...)
		left := time.Now()
		f.expectNoFailure(ctx, time.Time{})
		Expect(f.startedSince(left)).To(HaveEach(Not(HaveField("Host", before[0].Name))))
	})

	It("is served all the while that its name server is dead, also by an operator that starts then", func(ctx SpecContext) {
		hosts := installed.Hosts
		setRecords(records("lost", hosts...))
		s := newScene(ctx)
		service := s.service(ctx, "web")
		s.backend(ctx, "web", nil, named("lost"))
		s.eventuallyRouted(ctx, "web", "http", addresses(hosts...)...)
		f := startFlow(clusterIPs(service, 80)...)

		installed.Names.Kill()
		killed := time.Now()
		DeferCleanup(func(ctx SpecContext) {
			if !installed.Names.Running() {
				Expect(installed.Names.Start(ctx)).To(Succeed())
			}
		}, NodeTimeout(waitBound))
		s.eventuallyStale(ctx, "web", true)

		leader, err := installed.AwaitLeader(ctx, nil)
		Expect(err).NotTo(HaveOccurred())
		leader.Kill()
		DeferCleanup(func(ctx SpecContext) {
			if !leader.Running() {
				Expect(leader.Start(ctx)).To(Succeed())
			}
		}, NodeTimeout(startBound))
		_, err = installed.AwaitLeader(ctx, leader)
		Expect(err).NotTo(HaveOccurred())
		By("letting an edit and a dead host be acted on meanwhile")
		Expect(hosts[0].Kill()).To(Succeed())
		harmed = append(harmed, hosts[0])
		s.eventuallyRouted(ctx, "web", "http", addresses(hosts[1:]...)...)
		flipped := time.Now()

		Eventually(time.Now).WithTimeout(*dnsOutage + waitBound).Should(BeTemporally(">=", killed.Add(*dnsOutage)))
		f.expectNoFailure(ctx, flipped)
		s.eventuallyStale(ctx, "web", true)
		Expect(installed.Names.Start(ctx)).To(Succeed())
		s.eventuallyStale(ctx, "web", false)
		f.expectNoFailure(ctx, flipped)
	})

	It("leads nowhere that nobody may go, whatever its name server says", func(ctx SpecContext) {
		good := installed.Hosts[0]
		setRecords(records("liar", good), []string{
			"liar 1 A 169.254.169.254", "liar 1 A 127.0.0.1",
			"liar 1 A " + rack.NodeIPs[0].String(), "liar 1 AAAA fd00:ec2::254", "liar 1 AAAA ::ffff:169.254.169.254",
		})
		s := newScene(ctx)
		s.service(ctx, "web")
		s.backend(ctx, "web", nil, named("liar"))
		s.eventuallyPublished(ctx, "web", map[string][]*rack.Host{healthy: {good}})
		s.eventuallyCondition(ctx, "web", v1alpha1.ConditionAccepted, metav1.ConditionFalse, v1alpha1.ReasonAddressDenied)
		s.eventuallyRouted(ctx, "web", "http", addresses(good)...)
	})

	It("of a service is served on the hosts and ports that its records name, the first by priority", func(ctx SpecContext) {
		first, second, standby := installed.Hosts[0], installed.Hosts[1], installed.Hosts[2]
		setRecords(records("one", first), records("two", second), records("three", standby), []string{
			"_http._tcp 1 SRV 0 0 8080 one." + lab.NameDomain + ".",
			"_http._tcp 1 SRV 0 0 9090 two." + lab.NameDomain + ".",
			"_http._tcp 1 SRV 10 0 8080 three." + lab.NameDomain + ".",
		})
		s := newScene(ctx)
		service := s.service(ctx, "web")
		s.backend(ctx, "web", nil, named("_http._tcp", func(f *v1alpha1.FQDNTarget) { f.Resolution = v1alpha1.ResolutionSRV }),
			func(b *v1alpha1.ExternalBackend) { b.Spec.HealthCheck.Checks = nil })
		for _, to := range clusterIPs(service, 80) {
			Eventually(func() []string { return hostPorts(ctx, to) }).WithContext(ctx).Should(ConsistOf(first.Name+":8080", second.Name+":9090"))
		}
		Expect(first.Kill()).To(Succeed())
		harmed = append(harmed, first)
		Expect(second.Kill()).To(Succeed())
		harmed = append(harmed, second)
		for _, to := range clusterIPs(service, 80) {
			Eventually(func() []string { return hostPorts(ctx, to) }).WithContext(ctx).Should(ConsistOf(standby.Name + ":8080"))
		}
	})
})
