// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	clocktesting "k8s.io/utils/clock/testing"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/targets"
)

func hasty(eb *v1alpha1.ExternalBackend) { eb.Spec.HealthCheck.UnhealthyThreshold = 1 }

// noticed waits until what hosts do now has been noticed: they were checked
// once, and since then again.
func noticed(hosts ...*targets.Host) {
	GinkgoHelper()
	for i, before := range attempts(hosts) {
		Eventually(hosts[i].Attempts).Should(BeNumerically(">=", before+2))
	}
}

// The clock of these operators stands still, and with it the window.
var _ = Describe("Flips that follow each other", func() {
	var s *scene
	var o *operator
	var ticks *clocktesting.FakePassiveClock
	var hosts []*targets.Host
	var eb *v1alpha1.ExternalBackend
	var published endpoints
	var mark int
	BeforeEach(func(ctx SpecContext) {
		s, hosts = newScene(ctx), nil
		ticks = clocktesting.NewFakePassiveClock(time.Now())
		o = ownOperator(operatorOptions{clock: ticks})
		s.service(ctx, "payments")
		addresses := []string{"192.0.2.10", "192.0.2.11", "192.0.2.12", "2001:db8::10", "2001:db8::11", "2001:db8::12"}
		published = endpoints{}
		for _, address := range addresses {
			hosts, published[address] = append(hosts, s.host(address)), in
		}
		eb = s.backend(ctx, "payments", hasty, entry("rack", addresses...))
		s.expect(ctx, "payments", published)
		ticks.SetTime(ticks.Now().Add(time.Second))
		mark = audit.mark()

		hosts[0].Set(targets.Refuse)
		published["192.0.2.10"] = out
		s.expect(ctx, "payments", published) // at once
	})
	var updates []any
	JustBeforeEach(func(ctx SpecContext) {
		updates = nil
		for _, slice := range s.slicesOf(ctx, "payments") {
			updates = append(updates, "update "+slice.Name)
		}
		Expect(updates).To(HaveLen(2))
	})
	// more flips all but the first address, the last one there and back.
	more := func() {
		GinkgoHelper()
		for _, host := range hosts[1:] {
			host.Set(targets.Refuse)
		}
		noticed(hosts[1:]...)
		hosts[5].Set(targets.Serve)
		noticed(hosts[5])
		for _, address := range []string{"192.0.2.11", "192.0.2.12", "2001:db8::10", "2001:db8::11"} {
			published[address] = out
		}
	}

	It("are one update of each slice when the window opens (rule 55)", func(ctx SpecContext) {
		held := s.endpointsOf(ctx, "payments")
		more()
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(held))
		Expect(s.writes(mark)).To(ConsistOf(updates[0]))
		ticks.SetTime(ticks.Now().Add(500 * time.Millisecond))
		s.expect(ctx, "payments", published)
		Expect(s.writes(mark)).To(ConsistOf(updates[0], updates[0], updates[1]))
	})

	It("wait for the window also while a slice cannot be created", func(ctx SpecContext) {
		o.requests.cause(answerSome(always, creating(s.slicePath()), forbidden))
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) {
			entry("cage", "192.0.2.13")(eb)
			eb.Spec.Targets[1].Ports = []v1alpha1.TargetPort{{Name: "http", Port: 8081}}
		})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionPublished, no(v1alpha1.ReasonWriteFailed))
		more()
		Expect(s.writes(mark)).To(ConsistOf(updates[0]))
		ticks.SetTime(ticks.Now().Add(500 * time.Millisecond))
		s.expect(ctx, "payments", published)
		Expect(s.writes(mark)).To(ConsistOf(updates[0], updates[0], updates[1]))
	})

	DescribeTable("go out with any other change, which does not wait", func(ctx SpecContext, change func(SpecContext)) {
		more()
		Expect(s.writes(mark)).To(ConsistOf(updates[0]))
		change(ctx)
		s.expect(ctx, "payments", published)
		Expect(s.writes(mark)).To(HaveLen(3))
	},
		Entry("of the spec", func(ctx SpecContext) {
			edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) { eb.Spec.Targets[0].Zone = "eu-west-1a" })
		}),
		Entry("of the Service", func(ctx SpecContext) {
			svc := &corev1.Service{}
			svc.Namespace, svc.Name = s.namespace, "payments"
			edit(ctx, svc, func(svc *corev1.Service) { svc.Labels = map[string]string{"team": "shop"} })
		}),
		Entry("that somebody else made to a slice", func(ctx SpecContext) {
			edit(ctx, &s.slicesOf(ctx, "payments")[0], func(slice *discoveryv1.EndpointSlice) { slice.Endpoints[0].Zone = new("moon-1a") })
		}),
	)
})

