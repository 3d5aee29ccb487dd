// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/internal/translate"
)

// refusalInterval is the time after which a write that the API server refused
// is tried again though neither side has changed: a quota or an admission
// policy may have.
const refusalInterval = 5 * time.Minute

// writtenServices remembers what came of the writes of managed Services.
type writtenServices struct {
	mu     sync.Mutex
	byName map[types.NamespacedName]*writtenService
	// unreleased are Services that could not be released.
	unreleased map[types.NamespacedName]unreleased
}

type writtenService struct {
	// latest is what the last write, or live read after a lost race, answered at
	// that time, until the cache has it.
	latest *corev1.Service
	at     time.Time
	last   *outcome
	// forestalled counts the writes in a row that came to nothing because of
	// somebody else's.
	forestalled int
}

// outcome is what came of an attempt to write a Service.
type outcome struct {
	attempt string // everything that it depended on
	problem *translate.Problem
	// final is true if there is no use in trying again before something changes.
	final bool
	at    time.Time
}

// unreleased is why a Service still belongs to an ExternalBackend that does not
// want it any more.
type unreleased struct {
	owner   health.Subscriber
	problem *translate.Problem
}

func (m *writtenServices) of(key types.NamespacedName) *writtenService {
	if m.byName == nil {
		m.byName = make(map[types.NamespacedName]*writtenService)
	}
	if m.byName[key] == nil {
		m.byName[key] = &writtenService{}
	}
	return m.byName[key]
}

// read records what the API server answered; nil: there is no such Service.
func (m *writtenServices) read(key types.NamespacedName, svc *corev1.Service, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.of(key)
	known.latest, known.at, known.forestalled = svc, now, 0
}

// readAgain is read after a write that was forestalled, and returns how many were
// in a row.
func (m *writtenServices) readAgain(key types.NamespacedName, svc *corev1.Service, now time.Time) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.of(key)
	known.latest, known.at = svc, now
	known.forestalled++
	return known.forestalled
}

// seen takes note that the cache has told of a Service, or of its end.
func (m *writtenServices) seen(svc *corev1.Service) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if known := m.byName[client.ObjectKeyFromObject(svc)]; known != nil && known.latest != nil && !newer(known.latest, svc) {
		known.latest = nil
	}
}

// newest returns the newer of what the cache has, which may be nil, and what the
// API server answered, and how long the cache is contradicted at most; zero if
// it is not.
func (m *writtenServices) newest(key types.NamespacedName, cached *corev1.Service, now time.Time) (*corev1.Service, time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.byName[key]
	if known == nil || known.latest == nil {
		return cached, 0
	}
	if left := memoryLimit - now.Sub(known.at); left > 0 && (cached == nil || newer(known.latest, cached)) {
		return known.latest, left
	}
	known.latest = nil
	return cached, 0
}

// record keeps what came of an attempt.
func (m *writtenServices) record(key types.NamespacedName, o outcome) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.of(key).last = &o
}

// outcome returns what came of an attempt; nil if it was not made, or has not
// ended.
func (m *writtenServices) outcome(key types.NamespacedName, attempt string) *outcome {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.byName[key]
	if known == nil || known.last == nil || known.last.attempt != attempt {
		return nil
	}
	return known.last
}

// wait returns for how long such an attempt is not worth another try.
func (m *writtenServices) wait(key types.NamespacedName, attempt string, now time.Time) time.Duration {
	last := m.outcome(key, attempt)
	if last == nil || !last.final {
		return 0
	}
	return max(0, refusalInterval-now.Sub(last.at))
}

// forget drops what is known of a Service that nobody manages, but what the cache
// does not have yet.
func (m *writtenServices) forget(key types.NamespacedName) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if known := m.byName[key]; known != nil && known.latest == nil {
		delete(m.byName, key)
	}
}

// keep records why a Service could not be released.
func (m *writtenServices) keep(key types.NamespacedName, kept unreleased) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.unreleased == nil {
		m.unreleased = make(map[types.NamespacedName]unreleased)
	}
	m.unreleased[key] = kept
}

// released records that there is nothing to be released, and returns whom it was
// told that a Service could not be.
func (m *writtenServices) released(key types.NamespacedName) (health.Subscriber, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	kept, ok := m.unreleased[key]
	delete(m.unreleased, key)
	return kept.owner, ok
}

// isKept says whether a Service could not be released.
func (m *writtenServices) isKept(key types.NamespacedName) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.unreleased[key]
	return ok
}

// keptFor returns why a Service of an ExternalBackend could not be released; nil
// if there is none. There are few of them at any time.
func (m *writtenServices) keptFor(owner types.UID) *translate.Problem {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, kept := range m.unreleased {
		if kept.owner.UID == string(owner) {
			return kept.problem
		}
	}
	return nil
}
