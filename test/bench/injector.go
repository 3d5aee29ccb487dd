// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/internal/probe"
)

// passing is an Executor whose checks pass at once.
type passing struct{}

// Prepare implements probe.Executor.
func (passing) Prepare(*health.Check) probe.Run {
	return func(context.Context, netip.Addr) health.Result { return health.Result{Outcome: health.Pass} }
}

// injector is the operator's own checker with all that it costs, into which
// verdicts can be put from outside, so that it is known to the nanosecond when
// one was reached.
type injector struct {
	*probe.Scheduler
	wake func(health.Subscriber)

	mu       sync.Mutex
	verdicts map[netip.Addr]health.Status
	subs     map[health.Subscriber]*subscription
}

type subscription struct {
	order []netip.Addr
	place map[netip.Addr]int // in order
	// put are the targets, by their place, whose verdict was put in.
	put map[int]health.Status
}

func newInjector(scheduler *probe.Scheduler, wake func(health.Subscriber)) *injector {
	return &injector{
		Scheduler: scheduler, wake: wake,
		verdicts: map[netip.Addr]health.Status{}, subs: map[health.Subscriber]*subscription{},
	}
}

// Ensure implements controllers.HealthSource.
func (i *injector) Ensure(sub health.Subscriber, thresholds health.Thresholds, targets []health.Target) {
	i.Scheduler.Ensure(sub, thresholds, targets)
	i.mu.Lock()
	defer i.mu.Unlock()
	known := i.subs[sub]
	if known != nil && slices.EqualFunc(known.order, targets, func(a netip.Addr, t health.Target) bool { return a == t.Addr }) {
		return
	}
	known = &subscription{
		order: make([]netip.Addr, len(targets)), place: make(map[netip.Addr]int, len(targets)), put: map[int]health.Status{},
	}
	for n, t := range targets {
		known.order[n], known.place[t.Addr] = t.Addr, n
		if status, ok := i.verdicts[t.Addr]; ok {
			known.put[n] = status
		}
	}
	i.subs[sub] = known
}

// Statuses implements controllers.HealthSource.
func (i *injector) Statuses(sub health.Subscriber, dst []health.Status) []health.Status {
	before := len(dst)
	dst = i.Scheduler.Statuses(sub, dst)
	i.mu.Lock()
	defer i.mu.Unlock()
	if known := i.subs[sub]; known != nil {
		for n, status := range known.put {
			dst[before+n] = status
		}
	}
	return dst
}

// Forget implements controllers.HealthSource.
func (i *injector) Forget(sub health.Subscriber) {
	i.Scheduler.Forget(sub)
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.subs, sub)
}

// put makes verdicts known one after the other, spread evenly over a time, and
// wakes the operator after each. It returns when each was known.
func (i *injector) put(addrs []netip.Addr, healthy bool, over time.Duration) []moment {
	known := make([]moment, len(addrs))
	began := time.Now()
	for n, addr := range addrs {
		time.Sleep(time.Until(began.Add(over * time.Duration(n) / time.Duration(len(addrs)))))
		status := health.Status{Verdict: health.Healthy, Since: time.Now(), Fresh: true}
		if !healthy {
			status.Verdict, status.Reason = health.Unhealthy, health.ConnectionRefused
		}
		known[n] = now()
		if sub, ok := i.set(addr, status); ok {
			i.wake(sub)
		}
	}
	return known
}

// set stores a verdict and returns whose target it is about, if anybody's yet.
func (i *injector) set(addr netip.Addr, status health.Status) (health.Subscriber, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.verdicts[addr] = status
	for sub, known := range i.subs {
		if n, ok := known.place[addr]; ok {
			known.put[n] = status
			return sub, true
		}
	}
	return health.Subscriber{}, false
}
