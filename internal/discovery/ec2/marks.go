// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"maps"
	"slices"
	"time"
)

const (
	// interruptedFor is how long a warning is believed of an instance that goes on
	// running.
	interruptedFor = 10 * time.Minute
	// maxWarnings is how many instances of a source are warned of at a time.
	maxWarnings = 10_000
	// groupTag is the tag that Auto Scaling puts on its instances.
	groupTag = "aws:autoscaling:groupName"
)

// marks are what is known of instances besides what a listing says.
type marks struct {
	statuses   map[string]Status
	lifecycles map[string]string
	tags       map[string]map[string]string // of interfaces
	warnings   map[string]warning
	// checked is true while statuses are observed, and tried once they were asked for.
	checked, tried bool
	// observed is true while states in groups are. fresh are the new instances whose
	// state is not known: how many times in a row it could not be asked for.
	observed bool
	fresh    map[string]int
}

// warning is that AWS is going to reclaim an instance.
type warning struct{ at, until time.Time }

func newMarks() marks { return marks{warnings: map[string]warning{}, fresh: map[string]int{}} }

// put returns the instance with its marks: itself if it has them already.
func (m *marks) put(i *Instance) *Instance {
	status, group := m.statuses[i.ID], i.Tags[groupTag]
	lifecycle := ""
	if group != "" {
		lifecycle = m.lifecycles[i.ID]
	}
	_, fresh := m.fresh[i.ID]
	marked := *i
	marked.Group, marked.Lifecycle, marked.LifecycleUnknown = group, lifecycle, fresh && group != ""
	marked.Impaired, marked.StatusUnknown = status.Impaired, m.checked && !m.tried
	marked.Events, marked.Interrupted = status.Events, m.warnings[i.ID].at
	retagged := slices.ContainsFunc(i.Interfaces, func(n Interface) bool { return !maps.Equal(n.Tags, m.tags[n.ID]) })
	if !retagged && sameMarks(i, &marked) {
		return i
	}
	if retagged {
		marked.Interfaces = slices.Clone(i.Interfaces)
		for n := range marked.Interfaces {
			marked.Interfaces[n].Tags = m.tags[marked.Interfaces[n].ID]
		}
	}
	return &marked
}

func sameMarks(a, b *Instance) bool {
	return a.Group == b.Group && a.Lifecycle == b.Lifecycle && a.LifecycleUnknown == b.LifecycleUnknown &&
		a.Impaired == b.Impaired && a.StatusUnknown == b.StatusUnknown &&
		slices.Equal(a.Events, b.Events) && a.Interrupted.Equal(b.Interrupted)
}

// warn notes a warning, and says whether that is news.
func (m *marks) warn(id string, w warning) bool {
	old, known := m.warnings[id]
	if known && !w.at.After(old.at) || !known && len(m.warnings) >= maxWarnings {
		return false
	}
	m.warnings[id] = w
	return true
}

// expire forgets warnings, and returns of which instances.
func (m *marks) expire(now time.Time) (ids []string) {
	for id, w := range m.warnings {
		if !w.until.After(now) {
			delete(m.warnings, id)
			ids = append(ids, id)
		}
	}
	return ids
}

// merge adds what one listing of statuses says to what others said.
func merge(into map[string]Status, page []Status) {
	for _, s := range page {
		old := into[s.ID]
		s.Impaired = s.Impaired || old.Impaired
		if len(old.Events) > len(s.Events) {
			s.Events = old.Events
		}
		if s.Impaired || len(s.Events) > 0 {
			into[s.ID] = s
		}
	}
}
