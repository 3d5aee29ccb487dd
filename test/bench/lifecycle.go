// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/api/v1alpha1"
)

// checkInterval is the default of the API: what a user gets.
const checkInterval = 10 * time.Second

// coldStart is what was measured of the first publication of a Service.
type coldStart struct {
	// First and All are the times from the first request that created
	// something to the first slice, and to the moment when every endpoint was
	// published ready.
	First, All time.Duration
	Writes     writes
	CPU        time.Duration
}

// restart is what was measured of an operator that starts anew.
type restart struct {
	// Writes in the first round of checks and somewhat longer, with all
	// verdicts as published.
	Writes writes
	// FirstFlip is the time from the start of the process to the slice event
	// of a verdict that was known from the beginning.
	FirstFlip time.Duration
	CPU       time.Duration // of the start with the flip
}

// measureColdStarts has the operator publish a Service anew, rounds times. The
// last one is left there.
func (c *controlPlane) measureColdStarts(ctx context.Context, l *lane, rounds int) ([]coldStart, error) {
	var results []coldStart
	for round := range rounds {
		if round > 0 {
			if err := c.remove(ctx, l); err != nil {
				return nil, err
			}
		}
		result, err := c.coldStart(ctx, l)
		if err != nil {
			return nil, err
		}
		results = append(results, result)
	}
	return results, nil
}

func (c *controlPlane) coldStart(ctx context.Context, l *lane) (coldStart, error) {
	if _, err := l.audit.take(l.namespace); err != nil {
		return coldStart{}, err
	}
	spent, err := meter(l.side, 0)
	if err != nil {
		return coldStart{}, err
	}
	l.slices.expect(l.addresses, true)
	began := now()
	if err := c.apply(ctx, l, checkInterval); err != nil {
		return coldStart{}, err
	}
	if err := l.ready(ctx); err != nil {
		return coldStart{}, err
	}
	var result coldStart
	result.First, result.All = l.slices.span(began)
	if result.CPU, err = spent(); err != nil {
		return coldStart{}, err
	}
	result.Writes, err = l.audit.take(l.namespace)
	return result, err
}

// span returns how long after a moment the first event came, and the last
// thing that was awaited.
func (w *sliceWatch) span(began moment) (first, all time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, at := range w.seen {
		all = max(all, at.since(began))
	}
	return w.first.since(began), all
}

// remove deletes the Service and its ExternalBackends and waits until the
// operator has cleaned up.
func (c *controlPlane) remove(ctx context.Context, l *lane) error {
	ctx, cancel := context.WithTimeoutCause(ctx, setupTimeout, fmt.Errorf("the slices of %s are still there after %s", l.namespace, setupTimeout))
	defer cancel()
	if err := c.client.DeleteAllOf(ctx, &v1alpha1.ExternalBackend{}, client.InNamespace(l.namespace)); err != nil {
		return err
	}
	if err := l.slices.empty(ctx); err != nil {
		return err
	}
	return c.kube.CoreV1().Services(l.namespace).Delete(ctx, serviceName, metav1.DeleteOptions{})
}

// measureRestarts restarts the operator with nothing changed meanwhile, then
// with one changed verdict, rounds times.
func (c *controlPlane) measureRestarts(ctx context.Context, l *lane, rounds int) ([]restart, error) {
	var results []restart
	for range rounds {
		var result restart
		c.stopOperator()
		if _, err := l.audit.take(l.namespace); err != nil {
			return nil, err
		}
		if err := c.restartOperator(l); err != nil {
			return nil, err
		}
		if err := sleep(ctx, checkInterval+5*time.Second); err != nil {
			return nil, err
		}
		made, err := l.audit.take(l.namespace)
		if err != nil {
			return nil, err
		}
		result.Writes = made
		if result.FirstFlip, result.CPU, err = c.firstFlip(ctx, l); err != nil {
			return nil, err
		}
		results = append(results, result)
	}
	return results, nil
}

func (c *controlPlane) restartOperator(l *lane) error {
	c.stopOperator()
	if err := c.startOperator(); err != nil {
		return err
	}
	l.side = ours{c.operator}
	return nil
}

func (c *controlPlane) firstFlip(ctx context.Context, l *lane) (latency, cpu time.Duration, err error) {
	c.stopOperator()
	began := now()
	if err := c.restartOperator(l); err != nil {
		return 0, 0, err
	}
	address := l.addresses[len(l.addresses)/2 : len(l.addresses)/2+1]
	if _, err := l.flip(ctx, address, false, 0); err != nil {
		return 0, 0, err
	}
	_, latency = l.slices.span(began)
	if cpu, err = l.cpuTime(); err != nil {
		return 0, 0, err
	}
	_, err = l.flip(ctx, address, true, 0)
	return latency, cpu, err
}
