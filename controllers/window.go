// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"maps"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// flipWindow is the least time between two passes over a Service that wrote
// slices, if nothing but verdicts changed meanwhile: the first flip is published
// at once, those that follow together (rule 55).
const flipWindow = 500 * time.Millisecond

// windows holds back the Services that have just been written.
type windows struct {
	mu    sync.Mutex
	until map[types.NamespacedName]time.Time
	// urgent Services have changed otherwise since their last pass began.
	urgent map[types.NamespacedName]bool
	// edits are when the window was opened for an edit of a slice.
	edits map[types.NamespacedName]time.Time
}

// close holds a Service back for the length of the window.
func (w *windows) close(key types.NamespacedName, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.urgent[key] {
		return
	}
	if w.until == nil {
		w.until = make(map[types.NamespacedName]time.Time)
	}
	maps.DeleteFunc(w.until, func(_ types.NamespacedName, end time.Time) bool { return !end.After(now) })
	w.until[key] = now.Add(flipWindow)
}

// open ends the window: something other than a verdict changed.
func (w *windows) open(key types.NamespacedName) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.end(key)
}

// edited is open for an edit of a slice: once a window, so that somebody who
// changes it back each time costs only so many writes.
func (w *windows) edited(key types.NamespacedName, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now.Sub(w.edits[key]) < flipWindow {
		return
	}
	if w.edits == nil {
		w.edits = make(map[types.NamespacedName]time.Time)
	}
	maps.DeleteFunc(w.edits, func(_ types.NamespacedName, at time.Time) bool { return now.Sub(at) >= flipWindow })
	w.edits[key] = now
	w.end(key)
}

func (w *windows) end(key types.NamespacedName) {
	delete(w.until, key)
	if w.urgent == nil {
		w.urgent = make(map[types.NamespacedName]bool)
	}
	w.urgent[key] = true
}

// wait returns how long a Service is still to be left alone. Zero: a pass
// begins.
func (w *windows) wait(key types.NamespacedName, now time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if left := w.until[key].Sub(now); left > 0 {
		return left
	}
	delete(w.until, key)
	delete(w.urgent, key)
	return 0
}
