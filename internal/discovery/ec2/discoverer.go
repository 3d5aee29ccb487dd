// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// Discoverer lists the instances of all subscribers and keeps what it hears. It is
// safe for concurrent use.
type Discoverer[S comparable] struct {
	opts Options[S]
	hub  *hub

	mu            sync.Mutex
	subscriptions map[S]*subscription
	changed       map[S]struct{}
}

// subscription is what a subscriber asks.
type subscription struct {
	mu      sync.Mutex
	queries map[string]*query // by name
	dropped bool
}

// New returns a discoverer. Queries may be made at once; AWS is asked while Start
// runs.
func New[S comparable](opts Options[S]) *Discoverer[S] {
	opts = opts.withDefaults()
	return &Discoverer[S]{
		opts: opts, hub: newHub(opts.Connector, opts.Clock, opts.Refresh),
		subscriptions: map[S]*subscription{}, changed: map[S]struct{}{},
	}
}

// Start asks AWS until ctx is done, and returns when every goroutine has ended. It
// can be called once.
func (d *Discoverer[S]) Start(ctx context.Context) error {
	if !d.hub.start(ctx) {
		return errors.New("the discovery of EC2 instances was started twice")
	}
	d.notify(ctx)
	d.hub.stop()
	return nil
}

// SetIdentity makes an identity known, or changes it. While it is not known,
// nothing is asked on its behalf, and its queries have no snapshot. After a change
// everything is listed again; what was known stays until that has succeeded.
func (d *Discoverer[S]) SetIdentity(name string, identity Identity) {
	d.hub.setIdentity(name, &identity)
}

// DropIdentity forgets an identity with all that was found out with it.
func (d *Discoverer[S]) DropIdentity(name string) { d.hub.setIdentity(name, nil) }

// Ensure makes the queries those of the subscriber, in place of the ones it had. A
// new one that the listing at hand does not answer is answered by the next one,
// which follows soon.
func (d *Discoverer[S]) Ensure(sub S, queries []Query) {
	wanted := make(map[string]Query, len(queries))
	for _, q := range queries {
		wanted[q.Name] = clone(q)
	}
	mine := d.lock(sub, len(wanted) > 0)
	if mine == nil {
		return
	}
	defer mine.mu.Unlock()
	for name, want := range wanted {
		switch old := mine.queries[name]; {
		case old == nil:
			mine.queries[name] = d.join(sub, want)
		case old.Source != want.Source:
			mine.queries[name] = d.join(sub, want)
			d.leave(old)
		case !sameQuery(&old.Query, &want):
			old.source.change(old, want)
		}
	}
	for name, old := range mine.queries {
		if _, ok := wanted[name]; !ok {
			delete(mine.queries, name)
			d.leave(old)
		}
	}
	if len(mine.queries) == 0 {
		d.mu.Lock()
		defer d.mu.Unlock()
		mine.dropped = true
		delete(d.subscriptions, sub)
	}
}

// lock returns the subscription of a subscriber, locked; nil if there is none and
// none is to be made.
func (d *Discoverer[S]) lock(sub S, create bool) *subscription {
	for {
		d.mu.Lock()
		mine := d.subscriptions[sub]
		if mine == nil && create {
			mine = &subscription{queries: map[string]*query{}}
			d.subscriptions[sub] = mine
		}
		d.mu.Unlock()
		if mine == nil {
			return nil
		}
		mine.mu.Lock()
		if !mine.dropped {
			return mine
		}
		mine.mu.Unlock()
	}
}

func (d *Discoverer[S]) join(sub S, want Query) *query {
	q := &query{Query: want, tell: func() { d.note(sub) }, source: d.hub.join(want.Source)}
	q.source.add(q)
	return q
}

func (d *Discoverer[S]) leave(q *query) {
	q.source.remove(q)
	d.hub.leave(q.source)
}

// Lookup returns what is known about the query of that name, the same pointer for as
// long as nothing changes; nil if there is none, its identity is not known, or
// nothing was heard yet.
func (d *Discoverer[S]) Lookup(sub S, query string) *Snapshot {
	mine := d.lock(sub, false)
	if mine == nil {
		return nil
	}
	defer mine.mu.Unlock()
	if q := mine.queries[query]; q != nil {
		return q.snapshot.Load()
	}
	return nil
}

// Forget drops a subscriber with all of its queries. It may still be told of a
// change that happened before.
func (d *Discoverer[S]) Forget(sub S) {
	d.Ensure(sub, nil)
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.changed, sub)
}

// note remembers whom to tell.
func (d *Discoverer[S]) note(sub S) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.changed[sub] = struct{}{}
	poke(d.hub.news)
}

// notify tells of changes until ctx is done.
func (d *Discoverer[S]) notify(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.hub.news:
		}
		d.mu.Lock()
		changed := d.changed
		d.changed = map[S]struct{}{}
		d.mu.Unlock()
		for sub := range changed {
			if ctx.Err() == nil {
				d.opts.Changed(sub)
			}
		}
		for name := range d.hub.changedIdentities() {
			if ctx.Err() == nil {
				d.opts.IdentityChanged(name)
			}
		}
	}
}

// poke leaves a message in a channel that holds one.
func poke(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// clone makes a query independent of what the caller does to its own.
func clone(q Query) Query {
	q.Selector.IDs = slices.Clone(q.Selector.IDs)
	q.Selector.Filters = slices.Clone(q.Selector.Filters)
	for n := range q.Selector.Filters {
		q.Selector.Filters[n].Values = slices.Clone(q.Selector.Filters[n].Values)
	}
	q.Known = slices.Compact(slices.Sorted(slices.Values(q.Known)))
	return q
}

func sameQuery(a, b *Query) bool {
	return a.Source == b.Source && a.InterfaceTag == b.InterfaceTag &&
		sameSelector(&a.Selector, &b.Selector) && slices.Equal(a.Known, b.Known)
}

// forever is longer than anything waits.
const forever = time.Duration(1<<63 - 1)
