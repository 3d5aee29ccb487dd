// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// maxInstances is how many instances of a source are kept.
const maxInstances = 100_000

// machine is the state of one source. It reads no clock and asks nobody: it says
// what to ask, and is told what came of it.
type machine struct {
	marks
	pace
	// known is true while the identity is.
	known    bool
	records  map[string]*record
	sorted   []*record           // records by id; nil: to be made
	strays   map[string]absence  // ids in use without a record
	inUse    map[string]int      // ids in Query.Known: in how many
	queries  map[*query]struct{} // that are asked
	dirty    map[string]struct{} // ids about which something changed since the last evaluation
	allDirty bool                // something changed that is not about an instance
	changed  []*query            // since the last call of evaluate

	// last is what the last complete listing was to list, listed and ended when it
	// began and ended. lastKeys are the keys of which tags of interfaces are known.
	last          plan
	listed, ended time.Time
	lastKeys      []string
	// doubted is true after a change of credentials, until a listing has succeeded.
	doubted bool
	// swept is true after a complete listing, until the next evaluation.
	swept bool
	// full is true once there was no room for an instance. most is how many there are
	// at most.
	full bool
	most int
	// refused is the narrowed listing that AWS refused, and refusedAt when; nil: none.
	refused   *plan
	refusedAt time.Time
	options   [optionCount]permission
	groups    groups
	tagsDue   bool               // tags of interfaces are to be asked for
	untagged  map[string]absence // of tags of interfaces, by interface
}

// record is what is kept of an instance.
type record struct {
	*Instance
	// asOf is when it was last asked for with success.
	asOf time.Time
	// absent is confirmed, and missing whether the last listing lacks it, which need
	// not be. ungrouped is the absence of its state in its group.
	absent, ungrouped absence
	missing           bool
	// users is how many queries it matches or has matched.
	users int
	// round is the last one in which its state in its group was asked for; zero: never,
	// or there is a hint about it.
	round int
}

// query is a Query that is asked, and what is known about it.
type query struct {
	Query
	source           *source
	tell             func()    // the subscriber that something changed
	ids              []string  // of the selector, sorted
	listed           time.Time // as in Snapshot
	matching, former []*record // by id; former: matched before
	snapshot         atomic.Pointer[Snapshot]
}

func newMachine(refresh time.Duration) *machine {
	return &machine{
		marks: newMarks(), pace: pace{period: refresh}, most: maxInstances,
		records: map[string]*record{}, strays: map[string]absence{}, inUse: map[string]int{},
		queries: map[*query]struct{}{}, dirty: map[string]struct{}{},
	}
}

// add takes a query in.
func (m *machine) add(q *query, now time.Time) {
	for _, id := range q.Known {
		m.inUse[id]++
	}
	m.enter(q, now)
}

// enter has a query that is new or changed answered: at once, if the listing at hand
// does.
func (m *machine) enter(q *query, now time.Time) {
	m.queries[q] = struct{}{}
	q.ids = slices.Compact(slices.Sorted(slices.Values(q.Selector.IDs)))
	m.groups.stale = true
	switch {
	case m.covered(q):
		if q.listed.IsZero() {
			q.listed = m.listed
		}
	case m.lists(q):
		m.tagsDue = true // nothing else is missing
	default:
		m.soon(now)
	}
	m.evaluateOne(q)
}

// change makes a query another one of the same source.
func (m *machine) change(q *query, to Query, now time.Time) {
	same := sameSelector(&q.Selector, &to.Selector) && q.InterfaceTag == to.InterfaceTag
	was := q.Known
	for _, id := range to.Known {
		m.inUse[id]++
	}
	for _, id := range was {
		m.unuse(id)
	}
	if q.Query = to; !same {
		q.listed = time.Time{}
	}
	q.setFormer(slices.DeleteFunc(slices.Clone(q.former), func(r *record) bool { return !same || !q.knows(r.ID) }))
	m.enter(q, now)
}

// remove drops a query.
func (m *machine) remove(q *query) {
	delete(m.queries, q)
	q.setFormer(nil)
	q.setMatching(nil)
	for _, id := range q.Known {
		m.unuse(id)
	}
	q.snapshot.Store(nil)
}

