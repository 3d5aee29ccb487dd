// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"runtime"
	"sync"
	"time"
)

// turnstile lets a few in at a time. Those that have to wait get in namespace
// by namespace in turn, and within one in the order in which they came. Who comes
// for several namespaces waits with each, and gets in with the first.
type turnstile struct {
	mu     sync.Mutex
	free   int
	queues map[string]*entrants
	turns  []*entrants // that have somebody waiting
}

// entrants are those of one namespace that wait.
type entrants struct {
	namespace string
	waiting   []*entrant
}

type entrant struct {
	turn    chan struct{} // closed when it comes
	entered bool
}

func newTurnstile(limit int) *turnstile {
	return &turnstile{free: limit, queues: map[string]*entrants{}}
}

// enter returns, when it is the caller's turn, how long that took.
func (t *turnstile) enter(namespaces ...string) time.Duration {
	t.mu.Lock()
	if t.free > 0 {
		t.free--
		t.mu.Unlock()
		return 0
	}
	if len(namespaces) == 0 { // outside of checks
		namespaces = []string{""}
	}
	e := &entrant{turn: make(chan struct{})}
	for _, namespace := range namespaces {
		q := t.queues[namespace]
		if q == nil {
			q = &entrants{namespace: namespace}
			t.queues[namespace] = q
			t.turns = append(t.turns, q)
		}
		q.waiting = append(q.waiting, e)
	}
	t.mu.Unlock()
	start := time.Now()
	<-e.turn
	// The runtime lets whoever was woken run at once. Without stepping back, a
	// chain of waiters would keep a processor for itself.
	runtime.Gosched()
	return time.Since(start)
}

// leave makes room, which goes to the next one if anybody waits.
func (t *turnstile) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.turns) > 0 {
		q := t.turns[0]
		t.turns[0] = nil
		t.turns = t.turns[1:]
		next := q.next()
		if len(q.waiting) > 0 {
			t.turns = append(t.turns, q)
		} else {
			delete(t.queues, q.namespace)
		}
		if next != nil {
			next.entered = true
			close(next.turn)
			return
		}
	}
	t.free++
}

// next takes out the first who has not got in with another namespace, or returns nil.
func (q *entrants) next() *entrant {
	for len(q.waiting) > 0 {
		e := q.waiting[0]
		q.waiting[0] = nil
		q.waiting = q.waiting[1:]
		if !e.entered {
			return e
		}
	}
	return nil
}
