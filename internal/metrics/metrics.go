// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

// Package metrics holds the collectors of the operator. No series is labelled
// by address, and the series of an ExternalBackend die with it.
package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// CheckerStats are figures of the checker that are read when scraped.
type CheckerStats struct {
	// InFlight is the number of running checks.
	InFlight int
	// Checks is the number of distinct checks that are scheduled.
	Checks int
	// Waiting is the number of checks that are due and not started.
	Waiting int
	// Overdue is how long the check that waits longest has been due.
	Overdue time.Duration
	// OldestResult is the age of the oldest last result of any check.
	OldestResult time.Duration
}

// ResolverStats are figures of the resolver of names that are read when scraped.
type ResolverStats struct {
	// Questions is how many distinct ones are asked again and again, and Failing of
	// how many of those the last query failed.
	Questions, Failing int
	// InFlight is the number of queries under way, Waiting of those that are due and
	// not started.
	InFlight, Waiting int
}

// SourceStats are figures of the EC2 instances of an AWSIdentity and region that are
// read when scraped.
type SourceStats struct {
	Identity, Region string
	// Instances that are known.
	Instances int
	// Listed is when the last complete listing ended; zero: never.
	Listed time.Time
}

// Metrics records what the operator does. It is safe for concurrent use.
type Metrics struct {
	checks         *prometheus.CounterVec
	checkDuration  *prometheus.HistogramVec
	schedulingLag  prometheus.Histogram
	verdictChanges *prometheus.CounterVec
	targets        *prometheus.GaugeVec
	sliceWrites    *prometheus.CounterVec
	flipToWrite    prometheus.Histogram
	queries        *prometheus.CounterVec
	queryDuration  *prometheus.HistogramVec
	awsRequests    *prometheus.CounterVec
	stale          *prometheus.GaugeVec
	ready          *prometheus.GaugeVec
	fenced         *prometheus.GaugeVec // a vector: there is no value before one is known
}

// New registers all collectors. The functions are called at every scrape.
func New(registry prometheus.Registerer, checker func() CheckerStats, resolver func() ResolverStats, sources func() []SourceStats) *Metrics {
	m := &Metrics{
		checks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "externalbackend_checks_total",
			Help: "Finished health checks by kind (TCP, HTTP), outcome (Pass, Fail, Indeterminate) and reason.",
		}, []string{"kind", "outcome", "reason"}),
		checkDuration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "externalbackend_check_duration_seconds",
			Help:    "Duration of health checks that passed or failed, from dialling to the decision.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2.5, 12),
		}, []string{"kind"}),
		schedulingLag: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "externalbackend_check_scheduling_lag_seconds",
			Help:    "Time by which health checks started later than they were due.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2.5, 12),
		}),
		verdictChanges: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "externalbackend_verdict_changes_total",
			Help: "Changes of the verdict about a target, by the new verdict.",
		}, []string{"to"}),
		targets: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "externalbackend_targets",
			Help: "Targets of an ExternalBackend by state (Healthy, Unhealthy, Unknown, Draining, Disabled, Standby).",
		}, []string{"namespace", "name", "state"}),
		sliceWrites: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "externalbackend_endpointslice_writes_total",
			Help: "Requests that wrote an EndpointSlice, by operation (create, update, delete) and result (success, error).",
		}, []string{"operation", "result"}),
		flipToWrite: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "externalbackend_flip_to_write_seconds",
			Help:    "Time from a changed verdict to the end of the write that published it.",
			Buckets: prometheus.ExponentialBuckets(0.001, 1.6, 20),
		}),
		queries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "externalbackend_dns_queries_total",
			Help: "Finished DNS queries, of however many servers, by type (A, AAAA, SRV) and outcome.",
		}, []string{"type", "outcome"}),
		queryDuration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "externalbackend_dns_query_duration_seconds",
			Help:    "Duration of DNS queries, of however many servers.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2.5, 12),
		}, []string{"type"}),
		awsRequests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "externalbackend_aws_requests_total",
			Help: "Finished requests to AWS, each repetition counted, by service (ec2, autoscaling, sts, sqs), operation and outcome.",
		}, []string{"service", "operation", "outcome"}),
		stale: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "externalbackend_stale_targets",
			Help: "Entries of spec.targets of an ExternalBackend whose addresses are those of an old answer.",
		}, []string{"namespace", "name"}),
		ready: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "externalbackend_ready",
			Help: "Whether an ExternalBackend is Ready, as its condition says.",
		}, []string{"namespace", "name"}),
		fenced: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "externalbackend_fenced",
			Help: "Whether the fence of EndpointSlices is in force for the operator's account, as the API server answered last.",
		}, nil),
	}
	registry.MustRegister(m.checks, m.checkDuration, m.schedulingLag, m.verdictChanges, m.targets, m.sliceWrites, m.flipToWrite, m.fenced,
		m.queries, m.queryDuration, m.awsRequests, m.stale, m.ready,
		ofChecker(checker), ofResolver(resolver), ofInstances(sources))
	return m
}

