// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e && linux

package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/cluster"
	"externalbackend.dev/operator/test/lab"
	"externalbackend.dev/operator/test/rack"
)

// leadBound is how long another replica may take to lead: until the Lease of
// one that is gone has run out, and a little.
const leadBound = 40 * time.Second

// bothAgain makes both replicas run after the case.
func bothAgain() {
	DeferCleanup(func(ctx SpecContext) {
		for _, r := range installed.Replicas {
			if !r.Running() {
				Expect(r.Start(ctx)).To(Succeed())
			}
		}
		_, err := installed.AwaitLeader(ctx, nil)
		Expect(err).NotTo(HaveOccurred())
	}, NodeTimeout(leadBound))
}

// withoutOperator stops both replicas until the case ends.
func withoutOperator(context.Context) {
	GinkgoHelper()
	bothAgain()
	for _, r := range installed.Replicas {
		Expect(r.Stop()).To(Succeed())
	}
}

// leader returns the replica that leads, and the one that stands by.
func leader(ctx context.Context) (leads, standsBy *lab.Replica) {
	GinkgoHelper()
	leads, err := installed.AwaitLeader(ctx, nil)
	Expect(err).NotTo(HaveOccurred())
	for _, r := range installed.Replicas {
		if r != leads {
			standsBy = r
		}
	}
	return leads, standsBy
}

// eventuallyLeads waits until another replica leads than the given one.
func eventuallyLeads(ctx context.Context, former *lab.Replica) {
	GinkgoHelper()
	ctx, cancel := context.WithTimeoutCause(ctx, leadBound, errors.New("the bound is over"))
	defer cancel()
	_, err := installed.AwaitLeader(ctx, former)
	Expect(err).NotTo(HaveOccurred())
}

// versions returns the resource version of every slice of ours.
func (s *scene) versions(ctx context.Context, service string) map[string]string {
	GinkgoHelper()
	all := map[string]string{}
	for _, slice := range s.ours(ctx, service) {
		all[slice.Name] = slice.ResourceVersion
	}
	return all
}

// inService sets up a Service with all hosts and a client that uses it.
func inService(ctx SpecContext) (*scene, *flow) {
	GinkgoHelper()
	s := newScene(ctx)
	service := s.service(ctx, "web")
	s.backend(ctx, "web", installed.Hosts)
	s.eventuallyRouted(ctx, "web", "http", addresses(installed.Hosts...)...)
	f := startFlow(clusterIPs(service, 80)...)
	f.expectNoFailure(ctx, time.Time{})
	return s, f
}

// expectWork has the operator take out a host and take it back, while no
// request fails.
func (s *scene) expectWork(ctx context.Context, f *flow) {
	GinkgoHelper()
	harm(installed.Hosts[0], (*rack.Host).Sicken)
	s.eventuallyPublished(ctx, "web", map[string][]*rack.Host{notReady: installed.Hosts[:1], healthy: installed.Hosts[1:]})
	Expect(installed.Hosts[0].Cure()).To(Succeed())
	s.eventuallyPublished(ctx, "web", map[string][]*rack.Host{healthy: installed.Hosts})
	f.expectNoFailure(ctx, time.Time{})
}

