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

// deniedPause is how long an option is left alone for which there is no permission,
// and the longest time that one is left alone that fails.
const deniedPause = 5 * time.Minute

// permission is how asking for an option goes.
type permission struct {
	failure  *Failure
	since    time.Time
	failures int       // in a row
	until    time.Time // it is left alone until then
}

// asked notes what came of asking for an option.
func (m *machine) asked(o option, f *Failure, now time.Time) {
	p := &m.options[o]
	if p.failures++; f == nil {
		p.failures = 0
	}
	p.until = now.Add(pauseAfter(f, p.failures, m.period))
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

// pauseAfter returns how long an option is left alone that failed some times in a row.
func pauseAfter(f *Failure, failures int, period time.Duration) time.Duration {
	switch {
	case f == nil:
		return 0
	case f.Kind == AccessDenied:
		return deniedPause
	}
	pause := period
	for n := 1; n < failures && pause < deniedPause; n++ {
		pause *= 2
	}
	return min(pause, deniedPause)
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

// failing returns why options fail for which there is the permission.
func (m *machine) failing() (failures []*Failure) {
	for o := range m.options {
		if f := m.options[o].failure; f != nil && f.Kind != AccessDenied {
			failures = append(failures, f)
		}
	}
	return failures
}

// takeTags replaces the tags of all interfaces, asked for by keys. Those that one
// answer lacks are kept, and asked for again quickly.
func (m *machine) takeTags(keys []string, tags map[string]map[string]string, f *Failure, now time.Time) {
	if m.asked(interfaceTags, f, now); f != nil {
		m.tagsDue = true
		return
	}
	if m.keepTags(keys, tags, now) {
		m.tagsDue, m.options[interfaceTags].until = true, now.Add(m.spacing())
	}
	m.tags, m.lastKeys = tags, keys
	m.remark()
	m.answer(now)
}

// keepTags adds the tags of interfaces that an answer lacks, as long as that is not
// confirmed, and says whether there are any.
func (m *machine) keepTags(keys []string, tags map[string]map[string]string, now time.Time) (kept bool) {
	before := m.untagged
	m.untagged = map[string]absence{}
	for _, r := range m.records {
		for _, n := range r.Interfaces {
			asked := slices.ContainsFunc(keys, func(key string) bool { _, has := m.tags[n.ID][key]; return has })
			if _, found := tags[n.ID]; found || !asked {
				continue
			}
			absent := before[n.ID]
			if absent.count(now, m.spacing()); !absent.believed() {
				m.untagged[n.ID], tags[n.ID] = absent, m.tags[n.ID]
				kept = true
			}
		}
	}
	return kept
}

// takeStatuses replaces the statuses of all instances.
func (m *machine) takeStatuses(found map[string]Status, f *Failure, now time.Time) {
	m.asked(statuses, f, now)
	if f == nil {
		m.statuses = found
	}
	m.tried = true
	m.remark()
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
		if m.records[id] == nil && !m.strays[id].believed() {
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

// reconnected is told that the identity changed. Without credentials, what is known
// stays.
func (m *machine) reconnected(identity *Identity, now time.Time) {
	m.known, m.failures, m.due, m.allDirty = true, 0, now, true
	m.options = [optionCount]permission{}
	m.groups.stale, m.tagsDue = true, len(m.keys()) > 0
	if identity.Unusable {
		m.note(&Failure{Kind: CredentialsUnavailable, Action: instancesAction}, now)
		return
	}
	if !identity.InstanceStatus {
		m.statuses = nil
	}
	if !identity.AutoScaling {
		m.lifecycles, m.fresh = nil, map[string]int{}
	}
	// What is known already is not new because it is observed from now on.
	m.tried = m.tried || !m.checked && !m.listed.IsZero()
	m.checked, m.observed = identity.InstanceStatus, identity.AutoScaling
	m.remark()
}

// instancesAction is the permission that everything needs.
const instancesAction = "ec2:DescribeInstances"
