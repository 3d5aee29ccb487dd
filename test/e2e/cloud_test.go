// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e && linux

package e2e

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/aws/fake"
	"externalbackend.dev/operator/test/lab"
	"externalbackend.dev/operator/test/rack"
)

const listing = "DescribeInstances"

// listings is how many complete answers to listings there were so far.
func listings() int {
	count := 0
	for _, r := range installed.AWS.Fake.Requests(listing) {
		if r.Status != 0 && r.Code == "" {
			count++
		}
	}
	return count
}

// curious is an ExternalBackend that has instances listed soon, and not only with the
// next refresh, whenever it asks for others than before. There are none of them.
func (s *scene) curious(ctx context.Context, region v1alpha1.Region, identity v1alpha1.IdentityName) (ask func(what string)) {
	GinkgoHelper()
	s.service(ctx, "curious")
	backend := s.backend(ctx, "curious", nil, s.instances(region, identity, func(e *v1alpha1.EC2Target) {
		e.Selector.Filters[0].Values = []v1alpha1.FilterValue{"nothing"}
	}))
	return func(what string) {
		GinkgoHelper()
		edit(ctx, backend, func(b *v1alpha1.ExternalBackend) {
			b.Spec.Targets[0].EC2.Selector.Filters[0].Values = []v1alpha1.FilterValue{v1alpha1.FilterValue(what)}
		})
	}
}

// seen waits until the operator has acted on what the ExternalBackend says now.
func (s *scene) seen(ctx context.Context, backend *v1alpha1.ExternalBackend) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		var b v1alpha1.ExternalBackend
		g.Expect(api.Get(ctx, client.ObjectKeyFromObject(backend), &b)).To(Succeed())
		g.Expect(b.Status.ObservedGeneration).To(Equal(b.Generation))
	}).WithContext(ctx).Should(Succeed())
}

