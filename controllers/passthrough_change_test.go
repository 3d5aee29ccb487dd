// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/nameserver"
	"externalbackend.dev/operator/test/targets"
)

// lapses returns the moments at which no endpoint of a Service was ready.
func (w *sighting) lapses(service string) (found []string) {
	current := map[string]change{}
	for _, c := range slices.Concat(w.before, w.all()) {
		if current[c.Name] = c; c.Type == watch.Deleted {
			delete(current, c.Name)
		}
		ready := func(c change) bool {
			return c.Service == service && slices.Contains(slices.Collect(maps.Values(c.Endpoints)), in)
		}
		if !slices.ContainsFunc(slices.Collect(maps.Values(current)), ready) {
			found = append(found, fmt.Sprintf("after %s %s", c.Type, c.Name))
		}
	}
	return found
}

var _ = Describe("A Service changes", func() {
	var s *scene
	BeforeEach(func(ctx SpecContext) {
		sharedOperator()
		s = newScene(ctx)
	})

	It("from addresses to their name and back, without a moment with neither", func(ctx SpecContext) {
		eb, name := s.passes(ctx, drainFor("1h"))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, yes(v1alpha1.ReasonAllHealthy))
		seen := s.watch(ctx)
		edit(ctx, eb, resolution(v1alpha1.ResolutionResolve))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "2001:db8::10": in})
		edit(ctx, eb, resolution(v1alpha1.ResolutionPassthrough))
		s.expect(ctx, "payments", endpoints{name: in})
		Expect(seen.lapses("payments")).To(BeEmpty())
		Expect(seen.unready()).To(BeEmpty(), "nothing drains beside others of another kind")
	})

	It("to a name and from it once what takes its place has passed a check", func(ctx SpecContext) {
		eb, _ := s.passes(ctx)
		seen := s.watch(ctx)
		late := s.host("192.0.2.11")
		late.Set(targets.Hang)
		edit(ctx, eb, instead(entry("rack", "192.0.2.11")))
		Eventually(late.Attempts).Should(BeNumerically(">", 0))
		late.Set(targets.Serve)
		s.expect(ctx, "payments", endpoints{"192.0.2.11": in})
		s.host("192.0.2.12")
		s.address("new", "192.0.2.12")
		edit(ctx, eb, instead(fqdn("new", s.hostname("new"), passedThrough)))
		s.expect(ctx, "payments", endpoints{s.hostname("new"): in})
		Expect(seen.lapses("payments")).To(BeEmpty())
	})

	It("from a name once what takes its place has passed a check, though another entry is denied", func(ctx SpecContext) {
		eb, name := s.passes(ctx)
		s.policy(ctx, "deny", denying(v1alpha1.PolicyDeny{Hostnames: []v1alpha1.HostnamePattern{v1alpha1.HostnamePattern(s.hostname("bad"))}}))
		late := s.host("192.0.2.11")
		late.Set(targets.Hang)
		edit(ctx, eb, instead(func(eb *v1alpha1.ExternalBackend) {
			entry("rack", "192.0.2.11")(eb)
			fqdn("bad", s.hostname("bad"))(eb)
		}))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionAccepted, no(v1alpha1.ReasonPolicyDenied, s.hostname("bad")))
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(endpoints{name: in}))
		late.Set(targets.Serve)
		s.expect(ctx, "payments", endpoints{"192.0.2.11": in})
	})

	It("from a name to another that is resolved once that is answered for", func(ctx SpecContext) {
		eb, name := s.passes(ctx)
		s.silenced("new")
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) {
			eb.Spec.Targets[0].FQDN = &v1alpha1.FQDNTarget{Hostname: s.hostname("new")}
		})
		s.asked(ctx, 3, "new", "A")
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(endpoints{name: in}))
		s.host("192.0.2.11")
		s.address("new", "192.0.2.11")
		s.expect(ctx, "payments", endpoints{"192.0.2.11": in})
	})

	It("from addresses to a name only if that can be written", func(ctx SpecContext) {
		o := ownOperator(operatorOptions{})
		eb, name := s.passes(ctx)
		edit(ctx, eb, resolution(v1alpha1.ResolutionResolve))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "2001:db8::10": in})
		seen := s.watch(ctx)
		o.requests.cause(answerSome(always, creating(s.slicePath()), forbidden))
		edit(ctx, eb, resolution(v1alpha1.ResolutionPassthrough))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionPublished, no(v1alpha1.ReasonWriteFailed))
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(endpoints{"192.0.2.10": in, "2001:db8::10": in}))
		o.requests.cause(nil)
		s.expect(ctx, "payments", endpoints{name: in})
		Expect(seen.lapses("payments")).To(BeEmpty())
	})
})

