// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"maps"
	"slices"
	"time"
)

// refresh is what one refresh was to find out, and what it found.
type refresh struct {
	plan  plan
	begun time.Time
	// found are the instances of a complete listing; failure is why it is not.
	found   map[string]*Instance
	failure *Failure
	// byID are those that were missing from it and were asked for by their ids,
	// asked; nil if that failed.
	byID  map[string]*Instance
	asked []string
	// rescued are those that were asked for one by one, since the listing failed,
	// and rescuedAt is when.
	rescued   []*Instance
	rescuedAt time.Time
}

// get returns what was found of an instance.
func (r *refresh) get(id string) *Instance {
	if i := r.found[id]; i != nil {
		return i
	}
	return r.byID[id]
}

// lacking returns the ids, sorted, of instances that matter and that were not found.
func (m *machine) lacking(r *refresh) (ids []string) {
	for id, known := range m.records {
		if r.get(id) == nil && known.State != Terminated && m.matters(id) && !known.asOf.After(r.begun) {
			ids = append(ids, id)
		}
	}
	for id := range m.inUse {
		if m.records[id] == nil && r.get(id) == nil && !m.strays[id].believed() {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// toAsk returns those that the listing has not asked for by their ids yet.
func (m *machine) toAsk(r *refresh) []string {
	return slices.DeleteFunc(m.lacking(r), r.plan.has)
}

// step takes what a refresh brought. chance is in [0, 1).
func (m *machine) step(r *refresh, now time.Time, chance float64) {
	if r.failure != nil {
		for _, i := range r.rescued {
			m.take(i, r.rescuedAt)
		}
		if len(r.plan.filters) > 0 && m.widens(r.failure) {
			refused := r.plan
			m.refused, m.refusedAt, m.due = &refused, now, now.Add(gap)
			return // it is no failure unless the wide one fails, too
		}
		m.allDirty = m.failed(r.failure, now, !m.listed.IsZero(), chance) || m.allDirty
		return
	}
	lacking := m.lacking(r)
	m.prune(r)
	m.full = false
	for _, i := range r.found {
		m.take(i, r.begun)
	}
	for _, i := range r.byID {
		m.take(i, r.begun)
	}
	again := m.count(lacking, r)
	m.swept = true
	if m.full {
		m.allDirty = m.failed(tooMany(m.most), now, !m.listed.IsZero(), chance) || m.allDirty
		m.followUp()
		return
	}
	m.last, m.listed, m.ended, m.doubted = r.plan, r.begun, now, false
	m.allDirty = m.succeeded(now, again, chance) || m.allDirty
	m.followUp()
	m.answer(now)
}

// followUp has asked for what a listing does not say.
func (m *machine) followUp() {
	m.groups.begin()
	if m.tagsDue = len(m.keys()) > 0; !m.tagsDue && m.lastKeys != nil {
		m.tags, m.lastKeys, m.options[interfaceTags] = nil, nil, permission{}
		m.remark()
	}
}

// widens says whether a failure may be due to the filters that narrow a listing.
// AWS has many codes for what it does not like about them.
func (m *machine) widens(f *Failure) bool { return f.Kind == Refused && f.Code != "" }

// prune drops what is not there and nobody has to do with.
func (m *machine) prune(r *refresh) {
	for id, known := range m.records {
		if r.get(id) == nil && !m.matters(id) && !known.asOf.After(r.begun) {
			m.drop(id)
		}
	}
}

// count counts what is missing, and says whether it is to be looked for again
// quickly.
func (m *machine) count(lacking []string, r *refresh) (again bool) {
	maps.DeleteFunc(m.strays, func(id string, _ absence) bool { return m.inUse[id] == 0 })
	for _, id := range lacking {
		known := m.records[id]
		if known != nil && !known.missing {
			known.missing = true
			m.dirty[id] = struct{}{}
		}
		_, asked := slices.BinarySearch(r.asked, id)
		if !r.plan.has(id) && (!asked || r.byID == nil) {
			continue
		}
		if known == nil {
			stray := m.strays[id]
			stray.count(r.begun, m.spacing())
			if m.strays[id] = stray; stray.believed() {
				m.dirty[id] = struct{}{}
			}
			again = again || !stray.believed()
			continue
		}
		if known.absent.count(r.begun, m.spacing()); !known.absent.believed() {
			again = true
			continue
		}
		used := m.matters(id) // whoever serves it may say so only when told that it is gone
		if m.drop(id); used {
			m.strays[id] = absence{times: confirmations}
		}
	}
	return again
}

// answer notes which queries are answered, and has another listing follow if there
// are others.
func (m *machine) answer(now time.Time) {
	for q := range m.queries {
		switch {
		case !q.listed.IsZero():
		case m.covered(q):
			q.listed = m.listed
			m.evaluateOne(q)
		case !m.lists(q):
			m.soon(now)
		}
	}
}

// hinted takes what was found of instances by their ids, after a hint, and has their
// states in their groups asked for soon.
func (m *machine) hinted(found map[string]*Instance, asOf time.Time) {
	for id, i := range found {
		if !m.matters(id) {
			continue
		}
		m.take(i, asOf)
		if r := m.records[id]; r != nil {
			r.round, m.groups.stale = 0, true
		}
	}
}
