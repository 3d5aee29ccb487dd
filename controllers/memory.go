// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"maps"
	"slices"
	"sync"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/internal/sliceplan"
)

// memoryLimit bounds how long own writes are believed rather than the cache. A
// cache that is this far behind has other troubles, or the API server was
// restored from an older backup and will never catch up.
const memoryLimit = 30 * time.Second

// writtenSlices remembers what this process wrote, or read after a lost race,
// until the cache has caught up, so that a plan never starts from what is already
// history.
type writtenSlices struct {
	mu sync.Mutex
	// live is keyed by what nobody can edit: labels may change on the way.
	live map[types.NamespacedName]writtenSlice
	gone map[types.UID]time.Time
	// underway are the versions that the cache tells of slices while a write of
	// them is under way: whether one is its own shows in the answer only.
	underway map[types.NamespacedName][]string
}

type writtenSlice struct {
	slice *discoveryv1.EndpointSlice
	at    time.Time
}

func serviceOf(slice *discoveryv1.EndpointSlice) types.NamespacedName {
	return types.NamespacedName{Namespace: slice.Namespace, Name: slice.Labels[discoveryv1.LabelServiceName]}
}

// begin records that a write of a slice is under way.
func (m *writtenSlices) begin(slice *discoveryv1.EndpointSlice) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.underway == nil {
		m.underway = make(map[types.NamespacedName][]string)
	}
	m.underway[client.ObjectKeyFromObject(slice)] = []string{}
}

// end records that the write is over, and says whether the cache told of
// somebody else's meanwhile that it does not include.
func (m *writtenSlices) end(slice *discoveryv1.EndpointSlice, err error) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := client.ObjectKeyFromObject(slice)
	told := m.underway[key]
	delete(m.underway, key)
	return slices.ContainsFunc(told, func(version string) bool {
		order, notComparable := resourceversion.CompareResourceVersion(version, slice.ResourceVersion)
		return err != nil || notComparable != nil || order > 0
	})
}

// wrote records the answer to a create or update.
func (m *writtenSlices) wrote(slice *discoveryv1.EndpointSlice, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.live == nil {
		m.live = make(map[types.NamespacedName]writtenSlice)
	}
	maps.DeleteFunc(m.live, func(_ types.NamespacedName, w writtenSlice) bool { return now.Sub(w.at) >= memoryLimit })
	m.live[client.ObjectKeyFromObject(slice)] = writtenSlice{slice, now}
}

// deleted records a delete.
func (m *writtenSlices) deleted(slice *discoveryv1.EndpointSlice, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.live, client.ObjectKeyFromObject(slice))
	if m.gone == nil {
		m.gone = make(map[types.UID]time.Time)
	}
	maps.DeleteFunc(m.gone, func(_ types.UID, at time.Time) bool { return now.Sub(at) >= memoryLimit })
	m.gone[slice.UID] = now
}

// seen takes note that the cache holds a slice, and says whether that is no
// news: it is what this process wrote last, or what that write has replaced.
func (m *writtenSlices) seen(slice *discoveryv1.EndpointSlice) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := client.ObjectKeyFromObject(slice)
	mine := m.live[key].slice
	switch {
	case m.underway[key] != nil:
		m.underway[key] = append(m.underway[key], slice.ResourceVersion)
		return true // for now
	case mine == nil:
		return false
	case newer(mine, slice):
		return true
	}
	delete(m.live, key)
	return mine.ResourceVersion == slice.ResourceVersion
}

// seenDeleted takes note that the cache has dropped a slice, and says whether
// this process had deleted it.
func (m *writtenSlices) seenDeleted(slice *discoveryv1.EndpointSlice) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := client.ObjectKeyFromObject(slice)
	if mine := m.live[key].slice; mine != nil && mine.UID == slice.UID {
		delete(m.live, key)
	}
	if m.underway[key] != nil {
		m.underway[key] = append(m.underway[key], slice.ResourceVersion)
		return true // for now
	}
	// It stays among those: who has read the cache a moment ago has found it there.
	_, mine := m.gone[slice.UID]
	return mine
}

// overlay completes the slices of a Service, by name, that the cache has. It
// returns how long the cache is contradicted at most; zero if it is not.
func (m *writtenSlices) overlay(service types.NamespacedName, cached map[string]*discoveryv1.EndpointSlice, now time.Time) (left time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, slice := range cached {
		// One that waits for a finalizer is still there, and so is its name.
		if at, ok := m.gone[slice.UID]; ok && slice.DeletionTimestamp == nil && now.Sub(at) < memoryLimit {
			delete(cached, name)
			left = max(left, memoryLimit-now.Sub(at))
		}
	}
	for key, mine := range m.live {
		if serviceOf(mine.slice) != service {
			continue
		}
		old, ok := cached[key.Name]
		if ok && !newer(mine.slice, old) || now.Sub(mine.at) >= memoryLimit {
			delete(m.live, key)
			continue
		}
		cached[key.Name] = mine.slice
		left = max(left, memoryLimit-now.Sub(mine.at))
	}
	return left
}

// newer compares two versions of one object, or two objects of one name and
// kind. The order of resource versions is part of the API (KEP-5504).
func newer(a, b metav1.Object) bool {
	order, err := resourceversion.CompareResourceVersion(a.GetResourceVersion(), b.GetResourceVersion())
	return err == nil && order > 0
}

// seenSlices remembers the slices of each Service, so that one is missed that
// left the cache though nobody here deleted it.
type seenSlices struct {
	mu     sync.Mutex
	owners map[types.NamespacedName]map[string]types.UID // by Service and slice name
}

// of returns the owners of the slices of a Service by name, in a map of the
// caller's own.
func (s *seenSlices) of(service types.NamespacedName) map[string]types.UID {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := make(map[string]types.UID, len(s.owners[service]))
	maps.Copy(names, s.owners[service])
	return names
}

// set replaces what is remembered of a Service.
func (s *seenSlices) set(service types.NamespacedName, list []*discoveryv1.EndpointSlice) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(list) == 0 {
		delete(s.owners, service)
		return
	}
	if s.owners == nil {
		s.owners = make(map[types.NamespacedName]map[string]types.UID)
	}
	names := make(map[string]types.UID, len(list))
	for _, slice := range list {
		names[slice.Name] = sliceplan.OwnerUID(slice)
	}
	s.owners[service] = names
}

// wrote records a slice that this process has just written for a Service.
func (s *seenSlices) wrote(service types.NamespacedName, slice *discoveryv1.EndpointSlice) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.owners == nil {
		s.owners = make(map[types.NamespacedName]map[string]types.UID)
	}
	if s.owners[service] == nil {
		s.owners[service] = make(map[string]types.UID)
	}
	s.owners[service][slice.Name] = sliceplan.OwnerUID(slice)
}

// deleted records a slice that this process has just deleted.
func (s *seenSlices) deleted(service types.NamespacedName, slice *discoveryv1.EndpointSlice) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.owners[service], slice.Name)
	if len(s.owners[service]) == 0 {
		delete(s.owners, service)
	}
}

// keptByService is what one pass over a Service keeps for the next one.
type keptByService[T any] struct {
	mu   sync.Mutex
	kept map[types.NamespacedName]T
}

// of returns what is kept for a Service; the zero value if nothing is.
func (k *keptByService[T]) of(service types.NamespacedName) T {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.kept[service]
}

func (k *keptByService[T]) set(service types.NamespacedName, value T) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.kept == nil {
		k.kept = make(map[types.NamespacedName]T)
	}
	k.kept[service] = value
}

func (k *keptByService[T]) drop(service types.NamespacedName) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.kept, service)
}