var _ = Describe("Beside a name that is passed through", func() {
	var s *scene
	var first *v1alpha1.ExternalBackend
	BeforeEach(func(ctx SpecContext) {
		sharedOperator()
		s = newScene(ctx)
		s.host("192.0.2.10")
		s.host("192.0.2.11")
	})
	begin := func(ctx SpecContext, older, younger func(*v1alpha1.ExternalBackend), now string) {
		GinkgoHelper()
		s.address("db", "192.0.2.10")
		s.address("new", "192.0.2.11")
		s.service(ctx, "payments", headless)
		first = s.backend(ctx, "first", of("payments"), older)
		s.expect(ctx, "payments", endpoints{now: in})
		s.nextSecond(first)
		s.backend(ctx, "second", of("payments"), younger)
		s.expectCondition(ctx, "second", v1alpha1.ConditionTargetsResolved, no(v1alpha1.ReasonPassthroughConflict, `"first"`, "resolution: Resolve"))
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(endpoints{now: in}))
		s.expectCondition(ctx, "first", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
		Expect(s.statusOf(ctx, "second").Targets.Total).To(BeZero())
	}
	named := func(label string) func(*v1alpha1.ExternalBackend) {
		return func(eb *v1alpha1.ExternalBackend) { fqdn(label, s.hostname(label), passedThrough)(eb) }
	}
	next := func(ctx SpecContext, then string) {
		GinkgoHelper()
		seen := s.watch(ctx)
		edit(ctx, first, of("elsewhere"))
		s.expect(ctx, "payments", endpoints{then: in})
		Expect(seen.lapses("payments")).To(BeEmpty())
		s.expectCondition(ctx, "second", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
	}

	It("nothing younger is published", func(ctx SpecContext) {
		begin(ctx, named("db"), entry("rack", "192.0.2.11"), s.hostname("db"))
		next(ctx, "192.0.2.11")
	})

	It("no younger name is published", func(ctx SpecContext) {
		begin(ctx, named("db"), named("new"), s.hostname("db"))
		next(ctx, s.hostname("new"))
	})

	It("that is younger, addresses go on being published, and it is not", func(ctx SpecContext) {
		begin(ctx, entry("rack", "192.0.2.10"), named("new"), "192.0.2.10")
		next(ctx, s.hostname("new"))
	})

	It("that becomes one, younger addresses go, and they are back when it is denied", func(ctx SpecContext) {
		s.address("db", "192.0.2.10")
		s.service(ctx, "payments", headless)
		first = s.backend(ctx, "first", of("payments"), drainFor("1h"), fqdn("db", s.hostname("db")))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		s.nextSecond(first)
		s.backend(ctx, "second", of("payments"), drainFor("1h"), entry("rack", "192.0.2.11"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.11": in})
		edit(ctx, first, resolution(v1alpha1.ResolutionPassthrough))
		s.expect(ctx, "payments", endpoints{s.hostname("db"): in})
		s.policy(ctx, "deny", denying(v1alpha1.PolicyDeny{Hostnames: []v1alpha1.HostnamePattern{v1alpha1.HostnamePattern(s.hostname("db"))}}))
		s.expect(ctx, "payments", endpoints{"192.0.2.11": in})
	})
})

var _ = Describe("A name that is passed through goes at once", func() {
	var s *scene
	BeforeEach(func(ctx SpecContext) {
		sharedOperator()
		s = newScene(ctx)
	})
	deny := func(ctx SpecContext) {
		GinkgoHelper()
		s.policy(ctx, "deny", denying(v1alpha1.PolicyDeny{Hostnames: []v1alpha1.HostnamePattern{v1alpha1.HostnamePattern("*." + strings.SplitN(s.hostname("db"), ".", 2)[1])}}))
		Eventually(s.slices).WithContext(ctx).Should(BeEmpty())
	}

	It("when a policy denies it", func(ctx SpecContext) {
		s.passes(ctx, drainFor("1h"))
		deny(ctx)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionAccepted, no(v1alpha1.ReasonPolicyDenied))
	})

	It("when a policy denies it while its Service is absent", func(ctx SpecContext) {
		_, name := s.passes(ctx)
		Expect(admin.Delete(ctx, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "payments"}})).To(Succeed())
		s.expectCondition(ctx, "payments", v1alpha1.ConditionServiceResolved, no(v1alpha1.ReasonServiceNotFound))
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(endpoints{name: in}))
		deny(ctx)
	})

	It("when it leads to an address that is denied, also beside others", func(ctx SpecContext) {
		s.passes(ctx)
		s.address("db", "192.0.2.10", "169.254.169.254")
		Eventually(s.slices).WithContext(ctx).Should(BeEmpty())
		s.expectCondition(ctx, "payments", v1alpha1.ConditionAccepted, no(v1alpha1.ReasonAddressDenied, "169.254.169.254"))
	})

	It("when it leads to a name that is denied", func(ctx SpecContext) {
		_, name := s.passes(ctx)
		s.answer("db", "A", nameserver.Records(name+" 0 CNAME metadata.example.", "metadata.example 0 A 192.0.2.10"))
		Eventually(s.slices).WithContext(ctx).Should(BeEmpty())
		s.expectCondition(ctx, "payments", v1alpha1.ConditionAccepted, no(v1alpha1.ReasonNameDenied, "metadata.example"))
	})
})

