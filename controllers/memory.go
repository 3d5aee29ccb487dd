// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"sync"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"

	"externalbackend.dev/operator/internal/probe"
)

// writtenSlices remembers what this process wrote until the cache has caught
// up, so that a plan never starts from what is already history.
type writtenSlices struct {
	mu   sync.Mutex
	live map[types.NamespacedName]map[string]*discoveryv1.EndpointSlice // Service, slice name
	gone map[types.UID]bool
}

func serviceOf(slice *discoveryv1.EndpointSlice) types.NamespacedName {
	return types.NamespacedName{Namespace: slice.Namespace, Name: slice.Labels[discoveryv1.LabelServiceName]}
}

// wrote records the answer to a create or update.
func (m *writtenSlices) wrote(slice *discoveryv1.EndpointSlice) {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := serviceOf(slice)
	if m.live[key] == nil {
		if m.live == nil {
			m.live = make(map[types.NamespacedName]map[string]*discoveryv1.EndpointSlice)
		}
		m.live[key] = make(map[string]*discoveryv1.EndpointSlice)
	}
	m.live[key][slice.Name] = slice
}

// deleted records a delete.
func (m *writtenSlices) deleted(slice *discoveryv1.EndpointSlice) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.drop(slice)
	if m.gone == nil {
		m.gone = make(map[types.UID]bool)
	}
	m.gone[slice.UID] = true
}

// seen takes note that the cache holds a slice.
func (m *writtenSlices) seen(slice *discoveryv1.EndpointSlice) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if mine := m.live[serviceOf(slice)][slice.Name]; mine != nil && !newer(mine, slice) {
		m.drop(slice)
	}
}

// seenDeleted takes note that the cache has dropped a slice, and says whether
// this process had deleted it.
func (m *writtenSlices) seenDeleted(slice *discoveryv1.EndpointSlice) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if mine := m.live[serviceOf(slice)][slice.Name]; mine != nil && mine.UID == slice.UID {
		m.drop(slice)
	}
	mine := m.gone[slice.UID]
	delete(m.gone, slice.UID)
	return mine
}

func (m *writtenSlices) drop(slice *discoveryv1.EndpointSlice) {
	key := serviceOf(slice)
	delete(m.live[key], slice.Name)
	if len(m.live[key]) == 0 {
		delete(m.live, key)
	}
}

// overlay completes the slices of a Service, by name, that the cache has.
func (m *writtenSlices) overlay(key types.NamespacedName, cached map[string]*discoveryv1.EndpointSlice) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, slice := range cached {
		if m.gone[slice.UID] {
			delete(cached, name)
		}
	}
	for name, mine := range m.live[key] {
		if old, ok := cached[name]; !ok || newer(mine, old) {
			cached[name] = mine
		}
	}
}

// newer compares two versions of one slice, or tells apart two slices of one
// name by their age.
func newer(a, b *discoveryv1.EndpointSlice) bool {
	order, err := resourceversion.CompareResourceVersion(a.ResourceVersion, b.ResourceVersion)
	return err == nil && order > 0
}

// vanishedSlices remembers slices that left the cache though nobody here
// deleted them.
type vanishedSlices struct {
	mu    sync.Mutex
	names map[types.NamespacedName][]vanishedSlice
}

type vanishedSlice struct {
	name  string
	owner types.UID
}

func (v *vanishedSlices) add(service types.NamespacedName, name string, owner types.UID) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.names == nil {
		v.names = make(map[types.NamespacedName][]vanishedSlice)
	}
	v.names[service] = append(v.names[service], vanishedSlice{name, owner})
}

func (v *vanishedSlices) take(service types.NamespacedName) []vanishedSlice {
	v.mu.Lock()
	defer v.mu.Unlock()
	list := v.names[service]
	delete(v.names, service)
	return list
}

// knownBackends remembers which ExternalBackends were seen, and for which
// Service, so that what is kept for them can be dropped with them.
type knownBackends struct {
	mu       sync.Mutex
	services map[probe.Subscriber]types.NamespacedName
	reports  map[probe.Subscriber]time.Time // last patch of the status
}

func (k *knownBackends) add(service types.NamespacedName, sub probe.Subscriber) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.services == nil {
		k.services = make(map[probe.Subscriber]types.NamespacedName)
		k.reports = make(map[probe.Subscriber]time.Time)
	}
	k.services[sub] = service
}

func (k *knownBackends) remove(sub probe.Subscriber) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.services, sub)
	delete(k.reports, sub)
}

// service returns the Service that a subscriber was last seen with.
func (k *knownBackends) service(sub probe.Subscriber) (types.NamespacedName, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	key, ok := k.services[sub]
	return key, ok
}

// of returns the subscribers that were last seen with a Service.
func (k *knownBackends) of(service types.NamespacedName) []probe.Subscriber {
	k.mu.Lock()
	defer k.mu.Unlock()
	var list []probe.Subscriber
	for sub, key := range k.services {
		if key == service {
			list = append(list, sub)
		}
	}
	return list
}

func (k *knownBackends) lastReport(sub probe.Subscriber) time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.reports[sub]
}

func (k *knownBackends) setReport(sub probe.Subscriber, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.reports[sub] = now
}
