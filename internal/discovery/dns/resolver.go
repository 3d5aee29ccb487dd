// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"container/heap"
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"sync"
	"time"
)

// batch is the shortest pause of the loop: queries that fall due within it start
// together, which saves wake-ups.
const batch = 5 * time.Millisecond

// jitter is by how much of its length a wait is drawn out at most, so that what
// was asked together once is not asked together for ever.
const jitter = 0.1

// Resolver asks the questions of all subscribers and keeps what it hears. It is
// safe for concurrent use.
type Resolver[S comparable] struct {
	opts Options[S]
	ask  func(ctx context.Context, q Question, first int) answer
	wake chan struct{} // capacity 1: the loop should look again
	news chan struct{} // capacity 1: changed is not empty

	mu            sync.Mutex
	asked         map[Question]*entry[S]
	subscriptions map[S]map[Question]struct{}
	rooms         map[string]*room[S] // by group
	idle          byDue               // tasks that wait for their time
	dispatcher    dispatcher
	changed       map[S]struct{}
	planned       time.Time       // when the loop will look again
	ctx           context.Context //nolint:containedctx // of the running Start, for its queries; nil before

	running sync.WaitGroup // queries and the notifier
}

// entry is a question that somebody asks.
type entry[S comparable] struct {
	task
	subscribers map[S]struct{}
}

// New returns a resolver. Questions may be asked at once; queries are made while
// Start runs.
func New[S comparable](opts Options[S]) *Resolver[S] {
	opts = opts.withDefaults()
	return &Resolver[S]{
		opts:          opts,
		ask:           newClient(opts.Servers, opts.ResolvConf, opts.Clock).ask,
		wake:          make(chan struct{}, 1),
		news:          make(chan struct{}, 1),
		asked:         map[Question]*entry[S]{},
		subscriptions: map[S]map[Question]struct{}{},
		rooms:         map[string]*room[S]{},
		dispatcher:    newDispatcher(),
		changed:       map[S]struct{}{},
	}
}

// Ensure makes the questions those of the subscriber, in place of the ones it
// had. A question that nobody asks any more is forgotten, with all that is known
// about it; a new one is asked at once, if there is room for it. If not, the
// subscriber is told when there is, and Ensure is to be called again.
func (r *Resolver[S]) Ensure(sub S, questions []Question) {
	r.mu.Lock()
	defer r.mu.Unlock()
	wanted := make(map[Question]struct{}, len(questions))
	for _, q := range questions {
		wanted[q] = struct{}{}
	}
	group := r.opts.Group(sub)
	r.forgetAway(sub, group)
	for q := range r.subscriptions[sub] {
		if _, ok := wanted[q]; !ok {
			r.leave(sub, q)
		}
	}
	for _, q := range questions {
		switch {
		case r.asks(sub, q):
		case r.find(sub, group, q):
			r.join(sub, q)
		default:
			delete(wanted, q)
		}
	}
	if r.subscriptions[sub] = wanted; len(wanted) == 0 {
		delete(r.subscriptions, sub)
	}
}

// Forget drops a subscriber with all of its questions. It may still be told of
// a change that happened before.
func (r *Resolver[S]) Forget(sub S) {
	r.Ensure(sub, nil)
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.changed, sub)
}

// Lookup returns what is known about a question, or nil if nobody asks it or no
// query has ended yet. Of one that the subscriber found no room for, nothing is,
// though others may ask it.
func (r *Resolver[S]) Lookup(sub S, q Question) *Snapshot {
	r.mu.Lock()
	defer r.mu.Unlock()
	if mine := r.rooms[r.opts.Group(sub)]; mine != nil {
		if _, away := mine.away[sub][q]; away {
			return turnedAway
		}
	}
	if e := r.asked[q]; e != nil {
		return e.set.snapshot
	}
	return nil
}

func (r *Resolver[S]) asks(sub S, q Question) bool {
	e := r.asked[q]
	if e == nil {
		return false
	}
	_, ok := e.subscribers[sub]
	return ok
}

func (r *Resolver[S]) join(sub S, q Question) {
	e := r.asked[q]
	if e == nil {
		e = &entry[S]{
			task: task{
				question: q, set: newSet(r.opts.MinTTL, r.opts.MaxTTL),
				due: r.opts.Clock.Now(), groups: map[string]int{},
			},
			subscribers: map[S]struct{}{},
		}
		e.set.least = r.opts.MinRetention
		r.asked[q] = e
		heap.Push(&r.idle, &e.task)
		r.replan()
	}
	e.subscribers[sub] = struct{}{}
	group := r.opts.Group(sub)
	if e.groups[group]++; e.groups[group] == 1 {
		r.roomOf(group).taken++
	}
	if e.stage == waiting {
		r.dispatcher.add(&e.task, group)
		r.startWaiting()
	}
}

