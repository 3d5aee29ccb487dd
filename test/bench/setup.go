// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// setupTimeout bounds how long it may take until a Service is fully published.
const setupTimeout = 5 * time.Minute

// calm is an interval of checks that leaves the operator at rest meanwhile.
const calm = time.Hour

// lane makes a namespace that is watched.
func (c *controlPlane) lane(ctx context.Context, namespace string, addresses []string) (*lane, error) {
	if err := createNamespace(ctx, c.kube, namespace); err != nil {
		return nil, err
	}
	watched, err := watchSlices(ctx, c.kube, namespace)
	return &lane{namespace: namespace, addresses: addresses, slices: watched, audit: c.audit}, err
}

// oursLane publishes the addresses through the operator.
func (c *controlPlane) oursLane(ctx context.Context, namespace string, block, endpoints int) (*lane, error) {
	l, err := c.lane(ctx, namespace, addressBlock(block, endpoints))
	if err != nil {
		return nil, err
	}
	l.side = ours{c.operator}
	l.slices.expect(l.addresses, true)
	if err := c.apply(ctx, l, calm); err != nil {
		return nil, err
	}
	return l, l.ready(ctx)
}

// apply makes the Service and its ExternalBackends.
func (c *controlPlane) apply(ctx context.Context, l *lane, interval time.Duration) error {
	if err := createService(ctx, c.kube, l.namespace, nil); err != nil {
		return err
	}
	var errs []error
	for _, eb := range externalBackends(l.namespace, l.addresses, interval) {
		errs = append(errs, c.client.Create(ctx, eb))
	}
	return errors.Join(errs...)
}

// theirsLane publishes the addresses as Pods through kube-controller-manager.
// The Pods are there before their Service, or every one of them would have the
// controller write.
func (c *controlPlane) theirsLane(ctx context.Context, block, endpoints int) (*lane, error) {
	l, err := c.lane(ctx, fmt.Sprintf("pods-%d", endpoints), addressBlock(block, endpoints))
	if err != nil {
		return nil, err
	}
	pods := &theirs{process: c.controllerManager, kube: c.kube, namespace: l.namespace}
	l.side = pods
	if err := pods.createPods(ctx, l.addresses); err != nil {
		return nil, err
	}
	l.slices.expect(l.addresses, true)
	if err := createService(ctx, c.kube, l.namespace, map[string]string{"app": serviceName}); err != nil {
		return nil, err
	}
	return l, l.ready(ctx)
}

// ready waits until all that was expected is published and nothing moves.
func (l *lane) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, setupTimeout, fmt.Errorf("not after %s", setupTimeout))
	defer cancel()
	if _, err := l.slices.arrivals(ctx, l.addresses); err != nil {
		return fmt.Errorf("publish %d endpoints in %s: %w", len(l.addresses), l.namespace, err)
	}
	return l.slices.quiet(ctx, atRest)
}