var _ = Describe("Writes", func() {
	var s *scene
	var o *operator
	BeforeEach(func(ctx SpecContext) { s, o = newScene(ctx), ownOperator(operatorOptions{}) })

	It("of slices wait for no status that gets no answer, of whatever Service", func(ctx SpecContext) {
		var hosts []*targets.Host
		var names []string
		for i := range 12 { // more than there are workers
			name, address := fmt.Sprintf("payments-%d", i), fmt.Sprintf("192.0.2.%d", 10+i)
			hosts, names = append(hosts, s.host(address)), append(names, name)
			s.service(ctx, name)
			s.backend(ctx, name, hasty, entry("rack", address))
		}
		for i, name := range names {
			s.expect(ctx, name, endpoints{fmt.Sprintf("192.0.2.%d", 10+i): in})
			s.expectCondition(ctx, name, v1alpha1.ConditionHealthy, yes(v1alpha1.ReasonAllHealthy))
		}
		o.requests.holdWrites("/apis/externalbackend.dev/")
		for _, flip := range []struct {
			behaviour targets.Behaviour
			published string
		}{{targets.Refuse, out}, {targets.Serve, in}, {targets.Refuse, out}} {
			for i, name := range names {
				hosts[i].Set(flip.behaviour)
				s.expect(ctx, name, endpoints{fmt.Sprintf("192.0.2.%d", 10+i): flip.published})
			}
		}
		Expect(o.requests.heldUp()).To(BeNumerically(">", 0), "statuses were written meanwhile")
		Expect(s.condition(ctx, names[0], v1alpha1.ConditionHealthy)).To(yes(v1alpha1.ReasonAllHealthy))
		o.requests.release()
		for _, name := range names {
			s.expectCondition(ctx, name, v1alpha1.ConditionHealthy, no(v1alpha1.ReasonNoneHealthy))
		}
	})

	It("that the API server throttles are tried again when it says, readiness before the status", func(ctx SpecContext) {
		host := s.host("192.0.2.10")
		s.service(ctx, "payments")
		s.backend(ctx, "payments", entry("rack", "192.0.2.10"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, yes(v1alpha1.ReasonAllHealthy))
		t := &throttle{path: s.slicePath(), refusals: 3, marker: v1alpha1.ReasonNoneHealthy}
		o.requests.cause(t.fault)
		host.Set(targets.Refuse)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": out})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, no(v1alpha1.ReasonNoneHealthy))
		requests, early := t.seen()
		Expect(requests).To(HaveExactElements("slice refused", "slice refused", "slice refused", "slice", "status"))
		Expect(early).To(BeZero(), "requests that came before they should")
		Expect(s.events(ctx, "payments")).NotTo(HaveKey(v1alpha1.ReasonWriteFailed))
	})

	It("that others forestall again and again are planned again, and only so often", func(ctx SpecContext) {
		host := s.host("192.0.2.10")
		s.service(ctx, "payments")
		s.backend(ctx, "payments", entry("rack", "192.0.2.10"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, yes(v1alpha1.ReasonAllHealthy))
		before := puts(o, s)
		o.requests.cause(answerFirst(5, s.slicePath(), conflict))
		host.Set(targets.Refuse)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": out})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, no(v1alpha1.ReasonNoneHealthy))
		Expect(puts(o, s) - before).To(Equal(6))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionPublished, yes(v1alpha1.ReasonPublished))
		Expect(s.events(ctx, "payments")).NotTo(HaveKey(v1alpha1.ReasonWriteFailed), "a lost race is no failure")
	})

	It("tell when the verdict was reached that caused them, and others do not", func(ctx SpecContext) {
		host := s.host("192.0.2.10")
		svc := s.service(ctx, "payments")
		s.backend(ctx, "payments", entry("rack", "192.0.2.10"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, yes(v1alpha1.ReasonAllHealthy))
		before := time.Now()
		host.Set(targets.Refuse)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": out})
		slice := s.slicesOf(ctx, "payments")[0]
		reached, err := time.Parse(time.RFC3339Nano, slice.Annotations[corev1.EndpointsLastChangeTriggerTime])
		Expect(err).NotTo(HaveOccurred())
		Expect(reached).To(And(BeTemporally(">", before), BeTemporally("<", time.Now())))

		// It causes no write: neither that it is there, nor that somebody edits it.
		edited := edit(ctx, slice.DeepCopy(), func(e *discoveryv1.EndpointSlice) {
			e.Annotations[corev1.EndpointsLastChangeTriggerTime] = "2020-02-02T00:00:00Z"
		})
		noticed(host)
		Expect(s.versions(ctx)).To(Equal(map[string]string{slice.Name: edited.ResourceVersion}))

		edit(ctx, svc, func(svc *corev1.Service) { svc.Labels = map[string]string{"team": "shop"} })
		Eventually(s.slicesOf).WithContext(ctx).WithArguments("payments").Should(ConsistOf(And(
			HaveField("Labels", HaveKeyWithValue("team", "shop")),
			HaveField("Annotations", Not(HaveKey(corev1.EndpointsLastChangeTriggerTime))))))
	})
})

// puts counts the updates of slices that an operator has sent for a namespace.
func puts(o *operator, s *scene) (n int) {
	for request, times := range maps.All(o.requests.counts()) {
		if strings.HasPrefix(request, "PUT "+s.slicePath()) {
			n += times
		}
	}
	return n
}

// throttle refuses the first writes of slices for a second each, as API
// priority and fairness does, and notes those that do not wait so long.
type throttle struct {
	path     string
	refusals int
	marker   string // of the status that is looked for

	mu       sync.Mutex
	requests []string
	until    time.Time
	early    int
}

func (t *throttle) fault(r *http.Request, next http.RoundTripper) (*http.Response, error) {
	if t.refuses(r) {
		response := answer(r, tooMany)
		response.Header.Set("Retry-After", "1")
		return response, nil
	}
	return next.RoundTrip(r)
}

func (t *throttle) refuses(r *http.Request) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case r.Method == http.MethodPut && strings.HasPrefix(r.URL.Path, t.path):
		if time.Now().Before(t.until) {
			t.early++
		}
		if t.refusals > 0 {
			t.refusals, t.until = t.refusals-1, time.Now().Add(time.Second)
			t.requests = append(t.requests, "slice refused")
			return true
		}
		t.requests = append(t.requests, "slice")
	case r.Method == http.MethodPatch && strings.HasSuffix(r.URL.Path, "/status") && strings.Contains(textOf(r), t.marker):
		t.requests = append(t.requests, "status")
	}
	return false
}

func (t *throttle) seen() ([]string, int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.requests), t.early
}
