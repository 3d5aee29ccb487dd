// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package metrics_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"

	"externalbackend.dev/operator/internal/metrics"
)

func fixture(stats metrics.CheckerStats) (*metrics.Metrics, *prometheus.Registry) {
	registry := prometheus.NewPedanticRegistry()
	resolver := func() metrics.ResolverStats {
		return metrics.ResolverStats{Questions: 40, Failing: 30, InFlight: 20, Waiting: 10}
	}
	sources := func() []metrics.SourceStats {
		return []metrics.SourceStats{
			{Identity: "default", Region: "eu-west-1", Instances: 12, Listed: time.UnixMilli(1_700_000_000_250)},
			{Identity: "default", Region: "eu-west-2"},
		}
	}
	metrics.RegisterBuild(registry, "1.2.3", "0123abc")
	return metrics.New(registry, func() metrics.CheckerStats { return stats }, resolver, sources), registry
}

// useAll records something in every series that there is.
func useAll(m *metrics.Metrics) {
	m.CheckDone("HTTP", "Pass", "", true, 20*time.Millisecond, time.Millisecond)
	m.CheckDone("TCP", "Fail", "ConnectTimeout", true, 3*time.Second, 2*time.Millisecond)
	m.CheckDone("TCP", "Indeterminate", "NetworkUnreachable", false, time.Hour, 0)
	m.VerdictChanged("Healthy")
	m.SliceWritten("create", nil)
	m.SliceWritten("update", errors.New("conflict"))
	m.FlipPublished(40 * time.Millisecond)
	m.SetTargets("shop", "payments", 3, 2, 1, 5, 4, 6)
	m.SetStale("shop", "payments", 2)
	m.SetReady("shop", "payments", true)
	m.QueryDone("AAAA", "Empty", 3*time.Millisecond)
	m.AWSRequestDone("ec2", "DescribeInstances", "Throttled")
	m.SetFenced(true)
}

// values gathers all series, histograms as their count and sum.
func values(t *testing.T, registry *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]float64)
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			var labels []string
			for _, l := range metric.GetLabel() {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			name := strings.TrimPrefix(family.GetName(), "externalbackend_") + "{" + strings.Join(labels, ",") + "}"
			switch family.GetType() {
			case dto.MetricType_COUNTER:
				got[name] = metric.GetCounter().GetValue()
			case dto.MetricType_GAUGE:
				got[name] = metric.GetGauge().GetValue()
			case dto.MetricType_HISTOGRAM:
				got[name+" count"] = float64(metric.GetHistogram().GetSampleCount())
				got[name+" sum"] = metric.GetHistogram().GetSampleSum()
			default:
				t.Errorf("%s is a %s", family.GetName(), family.GetType())
			}
		}
	}
	return got
}

func TestSeries(t *testing.T) {
	m, registry := fixture(metrics.CheckerStats{InFlight: 4, Checks: 100, Waiting: 7, Overdue: 12 * time.Second, OldestResult: 90 * time.Second})
	useAll(m)
	got := values(t, registry)
	want := map[string]float64{
		"build_info{goversion=" + runtime.Version() + ",revision=0123abc,version=1.2.3}": 1,
		"fenced{}": 1,
		"checks_total{kind=HTTP,outcome=Pass,reason=}":                                  1,
		"checks_total{kind=TCP,outcome=Fail,reason=ConnectTimeout}":                     1,
		"checks_total{kind=TCP,outcome=Indeterminate,reason=NetworkUnreachable}":        1,
		"check_duration_seconds{kind=HTTP} count":                                       1,
		"check_duration_seconds{kind=HTTP} sum":                                         0.02,
		"check_duration_seconds{kind=TCP} count":                                        1, // an inconclusive check says nothing about the target
		"check_duration_seconds{kind=TCP} sum":                                          3,
		"check_scheduling_lag_seconds{} count":                                          3,
		"check_scheduling_lag_seconds{} sum":                                            0.003,
		"verdict_changes_total{to=Healthy}":                                             1,
		"endpointslice_writes_total{operation=create,result=success}":                   1,
		"endpointslice_writes_total{operation=update,result=error}":                     1,
		"flip_to_write_seconds{} count":                                                 1,
		"flip_to_write_seconds{} sum":                                                   0.04,
		"targets{name=payments,namespace=shop,state=Healthy}":                           3,
		"targets{name=payments,namespace=shop,state=Unhealthy}":                         2,
		"targets{name=payments,namespace=shop,state=Unknown}":                           1,
		"targets{name=payments,namespace=shop,state=Draining}":                          5,
		"targets{name=payments,namespace=shop,state=Disabled}":                          4,
		"targets{name=payments,namespace=shop,state=Standby}":                           6,
		"stale_targets{name=payments,namespace=shop}":                                   2,
		"ready{name=payments,namespace=shop}":                                           1,
		"dns_queries_total{outcome=Empty,type=AAAA}":                                    1,
		"dns_query_duration_seconds{type=AAAA} count":                                   1,
		"dns_query_duration_seconds{type=AAAA} sum":                                     0.003,
		"aws_requests_total{operation=DescribeInstances,outcome=Throttled,service=ec2}": 1,
		"ec2_instances{identity=default,region=eu-west-1}":                              12,
		"ec2_instances{identity=default,region=eu-west-2}":                              0,
		"ec2_last_listing_timestamp_seconds{identity=default,region=eu-west-1}":         1_700_000_000.25, // and of what was never listed, none
		"checks_in_flight{}":                                                            4,
		"checks_scheduled{}":                                                            100,
		"checks_waiting{}":                                                              7,
		"check_overdue_seconds{}":                                                       12,
		"last_result_age_seconds{}":                                                     90,
		"dns_questions{}":                                                               40,
		"dns_questions_failing{}":                                                       30,
		"dns_queries_in_flight{}":                                                       20,
		"dns_queries_waiting{}":                                                         10,
	}
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s is %v, want %v", name, got[name], value)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("unexpected series %s", name)
		}
	}
}

