// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	discoveryclient "k8s.io/client-go/kubernetes/typed/discovery/v1"
)

// sighting is everything that happened to the slices of a namespace, as a
// kube-proxy sees it.
type sighting struct {
	slices  discoveryclient.EndpointSliceInterface
	before  []change // as if what was there had just been added
	mu      sync.Mutex
	changes []change
	marks   map[string]bool // slices by which it is known how far the watch is
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
	seen := &sighting{slices: client, marks: make(map[string]bool)}
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
	if strings.HasPrefix(c.Name, markPrefix) {
		w.marks[c.Name] = true
		return
	}
	w.changes = append(w.changes, c)
}

const markPrefix = "mark-"

// all returns the changes until now, which the watch may still have to tell.
func (w *sighting) all() []change {
	GinkgoHelper()
	ctx := context.Background()
	mark, err := w.slices.Create(ctx, &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{GenerateName: markPrefix},
		AddressType: discoveryv1.AddressTypeIPv4, Endpoints: []discoveryv1.Endpoint{},
	}, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred())
	Expect(w.slices.Delete(ctx, mark.Name, metav1.DeleteOptions{})).To(Succeed())
	Eventually(func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.marks[mark.Name]
	}).Should(BeTrue(), "the watch tells everything")
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
