// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"encoding/json"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/sliceplan"
	"externalbackend.dev/operator/test/targets"
)

// Conditions of endpoints that drain.
const (
	leaving   = "f,t,t" // while they pass their checks
	unserving = "f,f,t"
)

func drainFor(d string) func(*v1alpha1.ExternalBackend) {
	return func(eb *v1alpha1.ExternalBackend) { eb.Spec.Drain.Duration = v1alpha1.Duration(d) }
}

// set puts the first entry in a state.
func set(state v1alpha1.TargetState) func(*v1alpha1.ExternalBackend) {
	return func(eb *v1alpha1.ExternalBackend) { eb.Spec.Targets[0].State = state }
}

// withoutFirst removes the first address of the first entry.
func withoutFirst(eb *v1alpha1.ExternalBackend) {
	eb.Spec.Targets[0].IP.Addresses = eb.Spec.Targets[0].IP.Addresses[1:]
}

// deadline returns until when the slices of a Service say that an address
// drains; zero if they do not.
func (s *scene) deadline(ctx context.Context, service, address string) time.Time {
	GinkgoHelper()
	for _, slice := range s.slicesOf(ctx, service) {
		var states map[string]struct{ DrainUntil time.Time }
		if text := slice.Annotations[sliceplan.StateAnnotation]; text != "" {
			Expect(json.Unmarshal([]byte(text), &states)).To(Succeed())
		}
		if state, ok := states[address]; ok {
			return state.DrainUntil
		}
	}
	return time.Time{}
}

