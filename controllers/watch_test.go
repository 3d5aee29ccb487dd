// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"fmt"
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
	before  []change // as if what was there had just been added
	mu      sync.Mutex
	changes []change
}

type change struct {
	Type      watch.EventType
	Name      string
	Service   string
	Endpoints endpoints
}

func changeOf(kind watch.EventType, slice *discoveryv1.EndpointSlice) change {
	return change{kind, slice.Name, slice.Labels[discoveryv1.LabelServiceName], endpointsIn(*slice)}
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
	for i := range list.Items {
		seen.before = append(seen.before, changeOf(watch.Added, &list.Items[i]))
	}
	var running sync.WaitGroup
	running.Go(func() {
		for event := range watcher.ResultChan() {
			if slice, ok := event.Object.(*discoveryv1.EndpointSlice); ok {
				seen.add(changeOf(event.Type, slice))
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

// gaps returns the moments at which one of the addresses was not ready in any
// slice of a Service: none, if it was all the while since the watch began.
func (w *sighting) gaps(service string, addresses ...string) []string {
	var found []string
	current := map[string]change{}
	note := func(after string) {
		for _, address := range addresses {
			ready := func(c change) bool { return c.Service == service && c.Endpoints[address] == in }
			if !slices.ContainsFunc(slices.Collect(maps.Values(current)), ready) {
				found = append(found, address+" "+after)
			}
		}
	}
	for _, c := range w.before {
		current[c.Name] = c
	}
	note("from the start")
	for _, c := range w.all() {
		if current[c.Name] = c; c.Type == watch.Deleted {
			delete(current, c.Name)
		}
		note(fmt.Sprintf("after %s %s", c.Type, c.Name))
	}
	return found
}