// CheckDone records one finished check. lag is how much later than due it
// started; the duration counts only if it says something about the target.
func (m *Metrics) CheckDone(kind, outcome, reason string, conclusive bool, duration, lag time.Duration) {
	m.checks.WithLabelValues(kind, outcome, reason).Inc()
	m.schedulingLag.Observe(lag.Seconds())
	if conclusive {
		m.checkDuration.WithLabelValues(kind).Observe(duration.Seconds())
	}
}

// VerdictChanged counts a changed verdict about a target.
func (m *Metrics) VerdictChanged(to string) { m.verdictChanges.WithLabelValues(to).Inc() }

// SliceWritten counts a request that wrote an EndpointSlice.
func (m *Metrics) SliceWritten(operation string, err error) {
	result := "success"
	if err != nil {
		result = "error"
	}
	m.sliceWrites.WithLabelValues(operation, result).Inc()
}

// FlipPublished records the time from a changed verdict to its publication.
func (m *Metrics) FlipPublished(latency time.Duration) { m.flipToWrite.Observe(latency.Seconds()) }

// SetTargets sets the number of targets of an ExternalBackend by state. Each
// target counts once: one that drains, is disabled or stands by has no other state.
func (m *Metrics) SetTargets(namespace, name string, healthy, unhealthy, unknown, draining, disabled, standby int) {
	for state, n := range map[string]int{
		"Healthy": healthy, "Unhealthy": unhealthy, "Unknown": unknown, "Draining": draining, "Disabled": disabled, "Standby": standby,
	} {
		m.targets.WithLabelValues(namespace, name, state).Set(float64(n))
	}
}

// Forget drops the series of an ExternalBackend.
func (m *Metrics) Forget(namespace, name string) {
	labels := prometheus.Labels{"namespace": namespace, "name": name}
	m.targets.DeletePartialMatch(labels)
	m.stale.DeletePartialMatch(labels)
	m.ready.DeletePartialMatch(labels)
}

// SetReady records whether an ExternalBackend is Ready.
func (m *Metrics) SetReady(namespace, name string, ready bool) {
	m.ready.WithLabelValues(namespace, name).Set(oneIf(ready))
}

// SetStale sets the number of entries of an ExternalBackend whose addresses are
// those of an old answer.
func (m *Metrics) SetStale(namespace, name string, entries int) {
	m.stale.WithLabelValues(namespace, name).Set(float64(entries))
}

// QueryDone records one finished DNS query, however many servers it took.
func (m *Metrics) QueryDone(kind, outcome string, took time.Duration) {
	m.queries.WithLabelValues(kind, outcome).Inc()
	m.queryDuration.WithLabelValues(kind).Observe(took.Seconds())
}

// AWSRequestDone counts one finished request to AWS.
func (m *Metrics) AWSRequestDone(service, operation, outcome string) {
	m.awsRequests.WithLabelValues(service, operation, outcome).Inc()
}

// SetFenced records whether the fence of EndpointSlices is in force.
func (m *Metrics) SetFenced(fenced bool) {
	m.fenced.WithLabelValues().Set(oneIf(fenced))
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
