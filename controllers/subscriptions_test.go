// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"slices"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/controllers"
	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/test/targets"
)

// subscriptions remember which addresses were to be checked.
type subscriptions struct {
	controllers.HealthSource
	mu     sync.Mutex
	lists  map[string][]string                   // by namespace and name, each time that it was another one
	checks map[string]map[string][]*health.Check // of the last time, by namespace and name, and address
}

func newSubscriptions(source controllers.HealthSource) *subscriptions {
	return &subscriptions{HealthSource: source, lists: make(map[string][]string), checks: make(map[string]map[string][]*health.Check)}
}

func (s *subscriptions) Ensure(sub health.Subscriber, thresholds health.Thresholds, list []health.Target) {
	addresses, checks := make([]string, len(list)), make(map[string][]*health.Check, len(list))
	for i, t := range list {
		addresses[i] = t.Addr.String()
		checks[addresses[i]] = t.Checks
	}
	text, key := strings.Join(addresses, " "), sub.Namespace+"/"+sub.Name
	s.mu.Lock()
	if told := s.lists[key]; len(told) == 0 || told[len(told)-1] != text {
		s.lists[key] = append(told, text)
	}
	s.checks[key] = checks
	s.mu.Unlock()
	s.HealthSource.Ensure(sub, thresholds, list)
}

func (s *subscriptions) of(namespace, name string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.lists[namespace+"/"+name])
}

// checksOf returns how each address is checked now.
func (s *subscriptions) checksOf(namespace, name string) map[string][]*health.Check {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.checks[namespace+"/"+name]
}

var _ = Describe("First checks", func() {
	It("are asked for once, however often somebody looks whether they are done", func(ctx SpecContext) {
		o := sharedOperator()
		s := newScene(ctx)
		s.host("192.0.2.10")
		s.host("192.0.2.11").Set(targets.Vanish)
		s.service(ctx, "payments")
		s.backend(ctx, "payments", entry("rack", "192.0.2.11"), entry("cage", "192.0.2.10", "192.0.2.11"), func(eb *v1alpha1.ExternalBackend) {
			eb.Spec.HealthCheck.Interval, eb.Spec.HealthCheck.EdgeInterval = "5s", "5s" // so that they take some time
		})
		Eventually(s.condition).WithContext(ctx).WithArguments("payments", v1alpha1.ConditionPublished).Should(
			HaveField("Reason", v1alpha1.ReasonAwaitingFirstChecks))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.11": out})
		Expect(o.asked.of(s.namespace, "payments")).To(Equal([]string{"192.0.2.10 192.0.2.11"}))
	})
})
