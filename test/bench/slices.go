// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	toolswatch "k8s.io/client-go/tools/watch"
)

// sliceWatch is a consumer of the EndpointSlices of one namespace that notes
// when it learns of what.
type sliceWatch struct {
	mu       sync.Mutex
	slices   map[string]*discoveryv1.EndpointSlice
	ready    map[string]bool   // by published address
	home     map[string]string // the slice that has an address
	awaited  map[string]bool   // readiness by address
	seen     map[string]moment // when an awaited readiness came
	first    moment            // of the first event since expect
	last     moment            // of the last event
	complete chan struct{}     // closed when nothing is awaited any more
}

// watchSlices watches until ctx is done.
func watchSlices(ctx context.Context, kube kubernetes.Interface, namespace string) (*sliceWatch, error) {
	w := &sliceWatch{
		slices: map[string]*discoveryv1.EndpointSlice{}, ready: map[string]bool{}, home: map[string]string{},
		last: now(),
	}
	client := kube.DiscoveryV1().EndpointSlices(namespace)
	list, err := client.List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	for i := range list.Items {
		w.handle(watch.Event{Type: watch.Added, Object: &list.Items[i]}, now())
	}
	watcher, err := toolswatch.NewRetryWatcherWithContext(ctx, list.ResourceVersion, &cache.ListWatch{
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			return client.Watch(ctx, options)
		},
	})
	if err != nil {
		return nil, err
	}
	go func() {
		for event := range watcher.ResultChan() {
			w.handle(event, now())
		}
	}()
	return w, nil
}

func (w *sliceWatch) handle(event watch.Event, at moment) {
	slice, ok := event.Object.(*discoveryv1.EndpointSlice)
	if !ok {
		return // an error, which the watcher recovers from
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.first == 0 {
		w.first = at
	}
	w.last = at
	if old := w.slices[slice.Name]; old != nil {
		w.forget(old)
	}
	if event.Type == watch.Deleted {
		delete(w.slices, slice.Name)
		return
	}
	w.slices[slice.Name] = slice
	for i := range slice.Endpoints {
		address, ready := slice.Endpoints[i].Addresses[0], *slice.Endpoints[i].Conditions.Ready
		w.ready[address], w.home[address] = ready, slice.Name
		if wanted, ok := w.awaited[address]; ok && wanted == ready {
			w.seen[address] = at
			delete(w.awaited, address)
			if len(w.awaited) == 0 {
				close(w.complete)
			}
		}
	}
}

// forget drops the addresses of a slice that has changed or gone.
func (w *sliceWatch) forget(old *discoveryv1.EndpointSlice) {
	for i := range old.Endpoints {
		if address := old.Endpoints[i].Addresses[0]; w.home[address] == old.Name {
			delete(w.ready, address)
			delete(w.home, address)
		}
	}
}

// expect begins to wait until all addresses are published with this readiness.
func (w *sliceWatch) expect(addresses []string, ready bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.awaited, w.seen = make(map[string]bool, len(addresses)), make(map[string]moment, len(addresses))
	w.first, w.complete = 0, make(chan struct{})
	for _, address := range addresses {
		if published, ok := w.ready[address]; !ok || published != ready {
			w.awaited[address] = ready
		}
	}
	if len(w.awaited) == 0 {
		close(w.complete)
	}
}

// arrivals waits for what was expected and returns when each address's
// readiness came, in their order.
func (w *sliceWatch) arrivals(ctx context.Context, addresses []string) ([]moment, error) {
	select {
	case <-w.complete:
	case <-ctx.Done():
		w.mu.Lock()
		defer w.mu.Unlock()
		return nil, fmt.Errorf("%d of %d addresses are not published as expected: %w", len(w.awaited), len(addresses), context.Cause(ctx))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	times := make([]moment, len(addresses))
	for i, address := range addresses {
		if times[i] = w.seen[address]; times[i] == 0 {
			return nil, fmt.Errorf("%s was published as expected before", address)
		}
	}
	return times, nil
}

// touched returns the number of slices that hold one of the addresses.
func (w *sliceWatch) touched(addresses []string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	names := map[string]bool{}
	for _, address := range addresses {
		names[w.home[address]] = true
	}
	return len(names)
}

// quiet waits until no event has come for a time.
func (w *sliceWatch) quiet(ctx context.Context, pause time.Duration) error {
	for {
		w.mu.Lock()
		left := pause - now().since(w.last)
		w.mu.Unlock()
		if left <= 0 {
			return nil
		}
		if err := sleep(ctx, left); err != nil {
			return err
		}
	}
}

// empty waits until there is no slice left.
func (w *sliceWatch) empty(ctx context.Context) error {
	for {
		w.mu.Lock()
		left := len(w.slices)
		w.mu.Unlock()
		if left == 0 {
			return nil
		}
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
