// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/nameserver"
	"externalbackend.dev/operator/test/targets"
)

func passedThrough(t *v1alpha1.FQDNTarget) { t.Resolution = v1alpha1.ResolutionPassthrough }

func headless(svc *corev1.Service) { svc.Spec.ClusterIP = corev1.ClusterIPNone }

func atLeast(healthy int32) func(*v1alpha1.ExternalBackend) {
	return func(eb *v1alpha1.ExternalBackend) {
		eb.Spec.Availability = &v1alpha1.Availability{MinHealthy: v1alpha1.MinHealthy{Count: healthy}}
	}
}

// resolution changes how the name of the first entry is published.
func resolution(how v1alpha1.FQDNResolution) func(*v1alpha1.ExternalBackend) {
	return func(eb *v1alpha1.ExternalBackend) { eb.Spec.Targets[0].FQDN.Resolution = how }
}

// instead has another entry take the place of all.
func instead(edit func(*v1alpha1.ExternalBackend)) func(*v1alpha1.ExternalBackend) {
	return func(eb *v1alpha1.ExternalBackend) {
		eb.Spec.Targets = nil
		edit(eb)
	}
}

// silenced has nobody answer for a name any more.
func (s *scene) silenced(label string) {
	s.answer(label, "A", nameserver.Rcode(2))
	s.answer(label, "AAAA", nameserver.Rcode(2))
}

// passes publishes a name itself, with two addresses behind it.
func (s *scene) passes(ctx context.Context, edits ...func(*v1alpha1.ExternalBackend)) (eb *v1alpha1.ExternalBackend, name string) {
	GinkgoHelper()
	s.host("192.0.2.10")
	s.host("2001:db8::10")
	name = s.address("db", "192.0.2.10", "2001:db8::10")
	s.service(ctx, "payments", headless)
	eb = s.backend(ctx, "payments", append(edits, fqdn("db", name, passedThrough))...)
	s.expect(ctx, "payments", endpoints{name: in})
	return eb, name
}