func (r *Resolver[S]) leave(sub S, q Question) {
	e := r.asked[q]
	delete(e.subscribers, sub)
	group := r.opts.Group(sub)
	if e.groups[group]--; e.groups[group] == 0 {
		delete(e.groups, group)
		r.giveBack(group)
	}
	if len(e.subscribers) > 0 {
		return
	}
	delete(r.asked, q)
	switch e.stage {
	case idle:
		heap.Remove(&r.idle, e.place)
	case running:
		e.cancel()
	case waiting, dropped:
	}
	e.stage = dropped
}

// Start asks until ctx is done. It then cancels the queries that are under way,
// discards what they bring and returns when every goroutine has ended. It can be
// called once.
func (r *Resolver[S]) Start(ctx context.Context) error {
	r.mu.Lock()
	if r.ctx != nil {
		r.mu.Unlock()
		return errors.New("the DNS resolver was started twice")
	}
	r.ctx = ctx
	r.mu.Unlock()
	r.running.Go(func() { r.notifyLoop(ctx) })
	timer := r.opts.Clock.NewTimer(r.tick())
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			r.running.Wait()
			return nil
		case <-timer.C():
		case <-r.wake:
		}
		timer.Reset(r.tick())
	}
}

// tick starts what is due and returns how long the loop may pause.
func (r *Resolver[S]) tick() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.opts.Clock.Now()
	for len(r.idle) > 0 && !r.idle[0].due.After(now) {
		t := heap.Pop(&r.idle).(*task)
		t.stage = waiting
		for group := range t.groups {
			r.dispatcher.add(t, group)
		}
	}
	r.startWaiting()
	pause := time.Duration(math.MaxInt64)
	r.planned = time.Time{}
	if len(r.idle) > 0 {
		pause = max(batch, r.idle[0].due.Sub(now))
		r.planned = now.Add(pause)
	}
	return pause
}

// replan makes the loop look again if it would come too late for what is due
// next.
func (r *Resolver[S]) replan() {
	if r.planned.IsZero() || r.idle[0].due.Add(batch).Before(r.planned) {
		poke(r.wake)
	}
}

func (r *Resolver[S]) startWaiting() {
	if r.ctx == nil {
		return
	}
	for t := r.dispatcher.next(); t != nil; t = r.dispatcher.next() {
		ctx, cancel := context.WithCancel(r.ctx)
		t.stage, t.cancel = running, cancel
		first := t.set.first()
		r.running.Go(func() {
			defer cancel()
			start := r.opts.Clock.Now()
			answer := r.ask(ctx, t.question, first)
			if ctx.Err() == nil {
				r.opts.Observer.QueryDone(t.question.Type, answer.outcome, r.opts.Clock.Since(start))
			}
			r.done(t, &answer)
		})
	}
}

// done takes what a query brought, unless nobody wants it any more.
func (r *Resolver[S]) done(t *task, a *answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dispatcher.release(t)
	if r.ctx.Err() != nil {
		return
	}
	if t.stage == running {
		now, before := r.opts.Clock.Now(), t.set.snapshot
		if r.contradicted(t.question, a.outcome) {
			*a = answer{outcome: Malformed}
		}
		pause := t.set.step(a, now)
		pause += time.Duration(jitter * rand.Float64() * float64(pause)) //nolint:gosec // nobody gains by guessing it
		t.stage, t.cancel, t.due = idle, nil, now.Add(pause)
		heap.Push(&r.idle, t)
		r.replan()
		if t.set.snapshot != before {
			r.tell(t.question)
		}
	}
	r.startWaiting()
}

// contradicted says whether a name is said not to exist that had addresses of the
// other family when those were last asked for. NXDOMAIN is about all types (RFC
// 8020): one of the two answers is wrong.
func (r *Resolver[S]) contradicted(q Question, o Outcome) bool {
	other, ok := map[Type]Type{A: AAAA, AAAA: A}[q.Type]
	if !ok || o != NameError {
		return false
	}
	e := r.asked[Question{q.Name, other}]
	return e != nil && e.set.snapshot != nil && e.set.snapshot.Outcome == Answered
}