func (m *machine) unuse(id string) {
	if m.inUse[id]--; m.inUse[id] <= 0 {
		delete(m.inUse, id)
		delete(m.strays, id)
	}
}

// covered says whether the listing at hand answers a query.
func (m *machine) covered(q *query) bool {
	return m.lists(q) && (q.InterfaceTag == "" || slices.Contains(m.lastKeys, q.InterfaceTag))
}

// lists says whether the listing at hand has all that a query selects.
func (m *machine) lists(q *query) bool {
	return !m.listed.IsZero() && !m.doubted && m.last.covers(&q.Selector)
}

// plan returns what the next refresh lists.
func (m *machine) plan(now time.Time) plan {
	selectors := make([]*Selector, 0, len(m.queries))
	for q := range m.queries {
		selectors = append(selectors, &q.Selector)
	}
	p := newPlan(selectors, false)
	if m.refused == nil {
		return p
	}
	if !now.Before(m.refusedAt.Add(widened)) || !samePlan(&p, m.refused) {
		m.refused = nil
		return p
	}
	return newPlan(selectors, true)
}

// keys are those of which tags of interfaces are asked for, sorted.
func (m *machine) keys() []string {
	keys := map[string]struct{}{}
	for q := range m.queries {
		if q.InterfaceTag != "" {
			keys[q.InterfaceTag] = struct{}{}
		}
	}
	return slices.Sorted(maps.Keys(keys))
}

// matters says whether somebody has to do with an instance.
func (m *machine) matters(id string) bool {
	r := m.records[id]
	return m.inUse[id] > 0 || r != nil && r.users > 0
}

// take keeps what was asked for at a time about an instance.
func (m *machine) take(i *Instance, asOf time.Time) {
	r := m.records[i.ID]
	if r == nil {
		if len(m.records) >= m.most {
			m.full = true
			return
		}
		r = &record{}
		m.records[i.ID], m.sorted = r, nil
		delete(m.strays, i.ID)
		m.await(i)
	} else if asOf.Before(r.asOf) {
		return
	}
	r.asOf = asOf
	if r.missing {
		r.absent, r.missing = absence{}, false
		m.dirty[i.ID] = struct{}{}
	}
	if i.State == Terminated {
		delete(m.warnings, i.ID)
		delete(m.fresh, i.ID)
	}
	if r.Instance == nil || !sameListed(r.Instance, i) {
		own := *i // not the page that it is in
		m.show(r, m.put(&own))
	} else {
		m.show(r, m.put(r.Instance))
	}
}

// show makes an instance what is shown of a record.
func (m *machine) show(r *record, i *Instance) {
	if r.Instance != i {
		r.Instance = i
		m.dirty[i.ID] = struct{}{}
	}
}

// remark puts the marks on all instances.
func (m *machine) remark() {
	for _, r := range m.records {
		m.show(r, m.put(r.Instance))
	}
}

// drop forgets an instance.
func (m *machine) drop(id string) {
	delete(m.records, id)
	delete(m.warnings, id)
	delete(m.lifecycles, id)
	delete(m.fresh, id)
	m.sorted = nil
	m.dirty[id] = struct{}{}
}

// inOrder returns all records by id.
func (m *machine) inOrder() []*record {
	if m.sorted == nil {
		m.sorted = slices.SortedFunc(maps.Values(m.records), func(a, b *record) int { return strings.Compare(a.ID, b.ID) })
	}
	return m.sorted
}

func sameSelector(a, b *Selector) bool {
	return slices.Equal(a.IDs, b.IDs) && slices.EqualFunc(a.Filters, b.Filters, func(x, y Filter) bool {
		return x.Name == y.Name && slices.Equal(x.Values, y.Values)
	})
}

// emptied returns the state in which only the queries are left.
func (m *machine) emptied(now time.Time) *machine {
	empty := newMachine(m.period)
	for q := range m.queries {
		q.matching, q.former, q.listed = nil, nil, time.Time{}
		empty.add(q, now)
	}
	return empty
}

// all returns all queries.
func (m *machine) all() []*query { return slices.Collect(maps.Keys(m.queries)) }
