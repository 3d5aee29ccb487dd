// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"errors"
	"io"
	"runtime"
	"sync"
	"time"
)

// turnstile lets a few in at a time, for work that keeps a processor busy. One
// namespace has a part of the places at most. Of those that wait, whoever has
// had the least time inside comes next, so that it makes no difference how long
// each of their turns takes (start-time fair queueing); within a namespace it is
// who came first. Who comes for several namespaces waits with each, gets in with
// the first, and is at its expense.
//
// Time that nobody used is not saved: who comes back starts with what those
// have who are there. Nor is it held against anybody for long what they used
// while nobody else was there.
type turnstile struct {
	mu       sync.Mutex
	limit    int
	free     int
	most     int // places of one namespace
	accounts map[string]*account
	sweepAt  int            // accounts: then those that are of no use are dropped
	ready    heap[*account] // that have somebody waiting and may have one more place, by used
	now      int64          // what those have used who are served: it only grows
}

// account is what one namespace has.
type account struct {
	namespace string
	used      int64 // nanoseconds inside, on the scale of turnstile.now
	inside    int
	waiting   []*entrant
	place     int // among the ready
}

// entrant waits for one turn.
type entrant struct {
	turn    chan struct{} // closed when it comes
	account *account      // with which it got in
	left    bool          // it does not wait any more
}

// turnCost is what a turn is charged at least, in nanoseconds.
const turnCost = int64(10 * time.Microsecond)

// errNoTurn is why checks end that have waited for too long.
var errNoTurn = errors.New("no processor was free for the check")

func newTurnstile(limit, most int) *turnstile {
	return &turnstile{limit: limit, free: limit, most: most, accounts: map[string]*account{}}
}

// enter returns when it is a check's turn, at whose expense. It fails with the
// check's context, and with errNoTurn when that loses its patience.
func (t *turnstile) enter(v *visit) (*account, error) {
	e := &entrant{}
	t.mu.Lock()
	t.come(e, v.namespaces)
	t.admit()
	if e.account != nil {
		t.mu.Unlock()
		return e.account, nil
	}
	e.turn = make(chan struct{})
	t.mu.Unlock()
	err := v.wait(e.turn)
	if err == nil {
		// The runtime lets whoever was woken run at once. Without stepping back, a
		// chain of waiters would keep a processor for itself.
		runtime.Gosched()
		return e.account, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	e.left = true
	if e.account != nil { // at the same moment
		t.vacate(e.account, turnCost)
	}
	return nil, err
}

// leave makes room after some time inside.
func (t *turnstile) leave(a *account, inside time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.vacate(a, max(turnCost, int64(inside)))
}

// come queues an entrant with its namespaces.
func (t *turnstile) come(e *entrant, namespaces []string) {
	if len(namespaces) == 0 { // outside of checks
		namespaces = []string{""}
	}
	for _, namespace := range namespaces {
		a := t.accounts[namespace]
		if a == nil {
			a = &account{namespace: namespace, used: t.now, place: nowhere}
			t.sweep()
			t.accounts[namespace] = a
		}
		if a.idle() {
			a.used = max(a.used, t.now)
		}
		a.waiting = append(a.waiting, e)
		t.sort(a)
	}
}

// admit lets in whoever may come in.
func (t *turnstile) admit() {
	for t.free > 0 && !t.ready.empty() {
		_, a := t.ready.least()
		if e := a.next(); e != nil {
			e.account, e.left = a, true
			t.free--
			a.inside++
			t.now = max(t.now, a.used)
			if e.turn != nil {
				close(e.turn)
			}
		}
		t.sort(a)
	}
}

// vacate gives a place back that was used for a while.
func (t *turnstile) vacate(a *account, used int64) {
	a.used += used
	a.inside--
	t.free++
	t.sort(a)
	t.admit()
	if t.ready.empty() { // it took nothing from anybody
		t.now = max(t.now, a.used)
	}
	if t.free == t.limit { // then nobody waits either
		clear(t.accounts)
		t.now, t.sweepAt = 0, 0
	}
}

// sort puts an account where it belongs.
func (t *turnstile) sort(a *account) {
	if len(a.waiting) == 0 || a.inside >= t.most {
		t.ready.remove(&a.place)
	} else {
		t.ready.set(a, &a.place, a.used)
	}
}

// sweep drops the accounts that would come back as new ones.
func (t *turnstile) sweep() {
	if len(t.accounts) < t.sweepAt {
		return
	}
	for namespace, a := range t.accounts {
		if a.idle() && a.used <= t.now {
			delete(t.accounts, namespace)
		}
	}
	t.sweepAt = 2*len(t.accounts) + 16
}

func (a *account) idle() bool { return a.inside == 0 && len(a.waiting) == 0 }

// next takes out the first who still waits, or returns nil.
func (a *account) next() *entrant {
	for len(a.waiting) > 0 {
		e := a.waiting[0]
		a.waiting[0] = nil
		a.waiting = a.waiting[1:]
		if !e.left {
			return e
		}
	}
	return nil
}

// pacer is how one check goes through a turnstile, again and again.
type pacer struct {
	gate    *turnstile
	visit   *visit
	account *account // nil: it is outside
	since   time.Time
}

// enter waits for a turn. If it fails, the check has none and is to end.
func (p *pacer) enter() (err error) {
	p.account, err = p.gate.enter(p.visit)
	p.since = time.Now()
	return err
}

// leave ends the turn, if there is one.
func (p *pacer) leave() {
	if p.account != nil {
		p.gate.leave(p.account, time.Since(p.since))
		p.account = nil
	}
}

// read reads from a target. Targets may be silent, so the turn ends before, and
// another one is waited for afterwards, unless there is nothing more to work on. Who
// has no turn just reads.
func (p *pacer) read(from io.Reader, b []byte) (int, error) {
	if p.account == nil {
		return from.Read(b)
	}
	p.leave()
	n, err := from.Read(b)
	if n == 0 && err != nil {
		return 0, err // a wait would excuse the target for what it did before
	}
	if refused := p.enter(); refused != nil {
		return 0, refused // or what was read would be worked on
	}
	return n, err
}