// TestFiguresAreReadWhenScraped: no stale copy is kept, and the series of a source
// go with it.
func TestFiguresAreReadWhenScraped(t *testing.T) {
	stats := metrics.CheckerStats{InFlight: 1}
	var sources []metrics.SourceStats
	registry := prometheus.NewPedanticRegistry()
	metrics.New(registry, func() metrics.CheckerStats { return stats },
		func() metrics.ResolverStats { return metrics.ResolverStats{Waiting: stats.InFlight + 1} },
		func() []metrics.SourceStats { return sources })
	for _, inFlight := range []int{1, 5, 0} {
		stats.InFlight, sources = inFlight, nil
		if inFlight > 0 {
			sources = []metrics.SourceStats{{Identity: "default", Region: "eu-west-1", Instances: inFlight, Listed: time.Unix(1, 0)}}
		}
		got := values(t, registry)
		if got["checks_in_flight{}"] != float64(inFlight) || got["dns_queries_waiting{}"] != float64(inFlight+1) {
			t.Errorf("got %v and %v, want %d and one more", got["checks_in_flight{}"], got["dns_queries_waiting{}"], inFlight)
		}
		instances, known := got["ec2_instances{identity=default,region=eu-west-1}"]
		_, listed := got["ec2_last_listing_timestamp_seconds{identity=default,region=eu-west-1}"]
		if want := inFlight > 0; known != want || listed != want || instances != float64(inFlight) {
			t.Errorf("got %v instances (known: %v, listed: %v), want %d", instances, known, listed, inFlight)
		}
	}
}

// TestForget: the series of an ExternalBackend die with it and with nobody
// else.
func TestForget(t *testing.T) {
	m, registry := fixture(metrics.CheckerStats{})
	m.SetTargets("shop", "payments", 3, 2, 1, 5, 4, 6)
	m.SetStale("shop", "payments", 1)
	m.SetReady("shop", "payments", false)
	m.SetTargets("shop", "search", 1, 0, 0, 0, 0, 0)
	m.SetTargets("bank", "payments", 5, 0, 0, 0, 0, 0)
	m.Forget("shop", "payments")
	m.Forget("shop", "never-seen")
	left := make(map[string]float64)
	for name, value := range values(t, registry) {
		if strings.HasPrefix(name, "targets{") && value > 0 {
			left[name] = value
		}
		if strings.Contains(name, "name=payments,namespace=shop") {
			t.Errorf("%s is still there", name)
		}
	}
	if len(left) != 2 || left["targets{name=search,namespace=shop,state=Healthy}"] != 1 ||
		left["targets{name=payments,namespace=bank,state=Healthy}"] != 5 {
		t.Errorf("left over: %v", left)
	}
	m.SetTargets("shop", "payments", 0, 1, 0, 0, 0, 0)
	if got := values(t, registry)["targets{name=payments,namespace=shop,state=Unhealthy}"]; got != 1 {
		t.Errorf("after coming back: %v, want 1", got)
	}
}

// TestNamingConventions runs the linter of Prometheus over every metric.
func TestNamingConventions(t *testing.T) {
	m, registry := fixture(metrics.CheckerStats{})
	useAll(m)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestConcurrentUse(t *testing.T) {
	m, registry := fixture(metrics.CheckerStats{})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			name := fmt.Sprintf("eb-%d", i)
			for range 50 {
				useAll(m)
				m.SetTargets("shop", name, 1, 1, 1, 1, 1, 1)
				m.Forget("shop", name)
			}
		})
	}
	wg.Wait()
	got := values(t, registry)
	if checks := got["checks_total{kind=HTTP,outcome=Pass,reason=}"]; checks != 400 {
		t.Errorf("%v checks, want 400", checks)
	}
}
