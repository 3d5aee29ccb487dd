// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package metrics

import "github.com/prometheus/client_golang/prometheus"

// scraped collects gauges that are read when scraped.
type scraped struct {
	descs []*prometheus.Desc
	// read puts the value of each series, of which it names the gauge by its place
	// in descs.
	read func(put func(gauge int, value float64, labels ...string))
}

// Describe implements prometheus.Collector.
func (c *scraped) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *scraped) Collect(ch chan<- prometheus.Metric) {
	c.read(func(gauge int, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(c.descs[gauge], prometheus.GaugeValue, value, labels...)
	})
}

func ofChecker(stats func() CheckerStats) *scraped {
	return &scraped{[]*prometheus.Desc{
		prometheus.NewDesc("externalbackend_checks_in_flight", "Health checks that are running.", nil, nil),
		prometheus.NewDesc("externalbackend_checks_scheduled", "Distinct health checks: identical checks of one address count once.", nil, nil),
		prometheus.NewDesc("externalbackend_checks_waiting", "Health checks that are due and wait for capacity.", nil, nil),
		prometheus.NewDesc("externalbackend_check_overdue_seconds",
			"How long the health check that waits longest has been due; it grows without bound while the checker is stuck.", nil, nil),
		prometheus.NewDesc("externalbackend_last_result_age_seconds",
			"Age of the oldest last result of any health check; it grows without bound while the checker is stuck.", nil, nil),
	}, func(put func(int, float64, ...string)) {
		s := stats()
		for i, value := range []float64{float64(s.InFlight), float64(s.Checks), float64(s.Waiting), s.Overdue.Seconds(), s.OldestResult.Seconds()} {
			put(i, value)
		}
	}}
}

func ofResolver(stats func() ResolverStats) *scraped {
	return &scraped{[]*prometheus.Desc{
		prometheus.NewDesc("externalbackend_dns_questions", "Names and types that are kept up to date, however many targets have them.", nil, nil),
		prometheus.NewDesc("externalbackend_dns_questions_failing", "Names and types of which the last query failed.", nil, nil),
		prometheus.NewDesc("externalbackend_dns_queries_in_flight", "DNS queries that are under way.", nil, nil),
		prometheus.NewDesc("externalbackend_dns_queries_waiting", "DNS queries that are due and wait for capacity.", nil, nil),
	}, func(put func(int, float64, ...string)) {
		s := stats()
		for i, n := range []int{s.Questions, s.Failing, s.InFlight, s.Waiting} {
			put(i, float64(n))
		}
	}}
}

func ofInstances(sources func() []SourceStats) *scraped {
	labels := []string{"identity", "region"}
	return &scraped{[]*prometheus.Desc{
		prometheus.NewDesc("externalbackend_ec2_instances", "EC2 instances that are known, of an AWSIdentity and region.", labels, nil),
		prometheus.NewDesc("externalbackend_ec2_last_listing_timestamp_seconds",
			"When the last complete listing of the instances of an AWSIdentity and region ended, in seconds since 1970.", labels, nil),
	}, func(put func(int, float64, ...string)) {
		for _, s := range sources() {
			put(0, float64(s.Instances), s.Identity, s.Region)
			if !s.Listed.IsZero() {
				put(1, float64(s.Listed.UnixMilli())/1000, s.Identity, s.Region)
			}
		}
	}}
}
