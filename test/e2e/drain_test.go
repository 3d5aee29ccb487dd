// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e && linux

package e2e

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/rack"
)

// setState sets the state of the entry with that number.
func setState(i int, state v1alpha1.TargetState) func(*v1alpha1.ExternalBackend) {
	return func(b *v1alpha1.ExternalBackend) { b.Spec.Targets[i].State = state }
}

// drainFor sets how long addresses that are taken out stay terminating.
func drainFor(d v1alpha1.Duration) func(*v1alpha1.ExternalBackend) {
	return func(b *v1alpha1.ExternalBackend) { b.Spec.Drain.Duration = d }
}

func describeDrain() {
	It("drains a host: new connections go to others, open ones are kept, and none fails", func(ctx SpecContext) {
		s := newScene(ctx)
		service := s.service(ctx, "web")
		leaving, staying := installed.Hosts[0], installed.Hosts[1:]
		backend := s.backend(ctx, "web", []*rack.Host{leaving}, drainFor("1h"))
		s.eventuallyRouted(ctx, "web", "http", leaving.Addresses()...)
		var open []*session
		for _, to := range clusterIPs(service, 80) {
			open = append(open, openSession(ctx, to))
		}
		edit(ctx, backend, func(b *v1alpha1.ExternalBackend) {
			for _, h := range staying {
				b.Spec.Targets = append(b.Spec.Targets, rack.NewTarget(h.Name, h.Addresses()...))
			}
		})
		s.eventuallyRouted(ctx, "web", "http", addresses(installed.Hosts...)...)
		f := startFlow(clusterIPs(service, 80)...)

		edit(ctx, backend, setState(0, v1alpha1.TargetDrain))
		s.eventuallyPublished(ctx, "web", map[string][]*rack.Host{draining: {leaving}, healthy: staying})
		s.eventuallyRouted(ctx, "web", "http", addresses(staying...)...)
		routed := time.Now()
		f.expectNoFailure(ctx, time.Time{})
		Expect(f.startedSince(routed)).To(HaveEach(Not(HaveField("Host", leaving.Name))))
		for _, connection := range open {
			Expect(connection.ask(ctx)).To(Equal(leaving.Name), "over the connection that is open since before the drain")
		}

		edit(ctx, backend, setState(0, v1alpha1.TargetActive))
		s.eventuallyPublished(ctx, "web", map[string][]*rack.Host{healthy: installed.Hosts})
		s.eventuallyRouted(ctx, "web", "http", addresses(installed.Hosts...)...)
		f.expectNoFailure(ctx, time.Time{})
	})

	It("takes a drained host out when its time is over, and one that is removed as well", func(ctx SpecContext) {
		s := newScene(ctx)
		s.service(ctx, "web")
		a, b, c := installed.Hosts[0], installed.Hosts[1], installed.Hosts[2]
		backend := s.backend(ctx, "web", []*rack.Host{a, b, c}, drainFor("3s"))
		s.eventuallyPublished(ctx, "web", map[string][]*rack.Host{healthy: {a, b, c}})
		edit(ctx, backend, func(backend *v1alpha1.ExternalBackend) {
			setState(0, v1alpha1.TargetDrain)(backend)
			backend.Spec.Targets = backend.Spec.Targets[:2] // without c
		})
		s.eventuallyPublished(ctx, "web", map[string][]*rack.Host{healthy: {b}, draining: {a, c}})
		s.eventuallyPublished(ctx, "web", map[string][]*rack.Host{healthy: {b}})
	})

	It("takes a host out at once if drain.duration is 0s", func(ctx SpecContext) {
		s := newScene(ctx)
		s.service(ctx, "web")
		a, b := installed.Hosts[0], installed.Hosts[1]
		backend := s.backend(ctx, "web", []*rack.Host{a, b}, drainFor("0s"))
		s.eventuallyPublished(ctx, "web", map[string][]*rack.Host{healthy: {a, b}})
		edit(ctx, backend, func(backend *v1alpha1.ExternalBackend) { backend.Spec.Targets = backend.Spec.Targets[1:] })
		Eventually(s.published).WithContext(ctx).WithArguments("web").Should(SatisfyAll(
			HaveKey(b.IP4.String()), Not(HaveKey(a.IP4.String())), Not(HaveKey(a.IP6.String())), Not(ContainElement(draining))))
	})

	It("uses a draining host as a last resort while no other is ready, and gives it up when one is", func(ctx SpecContext) {
		s := newScene(ctx)
		service := s.service(ctx, "web", ofType(corev1.ServiceTypeNodePort))
		last, other := installed.Hosts[0], installed.Hosts[1]
		backend := s.backend(ctx, "web", []*rack.Host{last, other}, drainFor("1h"))
		s.eventuallyPublished(ctx, "web", map[string][]*rack.Host{healthy: {last, other}})
		edit(ctx, backend, setState(0, v1alpha1.TargetDrain))
		s.eventuallyRouted(ctx, "web", "http", other.Addresses()...)
		harm(other, (*rack.Host).Sicken)
		s.eventuallyPublished(ctx, "web", map[string][]*rack.Host{draining: {last}, notReady: {other}})
		s.eventuallyRouted(ctx, "web", "http", last.Addresses()...)
		entrances := append(clusterIPs(service, 80), nodePorts(service)...)
		for _, to := range entrances {
			Expect(answerers(ctx, installed.Client.DialContext, to)).To(Equal(names(last)))
		}
		Expect(other.Cure()).To(Succeed())
		s.eventuallyRouted(ctx, "web", "http", other.Addresses()...)

		harm(last, (*rack.Host).Sicken)
		s.eventuallyPublished(ctx, "web", map[string][]*rack.Host{drainingFailing: {last}, healthy: {other}})
		for _, to := range entrances {
			Expect(answerers(ctx, installed.Client.DialContext, to)).To(Equal(names(other)))
		}
		Expect(other.Sicken()).To(Succeed())
		s.eventuallyPublished(ctx, "web", map[string][]*rack.Host{drainingFailing: {last}, notReady: {other}})
		s.eventuallyRouted(ctx, "web", "http")
	})

	It("rule 34: goes on sending traffic to a draining host if the Service has publishNotReadyAddresses", func(ctx SpecContext) {
		s := newScene(ctx)
		service := s.service(ctx, "web", func(service *corev1.Service) { service.Spec.PublishNotReadyAddresses = true })
		leaving, staying := installed.Hosts[0], installed.Hosts[1]
		backend := s.backend(ctx, "web", []*rack.Host{leaving, staying}, drainFor("1h"))
		s.eventuallyPublished(ctx, "web", map[string][]*rack.Host{healthy: {leaving, staying}})
		edit(ctx, backend, setState(0, v1alpha1.TargetDrain))
		s.eventuallyPublished(ctx, "web", map[string][]*rack.Host{drainingToldReady: {leaving}, healthy: {staying}})
		s.eventuallyRouted(ctx, "web", "http", addresses(leaving, staying)...)
		for _, to := range clusterIPs(service, 80) {
			Expect(answerers(ctx, nil, to)).To(Equal(names(leaving, staying)))
		}
		edit(ctx, service, func(service *corev1.Service) { service.Spec.PublishNotReadyAddresses = false })
		s.eventuallyPublished(ctx, "web", map[string][]*rack.Host{draining: {leaving}, healthy: {staying}})
		s.eventuallyRouted(ctx, "web", "http", staying.Addresses()...)
	})

	It("sends no traffic to a disabled host, and checks it all the same", func(ctx SpecContext) {
		s := newScene(ctx)
		service := s.service(ctx, "web")
		off, on := installed.Hosts[0], installed.Hosts[1]
		backend := s.backend(ctx, "web", []*rack.Host{off, on})
		s.eventuallyRouted(ctx, "web", "http", addresses(off, on)...)
		edit(ctx, backend, setState(0, v1alpha1.TargetDisabled))
		s.eventuallyPublished(ctx, "web", map[string][]*rack.Host{notReady: {off}, healthy: {on}})
		s.eventuallyRouted(ctx, "web", "http", on.Addresses()...)
		for _, to := range clusterIPs(service, 80) {
			Expect(answerers(ctx, nil, to)).To(Equal(names(on)))
		}
		edit(ctx, backend, setState(0, v1alpha1.TargetActive))
		s.eventuallyRouted(ctx, "web", "http", addresses(off, on)...)
	})
}
