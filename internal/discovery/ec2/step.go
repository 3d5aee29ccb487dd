// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package ec2

import (
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
	// keys are those for which interfaceTags were asked.
	keys          []string
	interfaceTags answer[map[string]map[string]string]
	// grouped are the instances of which lifecycles were asked.
	grouped    []string
	lifecycles answer[map[string]string]
}

// answer is what came of something optional.
type answer[T any] struct {
	asked   bool
	value   T
	failure *Failure
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
		if m.records[id] == nil && r.get(id) == nil && m.strays[id] < confirmations {
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

// grouped returns the ids, sorted, of the instances found whose state in an Auto
// Scaling group is of interest.
func (m *machine) grouped(found ...map[string]*Instance) (ids []string) {
	for _, instances := range found {
		for id, i := range instances {
			if i.Tags[groupTag] == "" || i.State == Terminated {
				continue
			}
			r := m.records[id]
			if r != nil && sameListed(r.Instance, i) && m.matters(id) || m.selected(i) || m.inUse[id] > 0 {
				ids = append(ids, id)
			}
		}
	}
	slices.Sort(ids)
	return ids
}

// step takes what a refresh brought. chance is in [0, 1).
func (m *machine) step(r *refresh, now time.Time, chance float64) {
	m.takeOptional(r, now)
	if r.failure != nil {
		for _, i := range r.rescued {
			m.take(i, r.rescuedAt)
		}
		if r.failure.Kind == Refused && len(r.plan.filters) > 0 {
			m.wide = true
		}
		m.allDirty = m.failed(r.failure, now, !m.listed.IsZero(), chance) || m.allDirty
		return
	}
	lacking := m.lacking(r)
	m.prune(r)
	for _, i := range r.found {
		m.take(i, r.begun)
	}
	for _, i := range r.byID {
		m.take(i, r.begun)
	}
	m.last, m.listed, m.ended = r.plan, r.begun, now
	again := m.count(lacking, r)
	m.allDirty = m.succeeded(now, again, chance) || m.allDirty
	m.answer(r, now)
}

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
			if m.strays[id]++; m.strays[id] == confirmations {
				m.dirty[id] = struct{}{}
			}
			again = again || m.strays[id] < confirmations
			continue
		}
		if known.absent++; known.absent < confirmations {
			again = true
			continue
		}
		m.drop(id)
		if m.inUse[id] > 0 {
			m.strays[id] = confirmations
		}
	}
	return again
}

// answer notes which queries the listing answers, and has another one follow if
// there are others.
func (m *machine) answer(r *refresh, now time.Time) {
	for q := range m.queries {
		switch {
		case !q.listed.IsZero():
		case m.covered(q):
			q.listed = r.begun
			m.evaluateOne(q)
		case m.last.covers(&q.Selector) && !slices.Contains(r.keys, q.InterfaceTag),
			!m.last.covers(&q.Selector):
			m.soon(now)
		}
	}
}

// hinted takes what was found of instances by their ids, after a hint.
func (m *machine) hinted(found map[string]*Instance, asOf time.Time) {
	for id, i := range found {
		if m.matters(id) {
			m.take(i, asOf)
		}
	}
}
