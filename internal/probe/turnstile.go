// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"runtime"
	"sync"
	"time"
)

// turnstile lets a few in at a time. Those that have to wait get in namespace
// by namespace in turn, and within one in the order in which they came.
type turnstile struct {
	mu     sync.Mutex
	free   int
	queues map[string]*entrants
	turns  []*entrants // that have somebody waiting
}

// entrants are those of one namespace that wait.
type entrants struct {
	namespace string
	waiting   []chan struct{}
}

func newTurnstile(limit int) *turnstile {
	return &turnstile{free: limit, queues: map[string]*entrants{}}
}

// enter returns, when it is the caller's turn, how long that took.
func (t *turnstile) enter(namespace string) time.Duration {
	t.mu.Lock()
	if t.free > 0 {
		t.free--
		t.mu.Unlock()
		return 0
	}
	q := t.queues[namespace]
	if q == nil {
		q = &entrants{namespace: namespace}
		t.queues[namespace] = q
		t.turns = append(t.turns, q)
	}
	turn := make(chan struct{})
	q.waiting = append(q.waiting, turn)
	t.mu.Unlock()
	start := time.Now()
	<-turn
	// The runtime lets whoever was woken run at once. Without stepping back, a
	// chain of waiters would keep a processor for itself.
	runtime.Gosched()
	return time.Since(start)
}

// leave makes room, which goes to the next one if anybody waits.
func (t *turnstile) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.turns) == 0 {
		t.free++
		return
	}
	q := t.turns[0]
	t.turns[0] = nil
	t.turns = t.turns[1:]
	close(q.waiting[0])
	q.waiting[0] = nil
	if q.waiting = q.waiting[1:]; len(q.waiting) > 0 {
		t.turns = append(t.turns, q)
	} else {
		delete(t.queues, q.namespace)
	}
}
