// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/nameserver"
	"externalbackend.dev/operator/test/targets"
)

// srv makes a target of the services that a name has.
func srv(f *v1alpha1.FQDNTarget) { f.Resolution = v1alpha1.ResolutionSRV }

// srvPort says which port SRV records give the number of.
func srvPort(name string) func(*v1alpha1.FQDNTarget) {
	return func(f *v1alpha1.FQDNTarget) { f.Port = name }
}

// records has the name server answer with SRV records, each such as
// "0 9001 a": priority, port and the label of a host.
func (s *scene) records(label string, records ...string) string {
	name := s.hostname(label)
	var texts []string
	for _, record := range records {
		priority, rest, _ := strings.Cut(record, " ")
		port, host, _ := strings.Cut(rest, " ")
		texts = append(texts, fmt.Sprintf("%s 0 SRV %s 5 %s %s.", name, priority, port, s.hostname(host)))
	}
	s.answer(label, "SRV", nameserver.Records(texts...))
	return name
}

// hostOn is a host on any port.
func (s *scene) hostOn(address string) *targets.Host {
	GinkgoHelper()
	h, err := network.Host(address)
	Expect(err).NotTo(HaveOccurred())
	s.hosts[address] = h
	return h
}

// ports are those of addresses, by their names.
type ports map[string]map[string]int32

func (s *scene) expectPorts(ctx context.Context, service string, want ports) {
	GinkgoHelper()
	Eventually(s.portsOf).WithContext(ctx).WithArguments(service).Should(BeEquivalentTo(want))
}