var _ = Describe("The operator", func() {
	It("is upgraded without a slice write and without a failed request", func(ctx SpecContext) {
		s, f := inService(ctx)
		bothAgain()
		before := s.versions(ctx, "web")
		for range installed.Replicas { // a roll-out: the one that leads last
			leads, standsBy := leader(ctx)
			Expect(standsBy.Stop()).To(Succeed())
			Expect(standsBy.Start(ctx)).To(Succeed())
			Expect(leads.Stop()).To(Succeed())
			eventuallyLeads(ctx, leads)
			Expect(leads.Start(ctx)).To(Succeed())
		}
		f.expectNoFailure(ctx, time.Time{})
		Expect(s.versions(ctx, "web")).To(Equal(before))
		s.expectWork(ctx, f)
	})

	It("is killed, and the replica that stood by goes on where it ended", func(ctx SpecContext) {
		s, f := inService(ctx)
		bothAgain()
		before := s.versions(ctx, "web")
		leads, _ := leader(ctx)
		leads.Kill()
		eventuallyLeads(ctx, leads)
		Expect(s.versions(ctx, "web")).To(Equal(before))
		s.expectWork(ctx, f)
	})

	It("is paused until it has lost the lease, and writes no slice when it goes on", func(ctx SpecContext) {
		s, f := inService(ctx)
		bothAgain()
		leads, _ := leader(ctx)
		// What it would want to write when it goes on: a host failed meanwhile.
		harm(installed.Hosts[1], (*rack.Host).Sicken)
		Expect(leads.Pause()).To(Succeed())
		DeferCleanup(leads.Resume)
		eventuallyLeads(ctx, leads)
		lost := time.Now()
		others := []*rack.Host{installed.Hosts[0], installed.Hosts[2], installed.Hosts[3]}
		s.eventuallyPublished(ctx, "web", map[string][]*rack.Host{notReady: {installed.Hosts[1]}, healthy: others})
		Expect(installed.Hosts[1].Cure()).To(Succeed())
		s.eventuallyPublished(ctx, "web", map[string][]*rack.Host{healthy: installed.Hosts})

		Expect(leads.Resume()).To(Succeed())
		Eventually(leads.Running).WithContext(ctx).WithTimeout(leadBound).Should(BeFalse(), "a leader without a lease must end")
		s.expectWork(ctx, f)
		writes, err := installed.Audit.Writes(s.namespace)
		Expect(err).NotTo(HaveOccurred())
		for _, w := range writes {
			wrote, err := leads.Wrote(w)
			Expect(err).NotTo(HaveOccurred())
			Expect(wrote && w.Time.After(lost)).To(BeFalse(), "the paused leader wrote after it had lost the lease: %+v", w)
		}
	})

	DescribeTable("loses the lease without a slice write and without a failed request, since", func(ctx SpecContext, program string) {
		s, f := inService(ctx)
		bothAgain()
		before := s.versions(ctx, "web")
		leads, standsBy := leader(ctx)
		i := slices.IndexFunc(installed.Cluster.Processes(), func(p *cluster.Process) bool { return p.Name() == program })
		Expect(i).NotTo(Equal(-1))
		process := installed.Cluster.Processes()[i]
		Expect(process.Signal(syscall.SIGSTOP)).To(Succeed())
		DeferCleanup(process.Signal, syscall.SIGCONT)
		Eventually(leads.Running).WithContext(ctx).WithTimeout(leadBound).Should(BeFalse(), "a leader without a lease must end")
		Expect(standsBy.Running()).To(BeTrue())
		f.expectNoFailure(ctx, time.Time{})

		Expect(process.Signal(syscall.SIGCONT)).To(Succeed())
		eventuallyLeads(ctx, leads)
		Expect(s.versions(ctx, "web")).To(Equal(before))
		s.expectWork(ctx, f)
	},
		Entry("the API server stands still", "kube-apiserver"),
		Entry("etcd stands still", "etcd"),
	)

	It("rule 54: is killed ten times while it writes, and leaves neither duplicates nor orphans", func(ctx SpecContext) {
		s, f := inService(ctx)
		before := s.versions(ctx, "web")
		withoutOperator(ctx)
		operator := installed.Replicas[0]
		DeferCleanup(operator.Kill) // before both start again
		s.service(ctx, "many")
		// Nobody is at these addresses, so they are published as not ready.
		addrs := func(round int) []v1alpha1.Target {
			t := v1alpha1.Target{Name: fmt.Sprintf("round-%d", round), IP: &v1alpha1.IPTarget{}}
			for i := range 900 {
				t.IP.Addresses = append(t.IP.Addresses, v1alpha1.IPAddress(fmt.Sprintf("203.0.%d.%d", 100+i/200+5*(round%2), 1+i%200)))
			}
			return []v1alpha1.Target{t}
		}
		backend := s.backend(ctx, "many", nil, drainFor("0s"), func(b *v1alpha1.ExternalBackend) {
			b.Spec.Targets = addrs(0)
			b.Spec.HealthCheck = v1alpha1.HealthCheck{Interval: "1h", InitialState: v1alpha1.InitialStateHealthy}
		})
		for round := range 10 {
			Expect(operator.StartAlone(ctx)).To(Succeed())
			edit(ctx, backend, func(b *v1alpha1.ExternalBackend) { b.Spec.Targets = addrs(round) })
			writes, _ := s.writes("endpointslices")
			enough := len(writes) + rand.IntN(6)
			Eventually(func() int { writes, _ := s.writes("endpointslices"); return len(writes) }).WithContext(ctx).
				WithPolling(time.Millisecond).Should(BeNumerically(">=", enough))
			operator.Kill()
		}
		Expect(operator.StartAlone(ctx)).To(Succeed())
		want := addrs(9)[0].IP.Addresses
		Eventually(func(g Gomega) {
			published := map[string]int{}
			for _, slice := range s.ours(ctx, "many") {
				for _, endpoint := range slice.Endpoints {
					published[endpoint.Addresses[0]]++
				}
			}
			g.Expect(published).To(HaveLen(len(want)))
			for _, addr := range want {
				g.Expect(published).To(HaveKeyWithValue(string(addr), 1))
			}
		}).WithContext(ctx).Should(Succeed())
		for _, slice := range s.allSlices(ctx) {
			Expect(slice.OwnerReferences).To(HaveLen(1))
			Expect(slice.Endpoints).NotTo(BeEmpty(), "slice %s has nothing to say", slice.Name)
		}
		Expect(s.versions(ctx, "web")).To(Equal(before))
		f.expectNoFailure(ctx, time.Time{})
	})
})
