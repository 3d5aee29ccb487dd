// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/nameserver"
	"externalbackend.dev/operator/test/targets"
)

// hostname is a name that no other scene has.
func (s *scene) hostname(label string) string { return label + "." + s.namespace + ".example" }

// address has the name server answer for a name with addresses, for a short time.
func (s *scene) address(label string, addresses ...string) string {
	name := s.hostname(label)
	byType := map[string][]string{"A": nil, "AAAA": nil}
	for _, a := range addresses {
		kind := "A"
		if strings.Contains(a, ":") {
			kind = "AAAA"
		}
		byType[kind] = append(byType[kind], fmt.Sprintf("%s 0 %s %s", name, kind, a))
	}
	for kind, records := range byType {
		s.answer(label, kind, nameserver.NoData(0))
		if len(records) > 0 {
			s.answer(label, kind, nameserver.Records(records...))
		}
	}
	return name
}

// answer sets what the name server says of a name, the last of it for ever.
func (s *scene) answer(label, kind string, replies ...nameserver.Reply) {
	nameServer.Set(s.hostname(label), kind, replies...)
}

// fqdn adds an entry that is a name.
func fqdn(entry, hostname string, edits ...func(*v1alpha1.FQDNTarget)) func(*v1alpha1.ExternalBackend) {
	target := &v1alpha1.FQDNTarget{Hostname: hostname}
	for _, edit := range edits {
		edit(target)
	}
	return func(eb *v1alpha1.ExternalBackend) {
		eb.Spec.Targets = append(eb.Spec.Targets, v1alpha1.Target{Name: entry, FQDN: target})
	}
}

// asked waits until the name server was asked so many times more. After failures it
// is asked every 30 s only.
func (s *scene) asked(ctx context.Context, times int, label, kind string) {
	GinkgoHelper()
	before := nameServer.Queries(s.hostname(label), kind)
	Eventually(nameServer.Queries).WithContext(ctx).WithArguments(s.hostname(label), kind).
		WithTimeout(2 * time.Minute).Should(BeNumerically(">=", before+times))
}

// sourceOf returns the row of an entry in status.sources.
func (s *scene) sourceOf(ctx context.Context, name, entry string) v1alpha1.SourceStatus {
	for _, row := range s.statusOf(ctx, name).Sources {
		if row.Target == entry {
			return row
		}
	}
	return v1alpha1.SourceStatus{}
}

// withdrawn is what a condition looks like that is there only while it is True.
var withdrawn types.GomegaMatcher = BeZero()

// rotting makes answers that say nothing about what a name has.
var rotting = map[string]nameserver.Reply{
	"a server that fails":                      nameserver.Rcode(2),
	"a server that refuses":                    nameserver.Rcode(5),
	"a server that does not implement":         nameserver.Rcode(4),
	"a server that answers garbage":            nameserver.Altered(nameserver.NoData(0), func(b []byte) []byte { return b[:min(len(b), 17)] }),
	"a server that refers to others":           nameserver.Message(0, nil, []string{"example 60 NS ns.example."}),
	"a server that answers about another name": nameserver.Records("x.example 0 A 192.0.2.99"),
}

