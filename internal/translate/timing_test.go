// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package translate_test

import (
	"fmt"
	"testing"
	"time"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/internal/translate"
)

// TestTiming: defaults, and how the four durations bound one another.
func TestTiming(t *testing.T) {
	type durations [4]v1alpha1.Duration // interval, timeout, edge, unhealthy; "" is absent
	const s = time.Second
	for _, tt := range []struct {
		name string
		spec durations
		want health.Timing
	}{
		{"nothing given", durations{}, health.Timing{Interval: 10 * s, Timeout: 3 * s, EdgeInterval: 3 * s, UnhealthyInterval: 10 * s}},
		{
			"all given",
			durations{"20s", "500ms", "2s", "1m30s"},
			health.Timing{Interval: 20 * s, Timeout: 500 * time.Millisecond, EdgeInterval: 2 * s, UnhealthyInterval: 90 * s},
		},
		{
			"the default timeout is at most the interval",
			durations{"1s", "", "", ""},
			health.Timing{Interval: s, Timeout: s, EdgeInterval: s, UnhealthyInterval: s},
		},
		{
			"the default timeout is 3s",
			durations{"1h", "", "", ""},
			health.Timing{Interval: time.Hour, Timeout: 3 * s, EdgeInterval: 3 * s, UnhealthyInterval: time.Hour},
		},
		{
			"timeout as long as interval",
			durations{"5s", "5s", "", ""},
			health.Timing{Interval: 5 * s, Timeout: 5 * s, EdgeInterval: 5 * s, UnhealthyInterval: 5 * s},
		},
		{
			"edgeInterval is at least the timeout",
			durations{"10s", "4s", "1s", ""},
			health.Timing{Interval: 10 * s, Timeout: 4 * s, EdgeInterval: 4 * s, UnhealthyInterval: 10 * s},
		},
		{
			"edgeInterval is at most the interval",
			durations{"10s", "1s", "30s", ""},
			health.Timing{Interval: 10 * s, Timeout: s, EdgeInterval: 10 * s, UnhealthyInterval: 10 * s},
		},
		{
			"the default edgeInterval is 2s",
			durations{"10s", "1s", "", ""},
			health.Timing{Interval: 10 * s, Timeout: s, EdgeInterval: 2 * s, UnhealthyInterval: 10 * s},
		},
		{
			"unhealthyInterval is at least the timeout",
			durations{"10s", "4s", "", "1s"},
			health.Timing{Interval: 10 * s, Timeout: 4 * s, EdgeInterval: 4 * s, UnhealthyInterval: 4 * s},
		},
		{
			"unhealthyInterval may be shorter than interval",
			durations{"10s", "1s", "", "5s"},
			health.Timing{Interval: 10 * s, Timeout: s, EdgeInterval: 2 * s, UnhealthyInterval: 5 * s},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := translate.ForService(backend(withDurations(tt.spec)), service(), 0)
			checkProblem(t, b.SpecProblem, "")
			if len(b.Checks) != 1 || len(b.Checks[0]) != 1 || b.Checks[0][0].Timing != tt.want || b.Timing != tt.want {
				t.Errorf("checks %+v, timing %+v, want the timing %+v", b.Checks, b.Timing, tt.want)
			}
		})
	}
}

func withDurations(d [4]v1alpha1.Duration) func(*v1alpha1.ExternalBackend) {
	optional := func(d v1alpha1.Duration) *v1alpha1.Duration {
		if d == "" {
			return nil
		}
		return &d
	}
	return func(eb *v1alpha1.ExternalBackend) {
		hc := &eb.Spec.HealthCheck
		hc.Interval, hc.Timeout, hc.EdgeInterval, hc.UnhealthyInterval = d[0], optional(d[1]), d[2], optional(d[3])
	}
}

// TestInvalidDurations: a condition that names field and value.
func TestInvalidDurations(t *testing.T) {
	for i, field := range []string{"interval", "timeout", "edgeInterval", "unhealthyInterval"} {
		for _, text := range []v1alpha1.Duration{"10", "s", "-5s", "0s", "0", "1d", "10 s", "ten", "99999999999h", "1e3s", "\x00"} {
			t.Run(fmt.Sprintf("%s %q", field, text), func(t *testing.T) {
				var d [4]v1alpha1.Duration
				d[i] = text
				b := translate.ForService(backend(withDurations(d)), service(), 0)
				checkProblem(t, b.SpecProblem, v1alpha1.ReasonInvalidSpec, "spec.healthCheck."+field+":", fmt.Sprintf("%q", text), "such as 10s")
				if b.Checks != nil {
					t.Errorf("checks %v", b.Checks)
				}
			})
		}
	}
}

func TestTimeoutAboveInterval(t *testing.T) {
	b := translate.ForService(backend(withDurations([4]v1alpha1.Duration{"5s", "6s", "", ""})), service(), 0)
	checkProblem(t, b.SpecProblem, v1alpha1.ReasonInvalidSpec, "timeout", "6s", "interval", "5s")
}

// TestEmptyDurationIsAbsent: a pointer to "" comes from clients that always
// send the field.
func TestEmptyDurationIsAbsent(t *testing.T) {
	b := translate.ForService(backend(func(eb *v1alpha1.ExternalBackend) {
		eb.Spec.HealthCheck.Timeout, eb.Spec.HealthCheck.UnhealthyInterval = new(v1alpha1.Duration("")), new(v1alpha1.Duration(""))
	}), service(), 0)
	checkProblem(t, b.SpecProblem, "")
	if got := b.Checks[0][0].Timing; got != defaultTiming {
		t.Errorf("timing %+v, want %+v", got, defaultTiming)
	}
}

func TestThresholds(t *testing.T) {
	for _, tt := range []struct {
		healthy, unhealthy int32
		want               health.Thresholds
	}{
		{0, 0, health.Thresholds{Healthy: 2, Unhealthy: 3}},
		{1, 1, health.Thresholds{Healthy: 1, Unhealthy: 1}},
		{20, 0, health.Thresholds{Healthy: 20, Unhealthy: 3}},
		{-1, -1, health.Thresholds{Healthy: 2, Unhealthy: 3}},
	} {
		eb := backend(func(eb *v1alpha1.ExternalBackend) {
			eb.Spec.HealthCheck.HealthyThreshold, eb.Spec.HealthCheck.UnhealthyThreshold = tt.healthy, tt.unhealthy
		})
		if got := translate.ForService(eb, service(), 0).Thresholds; got != tt.want {
			t.Errorf("%d, %d: %+v, want %+v", tt.healthy, tt.unhealthy, got, tt.want)
		}
	}
}

// TestDrain: a duration that cannot be read drains nobody at once.
func TestDrain(t *testing.T) {
	for text, want := range map[v1alpha1.Duration]time.Duration{
		"": 30 * time.Second, "0s": 0, "0": 0, "1500ms": 1500 * time.Millisecond, "1m30s": 90 * time.Second, "1h": time.Hour,
		"-1s": 30 * time.Second, "soon": 30 * time.Second, "99999999h": 30 * time.Second,
	} {
		b := translate.ForService(backend(func(eb *v1alpha1.ExternalBackend) { eb.Spec.Drain.Duration = text }), service(), 0)
		if b.Drain != want {
			t.Errorf("drain.duration %q: %v, want %v", text, b.Drain, want)
		}
		checkProblem(t, b.SpecProblem, "")
	}
}
