// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/nameserver"
)

var _ = Describe("What a name leads to is vetted:", func() {
	var s *scene
	served := endpoints{"192.0.2.10": in, "192.0.2.11": in, "192.0.2.20": in}
	resolved := func(ctx context.Context) *v1alpha1.ExternalBackend {
		GinkgoHelper()
		for _, address := range []string{"192.0.2.10", "192.0.2.11", "192.0.2.20"} {
			s.host(address)
		}
		s.service(ctx, "payments")
		eb := s.backend(ctx, "payments", drainFor("1h"), entry("rack", "192.0.2.20"), fqdn("db", s.address("db", "192.0.2.10", "192.0.2.11")))
		s.expect(ctx, "payments", served)
		return eb
	}
	BeforeEach(func(ctx SpecContext) {
		sharedOperator()
		s = newScene(ctx)
	})

	It("a name that a policy denies goes at once, and comes back when it is allowed", func(ctx SpecContext) {
		resolved(ctx)
		policy := s.policy(ctx, "names", denying(v1alpha1.PolicyDeny{Hostnames: []v1alpha1.HostnamePattern{v1alpha1.HostnamePattern(s.hostname("db"))}}))
		s.expect(ctx, "payments", endpoints{"192.0.2.20": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionAccepted, no(v1alpha1.ReasonPolicyDenied, s.hostname("db")))
		Expect(admin.Delete(ctx, policy)).To(Succeed())
		s.expect(ctx, "payments", served)
	})

	It("a name that was edited while none is answered leaves nothing of one that is denied", func(ctx SpecContext) {
		eb := resolved(ctx)
		s.fail("db", "new")
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) { eb.Spec.Targets[1].FQDN.Hostname = s.hostname("new") })
		s.expectCondition(ctx, "payments", v1alpha1.ConditionStale, yes(v1alpha1.ReasonNameServerFailed))
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(served))
		s.policy(ctx, "names", denying(v1alpha1.PolicyDeny{Hostnames: []v1alpha1.HostnamePattern{v1alpha1.HostnamePattern(s.hostname("db"))}}))
		s.expect(ctx, "payments", endpoints{"192.0.2.20": in})
	})

	// led is an answer by way of another name.
	led := func(label, alias string, addresses ...string) nameserver.Reply {
		records := []string{s.hostname(label) + " 0 CNAME " + alias + "."}
		for _, address := range addresses {
			records = append(records, alias+" 0 A "+address)
		}
		return nameserver.Records(records...)
	}

	DescribeTable("what comes by way of a name of the cluster or of a metadata service goes at once, and nothing else", func(ctx SpecContext, alias string) {
		resolved(ctx)
		s.answer("db", "A", led("db", alias, "192.0.2.10"))
		s.expect(ctx, "payments", endpoints{"192.0.2.11": in, "192.0.2.20": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionAccepted, no(v1alpha1.ReasonNameDenied, alias))
		Eventually(s.sourceOf).WithContext(ctx).WithArguments("payments", "db").Should(And(
			HaveField("Addresses", BeEquivalentTo(1)), HaveField("Problem", ContainSubstring(alias))))
		s.address("db", "192.0.2.10", "192.0.2.11")
		s.expect(ctx, "payments", served)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionAccepted, yes(v1alpha1.ReasonAccepted))
	},
		Entry("of the cluster", "kubernetes.default.svc.cluster.local"),
		Entry("of a metadata service", "metadata.google.internal"),
	)

	It("what came by way of a denied name is not served with the next answer either, which has others", func(ctx SpecContext) {
		s.host("192.0.2.10")
		s.host("192.0.2.66")
		s.address("db", "192.0.2.10")
		s.answer("db", "A", led("db", "kubernetes.default.svc.cluster.local", "192.0.2.66"), nameserver.Records(s.hostname("db")+" 0 A 192.0.2.10"))
		s.service(ctx, "payments")
		s.backend(ctx, "payments", fqdn("db", s.hostname("db")))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		s.asked(ctx, 5, "db", "A")
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(endpoints{"192.0.2.10": in}))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionAccepted, no(v1alpha1.ReasonNameDenied, "kubernetes.default.svc.cluster.local"))
		s.address("db", "192.0.2.10", "192.0.2.66")
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.66": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionAccepted, yes(v1alpha1.ReasonAccepted))
	})

	It("what comes to a host of SRV records by way of a denied name is left out, and the host has its other addresses", func(ctx SpecContext) {
		s.hostOn("192.0.2.10:9001")
		s.hostOn("192.0.2.66:9001")
		s.address("h", "192.0.2.10")
		s.answer("h", "A", led("h", "metadata.google.internal", "192.0.2.66"), nameserver.Records(s.hostname("h")+" 0 A 192.0.2.10"))
		s.service(ctx, "payments")
		s.backend(ctx, "payments", fqdn("web", s.records("_web._tcp", "0 9001 h"), srv))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		s.asked(ctx, 5, "h", "A")
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(endpoints{"192.0.2.10": in}))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionAccepted, no(v1alpha1.ReasonNameDenied, "metadata.google.internal"))
	})

	It("SRV records that come by way of a denied name are left out, and those from before stay", func(ctx SpecContext) {
		s.hostOn("192.0.2.10:9001")
		s.hostOn("192.0.2.11:9001")
		s.address("a", "192.0.2.10")
		s.address("b", "192.0.2.11")
		s.service(ctx, "payments")
		name := s.records("_web._tcp", "0 9001 a")
		s.backend(ctx, "payments", fqdn("web", name, srv))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		alias := "_web._tcp.payments.shop.svc.cluster.local"
		s.answer("_web._tcp", "SRV", nameserver.Records(name+" 0 CNAME "+alias+".", alias+" 0 SRV 0 5 9001 "+s.hostname("b")+"."))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionAccepted, no(v1alpha1.ReasonNameDenied, alias))
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(endpoints{"192.0.2.10": in}))
		Expect(nameServer.Queries(s.hostname("b"), "A")).To(BeZero(), "it is not even asked for")
	})

	It("one answer by way of a denied name that has nothing takes nothing", func(ctx SpecContext) {
		ownOperator(operatorOptions{retention: time.Second})
		resolved(ctx)
		history := s.watch(ctx)
		name := s.hostname("db")
		s.answer("db", "A",
			nameserver.Message(3, []string{name + " 0 CNAME metadata.google.internal."}, []string{"internal 0 SOA ns.example. root.example. 1 1 1 1 0"}),
			nameserver.Records(name+" 0 A 192.0.2.10", name+" 0 A 192.0.2.11"))
		s.asked(ctx, 5, "db", "A")
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(served))
		Expect(history.all()).To(BeEmpty())
	})

	It("what comes by way of a name that a policy denies goes at once", func(ctx SpecContext) {
		resolved(ctx)
		s.answer("db", "A", led("db", s.hostname("secret"), "192.0.2.10", "192.0.2.11"))
		s.asked(ctx, 3, "db", "A")
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(served))
		s.policy(ctx, "names", denying(v1alpha1.PolicyDeny{Hostnames: []v1alpha1.HostnamePattern{v1alpha1.HostnamePattern(s.hostname("secret"))}}))
		s.expect(ctx, "payments", endpoints{"192.0.2.20": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionAccepted, no(v1alpha1.ReasonPolicyDenied, s.hostname("secret")))
	})

	It("denied addresses are left out, and their neighbours are as they are", func(ctx SpecContext) {
		resolved(ctx)
		history := s.watch(ctx)
		s.answer("db", "A", nameserver.Records(
			s.hostname("db")+" 0 A 169.254.169.254", s.hostname("db")+" 0 A 127.0.0.1", s.hostname("db")+" 0 A 10.0.0.1",
			s.hostname("db")+" 0 A 192.0.2.10", s.hostname("db")+" 0 A 192.0.2.11"))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionAccepted, no(v1alpha1.ReasonAddressDenied, "169.254.169.254", "127.0.0.1", "10.0.0.1"))
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(served))
		Expect(history.all()).To(BeEmpty())
	})

	It("an edit of a policy takes out at once what it denies of an answer, and lets it in again", func(ctx SpecContext) {
		resolved(ctx)
		policy := s.policy(ctx, "networks", denying(v1alpha1.PolicyDeny{CIDRs: []v1alpha1.CIDR{"192.0.2.11/32"}}))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.20": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionAccepted, no(v1alpha1.ReasonPolicyDenied, "192.0.2.11"))
		edit(ctx, policy, func(policy *v1alpha1.ExternalBackendPolicy) { policy.Spec.Deny.CIDRs[0] = "192.0.2.10/32" })
		s.expect(ctx, "payments", endpoints{"192.0.2.11": in, "192.0.2.20": in})
	})

	It("checks over TLS are made for the name, and believe its certificate alone", func(ctx SpecContext) {
		good, certificate, err := network.SecureHost("192.0.2.30:8080", s.hostname("tls"))
		Expect(err).NotTo(HaveOccurred())
		bad, other, err := network.SecureHost("192.0.2.31:8080", "another.example")
		Expect(err).NotTo(HaveOccurred())
		s.hosts["192.0.2.30:8080"], s.hosts["192.0.2.31:8080"] = good, bad
		s.service(ctx, "payments")
		eb := s.backend(ctx, "payments",
			check(v1alpha1.Check{Name: "https", HTTP: &v1alpha1.HTTPCheck{}, TLS: &v1alpha1.CheckTLS{CABundle: certificate + other}}),
			fqdn("tls", s.address("tls", "192.0.2.30", "192.0.2.31")))
		s.expect(ctx, "payments", endpoints{"192.0.2.30": in, "192.0.2.31": out})
		Expect(good.Received("Host")).To(ConsistOf(HavePrefix(s.hostname("tls"))))
		Eventually(s.statusOf).WithContext(ctx).WithArguments("payments").Should(HaveField("Unhealthy",
			ConsistOf(And(HaveField("Address", "192.0.2.31"), HaveField("Reason", "CertificateNameMismatch")))))

		By("asking what an edit has not answered for yet by the name that it had")
		s.fail("new")
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) { eb.Spec.Targets[0].FQDN.Hostname = s.hostname("new") })
		s.expectCondition(ctx, "payments", v1alpha1.ConditionStale, yes(v1alpha1.ReasonNameServerFailed))
		noticed(good, good)
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(endpoints{"192.0.2.30": in, "192.0.2.31": out}))
	})
})