var _ = Describe("A name", func() {
	var s *scene
	BeforeEach(func(ctx SpecContext) {
		sharedOperator()
		s = newScene(ctx)
	})
	resolved := func(ctx context.Context, edits ...func(*v1alpha1.ExternalBackend)) *v1alpha1.ExternalBackend {
		GinkgoHelper()
		for _, address := range []string{"192.0.2.10", "192.0.2.11", "2001:db8::10"} {
			s.host(address)
		}
		name := s.address("db", "192.0.2.10", "2001:db8::10")
		s.service(ctx, "payments")
		eb := s.backend(ctx, "payments", append(edits, fqdn("db", name))...)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "2001:db8::10": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
		return eb
	}

	It("is served with the addresses of both families, each checked", func(ctx SpecContext) {
		resolved(ctx)
		s.address("db", "192.0.2.10", "192.0.2.11", "2001:db8::10")
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.11": in, "2001:db8::10": in})
		s.hosts["192.0.2.11:8080"].Set(targets.Refuse)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.11": out, "2001:db8::10": in})
		Expect(s.sourceOf(ctx, "payments", "db").Problem).To(BeEmpty())
	})

	It("with one family only is resolved, and nothing is missing", func(ctx SpecContext) {
		s.host("192.0.2.10")
		s.service(ctx, "payments")
		s.backend(ctx, "payments", fqdn("db", s.address("db", "192.0.2.10")))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionTargetsResolved, yes(v1alpha1.ReasonTargetsResolved))
		Expect(s.sourceOf(ctx, "payments", "db")).To(Equal(v1alpha1.SourceStatus{Target: "db", Addresses: 1}))
	})

	It("is followed through a chain of other names", func(ctx SpecContext) {
		s.host("192.0.2.10")
		name := s.hostname("db")
		for _, kind := range []string{"A", "AAAA"} {
			s.answer("db", kind, nameserver.Records(name+" 0 CNAME a.example.", "a.example 0 CNAME b.example.", "b.example 0 A 192.0.2.10"))
		}
		s.answer("db", "AAAA", nameserver.Message(0, []string{name + " 0 CNAME a.example."}, []string{"example 0 SOA ns.example. root.example. 1 1 1 1 0"}))
		s.service(ctx, "payments")
		s.backend(ctx, "payments", fqdn("db", name))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
	})

	DescribeTable("keeps what is published, and says so, with", func(ctx SpecContext, reason string, answer nameserver.Reply) {
		resolved(ctx)
		s.answer("db", "A", answer)
		s.asked(ctx, 5, "db", "A")
		s.expectCondition(ctx, "payments", v1alpha1.ConditionStale, yes(reason, `target "db"`))
		Eventually(s.sourceOf).WithContext(ctx).WithArguments("payments", "db").Should(And(
			HaveField("Addresses", BeEquivalentTo(2)), HaveField("StaleSince", Not(BeNil())), HaveField("Problem", ContainSubstring(s.hostname("db")))))
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(endpoints{"192.0.2.10": in, "2001:db8::10": in}))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))

		s.hosts["192.0.2.10:8080"].Set(targets.Refuse) // it is checked all the same
		s.expect(ctx, "payments", endpoints{"192.0.2.10": out, "2001:db8::10": in})
		s.hosts["192.0.2.10:8080"].Set(targets.Serve)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "2001:db8::10": in})

		s.address("db", "192.0.2.10", "2001:db8::10")
		s.expectCondition(ctx, "payments", v1alpha1.ConditionStale, withdrawn)
		Eventually(s.events).WithContext(ctx).WithArguments("payments").Should(HaveKey("NamesAnswered"))
		Expect(s.sourceOf(ctx, "payments", "db").StaleSince).To(BeNil())
	}, func() (entries []TableEntry) {
		for name, answer := range rotting {
			entries = append(entries, Entry(name, v1alpha1.ReasonNameServerFailed, answer))
		}
		return entries
	}())

	It("keeps what is published while no name server is there", func(ctx SpecContext) {
		resolved(ctx)
		nameServer.Stop()
		DeferCleanup(func() { Expect(nameServer.Start()).To(Succeed()) })
		s.expectCondition(ctx, "payments", v1alpha1.ConditionStale, yes(v1alpha1.ReasonNameServerTimeout))
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(endpoints{"192.0.2.10": in, "2001:db8::10": in}))
	})

	DescribeTable("has to be said to be gone three times:", func(ctx SpecContext, gone func() nameserver.Reply, reason string) {
		ownOperator(operatorOptions{retention: time.Second})
		resolved(ctx)
		for _, kind := range []string{"A", "AAAA"} {
			name, addr := s.hostname("db"), map[string]string{"A": "192.0.2.10", "AAAA": "2001:db8::10"}[kind]
			again := nameserver.Records(fmt.Sprintf("%s 0 %s %s", name, kind, addr))
			s.answer("db", kind, gone(), gone(), again, gone(), again)
		}
		s.asked(ctx, 10, "db", "A")
		s.asked(ctx, 10, "db", "AAAA")
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(endpoints{"192.0.2.10": in, "2001:db8::10": in}))

		s.answer("db", "A", gone())
		s.answer("db", "AAAA", gone())
		Eventually(s.slices).WithContext(ctx).Should(BeEmpty())
		s.expectCondition(ctx, "payments", v1alpha1.ConditionTargetsResolved, no(reason, s.hostname("db")))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionStale, withdrawn)
	},
		Entry("it does not exist", func() nameserver.Reply { return nameserver.NXDomain(0) }, v1alpha1.ReasonNameNotFound),
		Entry("it has no address", func() nameserver.Reply { return nameserver.NoData(0) }, v1alpha1.ReasonNoAddresses),
	)

	DescribeTable("that was never answered for is no reason to wait for the others:", func(ctx SpecContext, answer nameserver.Reply, match types.GomegaMatcher) {
		s.host("192.0.2.10")
		s.answer("db", "A", answer)
		s.answer("db", "AAAA", answer)
		s.service(ctx, "payments")
		s.backend(ctx, "payments", fqdn("db", s.hostname("db")), entry("rack", "192.0.2.10"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionTargetsResolved, match)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionStale, withdrawn)
	},
		Entry("it does not exist", nameserver.NXDomain(0), no(v1alpha1.ReasonNameNotFound, `"db"`)),
		Entry("it has no address", nameserver.NoData(0), no(v1alpha1.ReasonNoAddresses, `"db"`)),
		Entry("the server fails", nameserver.Rcode(2), no(v1alpha1.ReasonNameServerFailed, `"db"`)),
		Entry("the server is silent", nameserver.Silence(), says(metav1.ConditionUnknown, v1alpha1.ReasonNamesPending, `"db"`)),
	)

	It("that is edited has what it had until the new one is answered for", func(ctx SpecContext) {
		ownOperator(operatorOptions{retention: time.Second})
		eb := resolved(ctx)
		s.answer("new", "A", nameserver.Rcode(2))
		s.answer("new", "AAAA", nameserver.Rcode(2))
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) { eb.Spec.Targets[0].FQDN.Hostname = s.hostname("new") })
		s.asked(ctx, 3, "new", "A")
		s.expectCondition(ctx, "payments", v1alpha1.ConditionStale, yes(v1alpha1.ReasonNameServerFailed))
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(endpoints{"192.0.2.10": in, "2001:db8::10": in}))
		s.address("new", "192.0.2.11")
		s.expect(ctx, "payments", endpoints{"192.0.2.11": in})
	})

	It("drains when its entry is removed, and its addresses are asked for by name until then", func(ctx SpecContext) {
		s.host("192.0.2.12")
		eb := resolved(ctx, drainFor("1h"))
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) { eb.Spec.Targets = nil; entry("rack", "192.0.2.12")(eb) })
		s.expect(ctx, "payments", endpoints{"192.0.2.10": leaving, "2001:db8::10": leaving, "192.0.2.12": in})
		Eventually(s.hosts["192.0.2.10:8080"].Received).WithArguments("Host").Should(HaveEach(HavePrefix(s.hostname("db"))))
	})
})
