// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// conditions are those of an endpoint as its EndpointSlice publishes them.
type conditions struct {
	published                   bool // false: no slice has the address
	ready, serving, terminating bool
}

// The conditions of a host that passes its checks, and of one that does not.
var (
	healthy   = conditions{published: true, ready: true, serving: true}
	unhealthy = conditions{published: true}
)

// String is what the table shows.
func (c conditions) String() string {
	switch c {
	case conditions{}:
		return "absent"
	case healthy:
		return "ready"
	case unhealthy:
		return "not ready"
	}
	return fmt.Sprintf("%s/%s/%s", letter(c.ready), letter(c.serving), letter(c.terminating))
}

// describe is the long form.
func (c conditions) describe() string {
	if !c.published {
		return "in no EndpointSlice"
	}
	return fmt.Sprintf("ready=%t serving=%t terminating=%t", c.ready, c.serving, c.terminating)
}

func letter(b bool) string {
	if b {
		return "t"
	}
	return "f"
}

// transition is a change of an address's conditions.
type transition struct {
	at       time.Time // when the watch delivered it
	addr     netip.Addr
	from, to conditions
}

// board holds what the API server publishes in EndpointSlices.
type board struct {
	mu          sync.Mutex
	slices      map[string]*discoveryv1.EndpointSlice
	writes      int // objects created, changed or deleted
	transitions []transition
	changed     chan struct{} // closed and replaced on every change
}

func newBoard() *board {
	return &board{slices: map[string]*discoveryv1.EndpointSlice{}, changed: make(chan struct{})}
}

// watch keeps the board true to all EndpointSlices of the namespace until ctx is done.
func (b *board) watch(ctx context.Context, client kubernetes.Interface, namespace string) error {
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithNamespace(namespace))
	informer := factory.Discovery().V1().EndpointSlices().Informer()
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(obj any) { b.set(obj.(*discoveryv1.EndpointSlice), time.Now()) },
		UpdateFunc: func(_, obj any) { b.set(obj.(*discoveryv1.EndpointSlice), time.Now()) },
		DeleteFunc: func(obj any) {
			name, err := cache.DeletionHandlingObjectToName(obj)
			if err == nil {
				b.remove(name.Name, time.Now())
			}
		},
	})
	if err != nil {
		return err
	}
	factory.Start(ctx.Done())
	if !cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
		return fmt.Errorf("watch EndpointSlices: %w", context.Cause(ctx))
	}
	return nil
}

// set takes in a created or changed slice.
func (b *board) set(slice *discoveryv1.EndpointSlice, at time.Time) {
	b.change(at, func() { b.slices[slice.Name] = slice })
}

// remove takes in a deleted slice.
func (b *board) remove(name string, at time.Time) {
	b.change(at, func() { delete(b.slices, name) })
}

// change makes a change and notes the transitions it brings.
func (b *board) change(at time.Time, f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := b.all()
	f()
	after := b.all()
	for addr, to := range after {
		if from := before[addr]; from != to {
			b.transitions = append(b.transitions, transition{at, addr, from, to})
		}
	}
	for addr, from := range before {
		if _, still := after[addr]; !still {
			b.transitions = append(b.transitions, transition{at, addr, from, conditions{}})
		}
	}
	b.writes++
	close(b.changed)
	b.changed = make(chan struct{})
}

// all returns the conditions of every published address. In two slices at once
// an address counts as ready if either says so.
func (b *board) all() map[netip.Addr]conditions {
	all := map[netip.Addr]conditions{}
	for _, slice := range b.slices {
		for _, endpoint := range slice.Endpoints {
			addr, err := netip.ParseAddr(endpoint.Addresses[0])
			if err != nil || all[addr].ready {
				continue
			}
			c := endpoint.Conditions
			// What unset means is in the EndpointConditions API documentation.
			ready := c.Ready == nil || *c.Ready
			all[addr] = conditions{
				published: true, ready: ready, serving: c.Serving == nil && ready || c.Serving != nil && *c.Serving,
				terminating: c.Terminating != nil && *c.Terminating,
			}
		}
	}
	return all
}

// of returns the conditions of one address.
func (b *board) of(addr netip.Addr) conditions {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all()[addr]
}

// history returns all transitions and the number of writes so far.
func (b *board) history() ([]transition, int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clip(b.transitions), b.writes
}

// versions returns the resource version of every slice.
func (b *board) versions() map[string]string {
	b.mu.Lock()
	defer b.mu.Unlock()
	versions := map[string]string{}
	for name, slice := range b.slices {
		versions[name] = slice.ResourceVersion
	}
	return versions
}

// wait waits until all addresses have the conditions, and returns when the last
// of them changed to these.
func (b *board) wait(ctx context.Context, addrs []netip.Addr, want conditions) (time.Time, error) {
	for {
		b.mu.Lock()
		since, have, changed := b.since(addrs, want), b.have(addrs, want), b.changed
		b.mu.Unlock()
		if have {
			return since, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return time.Time{}, context.Cause(ctx)
		}
	}
}

// have says whether all addresses have the conditions.
func (b *board) have(addrs []netip.Addr, want conditions) bool {
	all := b.all()
	return !slices.ContainsFunc(addrs, func(addr netip.Addr) bool { return all[addr] != want })
}

// since returns when one of the addresses last changed to the conditions.
func (b *board) since(addrs []netip.Addr, want conditions) time.Time {
	for _, t := range slices.Backward(b.transitions) {
		if t.to == want && slices.Contains(addrs, t.addr) {
			return t.at
		}
	}
	return time.Time{}
}
