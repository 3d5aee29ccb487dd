// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"fmt"
	"time"
)

// flipTimeout bounds how long a side may take to publish what it was told.
const flipTimeout = 2 * time.Minute

// side is one of the two that keep a Service's slices.
type side interface {
	name() string
	// flip has addresses become ready or unready, spread over a time if the
	// side can, and returns when each was known.
	flip(ctx context.Context, addresses []string, ready bool, over time.Duration) ([]moment, error)
	cpuTime() (time.Duration, error)
}

// lane is a Service that one side keeps, with the watch that observes it.
type lane struct {
	side
	namespace string
	addresses []string
	slices    *sliceWatch
	audit     *auditLog
}

// flipped is what became of one flip of several addresses.
type flipped struct {
	latencies []time.Duration // of each address
	took      time.Duration   // from the first verdict to the last
}

// flip has addresses flip and waits until a consumer knows all about it.
func (l *lane) flip(ctx context.Context, addresses []string, ready bool, over time.Duration) (flipped, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, flipTimeout, fmt.Errorf("%s took more than %s", l.name(), flipTimeout))
	defer cancel()
	l.slices.expect(addresses, ready)
	known, err := l.side.flip(ctx, addresses, ready, over)
	if err != nil {
		return flipped{}, err
	}
	arrived, err := l.slices.arrivals(ctx, addresses)
	if err != nil {
		return flipped{}, err
	}
	result := flipped{took: known[0].since(known[0])}
	for i := range known {
		result.latencies = append(result.latencies, arrived[i].since(known[i]))
		result.took = max(result.took, known[i].since(known[0]))
	}
	return result, nil
}

// ours is the operator.
type ours struct{ *operator }

func (ours) name() string { return sideOurs }

func (o ours) flip(_ context.Context, addresses []string, ready bool, over time.Duration) ([]moment, error) {
	return o.put(addresses, ready, over)
}
