// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/targets"
)

var _ = Describe("While the API server is away", func() {
	It("checks go on, and the latest verdicts are one write when it is back", func(ctx SpecContext) {
		s, away := newScene(ctx), newOutage(all)
		ownOperator(operatorOptions{fault: away.fault})
		flaps, dies := s.host("192.0.2.10"), s.host("192.0.2.11")
		s.service(ctx, "payments")
		s.backend(ctx, "payments", hasty, entry("rack", "192.0.2.10", "192.0.2.11"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.11": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, yes(v1alpha1.ReasonAllHealthy))
		versions, seen := s.versions(ctx), s.watch(ctx)

		away.begin()
		flaps.Set(targets.Refuse)
		noticed(flaps)
		flaps.Set(targets.Serve)
		dies.Set(targets.Refuse)
		noticed(flaps, dies)
		Expect(s.versions(ctx)).To(Equal(versions))
		away.end()
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.11": out})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, no(v1alpha1.ReasonSomeUnhealthy))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionPublished, yes(v1alpha1.ReasonPublished))
		Eventually(seen.all).Should(HaveLen(1))
	})

	It("a leader ends when it cannot renew its lease, the replica that stands by stays and takes over, and no slice is written", func(ctx SpecContext) {
		s, away := newScene(ctx), newOutage(all)
		hasty := operatorOptions{leaderElection: true, lease: 9 * time.Second, fault: away.fault}
		leader := ownOperator(hasty)
		Eventually(leader.manager.Elected()).Should(BeClosed())
		standby := ownOperator(hasty)
		host := s.host("192.0.2.10")
		s.service(ctx, "payments")
		s.backend(ctx, "payments", entry("rack", "192.0.2.10"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, yes(v1alpha1.ReasonAllHealthy))
		versions := s.versions(ctx)

		away.begin()
		Eventually(leader.ended).WithTimeout(2 * patience).Should(Receive(MatchError(ContainSubstring("leader election lost"))))
		leader.ended = nil
		again := ownOperator(hasty) // as the kubelet does
		refused := away.attempts()
		Eventually(away.attempts).Should(BeNumerically(">", refused+3))
		Expect(standby.ended).NotTo(Receive())
		Expect(again.ended).NotTo(Receive())
		away.end()
		Eventually(func() bool { return isClosed(standby.manager.Elected()) != isClosed(again.manager.Elected()) }).
			WithTimeout(2*patience).Should(BeTrue(), "one of them leads")
		checked := host.Attempts()
		Eventually(host.Attempts).Should(BeNumerically(">=", checked+3))
		Expect(s.versions(ctx)).To(Equal(versions))
		host.Set(targets.Refuse)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": out})
	})

	It("an operator that is started waits for it", func(ctx SpecContext) {
		s, away := newScene(ctx), newOutage(all)
		s.host("192.0.2.10")
		s.service(ctx, "payments")
		s.backend(ctx, "payments", entry("rack", "192.0.2.10"))
		away.begin()
		o := ownOperator(operatorOptions{fault: away.fault})
		Eventually(away.attempts).Should(BeNumerically(">", 8), "each cache has tried more than once")
		Expect(o.ended).NotTo(Receive())
		away.end()
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
	})
})

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

var _ = Describe("What happens while watches are cut off", func() {
	DescribeTable("is found out when they are back, and verdicts are written all the while",
		func(ctx SpecContext, first metav1.Status) {
			s, cut := newScene(ctx), newOutage(reading)
			o := ownOperator(operatorOptions{fault: cut.fault})
			host := s.host("192.0.2.10")
			s.host("192.0.2.11")
			s.host("192.0.2.12")
			s.service(ctx, "payments")
			s.service(ctx, "checkout")
			eb := s.backend(ctx, "payments", entry("rack", "192.0.2.10"))
			gone := s.backend(ctx, "gone", of("checkout"), entry("rack", "192.0.2.11"))
			s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
			s.expect(ctx, "checkout", endpoints{"192.0.2.11": in})
			s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, yes(v1alpha1.ReasonAllHealthy))

			cut.begin()
			host.Set(targets.Refuse)
			s.expect(ctx, "payments", endpoints{"192.0.2.10": out})
			host.Set(targets.Serve)
			s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
			Expect(admin.Delete(ctx, gone)).To(Succeed())
			edit(ctx, eb, entry("cage", "192.0.2.12"))
			edit(ctx, &s.slicesOf(ctx, "payments")[0], func(slice *discoveryv1.EndpointSlice) { slice.Endpoints = nil })
			svc := &corev1.Service{}
			svc.Namespace, svc.Name = s.namespace, "payments"
			edit(ctx, svc, func(svc *corev1.Service) { svc.Labels = map[string]string{"team": "shop"} })
			s.foreignSlice(ctx, "payments", "by-hand", "me", "192.0.2.99")
			refused := cut.attempts()
			Eventually(cut.attempts).Should(BeNumerically(">", refused))

			if first.Code != 0 {
				o.requests.cause(answerSome(4, reading, first))
			}
			cut.end()
			s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.12": in, "192.0.2.99": in})
			s.expect(ctx, "checkout", endpoints{})
			Eventually(s.slicesOf).WithContext(ctx).WithArguments("payments").Should(ContainElement(HaveField("Labels", HaveKeyWithValue("team", "shop"))))
			s.expectCondition(ctx, "payments", v1alpha1.ConditionConflict, yes(v1alpha1.ReasonForeignEndpointSlices, "by-hand"))
			repaired := func(ctx context.Context) bool {
				return !slices.ContainsFunc(s.slicesOf(ctx, "payments"), func(slice discoveryv1.EndpointSlice) bool {
					return slice.Labels["edited"] != ""
				})
			}
			for _, slice := range s.slicesOf(ctx, "payments") {
				if slice.Name != "by-hand" {
					edit(ctx, &slice, func(slice *discoveryv1.EndpointSlice) { slice.Labels["edited"] = "yes" })
				}
			}
			Eventually(repaired).WithContext(ctx).WithTimeout(afterOutage).Should(BeTrue(), "edits of our slices are seen again")
		},
		Entry("where they left off", metav1.Status{}),
		Entry("after what they left off at is forgotten (410)", expired),
		Entry("after reading failed for a while (500)", internalError),
		Entry("after the API server was too busy for a while (429)", tooMany),
		Entry("after the operator was not allowed to read for a while (403)", forbidden),
	)

	It("is found out also where one ExternalBackend has taken the place of another", func(ctx SpecContext) {
		s, cut := newScene(ctx), newOutage(reading)
		o := ownOperator(operatorOptions{fault: cut.fault})
		s.host("192.0.2.10")
		s.service(ctx, "payments")
		s.service(ctx, "checkout")
		old := s.backend(ctx, "payments", entry("rack", "192.0.2.10"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, yes(v1alpha1.ReasonAllHealthy))
		cut.begin()
		Expect(admin.Delete(ctx, old)).To(Succeed())
		s.backend(ctx, "payments", of("checkout"), entry("rack", "192.0.2.10"))
		refused := cut.attempts()
		Eventually(cut.attempts).Should(BeNumerically(">", refused))
		o.requests.cause(answerSome(1, func(r *http.Request) bool {
			return reading(r) && strings.HasSuffix(r.URL.Path, "/externalbackends")
		}, expired)) // so that it is not told of a deletion and a creation
		Eventually(s.endpointsOf).WithContext(ctx).WithArguments("checkout").WithTimeout(afterOutage).Should(Equal(endpoints{"192.0.2.10": in}))
		s.expect(ctx, "payments", endpoints{})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
	})

	It("or hang, and nobody is told, is no obstacle to verdicts and leaves nothing published twice", func(ctx SpecContext) {
		s, behind, ticks := newScene(ctx), &lag{of: ownSlices}, &advanced{}
		ownOperator(operatorOptions{fault: behind.fault, clock: ticks})
		host := s.host("192.0.2.10")
		s.service(ctx, "payments")
		s.backend(ctx, "payments", hasty, entry("rack", "192.0.2.10"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, yes(v1alpha1.ReasonAllHealthy))

		behind.begin()
		want := endpoints{"192.0.2.10": in}
		add := func(addresses []string) func(*v1alpha1.ExternalBackend) {
			return func(eb *v1alpha1.ExternalBackend) {
				eb.Spec.Targets = nil
				entry("rack", addresses...)(eb)
			}
		}
		addresses := manyAddresses(120)
		many := s.backend(ctx, "many", of("payments"), none, add(addresses))
		for _, a := range addresses {
			want[a] = in
		}
		s.expect(ctx, "payments", want)
		flip := func(b targets.Behaviour, published string) {
			GinkgoHelper()
			host.Set(b)
			want["192.0.2.10"] = published
			s.expect(ctx, "payments", want)
		}
		flip(targets.Refuse, out)
		edit(ctx, many, add(addresses[:40])) // one slice goes
		for _, a := range addresses[40:] {
			delete(want, a)
		}
		flip(targets.Serve, in)
		ticks.advance(time.Minute) // own writes are not believed any more, rather than the cache
		flip(targets.Refuse, out)
		edit(ctx, many, add(addresses))
		for _, a := range addresses {
			want[a] = in
		}
		flip(targets.Serve, in)
		behind.end()
		flip(targets.Refuse, out)
		s.expectCondition(ctx, "many", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(want))
	})
})

var _ = Describe("Writes that fail", func() {
	// never answers nothing at all.
	never := func(r *http.Request, _ http.RoundTripper) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	DescribeTable("are told, hold up no other Service, and are made up for", func(ctx SpecContext, fails func(path string) fault, told string) {
		s, neighbours := newScene(ctx), newScene(ctx)
		o := ownOperator(operatorOptions{})
		host, other := s.host("192.0.2.10"), neighbours.host("192.0.2.20")
		for scene, address := range map[*scene]string{s: "192.0.2.10", neighbours: "192.0.2.20"} {
			scene.service(ctx, "payments")
			scene.backend(ctx, "payments", entry("rack", address))
			scene.expect(ctx, "payments", endpoints{address: in})
			scene.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, yes(v1alpha1.ReasonAllHealthy))
		}
		o.requests.cause(fails(s.slicePath()))
		host.Set(targets.Refuse)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionPublished, no(v1alpha1.ReasonWriteFailed, told))
		other.Set(targets.Refuse)
		neighbours.expect(ctx, "payments", endpoints{"192.0.2.20": out})
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(endpoints{"192.0.2.10": in}))
		o.requests.cause(nil)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": out})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionPublished, yes(v1alpha1.ReasonPublished))
	},
		Entry("with an internal error", func(path string) fault { return answerFirst(always, path, internalError) }, "made up by the test"),
		Entry("since the API server is not ready", func(path string) fault { return answerFirst(always, path, unavailable) }, "made up by the test"),
		Entry("since the operator may not write any more", func(path string) fault { return answerFirst(always, path, forbidden) }, "made up by the test"),
		Entry("since they get no answer", func(path string) fault {
			return on(writing(path), never)
		}, "deadline"),
	)
})
