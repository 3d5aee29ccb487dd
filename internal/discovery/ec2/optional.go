// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"slices"
	"time"
)

// option is something about instances that a listing does not say.
type option int

const (
	statuses option = iota
	lifecycles
	interfaceTags
	optionCount
)

// deniedPause is how long an option is left alone for which there is no permission.
const deniedPause = 5 * time.Minute

// permission is how asking for an option goes.
type permission struct {
	failure *Failure
	since   time.Time
	until   time.Time // it is left alone until then
}

// mayAsk says whether it is time to ask for an option.
func (m *machine) mayAsk(o option, now time.Time) bool { return !m.options[o].until.After(now) }

// asked notes what came of asking for an option.
func (m *machine) asked(o option, f *Failure, now time.Time) {
	p := &m.options[o]
	if p.until = (time.Time{}); f != nil && f.Kind == AccessDenied {
		p.until = now.Add(deniedPause)
	}
	switch {
	case f == nil:
		p.since = time.Time{}
	case p.failure == nil:
		p.since = now
	}
	if !sameFailure(p.failure, f) {
		p.failure = f
		m.allDirty = m.allDirty || o == interfaceTags
	}
}

// denied returns the actions that options need and that are denied.
func (m *machine) denied() (actions []string) {
	for o := range m.options {
		if f := m.options[o].failure; f != nil && f.Kind == AccessDenied {
			actions = append(actions, f.Action)
		}
	}
	return actions
}

// takeOptional takes what a refresh brought besides instances. It comes first, so
// that new instances have their marks at once.
func (m *machine) takeOptional(r *refresh, now time.Time) {
	if r.lifecycles.asked {
		m.takeLifecycles(r.grouped, &r.lifecycles, now)
	}
	switch tags := &r.interfaceTags; {
	case len(m.keys()) == 0:
		m.tags, m.lastKeys, m.options[interfaceTags] = nil, nil, permission{}
	case !tags.asked:
		return
	default:
		if m.asked(interfaceTags, tags.failure, now); tags.failure == nil {
			m.tags, m.lastKeys = tags.value, r.keys
		}
	}
	m.remark()
}

// takeLifecycles keeps the states of some instances in their groups; of those that
// were not returned, none.
func (m *machine) takeLifecycles(ids []string, a *answer[map[string]string], now time.Time) {
	if m.asked(lifecycles, a.failure, now); a.failure != nil {
		return
	}
	if m.lifecycles == nil {
		m.lifecycles = map[string]string{}
	}
	for _, id := range ids {
		if state, ok := a.value[id]; ok {
			m.lifecycles[id] = state
		} else {
			delete(m.lifecycles, id)
		}
	}
	for _, id := range ids {
		if r := m.records[id]; r != nil {
			m.show(r, m.put(r.Instance))
		}
	}
}

// takeStatuses replaces the statuses of all instances.
func (m *machine) takeStatuses(found map[string]Status, f *Failure, now time.Time) {
	if m.asked(statuses, f, now); f == nil {
		m.statuses = found
		m.remark()
	}
}

// members returns the instances that matter and may still be there, by zone, for
// when a listing fails: calls that say the ids go on working for zones that work.
func (m *machine) members() [][]string {
	zones := map[string][]string{}
	for id, r := range m.records {
		if r.State != Terminated && m.matters(id) {
			zones[r.Zone] = append(zones[r.Zone], id)
		}
	}
	for id := range m.inUse {
		if m.records[id] == nil && m.strays[id] < confirmations {
			zones["?"] = append(zones["?"], id)
		}
	}
	var chunks [][]string
	for _, ids := range zones {
		slices.Sort(ids)
		chunks = slices.AppendSeq(chunks, slices.Chunk(ids, maxIDs))
	}
	slices.SortFunc(chunks, func(a, b []string) int { return len(b) - len(a) })
	return chunks
}

// maxIDs is how many ids a request has that is not one by filters.
const maxIDs = 100

// reconnected is told that the credentials or options changed.
func (m *machine) reconnected(identity *Identity, now time.Time) {
	m.known, m.failures, m.due, m.allDirty = true, 0, now, true
	m.options = [optionCount]permission{}
	if !identity.InstanceStatus {
		m.statuses = nil
	}
	if !identity.AutoScaling {
		m.lifecycles = nil
	}
	m.remark()
	if identity.Unusable {
		m.note(&Failure{Kind: CredentialsUnavailable, Action: instancesAction}, now)
	}
}

// instancesAction is the permission that everything needs.
const instancesAction = "ec2:DescribeInstances"
