// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"maps"
	"slices"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
)

// sighting is everything that happened to the slices of a namespace, as a
// kube-proxy sees it.
type sighting struct {
	mu      sync.Mutex
	changes []change
}

type change struct {
	Type      watch.EventType
	Name      string
	Endpoints endpoints
}

// watch records what happens from now on until the spec ends.
func (s *scene) watch(ctx context.Context) *sighting {
	GinkgoHelper()
	client := kube.DiscoveryV1().EndpointSlices(s.namespace)
	list, err := client.List(ctx, metav1.ListOptions{})
	Expect(err).NotTo(HaveOccurred())
	watcher, err := client.Watch(context.WithoutCancel(ctx), metav1.ListOptions{ResourceVersion: list.ResourceVersion})
	Expect(err).NotTo(HaveOccurred())
	seen := &sighting{}
	var running sync.WaitGroup
	running.Go(func() {
		for event := range watcher.ResultChan() {
			if slice, ok := event.Object.(*discoveryv1.EndpointSlice); ok {
				seen.add(change{event.Type, slice.Name, endpointsIn(*slice)})
			}
		}
	})
	DeferCleanup(func() {
		watcher.Stop()
		running.Wait()
	})
	return seen
}

func (w *sighting) add(c change) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changes = append(w.changes, c)
}

// all returns the changes so far.
func (w *sighting) all() []change {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.changes)
}

// unready returns the addresses that any version of a slice had as not ready.
func (w *sighting) unready() []string {
	found := map[string]bool{}
	for _, c := range w.all() {
		for address, conditions := range c.Endpoints {
			if conditions != in {
				found[address] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}
