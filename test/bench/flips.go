// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

const (
	// apart is the time between two flips of one side, of which the operator
	// holds back those that come within its window of 500 ms for a Service. The
	// sides take turns, so that each waits its share of it after a flip.
	apart = 600 * time.Millisecond
	// atRest is how long nothing must have come before a flip of many is over.
	atRest = 2 * time.Second
	// idleTime is how long the processor time of a side at rest is taken.
	idleTime = 5 * time.Second
)

// Kinds of flips, by the number of addresses.
const (
	kindOne     = "one"
	kindAnother = "one, others out"
	kindTen     = "ten"
	kindTenth   = "10 %"
	kindPaced   = "10 %, paced alike"
)

// flips is what was measured of one kind of flip on one side.
type flips struct {
	Endpoints int
	Kind      string
	Side      string
	// AtOnce is the number of addresses that flip together, Rounds how often
	// they did.
	AtOnce, Rounds int
	// Took is the longest time from the first verdict of a round to the last.
	Took      time.Duration
	Latencies []time.Duration
	// Writes are requests, Touched the slices that a flipped address is in, in
	// all rounds.
	Writes  writes
	Touched int
	// CPU is the processor time of all rounds, less what the process uses at
	// rest.
	CPU time.Duration
}

func (f *flips) count() int { return f.AtOnce * f.Rounds }

// contest has both sides make the same flips in turn.
type contest struct {
	lanes []*lane
}

// kind is a way to flip.
type kind struct {
	name           string
	atOnce, rounds int
	// paced spreads the operator's verdicts over the time that the Pods'
	// updates took, in place of making them known at once.
	paced bool
	// othersOut has an address of every ExternalBackend be out all the while,
	// so that no flip changes a condition.
	othersOut bool
	// settle is how long to wait for writes that come late, if that is longer
	// than what lies between flips anyway.
	settle time.Duration
}

func kinds(endpoints, samples int) []kind {
	tenth := max(1, endpoints/10)
	rounds := max(2, samples/16) &^ 1
	list := []kind{
		{name: kindOne, atOnce: 1, rounds: samples &^ 1},
		{name: kindAnother, atOnce: 1, rounds: max(2, samples/4) &^ 1, othersOut: true},
		{name: kindTen, atOnce: 10, rounds: max(2, samples/4) &^ 1},
	}
	if tenth > 10 {
		list = append(list,
			kind{name: kindTenth, atOnce: tenth, rounds: rounds, settle: atRest},
			kind{name: kindPaced, atOnce: tenth, rounds: 2, settle: atRest, paced: true})
	}
	return list
}

// run makes all flips of a kind.
func (c *contest) run(ctx context.Context, k kind) ([]*flips, error) {
	if k.othersOut {
		if err := c.flipSpares(ctx, false); err != nil {
			return nil, err
		}
	}
	idle, err := c.idle(ctx)
	if err != nil {
		return nil, err
	}
	results := make([]*flips, len(c.lanes))
	spent := make([]func() (time.Duration, error), len(c.lanes))
	for i, l := range c.lanes {
		results[i] = &flips{
			Endpoints: len(l.addresses), Kind: k.name, Side: l.name(), AtOnce: k.atOnce, Rounds: k.rounds, Writes: writes{},
		}
		if spent[i], err = meter(l.side, idle[i]); err != nil {
			return nil, err
		}
	}
	for round := range k.rounds {
		var pace time.Duration
		for i := range c.lanes {
			n := len(c.lanes) - 1 - i // the Pods' side first: it sets the pace
			took, err := c.round(ctx, c.lanes[n], results[n], k, round, pace)
			if err != nil {
				return nil, fmt.Errorf("%s, %s flip at %d endpoints: %w", results[n].Side, k.name, results[n].Endpoints, err)
			}
			if k.paced {
				pace = took
			}
		}
	}
	for i := range c.lanes {
		if results[i].CPU, err = spent[i](); err != nil {
			return nil, err
		}
	}
	if k.othersOut {
		return results, c.flipSpares(ctx, true)
	}
	return results, nil
}

// flipSpares takes one address of every ExternalBackend out, or back in.
func (c *contest) flipSpares(ctx context.Context, ready bool) error {
	for _, l := range c.lanes {
		if _, err := l.flip(ctx, spares(l.addresses), ready, 0); err != nil {
			return err
		}
	}
	return nil
}

// spares are the last addresses of each ExternalBackend. No other flip takes
// them.
func spares(addresses []string) []string {
	var list []string
	for part := range slices.Chunk(addresses, maxPerBackend) {
		list = append(list, part[len(part)-1])
	}
	return list
}

// round makes one flip of one side: down in even rounds, up again in odd ones.
func (c *contest) round(ctx context.Context, l *lane, result *flips, k kind, round int, pace time.Duration) (time.Duration, error) {
	if _, err := l.audit.take(l.namespace); err != nil {
		return 0, err
	}
	spare := spares(l.addresses)
	others := slices.DeleteFunc(slices.Clone(l.addresses), func(a string) bool { return slices.Contains(spare, a) })
	addresses := chosen(others, k.atOnce, round/2)
	touched := l.slices.touched(addresses)
	f, err := l.flip(ctx, addresses, round%2 == 1, pace)
	if err != nil {
		return 0, err
	}
	settle := max(k.settle, apart/time.Duration(len(c.lanes)))
	if err := sleep(ctx, settle); err != nil {
		return 0, err
	}
	if err := l.slices.quiet(ctx, settle); err != nil {
		return 0, err
	}
	made, err := l.audit.take(l.namespace)
	if err != nil {
		return 0, err
	}
	for verb, n := range made {
		result.Writes[verb] += n
	}
	result.Touched += touched
	result.Latencies = append(result.Latencies, f.latencies...)
	result.Took = max(result.Took, f.took)
	return f.took, nil
}

// chosen returns count addresses, evenly spread, other ones for every turn.
func chosen(addresses []string, count, turn int) []string {
	list := make([]string, count)
	for i := range list {
		list[i] = addresses[(i*len(addresses)/count+turn*7)%len(addresses)]
	}
	return list
}

// idle returns the processor time per second that each side uses at rest.
func (c *contest) idle(ctx context.Context) ([]float64, error) {
	meters := make([]func() (time.Duration, error), len(c.lanes))
	rates := make([]float64, len(c.lanes))
	var err error
	for i, l := range c.lanes {
		if err := l.slices.quiet(ctx, atRest); err != nil {
			return nil, err
		}
		if meters[i], err = meter(l.side, 0); err != nil {
			return nil, err
		}
	}
	if err := sleep(ctx, idleTime); err != nil {
		return nil, err
	}
	for i := range c.lanes {
		used, err := meters[i]()
		if err != nil {
			return nil, err
		}
		rates[i] = used.Seconds() / idleTime.Seconds()
	}
	return rates, nil
}

// meter begins to measure the processor time of a side beyond what it uses at
// rest.
func meter(s side, idle float64) (func() (time.Duration, error), error) {
	began := now()
	before, err := s.cpuTime()
	return func() (time.Duration, error) {
		after, err := s.cpuTime()
		return after - before - time.Duration(idle*float64(now().since(began))), err
	}, err
}
