// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"cmp"
	"slices"
	"time"

	"externalbackend.dev/operator/internal/health"
)

// claim is one namespace's part in a probe. When it is due, and as what it
// counts, depends on what this namespace wants and knows, and on nobody else. So
// a probe that several want waits in the queue of each, and starts with whoever
// has a turn first: wanting what others want makes nothing of theirs later.
type claim struct {
	probe *probe
	links []link // the states that results move; at least one until dropped

	lane  *lane         // as which it was queued last
	in    *heap[*claim] // that it is in, the lane's or that of its address; nil while the probe runs
	place int           // in that heap
	due   int64         // when the next check is to start
	// first counts it as long as the probe has never been checked.
	first *firstChecks
}

// link points to one check state of one member.
type link struct {
	member *member
	check  int // index into states and probes
}

func (l link) state() *health.State { return &l.member.states[l.check] }

// find returns where the claim of a namespace is, or would be, and whether it is.
func (p *probe) find(t *tenant) (int, bool) {
	return slices.BinarySearchFunc(p.claims, t.namespace, func(c *claim, namespace string) int {
		return cmp.Compare(c.lane.tenant.namespace, namespace)
	})
}

// claimOf returns the claim of a namespace, which is made if there is none.
func (p *probe) claimOf(t *tenant) (c *claim, known bool) {
	i, known := p.find(t)
	if known {
		return p.claims[i], true
	}
	c = &claim{probe: p, lane: &t.lanes[live], place: nowhere}
	p.claims = slices.Insert(p.claims, i, c)
	p.namespaces = p.wantedBy()
	return c, false
}

// wantedBy returns the namespaces that want a probe, in order. It makes a list
// only if there are several.
func (p *probe) wantedBy() []string {
	if len(p.claims) == 1 {
		return p.claims[0].lane.tenant.alone
	}
	names := make([]string, len(p.claims))
	for i, c := range p.claims {
		names[i] = c.lane.tenant.namespace
	}
	return names
}

// due returns when a probe is due for whom it is due first.
func (p *probe) due() int64 {
	due := p.claims[0].due
	for _, c := range p.claims[1:] {
		due = min(due, c.due)
	}
	return due
}

// class returns gone if the whole namespace holds the target to be Unhealthy.
func (c *claim) class() class {
	for _, l := range c.links {
		if l.state().Verdict() != health.Unhealthy {
			return live
		}
	}
	return gone
}

// undecided says whether somebody in the namespace knows nothing about the target.
func (c *claim) undecided() bool {
	return slices.ContainsFunc(c.links, func(l link) bool { return l.state().Verdict() == health.Unknown })
}

// interval returns the shortest interval that anybody in the namespace wants,
// and whether that is because a verdict is pending.
func (c *claim) interval() (interval time.Duration, pending bool) {
	for i, l := range c.links {
		wanted := l.state().Interval(c.probe.def.check.Timing)
		if i == 0 || wanted < interval {
			interval = wanted
		}
		pending = pending || l.state().Pending()
	}
	return interval, pending
}

// nextDue returns when the probe is to be checked again for the namespace.
func (c *claim) nextDue(now int64) int64 {
	p := c.probe
	interval, pending := c.interval()
	if pending {
		return atEdge(p.started, now, interval)
	}
	return onGrid(p.hash, p.started, now, interval)
}

// firstChecks returns those that the first check for the namespace is one of.
func (c *claim) firstChecks() *firstChecks {
	if c.undecided() {
		return &c.lane.tenant.unknown
	}
	return &c.lane.tenant.seeded
}

// expect counts the claim among the first checks of its namespace.
func (c *claim) expect() {
	f := c.firstChecks()
	if c.first == f {
		return
	}
	c.settle()
	c.first = f
	if f.expected++; f.expected == 1 {
		*f.namespaces++
	}
}

// settle ends what expect began.
func (c *claim) settle() {
	if c.first == nil {
		return
	}
	if c.first.expected--; c.first.expected == 0 {
		*c.first.namespaces--
		c.first.slot = 0 // of targets that have gone, before they were checked
	}
	c.first = nil
}