var _ = Describe("A restarted operator", func() {
	var s *scene
	begin := func(ctx context.Context) (o *operator, name string) {
		GinkgoHelper()
		s = newScene(ctx)
		o = ownOperator(operatorOptions{})
		_, name = s.passes(ctx)
		return o, name
	}

	It("leaves a name as it is that nobody answers for", func(ctx SpecContext) {
		o, name := begin(ctx)
		o.stop()
		s.silenced("db")
		seen := s.watch(ctx)
		ownOperator(operatorOptions{})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionStale, yes(v1alpha1.ReasonNameServerFailed))
		Expect(seen.all()).To(BeEmpty())
		var svc corev1.Service
		svc.Namespace, svc.Name = s.namespace, "payments"
		edit(ctx, &svc, func(svc *corev1.Service) { svc.Labels = map[string]string{"team": "shop"} })
		Eventually(s.slices).WithContext(ctx).Should(ConsistOf(HaveField("Labels", HaveKeyWithValue("team", "shop"))))
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(endpoints{name: in}))
		s.address("db", "192.0.2.10")
		s.expectCondition(ctx, "payments", v1alpha1.ConditionStale, withdrawn)
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(endpoints{name: in}))
	})

	It("writes nothing for a name that is as it was, ready or not", func(ctx SpecContext) {
		o, name := begin(ctx)
		for _, state := range []string{in, out} {
			o.stop()
			seen := s.watch(ctx)
			o = ownOperator(operatorOptions{})
			s.asked(ctx, 3, "db", "AAAA")
			Eventually(s.hosts["192.0.2.10:8080"].Attempts).Should(BeNumerically(">", s.hosts["192.0.2.10:8080"].Attempts()+1))
			Expect(seen.all()).To(BeEmpty())
			Expect(s.endpointsOf(ctx, "payments")).To(Equal(endpoints{name: state}))
			for _, host := range s.hosts {
				host.Set(targets.Refuse)
			}
			s.expect(ctx, "payments", endpoints{name: out})
		}
	})
})