var _ = Describe("SRV records", func() {
	var s *scene
	const web = "_web._tcp"
	// world has two hosts on ports of their own, of which the second one comes later.
	world := func(ctx context.Context, edits ...func(*v1alpha1.ExternalBackend)) *v1alpha1.ExternalBackend {
		GinkgoHelper()
		s = newScene(ctx)
		s.hostOn("192.0.2.10:9001")
		s.hostOn("[2001:db8::10]:9001")
		s.hostOn("192.0.2.11:9002")
		s.address("a", "192.0.2.10", "2001:db8::10")
		s.address("b", "192.0.2.11")
		s.service(ctx, "payments")
		return s.backend(ctx, "payments", append(edits, fqdn("web", s.records(web, "0 9001 a", "10 9002 b"), srv))...)
	}
	serving := endpoints{"192.0.2.10": in, "2001:db8::10": in, "192.0.2.11": out}

	It("lead to hosts, on the ports that they say, those of a later priority standing by", func(ctx SpecContext) {
		sharedOperator()
		world(ctx)
		s.expect(ctx, "payments", serving)
		s.expectPorts(ctx, "payments", ports{"192.0.2.10": {"http": 9001}, "2001:db8::10": {"http": 9001}, "192.0.2.11": {"http": 9002}})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
		Eventually(s.statusOf).WithContext(ctx).WithArguments("payments").Should(HaveField("Targets", v1alpha1.TargetCounts{Total: 3, Healthy: 2, Standby: 1}))
		Eventually(s.hosts["192.0.2.11:9002"].Received).WithArguments("Host").Should(ConsistOf(HavePrefix(s.hostname("b"))))
		Expect(s.hosts["192.0.2.10:9001"].Received("Host")).To(ConsistOf(HavePrefix(s.hostname("a"))))

		By("failing over at once")
		s.hosts["192.0.2.10:9001"].Set(targets.Refuse)
		s.hosts["[2001:db8::10]:9001"].Set(targets.Refuse)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": out, "2001:db8::10": out, "192.0.2.11": in})
	})

	It("give one of several ports, and the others are as for every entry", func(ctx SpecContext) {
		sharedOperator()
		s = newScene(ctx)
		s.hostOn("192.0.2.10:9001")
		s.hostOn("192.0.2.11:9002")
		s.hostOn("192.0.2.20:8080")
		s.address("a", "192.0.2.10")
		s.address("b", "192.0.2.11")
		s.service(ctx, "payments", func(svc *corev1.Service) {
			svc.Spec.Ports = append(svc.Spec.Ports, corev1.ServicePort{Name: "metrics", Port: 81, TargetPort: intstr.FromInt32(9100)})
		})
		s.backend(ctx, "payments", entry("rack", "192.0.2.20"), fqdn("web", s.records(web, "0 9001 a", "0 9002 b"), srv, srvPort("http")))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.11": in, "192.0.2.20": in})
		s.expectPorts(ctx, "payments", ports{
			"192.0.2.10": {"http": 9001, "metrics": 9100}, "192.0.2.11": {"http": 9002, "metrics": 9100}, "192.0.2.20": {"http": 8080, "metrics": 9100},
		})
		Expect(s.slicesOf(ctx, "payments")).To(HaveLen(3), "one a set of ports")
	})

	It("give nothing to an address that an entry before has", func(ctx SpecContext) {
		sharedOperator()
		s = newScene(ctx)
		s.hostOn("192.0.2.10:8080")
		s.hostOn("192.0.2.11:9001")
		s.address("a", "192.0.2.10", "192.0.2.11")
		s.service(ctx, "payments")
		s.backend(ctx, "payments", entry("rack", "192.0.2.10"), fqdn("web", s.records(web, "0 9001 a"), srv), entry("late", "192.0.2.11"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.11": in})
		s.expectPorts(ctx, "payments", ports{"192.0.2.10": {"http": 8080}, "192.0.2.11": {"http": 9001}})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionTargetsResolved, yes(v1alpha1.ReasonDuplicateAddress, "192.0.2.10", "192.0.2.11"))
	})

	It("of one host on two ports are served by the first, and it is said that the other is not", func(ctx SpecContext) {
		sharedOperator()
		world(ctx)
		s.expect(ctx, "payments", serving)
		s.records(web, "0 9001 a", "5 9003 a", "10 9002 b")
		Eventually(s.sourceOf).WithContext(ctx).WithArguments("payments", "web").Should(HaveField("Problem",
			ContainSubstring("port 9003 of %q is not served", s.hostname("a"))))
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(serving))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
	})

	It("of two ExternalBackends on a Service are served by the older one where they are the same", func(ctx SpecContext) {
		sharedOperator()
		eb := world(ctx)
		s.expect(ctx, "payments", serving)
		s.nextSecond(eb)
		s.hostOn("192.0.2.12:9003")
		s.hostOn("192.0.2.11:9004")
		s.address("c", "192.0.2.12")
		s.backend(ctx, "second", of("payments"), fqdn("web", s.records("_web2._tcp", "0 9001 a", "0 9003 c"), srv))
		both := maps.Clone(serving)
		both["192.0.2.12"] = in
		s.expect(ctx, "payments", both)
		Expect(s.ownersOf(ctx, "payments")).To(Equal(map[string]string{
			"192.0.2.10": "payments", "2001:db8::10": "payments", "192.0.2.11": "payments", "192.0.2.12": "second",
		}))
		s.expectCondition(ctx, "second", v1alpha1.ConditionTargetsResolved, yes(v1alpha1.ReasonServedByAnother, "192.0.2.10"))
		Expect(admin.Delete(ctx, eb)).To(Succeed())
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "2001:db8::10": in, "192.0.2.12": in})
	})

	It("of which one goes keep its host for now; that decidedly nothing is there must be said three times", func(ctx SpecContext) {
		ownOperator(operatorOptions{retention: 3 * time.Second})
		world(ctx)
		s.expect(ctx, "payments", serving)
		s.records(web, "0 9001 a")
		s.asked(ctx, 5, web, "SRV")
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(serving))
		none := nameserver.Records(s.hostname(web) + " 0 SRV 0 0 0 .")
		s.answer(web, "SRV", none, none, nameserver.Rcode(2))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionStale, yes(v1alpha1.ReasonNameServerFailed))
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(serving))
		s.answer(web, "SRV", none)
		Eventually(s.slices).WithContext(ctx).Should(BeEmpty())
		s.expectCondition(ctx, "payments", v1alpha1.ConditionTargetsResolved, no(v1alpha1.ReasonNoAddresses, web))
	})

	It("that name a denied host lead to the others", func(ctx SpecContext) {
		sharedOperator()
		world(ctx)
		s.expect(ctx, "payments", serving)
		s.policy(ctx, "names", denying(v1alpha1.PolicyDeny{Hostnames: []v1alpha1.HostnamePattern{v1alpha1.HostnamePattern(s.hostname("a"))}}))
		s.expect(ctx, "payments", endpoints{"192.0.2.11": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionAccepted, no(v1alpha1.ReasonPolicyDenied, s.hostname("a")))
		mark := nameServer.Queries(s.hostname("a"), "A")
		s.asked(ctx, 3, "b", "A")
		Expect(nameServer.Queries(s.hostname("a"), "A")).To(Equal(mark), "it is not even asked for")
	})

	It("are served as before after a restart while no name server answers, by the tier that served, and none is denied for want of its name", func(ctx SpecContext) {
		o := ownOperator(operatorOptions{})
		s = newScene(ctx)
		host, certificate, err := network.SecureHost("192.0.2.10:9001", s.hostname("a"))
		Expect(err).NotTo(HaveOccurred())
		spare, other, err := network.SecureHost("192.0.2.11:9002", s.hostname("b"))
		Expect(err).NotTo(HaveOccurred())
		s.hosts["192.0.2.10:9001"], s.hosts["192.0.2.11:9002"] = host, spare
		s.address("a", "192.0.2.10")
		s.address("b", "192.0.2.11")
		s.service(ctx, "payments")
		s.backend(ctx, "payments", check(v1alpha1.Check{Name: "https", HTTP: &v1alpha1.HTTPCheck{}, TLS: &v1alpha1.CheckTLS{CABundle: certificate + other}}),
			entry("rack", "192.0.2.20"), fqdn("web", s.records(web, "0 9001 a", "10 9002 b"), srv))
		serving := endpoints{"192.0.2.10": in, "192.0.2.11": out, "192.0.2.20": out}
		s.expect(ctx, "payments", serving)
		Eventually(s.statusOf).WithContext(ctx).WithArguments("payments").Should(HaveField("Targets", v1alpha1.TargetCounts{Total: 3, Healthy: 1, Unhealthy: 1, Standby: 1}))
		o.stop()
		s.answer(web, "SRV", nameserver.Rcode(2))
		history := s.watch(ctx)
		ownOperator(operatorOptions{})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionStale, yes(v1alpha1.ReasonNameServerFailed))
		s.asked(ctx, 3, web, "SRV")
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(serving))
		s.expectPorts(ctx, "payments", ports{"192.0.2.10": {"http": 9001}, "192.0.2.11": {"http": 9002}, "192.0.2.20": {"http": 8080}})
		s.records(web, "0 9001 a", "10 9002 b")
		s.expectCondition(ctx, "payments", v1alpha1.ConditionStale, withdrawn)
		Eventually(s.statusOf).WithContext(ctx).WithArguments("payments").Should(HaveField("Targets", v1alpha1.TargetCounts{Total: 3, Healthy: 1, Unhealthy: 1, Standby: 1}))
		Expect(history.all()).To(BeEmpty())
		host.Set(targets.Refuse)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": out, "192.0.2.11": in, "192.0.2.20": out})
	})
})
