// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"slices"
	"strings"
)

// evaluate brings all snapshots up to date, and returns the queries of which they
// changed since it was called last.
func (m *machine) evaluate() []*query {
	if m.swept {
		m.sweep()
	}
	if m.allDirty || len(m.dirty) > 0 {
		many := len(m.dirty) > len(m.records)/4
		for q := range m.queries {
			switch {
			case many || m.concerned(q):
				m.evaluateOne(q)
			case m.allDirty:
				m.publish(q)
			}
		}
		clear(m.dirty)
		m.allDirty = false
	}
	changed := m.changed
	m.changed = nil
	return changed
}

// sweep has queries forget the instances that matched before the last evaluation and
// that are not in use, now that there was a complete listing since.
func (m *machine) sweep() {
	m.swept = false
	for q := range m.queries {
		kept := slices.DeleteFunc(slices.Clone(q.former), func(r *record) bool { return !q.knows(r.ID) })
		if len(kept) < len(q.former) {
			q.setFormer(kept)
			m.evaluateOne(q)
		}
	}
}

// concerned says whether a query has to do with an instance that changed.
func (m *machine) concerned(q *query) bool {
	for id := range m.dirty {
		if q.knows(id) || has(q.matching, id) || has(q.former, id) {
			return true
		}
		if r := m.records[id]; r != nil && q.Selector.Matches(r.Instance) {
			return true
		}
	}
	return false
}

// evaluateOne finds out what a query selects, and brings its snapshot up to date.
func (m *machine) evaluateOne(q *query) {
	matching := m.match(q)
	former := slices.Concat(q.former, q.matching)
	q.setMatching(matching)
	former = slices.DeleteFunc(former, func(r *record) bool {
		return m.records[r.ID] != r || has(matching, r.ID)
	})
	slices.SortFunc(former, func(a, b *record) int { return strings.Compare(a.ID, b.ID) })
	q.setFormer(slices.Compact(former))
	m.publish(q)
}

// publish makes a snapshot of what is known, unless it says what the last one does.
func (m *machine) publish(q *query) {
	old := q.snapshot.Load()
	if s := m.snapshotOf(q); !sameSnapshot(old, s) {
		q.snapshot.Store(s)
		m.changed = append(m.changed, q)
	}
}

// match returns the records that a query selects and that are not terminated.
func (m *machine) match(q *query) (matching []*record) {
	if m.doubted && q.listed.IsZero() {
		return nil // they may be those of another account
	}
	if len(q.ids) > 0 {
		for _, id := range q.ids {
			if r := m.records[id]; r != nil && r.State != Terminated && q.Selector.filtered(r.Instance) {
				matching = append(matching, r)
			}
		}
		return matching
	}
	for _, r := range m.inOrder() {
		if r.State != Terminated && q.Selector.filtered(r.Instance) {
			matching = append(matching, r)
		}
	}
	return matching
}

// snapshotOf returns what is known about a query; nil if nothing was heard yet.
func (m *machine) snapshotOf(q *query) *Snapshot {
	failure, since := m.failure, m.since
	if tags := &m.options[interfaceTags]; failure == nil && q.InterfaceTag != "" {
		failure, since = tags.failure, tags.since
	}
	if !m.known || q.listed.IsZero() && failure == nil {
		return nil
	}
	s := &Snapshot{Listed: q.listed, Failure: failure, FailingSince: since}
	s.Matching = make([]*Instance, 0, len(q.matching))
	for _, r := range q.matching {
		s.Matching = append(s.Matching, r.Instance)
		if r.missing {
			s.Missing = append(s.Missing, r.ID)
		}
	}
	m.addOthers(s, q)
	return s
}

// addOthers adds the instances that do not match.
func (m *machine) addOthers(s *Snapshot, q *query) {
	others := slices.Clone(q.former)
	for _, id := range q.Known {
		r := m.records[id]
		switch {
		case r == nil && !m.strays[id].believed():
			s.Missing = append(s.Missing, id)
		case r != nil && !has(q.matching, id) && !has(q.former, id):
			others = append(others, r)
		}
	}
	slices.SortFunc(others, func(a, b *record) int { return strings.Compare(a.ID, b.ID) })
	for _, r := range others {
		s.Others = append(s.Others, r.Instance)
		if r.missing {
			s.Missing = append(s.Missing, r.ID)
		}
	}
	slices.Sort(s.Missing)
}

func sameSnapshot(a, b *Snapshot) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Listed.Equal(b.Listed) && slices.Equal(a.Matching, b.Matching) && slices.Equal(a.Others, b.Others) &&
		slices.Equal(a.Missing, b.Missing) &&
		sameFailure(a.Failure, b.Failure) && a.FailingSince.Equal(b.FailingSince)
}

func (q *query) setMatching(records []*record) { q.matching = reuse(q.matching, records) }
func (q *query) setFormer(records []*record)   { q.former = reuse(q.former, records) }

// reuse counts who has to do with a record.
func reuse(old, records []*record) []*record {
	for _, r := range records {
		r.users++
	}
	for _, r := range old {
		r.users--
	}
	return records
}

// knows says whether an instance is in use already.
func (q *query) knows(id string) bool {
	_, ok := slices.BinarySearch(q.Known, id)
	return ok
}

// has says whether a record is among some that are sorted by id.
func has(records []*record, id string) bool {
	_, ok := slices.BinarySearchFunc(records, id, func(r *record, id string) int { return strings.Compare(r.ID, id) })
	return ok
}
