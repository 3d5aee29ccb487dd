// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/internal/probe"
)

var (
	sub        = health.Subscriber{Namespace: "shop", Name: "payments", UID: "1"}
	thresholds = health.Thresholds{Healthy: 2, Unhealthy: 3}
	first      = netip.MustParseAddr("10.0.0.1")
	second     = netip.MustParseAddr("10.0.0.2")
)

// healthyTargets were published as healthy.
func healthyTargets(addrs ...netip.Addr) []health.Target {
	var list []health.Target
	for _, addr := range addrs {
		list = append(list, health.Target{Addr: addr, Seed: health.Healthy})
	}
	return list
}

func verdicts(i *injector) []health.Verdict {
	var list []health.Verdict
	for _, status := range i.Statuses(sub, make([]health.Status, 1))[1:] {
		list = append(list, status.Verdict)
	}
	return list
}

func TestInjectorPutsVerdictsIntoTheCheckersStatuses(t *testing.T) {
	var woken []health.Subscriber
	i := newInjector(probe.New(probe.Options{Executor: passing{}}), func(s health.Subscriber) { woken = append(woken, s) })
	i.put([]netip.Addr{second}, false, 0) // nobody's target yet
	i.Ensure(sub, thresholds, healthyTargets(first, second))
	if got := verdicts(i); !slices.Equal(got, []health.Verdict{health.Healthy, health.Unhealthy}) {
		t.Errorf("verdicts = %v, want the second to be unhealthy", got)
	}
	if len(woken) > 0 {
		t.Errorf("%v was woken for an address that it did not have", woken)
	}
	i.put([]netip.Addr{first}, false, 0)
	i.put([]netip.Addr{second}, true, 0)
	if got := verdicts(i); !slices.Equal(got, []health.Verdict{health.Unhealthy, health.Healthy}) {
		t.Errorf("verdicts = %v, want the first to be unhealthy", got)
	}
	i.Ensure(sub, thresholds, healthyTargets(second, first))
	if got := verdicts(i); !slices.Equal(got, []health.Verdict{health.Healthy, health.Unhealthy}) {
		t.Errorf("verdicts = %v, want them to follow their addresses", got)
	}
	if !slices.Equal(woken, []health.Subscriber{sub, sub}) {
		t.Errorf("%v were woken, want the subscriber once a verdict", woken)
	}
	i.Forget(sub)
	if got := verdicts(i); len(got) > 0 {
		t.Errorf("verdicts of a subscriber that is forgotten: %v", got)
	}
}

func TestInjectorSpreadsVerdicts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var woken []time.Duration
		began := time.Now()
		i := newInjector(probe.New(probe.Options{Executor: passing{}}), func(health.Subscriber) { woken = append(woken, time.Since(began)) })
		i.Ensure(sub, thresholds, healthyTargets(first, second))
		i.put([]netip.Addr{first, second}, false, 4*time.Second)
		if !slices.Equal(woken, []time.Duration{0, 2 * time.Second}) {
			t.Errorf("woken after %v, want at once and after 2 s", woken)
		}
	})
}
