// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/targets"
)

// steadyWindow is how long requests are counted: STEADY_STATE_DURATION, such as
// 5m, or a short time.
func steadyWindow() time.Duration {
	GinkgoHelper()
	text := os.Getenv("STEADY_STATE_DURATION")
	if text == "" {
		return 20 * time.Second
	}
	window, err := time.ParseDuration(text)
	Expect(err).NotTo(HaveOccurred(), "STEADY_STATE_DURATION")
	return window
}

// idle are the requests that an operator makes when nothing happens.
var idle = map[string]string{
	"get leases":                  "leader election",
	"update leases":               "leader election",
	"get secrets":                 "credentials of checks, once a minute",
	"watch externalbackends":      "renewal of a watch",
	"watch services":              "renewal of a watch",
	"watch endpointslices":        "renewal of a watch",
	"create tokenreviews":         "authentication of a metrics scrape",
	"create subjectaccessreviews": "authorization of a metrics scrape",
}

// These come first: nothing else takes that long, and other processes go on meanwhile.
var _ = Describe("In steady state", SpecPriority(1), func() {
	It("the operator reads and writes no objects, however much is checked and scraped", func(ctx SpecContext) {
		s := newScene(ctx)
		o := ownOperator(operatorOptions{leaderElection: true, serveMetrics: true, fenceNamespace: shipped.account.Namespace})
		hosts := s.steadyWorld(ctx)
		f := s.steadyFleet(ctx)
		reader := newScraper(ctx, o, s.namespace, metricsReaderRole)
		waitForSilence()

		mark, sent, begin := audit.mark(), o.requests.counts(), time.Now()
		checks, listings, scrapes := attempts(hosts), f.listings(), 0
		versions := s.versions(ctx)
		Consistently(func(g Gomega) {
			g.Expect(reader.get(ctx)).To(And(
				HaveField("Code", http.StatusOK), HaveField("Body", ContainSubstring("externalbackend_checks_total"))))
			scrapes++
			g.Expect(unexpected(audit.since(mark))).To(BeEmpty())
		}).WithTimeout(steadyWindow()).WithPolling(time.Second).Should(Succeed())

		counts := tally(audit.since(mark))
		AddReportEntry(fmt.Sprintf("requests of the operator in %s with %d targets", time.Since(begin).Round(time.Second), len(hosts)),
			report(counts), ReportEntryVisibilityAlways)
		Expect(counts).To(HaveKey("update leases"), "the audit log is alive")
		Expect(sum(o.requests.counts())-sum(sent)).To(BeNumerically("~", sum(counts), 2), "the transport has seen what the audit log has")
		Expect(s.versions(ctx)).To(Equal(versions))
		Expect(counts["get secrets"]).To(BeNumerically("<=", 1+steadyWindow()/time.Minute), "one a minute of the only Secret")
		Expect(scrapes).To(BeNumerically(">", 3))
		Expect(f.listings()-listings).To(BeNumerically(">", 3), "instances are being listed all the while")
		for i, after := range attempts(hosts) {
			Expect(after-checks[i]).To(BeNumerically(">", 3), "every target is being checked all the while")
		}
	})

	It("metrics are shown only to those who may see them", func(ctx SpecContext) {
		s := newScene(ctx)
		o := ownOperator(operatorOptions{serveMetrics: true})
		allowed := newScraper(ctx, o, s.namespace, metricsReaderRole)
		Expect(allowed.get(ctx)).To(HaveField("Code", http.StatusOK))
		stranger := newScraper(ctx, o, s.namespace, "")
		Expect(stranger.get(ctx)).To(HaveField("Code", http.StatusForbidden))
		anonymous := &scraper{url: o.metricsURL, client: stranger.client}
		Expect(anonymous.get(ctx)).To(HaveField("Code", http.StatusUnauthorized))
	})
})

// steadyWorld makes Services with targets of every kind that are being checked
// every second, one of them dead.
func (s *scene) steadyWorld(ctx context.Context) []*targets.Host {
	GinkgoHelper()
	var hosts []*targets.Host
	s.grantSecrets(ctx)
	s.credentials(ctx, "checks", map[string]string{"token": "one"})
	for i, kind := range []func(*v1alpha1.ExternalBackend){func(*v1alpha1.ExternalBackend) {}, tcp, sending("X-Token", "token")} {
		name := fmt.Sprintf("payments-%d", i)
		var addresses []string
		want := endpoints{}
		for n := range 5 {
			for _, address := range []string{fmt.Sprintf("192.0.2.%d", 10*(i+1)+n), fmt.Sprintf("2001:db8::%d", 10*(i+1)+n)} {
				hosts = append(hosts, s.host(address))
				addresses = append(addresses, address)
				want[address] = in
			}
		}
		hosts[len(hosts)-1].Set(targets.Refuse)
		want[addresses[len(addresses)-1]] = out
		s.service(ctx, name)
		s.backend(ctx, name, kind, entry("rack", addresses...))
		s.expect(ctx, name, want)
		s.expectCondition(ctx, name, v1alpha1.ConditionHealthy, no(v1alpha1.ReasonSomeUnhealthy, "9 of 10"))
	}
	return hosts
}

// steadyFleet makes a Service with EC2 instances that are listed every second.
func (s *scene) steadyFleet(ctx context.Context) *fleet {
	GinkgoHelper()
	f := s.fleet(ctx)
	want := endpoints{}
	for n := range 5 {
		address := fmt.Sprintf("192.0.2.%d", 100+n)
		f.run(s, address)
		want[address] = in
	}
	s.service(ctx, "fleet")
	s.backend(ctx, "fleet", f.selected("fleet"))
	s.expect(ctx, "fleet", want)
	return f
}

// waitForSilence waits until reports that were held back have been written.
func waitForSilence() {
	GinkgoHelper()
	mark, busy, quiet := audit.mark(), 0, time.Now()
	Eventually(func() time.Duration {
		if n := sum(unexpected(audit.since(mark))); n != busy {
			busy, quiet = n, time.Now()
		}
		return time.Since(quiet)
	}).WithTimeout(time.Minute).Should(BeNumerically(">", 6*time.Second))
}

// tally counts requests by verb and resource.
func tally(requests []request) map[string]int {
	counts := map[string]int{}
	for _, r := range requests {
		counts[r.String()]++
	}
	return counts
}

// unexpected counts the requests that an idle operator does not make.
func unexpected(requests []request) map[string]int {
	counts := tally(requests)
	maps.DeleteFunc(counts, func(r string, _ int) bool { return idle[r] != "" })
	return counts
}

func sum(counts map[string]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

func report(counts map[string]int) string {
	var lines []string
	for _, r := range slices.Sorted(maps.Keys(counts)) {
		lines = append(lines, fmt.Sprintf("%5d %s (%s)", counts[r], r, idle[r]))
	}
	return strings.Join(lines, "\n")
}

func attempts(hosts []*targets.Host) []int {
	list := make([]int, len(hosts))
	for i, h := range hosts {
		list[i] = h.Attempts()
	}
	return list
}
