// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package metrics

import "github.com/prometheus/client_golang/prometheus"

var (
	inFlightDesc = prometheus.NewDesc("externalbackend_checks_in_flight",
		"Health checks that are running.", nil, nil)
	scheduledDesc = prometheus.NewDesc("externalbackend_checks_scheduled",
		"Distinct health checks: identical checks of one address count once.", nil, nil)
	waitingDesc = prometheus.NewDesc("externalbackend_checks_waiting",
		"Health checks that are due and wait for capacity.", nil, nil)
	oldestResultDesc = prometheus.NewDesc("externalbackend_last_result_age_seconds",
		"Age of the oldest last result of any health check; it grows without bound while the checker is stuck.", nil, nil)
)

// resolverDescs are those of ResolverStats, in the order of its fields.
var resolverDescs = [...]*prometheus.Desc{
	prometheus.NewDesc("externalbackend_dns_questions", "Names and types that are kept up to date, however many targets have them.", nil, nil),
	prometheus.NewDesc("externalbackend_dns_questions_failing", "Names and types of which the last query failed.", nil, nil),
	prometheus.NewDesc("externalbackend_dns_queries_in_flight", "DNS queries that are under way.", nil, nil),
	prometheus.NewDesc("externalbackend_dns_queries_waiting", "DNS queries that are due and wait for capacity.", nil, nil),
}

// resolverCollector reads the figures of the resolver when scraped.
type resolverCollector struct{ stats func() ResolverStats }

// Describe implements prometheus.Collector.
func (c *resolverCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range resolverDescs {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *resolverCollector) Collect(ch chan<- prometheus.Metric) {
	s := c.stats()
	for i, n := range []int{s.Questions, s.Failing, s.InFlight, s.Waiting} {
		ch <- prometheus.MustNewConstMetric(resolverDescs[i], prometheus.GaugeValue, float64(n))
	}
}

// checkerCollector reads the figures of the checker when scraped.
type checkerCollector struct{ stats func() CheckerStats }

// Describe implements prometheus.Collector.
func (c *checkerCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{inFlightDesc, scheduledDesc, waitingDesc, oldestResultDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *checkerCollector) Collect(ch chan<- prometheus.Metric) {
	s := c.stats()
	ch <- prometheus.MustNewConstMetric(inFlightDesc, prometheus.GaugeValue, float64(s.InFlight))
	ch <- prometheus.MustNewConstMetric(scheduledDesc, prometheus.GaugeValue, float64(s.Checks))
	ch <- prometheus.MustNewConstMetric(waitingDesc, prometheus.GaugeValue, float64(s.Waiting))
	ch <- prometheus.MustNewConstMetric(oldestResultDesc, prometheus.GaugeValue, s.OldestResult.Seconds())
}
