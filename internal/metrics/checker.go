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