var _ = Describe("A target that is taken out of service", func() {
	var s *scene
	var host *targets.Host
	BeforeEach(func(ctx SpecContext) {
		sharedOperator()
		s = newScene(ctx)
		host = s.host("192.0.2.10")
		s.host("192.0.2.11")
		s.host("192.0.2.20")
		s.service(ctx, "payments")
	})
	// serving publishes 192.0.2.10 and .11 of one entry and .20 of another.
	serving := func(ctx SpecContext, edits ...func(*v1alpha1.ExternalBackend)) *v1alpha1.ExternalBackend {
		GinkgoHelper()
		edits = append(edits, entry("rack", "192.0.2.10", "192.0.2.11"), entry("cage", "192.0.2.20"))
		eb := s.backend(ctx, "payments", edits...)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.11": in, "192.0.2.20": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, yes(v1alpha1.ReasonAllHealthy))
		return eb
	}

	DescribeTable("drains, and goes when its time is over",
		func(ctx SpecContext, remove func(*v1alpha1.ExternalBackend), gone ...string) {
			eb := serving(ctx, drainFor("4s"))
			seen, mark := s.watch(ctx), audit.mark()
			edit(ctx, eb, remove)
			left := endpoints{"192.0.2.10": in, "192.0.2.11": in, "192.0.2.20": in}
			for _, address := range gone {
				delete(left, address)
			}
			s.expect(ctx, "payments", left)
			Expect(seen.all()).To(HaveLen(2), "one write to begin, one to end")
			for address, conditions := range seen.all()[0].Endpoints {
				if _, stays := left[address]; stays {
					Expect(conditions).To(Equal(in))
				} else {
					Expect(conditions).To(Equal(leaving))
				}
			}
			Expect(s.writes(mark)).To(HaveLen(2))
			Eventually(s.statusOf).WithContext(ctx).WithArguments("payments").Should(And(
				HaveField("Targets.Draining", BeZero()), HaveField("Targets.Total", BeEquivalentTo(len(left)))))
		},
		Entry("when its entry is set to Drain", set(v1alpha1.TargetDrain), "192.0.2.10", "192.0.2.11"),
		Entry("when its entry is removed", func(eb *v1alpha1.ExternalBackend) { eb.Spec.Targets = eb.Spec.Targets[1:] }, "192.0.2.10", "192.0.2.11"),
		Entry("when its address is removed", withoutFirst, "192.0.2.10"),
	)

	It("is counted, recorded and told once", func(ctx SpecContext) {
		eb := serving(ctx, drainFor("6s"))
		before := time.Now()
		edit(ctx, eb, set(v1alpha1.TargetDrain))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": leaving, "192.0.2.11": leaving, "192.0.2.20": in})
		Expect(s.deadline(ctx, "payments", "192.0.2.10")).To(And(
			BeTemporally(">", before), BeTemporally("<=", time.Now().Add(7*time.Second))))
		Expect(s.deadline(ctx, "payments", "192.0.2.11")).NotTo(BeZero())
		Expect(s.deadline(ctx, "payments", "192.0.2.20")).To(BeZero())
		Eventually(s.statusOf).WithContext(ctx).WithArguments("payments").Should(HaveField("Targets",
			v1alpha1.TargetCounts{Total: 3, Healthy: 1, Draining: 2}))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, yes(v1alpha1.ReasonAllHealthy))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))

		s.expect(ctx, "payments", endpoints{"192.0.2.20": in})
		Expect(s.slicesOf(ctx, "payments")).To(HaveEach(HaveField("Annotations", Not(HaveKey(sliceplan.StateAnnotation)))))
		Eventually(s.statusOf).WithContext(ctx).WithArguments("payments").Should(HaveField("Targets",
			v1alpha1.TargetCounts{Total: 1, Healthy: 1}))
		Eventually(s.events).WithContext(ctx).WithArguments("payments").Should(And(
			HaveKeyWithValue("TargetsDraining", ConsistOf("2 addresses drain and get no new connections: 192.0.2.10; 192.0.2.11")),
			HaveKeyWithValue("TargetsDrained", ConsistOf("2 addresses have drained and are gone: 192.0.2.10; 192.0.2.11"))))
		Expect(s.events(ctx, "payments")).NotTo(HaveKey("TargetsUnhealthy"))
	})

	It("serves no longer while it fails its checks, and again when it passes", func(ctx SpecContext) {
		eb := serving(ctx, drainFor("1h"))
		edit(ctx, eb, withoutFirst)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": leaving, "192.0.2.11": in, "192.0.2.20": in})
		deadline := s.deadline(ctx, "payments", "192.0.2.10")
		host.Set(targets.Refuse)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": unserving, "192.0.2.11": in, "192.0.2.20": in})
		host.Set(targets.Serve)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": leaving, "192.0.2.11": in, "192.0.2.20": in})
		Expect(s.deadline(ctx, "payments", "192.0.2.10")).To(BeTemporally("==", deadline))
	})

	DescribeTable("has the health that it had when it comes back",
		func(ctx SpecContext, behaviour targets.Behaviour, draining, back string) {
			eb := serving(ctx, drainFor("1h"))
			edit(ctx, eb, set(v1alpha1.TargetDrain))
			s.expect(ctx, "payments", endpoints{"192.0.2.10": leaving, "192.0.2.11": leaving, "192.0.2.20": in})
			host.Set(behaviour)
			s.expect(ctx, "payments", endpoints{"192.0.2.10": draining, "192.0.2.11": leaving, "192.0.2.20": in})
			seen := s.watch(ctx)
			edit(ctx, eb, set(v1alpha1.TargetActive))
			s.expect(ctx, "payments", endpoints{"192.0.2.10": back, "192.0.2.11": in, "192.0.2.20": in})
			Expect(seen.all()).To(HaveLen(1), "no check had to come first")
			Expect(s.deadline(ctx, "payments", "192.0.2.10")).To(BeZero())

			edit(ctx, eb, set(v1alpha1.TargetDrain)) // it begins anew
			Eventually(s.deadline).WithContext(ctx).WithArguments("payments", "192.0.2.10").Should(BeTemporally(">", time.Now().Add(50*time.Minute)))
		},
		Entry("and passes", targets.Serve, leaving, in),
		Entry("and fails", targets.Refuse, unserving, out),
	)

	It("goes at once with a drain of 0s, also one that has begun", func(ctx SpecContext) {
		eb := serving(ctx, drainFor("1h"))
		edit(ctx, eb, withoutFirst)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": leaving, "192.0.2.11": in, "192.0.2.20": in})
		edit(ctx, eb, drainFor("0s"))
		s.expect(ctx, "payments", endpoints{"192.0.2.11": in, "192.0.2.20": in})
		seen := s.watch(ctx)
		edit(ctx, eb, set(v1alpha1.TargetDrain))
		s.expect(ctx, "payments", endpoints{"192.0.2.20": in})
		Expect(seen.all()).To(HaveLen(1))
	})

	It("goes at once with its family", func(ctx SpecContext) {
		s.host("2001:db8::10")
		eb := s.backend(ctx, "payments", drainFor("1h"), entry("rack", "192.0.2.10", "2001:db8::10"))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "2001:db8::10": in})
		edit(ctx, eb, set(v1alpha1.TargetDrain))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": leaving, "2001:db8::10": leaving})
		svc := &corev1.Service{}
		svc.Namespace, svc.Name = s.namespace, "payments"
		edit(ctx, svc, func(svc *corev1.Service) {
			svc.Spec.IPFamilyPolicy = new(corev1.IPFamilyPolicySingleStack)
			svc.Spec.IPFamilies, svc.Spec.ClusterIPs = svc.Spec.IPFamilies[:1], svc.Spec.ClusterIPs[:1]
		})
		s.expect(ctx, "payments", endpoints{"192.0.2.10": leaving})
	})

	It("goes at once when the Service can have no slices of ours, and does not come back", func(ctx SpecContext) {
		eb := serving(ctx, drainFor("1h"))
		edit(ctx, eb, withoutFirst)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": leaving, "192.0.2.11": in, "192.0.2.20": in})
		svc := &corev1.Service{}
		svc.Namespace, svc.Name = s.namespace, "payments"
		edit(ctx, svc, func(svc *corev1.Service) { svc.Spec.Selector = map[string]string{"app": "payments"} })
		Eventually(s.slices).WithContext(ctx).Should(BeEmpty())
		edit(ctx, svc, func(svc *corev1.Service) { svc.Spec.Selector = nil })
		s.expect(ctx, "payments", endpoints{"192.0.2.11": in, "192.0.2.20": in})
	})

	It("does not drain on a Service that never had it", func(ctx SpecContext) {
		eb := serving(ctx, drainFor("1h"))
		s.service(ctx, "billing")
		seen := s.watch(ctx)
		edit(ctx, eb, together(of("billing"), withoutFirst))
		s.expect(ctx, "billing", endpoints{"192.0.2.11": in, "192.0.2.20": in})
		Eventually(s.endpointsOf).WithContext(ctx).WithArguments("payments").Should(BeEmpty())
		for _, change := range seen.all() {
			if change.Service == "billing" {
				Expect(change.Endpoints).NotTo(HaveKey("192.0.2.10"))
			}
		}
	})

	It("goes at once when its ExternalBackend is deleted", func(ctx SpecContext) {
		eb := serving(ctx, drainFor("1h"))
		edit(ctx, eb, set(v1alpha1.TargetDrain))
		s.expect(ctx, "payments", endpoints{"192.0.2.10": leaving, "192.0.2.11": leaving, "192.0.2.20": in})
		Expect(admin.Delete(ctx, eb)).To(Succeed())
		Eventually(s.slices).WithContext(ctx).Should(BeEmpty())
	})

	It("goes over at once to another ExternalBackend that serves it", func(ctx SpecContext) {
		eb := serving(ctx, drainFor("1h"))
		s.nextSecond(eb)
		s.backend(ctx, "heir", of("payments"), entry("attic", "192.0.2.10", "192.0.2.30"))
		Eventually(s.ownersOf).WithContext(ctx).WithArguments("payments").Should(HaveKey("192.0.2.30"))
		seen := s.watch(ctx)
		edit(ctx, eb, withoutFirst)
		Eventually(s.ownersOf).WithContext(ctx).WithArguments("payments").Should(HaveKeyWithValue("192.0.2.10", "heir"))
		Expect(s.endpointsOf(ctx, "payments")).To(HaveKeyWithValue("192.0.2.10", in))
		for _, change := range seen.all() {
			Expect(change.Endpoints).NotTo(HaveKeyWithValue("192.0.2.10", Not(Equal(in))))
		}
	})

	It("is not cut short by an ExternalBackend that lists it and can publish nothing", func(ctx SpecContext) {
		eb := serving(ctx, drainFor("1h"))
		s.nextSecond(eb)
		s.backend(ctx, "broken", of("payments"), entry("attic", "192.0.2.10"), func(eb *v1alpha1.ExternalBackend) {
			eb.Spec.Ports = []v1alpha1.BackendPort{{Name: "nothing", Port: 1}}
		})
		s.expectCondition(ctx, "broken", v1alpha1.ConditionServiceResolved, no(v1alpha1.ReasonPortNotFound))
		edit(ctx, eb, withoutFirst)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": leaving, "192.0.2.11": in, "192.0.2.20": in})
	})

	It("is ready all the same where the Service publishes what is not ready", func(ctx SpecContext) {
		svc := &corev1.Service{}
		svc.Namespace, svc.Name = s.namespace, "payments"
		edit(ctx, svc, func(svc *corev1.Service) { svc.Spec.PublishNotReadyAddresses = true })
		eb := serving(ctx, drainFor("1h"))
		edit(ctx, eb, withoutFirst)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": "t,t,t", "192.0.2.11": in, "192.0.2.20": in})
		host.Set(targets.Refuse)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": "t,f,t", "192.0.2.11": in, "192.0.2.20": in})
	})

	It("keeps its ports, zone and checks though the spec has others by now", func(ctx SpecContext) {
		other, err := network.Host("192.0.2.10:9090")
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func() { network.Remove("192.0.2.10:9090") })
		s.host("192.0.2.10").Set(targets.Refuse)
		eb := s.backend(ctx, "payments", drainFor("1h"), entry("rack", "192.0.2.10"), entry("cage", "192.0.2.20"), func(eb *v1alpha1.ExternalBackend) {
			eb.Spec.Targets[0].Zone = "eu-west-1a"
			eb.Spec.Targets[0].Ports = []v1alpha1.TargetPort{{Name: "http", Port: 9090}}
		})
		s.expect(ctx, "payments", endpoints{"192.0.2.10": in, "192.0.2.20": in})
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) {
			eb.Spec.Targets = eb.Spec.Targets[1:]
			eb.Spec.Targets[0].Zone = "eu-west-1b"
		})
		s.expect(ctx, "payments", endpoints{"192.0.2.10": leaving, "192.0.2.20": in})
		Expect(s.slicesOf(ctx, "payments")).To(ContainElement(And(
			HaveField("Endpoints", ConsistOf(And(HaveField("Addresses", []string{"192.0.2.10"}), HaveField("Zone", HaveValue(Equal("eu-west-1a")))))),
			HaveField("Ports", ConsistOf(HaveField("Port", HaveValue(BeEquivalentTo(9090))))))))
		other.Set(targets.Refuse)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": unserving, "192.0.2.20": in})
	})

	It("loses its hostname when the Service is headless no longer, and gets it back", func(ctx SpecContext) {
		headless := func(svc *corev1.Service) { svc.Spec.ClusterIP = corev1.ClusterIPNone }
		eb := serving(ctx, drainFor("1h"))
		edit(ctx, eb, withoutFirst)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": leaving, "192.0.2.11": in, "192.0.2.20": in})
		deadline := s.deadline(ctx, "payments", "192.0.2.10")
		named := map[string]string{"192.0.2.10": "rack", "192.0.2.11": "rack", "192.0.2.20": "cage"}
		unnamed := map[string]string{"192.0.2.10": "", "192.0.2.11": "", "192.0.2.20": ""}
		Expect(s.hostnamesOf(ctx, "payments")).To(Equal(unnamed))
		for _, step := range []struct {
			edits []func(*corev1.Service)
			want  map[string]string
		}{{[]func(*corev1.Service){headless}, named}, {nil, unnamed}} {
			Expect(admin.Delete(ctx, s.serviceOf(ctx, "payments"))).To(Succeed())
			s.service(ctx, "payments", step.edits...)
			Eventually(s.hostnamesOf).WithContext(ctx).WithArguments("payments").Should(Equal(step.want))
		}
		Expect(s.endpointsOf(ctx, "payments")).To(Equal(endpoints{"192.0.2.10": leaving, "192.0.2.11": in, "192.0.2.20": in}))
		Expect(s.deadline(ctx, "payments", "192.0.2.10")).To(BeTemporally("==", deadline))
	})

	It("keeps the hostname that a headless Service knows it by", func(ctx SpecContext) {
		s.service(ctx, "headless", func(svc *corev1.Service) {
			svc.Spec.ClusterIP = corev1.ClusterIPNone
			svc.Spec.Ports = []corev1.ServicePort{{Name: "http", Port: 8080, TargetPort: intstr.FromInt32(8080)}}
		})
		eb := s.backend(ctx, "headless", drainFor("1h"), entry("rack", "192.0.2.10"), entry("cage", "192.0.2.20"))
		s.expect(ctx, "headless", endpoints{"192.0.2.10": in, "192.0.2.20": in})
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) { eb.Spec.Targets = eb.Spec.Targets[1:] })
		s.expect(ctx, "headless", endpoints{"192.0.2.10": leaving, "192.0.2.20": in})
		Expect(s.slicesOf(ctx, "headless")[0].Endpoints).To(ContainElement(And(
			HaveField("Addresses", []string{"192.0.2.10"}), HaveField("Hostname", HaveValue(Equal("rack"))))))
	})
})