var _ = Describe("A name that is passed through", func() {
	var s *scene
	BeforeEach(func(ctx SpecContext) {
		sharedOperator()
		s = newScene(ctx)
	})

	It("rule 29: is the one endpoint of the Service, in a slice of type FQDN", func(ctx SpecContext) {
		eb, name := s.passes(ctx)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionServiceResolved, yes(v1alpha1.ReasonPassthroughDeprecated))
		Expect(s.sourceOf(ctx, "payments", "db")).To(Equal(v1alpha1.SourceStatus{Target: "db", Addresses: 2}))
		slices := s.slicesOf(ctx, "payments")
		Expect(slices).To(HaveLen(1))
		Expect(slices[0].AddressType).To(Equal(discoveryv1.AddressTypeFQDN))
		Expect(slices[0].Labels).To(HaveKey(corev1.IsHeadlessService))
		Expect(slices[0].Endpoints).To(HaveLen(1))
		e := slices[0].Endpoints[0]
		Expect(e.Addresses).To(Equal([]string{name}))
		Expect(e.Hostname).To(HaveValue(Equal("db")))
		Expect(e.TargetRef).To(HaveValue(And(HaveField("UID", eb.UID), HaveField("FieldPath", "spec.targets{db}"))))
	})

	It("is ready as long as enough of the addresses behind it are healthy", func(ctx SpecContext) {
		eb, name := s.passes(ctx)
		seen := s.watch(ctx)
		s.hosts["192.0.2.10:8080"].Set(targets.Refuse)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, no(v1alpha1.ReasonSomeUnhealthy))
		Expect(seen.all()).To(BeEmpty(), "one is enough")
		edit(ctx, eb, atLeast(2))
		s.expect(ctx, "payments", endpoints{name: out})
		s.hosts["192.0.2.10:8080"].Set(targets.Serve)
		s.expect(ctx, "payments", endpoints{name: in})
		Eventually(s.events).WithContext(ctx).WithArguments("payments").Should(HaveKeyWithValue("TargetsHealthy", ContainElement(ContainSubstring(name))))
		edit(ctx, eb, atLeast(1))
		s.hosts["192.0.2.10:8080"].Set(targets.Refuse)
		s.hosts["[2001:db8::10]:8080"].Set(targets.Refuse)
		s.expect(ctx, "payments", endpoints{name: out})
	})

	It("follows the addresses that it has", func(ctx SpecContext) {
		_, name := s.passes(ctx)
		s.hosts["192.0.2.10:8080"].Set(targets.Refuse)
		s.address("db", "192.0.2.10")
		s.expect(ctx, "payments", endpoints{name: in}) // the other one may come back
		s.hosts["[2001:db8::10]:8080"].Set(targets.Refuse)
		s.expect(ctx, "payments", endpoints{name: out})
		s.host("192.0.2.11")
		s.address("db", "192.0.2.10", "192.0.2.11")
		s.expect(ctx, "payments", endpoints{name: in})
	})

	DescribeTable("keeps what is published, and says so, with", func(ctx SpecContext, answer nameserver.Reply) {
		_, name := s.passes(ctx)
		seen := s.watch(ctx)
		s.answer("db", "A", answer)
		s.answer("db", "AAAA", answer)
		s.asked(ctx, 5, "db", "AAAA")
		s.expectCondition(ctx, "payments", v1alpha1.ConditionStale, yes(v1alpha1.ReasonNameServerFailed, `target "db"`))
		Expect(seen.all()).To(BeEmpty())
		for _, host := range s.hosts {
			host.Set(targets.Refuse) // they are checked all the same
		}
		s.expect(ctx, "payments", endpoints{name: out})
	}, func() (entries []TableEntry) {
		for name, answer := range rotting {
			entries = append(entries, Entry(name, answer))
		}
		return entries
	}())

	DescribeTable("is not ready once it is confirmed", func(ctx SpecContext, gone nameserver.Reply, reason string) {
		ownOperator(operatorOptions{retention: time.Second})
		_, name := s.passes(ctx)
		s.answer("db", "A", gone)
		s.answer("db", "AAAA", gone)
		s.expect(ctx, "payments", endpoints{name: out})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionTargetsResolved, no(reason, name))
		s.address("db", "192.0.2.10")
		s.expect(ctx, "payments", endpoints{name: in})
	},
		Entry("not to exist", nameserver.NXDomain(0), v1alpha1.ReasonNameNotFound),
		Entry("to have no address", nameserver.NoData(0), v1alpha1.ReasonNoAddresses),
	)

	DescribeTable("is not published before anything is known of it:", func(ctx SpecContext, answer nameserver.Reply, match types.GomegaMatcher) {
		s.host("192.0.2.10")
		s.answer("db", "A", answer)
		s.answer("db", "AAAA", answer)
		s.service(ctx, "payments", headless)
		s.backend(ctx, "payments", fqdn("db", s.hostname("db"), passedThrough))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionTargetsResolved, match)
		Expect(s.slices(ctx)).To(BeEmpty())
		s.address("db", "192.0.2.10")
		s.expect(ctx, "payments", endpoints{s.hostname("db"): in})
	},
		Entry("the server fails", nameserver.Rcode(2), no(v1alpha1.ReasonNameServerFailed, `"db"`)),
		Entry("the server answers garbage", rotting["a server that answers garbage"], no(v1alpha1.ReasonNameServerFailed, `"db"`)),
	)

	It("is published as the state of its entry says", func(ctx SpecContext) {
		eb, name := s.passes(ctx, drainFor("1h"))
		edit(ctx, eb, set(v1alpha1.TargetDisabled))
		s.expect(ctx, "payments", endpoints{name: out})
		edit(ctx, eb, set(v1alpha1.TargetActive))
		s.expect(ctx, "payments", endpoints{name: in})
		edit(ctx, eb, set(v1alpha1.TargetDrain))
		s.expect(ctx, "payments", endpoints{name: leaving})
		Eventually(s.statusOf).WithContext(ctx).WithArguments("payments").Should(HaveField("Targets.Draining", BeEquivalentTo(2)))
		for _, host := range s.hosts {
			host.Set(targets.Refuse)
		}
		s.expect(ctx, "payments", endpoints{name: unserving})
		edit(ctx, eb, drainFor("1s"))
		Eventually(s.slices).WithContext(ctx).Should(BeEmpty())
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
	})

	It("is published as ready if the Service wants that, and serving tells the truth", func(ctx SpecContext) {
		_, name := s.passes(ctx)
		var svc corev1.Service
		svc.Namespace, svc.Name = s.namespace, "payments"
		edit(ctx, &svc, func(svc *corev1.Service) { svc.Spec.PublishNotReadyAddresses = true })
		for _, host := range s.hosts {
			host.Set(targets.Refuse)
		}
		s.expect(ctx, "payments", endpoints{name: "t,f,f"})
	})

	It("that is edited is what it was until the new one is known to be healthy", func(ctx SpecContext) {
		eb, name := s.passes(ctx)
		seen := s.watch(ctx)
		s.silenced("new")
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) { eb.Spec.Targets[0].FQDN.Hostname = s.hostname("new") })
		s.asked(ctx, 3, "new", "A")
		s.expectCondition(ctx, "payments", v1alpha1.ConditionStale, yes(v1alpha1.ReasonNameServerFailed))
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(endpoints{name: in}))
		s.host("192.0.2.11")
		s.address("new", "192.0.2.11")
		s.expect(ctx, "payments", endpoints{s.hostname("new"): in})
		Expect(seen.all()).To(HaveLen(1), "in place")
	})

	It("has to have a headless Service", func(ctx SpecContext) {
		s.host("192.0.2.10")
		s.service(ctx, "payments")
		s.backend(ctx, "payments", fqdn("db", s.address("db", "192.0.2.10"), passedThrough))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionServiceResolved, no(v1alpha1.ReasonServiceNotHeadless))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, yes(v1alpha1.ReasonAllHealthy))
		Expect(s.slices(ctx)).To(BeEmpty())
	})

	It("is taken out with a Service that is headless no more", func(ctx SpecContext) {
		s.passes(ctx)
		svc := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "payments"}}
		Expect(admin.Delete(ctx, svc)).To(Succeed())
		s.service(ctx, "payments")
		Eventually(s.slices).WithContext(ctx).Should(BeEmpty())
		s.expectCondition(ctx, "payments", v1alpha1.ConditionServiceResolved, no(v1alpha1.ReasonServiceNotHeadless))
	})
})