var _ = Describe("EC2 instances", func() {
	It("stay in service while AWS throttles, denies, fails at the second page, or forgets all of them once", func(ctx SpecContext) {
		cloud := installed.AWS.Fake
		region := installed.AWS.Region()
		region.SetPageSize(2) // of four
		DeferCleanup(region.SetPageSize, 0)
		DeferCleanup(cloud.Heal)
		s := newScene(ctx)
		service := s.service(ctx, "web")
		s.scripted(ctx, installed.Hosts)
		ask := s.curious(ctx, lab.FakeRegion, v1alpha1.IdentityName(s.namespace))
		s.eventuallyRouted(ctx, "web", "http", ipv4(installed.Hosts...)...)
		f := startFlow(clusterIPs(service, 80)[0])
		before := s.versions(ctx, "web")

		for _, trouble := range []struct {
			fault          fake.Fault
			reason, saying string
		}{
			{fake.Fault{Operation: listing, Effect: fake.Throttle()}, v1alpha1.ReasonAWSThrottled, "since"},
			{fake.Fault{Operation: listing, Effect: fake.Deny()}, v1alpha1.ReasonAWSAccessDenied, "ec2:DescribeInstances"},
			{fake.Fault{Operation: listing, Page: 2, Effect: fake.Unavailable()}, v1alpha1.ReasonAWSUnavailable, "since"},
		} {
			By("having it say " + trouble.reason)
			fault := cloud.Inject(trouble.fault)
			ask(trouble.reason)
			Expect(s.eventuallyStaleFor(ctx, "web", trouble.reason)).To(ContainSubstring(trouble.saying))
			fault.Remove()
			s.eventuallyStaleFor(ctx, "web", "")
			Expect(s.versions(ctx, "web")).To(Equal(before))
		}
		By("having it answer once that there are none")
		answered := listings()
		fault := cloud.Inject(fake.Fault{Operation: listing, Effect: fake.Empty(), Times: 1})
		ask("empty")
		Eventually(fault.Hits).WithContext(ctx).WithTimeout(listBound).Should(Equal(1))
		Eventually(listings).WithContext(ctx).WithTimeout(listBound).Should(BeNumerically(">=", answered+1+2+2),
			"the empty answer, two pages about each of them by its id, and two pages of the next listing")
		f.expectNoFailure(ctx, time.Time{})
		Expect(s.versions(ctx, "web")).To(Equal(before), "no slice was written in all that time")
	})

	It("stay in service when the operator is killed and starts again while AWS is down", func(ctx SpecContext) {
		s := newScene(ctx)
		service := s.service(ctx, "web")
		ids := s.scripted(ctx, installed.Hosts)
		ask := s.curious(ctx, lab.FakeRegion, v1alpha1.IdentityName(s.namespace))
		s.eventuallyRouted(ctx, "web", "http", ipv4(installed.Hosts...)...)
		f := startFlow(clusterIPs(service, 80)[0])
		before := s.versions(ctx, "web")

		Expect(installed.AWS.Down()).To(Succeed())
		DeferCleanup(installed.AWS.Up)
		ask("down")
		s.eventuallyStaleFor(ctx, "web", v1alpha1.ReasonAWSUnavailable)
		bothAgain()
		for _, r := range installed.Replicas { // none is left that remembers
			r.Kill()
		}
		operator := installed.Replicas[0]
		Expect(operator.StartAlone(ctx)).To(Succeed())
		DeferCleanup(operator.Kill) // before both start again
		backend := &v1alpha1.ExternalBackend{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "web"}}
		edit(ctx, backend, drainFor("7s"))
		s.seen(ctx, backend)
		Expect(s.versions(ctx, "web")).To(Equal(before), "no slice was written")
		s.eventuallyStaleFor(ctx, "web", v1alpha1.ReasonAWSUnavailable)

		By("letting its checks take one out and back")
		sick := installed.Hosts[0]
		published := s.endpoints(ctx, "web")
		harm(sick, (*rack.Host).Sicken)
		published[sick.IP4.String()] = endpoint(ids[0], notReady)
		s.eventuallyEndpoints(ctx, "web", published)
		Expect(sick.Cure()).To(Succeed())
		published[sick.IP4.String()] = endpoint(ids[0], healthy)
		s.eventuallyEndpoints(ctx, "web", published)

		By("having AWS answer again")
		Expect(installed.AWS.Up()).To(Succeed())
		s.eventuallyStaleFor(ctx, "web", "")
		Expect(s.endpoints(ctx, "web")).To(Equal(published))
		f.expectNoFailure(ctx, time.Time{})
	})

	It("drain within seconds of the warning that they are going to be interrupted", func(ctx SpecContext) {
		s := newScene(ctx)
		service := s.service(ctx, "web")
		region := installed.AWS.Region()
		queue := region.Queue(s.namespace)
		DeferCleanup(queue.Drop)
		identity := s.identity(ctx, lab.FakeRegion, func(i *v1alpha1.AWSIdentity) {
			i.Spec.Queues = []v1alpha1.EventQueue{{URL: queue.URL()}}
		})
		spot, other := installed.Hosts[0], installed.Hosts[1]
		idSpot, idOther := s.runs(spot), s.runs(other)
		s.backend(ctx, "web", nil, s.instances(lab.FakeRegion, identity, func(e *v1alpha1.EC2Target) {
			e.DrainOn = []v1alpha1.InstanceDrainReason{v1alpha1.DrainOnSpotInterruption}
		}))
		s.eventuallyEndpoints(ctx, "web", map[string]string{
			spot.IP4.String(): endpoint(idSpot, healthy), other.IP4.String(): endpoint(idOther, healthy),
		})
		s.eventuallyRouted(ctx, "web", "http", spot.IP4, other.IP4)
		f := startFlow(clusterIPs(service, 80)[0])

		queue.Send(region.SpotInterruption(idSpot))
		Eventually(s.endpoints).WithContext(ctx).WithTimeout(spotBound).WithArguments("web").Should(Equal(map[string]string{
			spot.IP4.String(): endpoint(idSpot, draining), other.IP4.String(): endpoint(idOther, healthy),
		}))
		s.eventuallyCondition(ctx, "web", v1alpha1.ConditionInstancesImpaired, metav1.ConditionTrue, v1alpha1.ReasonSpotInterruption)
		s.eventuallyRouted(ctx, "web", "http", other.IP4)
		left := time.Now()
		harm(spot, (*rack.Host).Kill)
		f.expectNoFailure(ctx, time.Time{})
		Expect(f.startedSince(left)).To(HaveEach(HaveField("Host", other.Name)))
	})

	It("do not pass their good name on: who has the address next serves only after a check of its own", func(ctx SpecContext) {
		s := newScene(ctx)
		service := s.service(ctx, "web")
		region := installed.AWS.Region()
		reused, other := installed.Hosts[0], installed.Hosts[1]
		// The old instance stays healthy for minutes, whatever its checks say.
		ids := s.scripted(ctx, []*rack.Host{reused, other}, func(b *v1alpha1.ExternalBackend) {
			b.Spec.HealthCheck.Interval, b.Spec.HealthCheck.EdgeInterval = "10s", "10s"
			b.Spec.HealthCheck.UnhealthyThreshold = 20
			b.Spec.HealthCheck.UnhealthyInterval = new(v1alpha1.Duration("1s"))
		})
		s.eventuallyRouted(ctx, "web", "http", ipv4(reused, other)...)
		f := startFlow(clusterIPs(service, 80)[0])
		f.expectNoFailure(ctx, time.Time{})

		harm(reused, (*rack.Host).Sicken)
		region.Terminate(ids[0])
		region.Settle(ids[0])
		next := s.runs(reused)
		s.eventuallyEndpoints(ctx, "web", map[string]string{
			reused.IP4.String(): endpoint(next, notReady), other.IP4.String(): endpoint(ids[1], healthy),
		})
		s.eventuallyRouted(ctx, "web", "http", other.IP4)
		left := time.Now()
		f.expectNoFailure(ctx, time.Time{})
		Expect(f.startedSince(left)).To(HaveEach(HaveField("Host", other.Name)))

		Expect(reused.Cure()).To(Succeed())
		s.eventuallyEndpoints(ctx, "web", map[string]string{
			reused.IP4.String(): endpoint(next, healthy), other.IP4.String(): endpoint(ids[1], healthy),
		})
		s.eventuallyRouted(ctx, "web", "http", ipv4(reused, other)...)
		f.expectNoFailure(ctx, time.Time{})
	})
})
