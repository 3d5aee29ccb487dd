// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

const (
	// maxRequests is how many requests for states in Auto Scaling groups follow a
	// listing at most, besides those for new instances. The next one goes on.
	maxRequests = 40
	// maxUnanswered is after how many failures in a row a new instance is no longer
	// waited for.
	maxUnanswered = 3
)

// InService is the state in its Auto Scaling group of an instance that is to get
// traffic.
const InService = "InService"

// IsPendingInGroup says whether an instance is not in service yet, as in
// Pending:Wait.
func IsPendingInGroup(lifecycle string) bool { return strings.HasPrefix(lifecycle, "Pending") }

// groups is of which instances the states in their Auto Scaling groups are asked for.
type groups struct {
	// queue has the ids that are next, unless it is stale.
	queue []string
	stale bool
	// round counts listings; left is how many requests may follow in this one.
	round, left int
	// failed is true once one of this round has.
	failed bool
}

// begin has all states asked for again.
func (g *groups) begin() {
	g.round++
	g.left, g.stale, g.failed = maxRequests, true, false
}

// await has an instance wait for its state that is new.
func (m *machine) await(i *Instance) {
	f := m.options[lifecycles].failure
	if m.observed && i.Tags[groupTag] != "" && (f == nil || f.Kind != AccessDenied) {
		m.fresh[i.ID] = 0
	}
}

// nextGrouped returns the ids for one request.
func (m *machine) nextGrouped() []string {
	g := &m.groups
	if g.stale {
		g.queue, g.stale = m.grouped(), false
	}
	ids := g.queue[:min(len(g.queue), MaxLifecycles)]
	if g.queue = g.queue[len(ids):]; len(ids) > 0 {
		g.left = max(0, g.left-1)
	}
	return ids
}

// grouped returns whom to ask about, in order: those that are new or that there is a
// hint about, and then, as far as requests are left, those that were asked about least
// recently.
func (m *machine) grouped() []string {
	var urgent, others []*record
	for id, r := range m.records {
		if r.Group == "" || r.State == Terminated || !m.matters(id) {
			continue
		}
		if r.LifecycleUnknown || r.round == 0 {
			urgent = append(urgent, r)
		} else if r.round < m.groups.round {
			others = append(others, r)
		}
	}
	order := func(a, b *record) int { return cmp.Or(cmp.Compare(a.round, b.round), strings.Compare(a.ID, b.ID)) }
	slices.SortFunc(urgent, order)
	slices.SortFunc(others, order)
	others = others[:min(len(others), max(0, m.groups.left*MaxLifecycles-len(urgent)))]
	ids := make([]string, 0, len(urgent)+len(others))
	for _, r := range slices.Concat(urgent, others) {
		ids = append(ids, r.ID)
	}
	return ids
}

// groupedWait returns how long states are not to be asked for. New instances do not
// wait as long as others after failures.
func (m *machine) groupedWait(now time.Time) time.Duration {
	p := &m.options[lifecycles]
	until := p.until
	if p.failures > 0 && m.waiting() {
		until = until.Add(m.period - pauseAfter(p.failure, p.failures, m.period))
	}
	return until.Sub(now)
}

// waiting says whether somebody waits for the state of an instance.
func (m *machine) waiting() bool {
	for id := range m.fresh {
		if m.matters(id) {
			return true
		}
	}
	return false
}

// takeLifecycles keeps the states of some instances in their groups. Of those that
// were not returned, which have the tag of their group all the same, only that they
// are in service is forgotten before it is confirmed.
func (m *machine) takeLifecycles(ids []string, states map[string]string, f *Failure, now time.Time) {
	if f != nil || !m.groups.failed { // one of several that succeeds ends no failure
		m.asked(lifecycles, f, now)
	}
	for _, id := range ids {
		if r := m.records[id]; r != nil {
			r.round = max(1, m.groups.round)
		}
	}
	if f != nil {
		m.groups.stale, m.groups.failed = true, true
		m.unanswered(ids, f.Kind == AccessDenied)
		return
	}
	if m.lifecycles == nil {
		m.lifecycles = map[string]string{}
	}
	for _, id := range ids {
		r := m.records[id]
		if r == nil {
			continue
		}
		state, ok := states[id]
		if ok {
			r.ungrouped = absence{}
		} else if r.ungrouped.count(now, m.spacing()); !r.ungrouped.believed() && m.lifecycles[id] != InService {
			continue
		}
		delete(m.fresh, id)
		if m.lifecycles[id] = state; !ok {
			delete(m.lifecycles, id)
		}
		m.show(r, m.put(r.Instance))
	}
}

// unanswered counts a failure for those that were asked about and wait. Without
// permission, nobody does: those that were pending neither, or it would be for ever.
func (m *machine) unanswered(ids []string, denied bool) {
	if denied {
		for id, state := range m.lifecycles {
			if IsPendingInGroup(state) {
				delete(m.lifecycles, id)
				m.fresh[id] = 0
			}
		}
		ids = slices.Collect(maps.Keys(m.fresh))
	}
	for _, id := range ids {
		if _, waits := m.fresh[id]; !waits {
			continue
		}
		if m.fresh[id]++; denied || m.fresh[id] >= maxUnanswered {
			delete(m.fresh, id)
			if r := m.records[id]; r != nil {
				m.show(r, m.put(r.Instance))
			}
		}
	}
}
