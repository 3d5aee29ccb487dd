// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package ec2

import "time"

// tick does what falls due by itself, and returns when that is next; zero: never.
func (m *machine) tick(now time.Time) (next time.Time) {
	earliest := func(t time.Time) {
		if next.IsZero() || t.Before(next) {
			next = t
		}
	}
	for id, s := range m.unfound {
		if due := s.since.Add(overdueAfter); s.overdue {
			continue
		} else if due.After(now) {
			earliest(due)
		} else {
			s.overdue = true
			m.dirty[id] = struct{}{}
		}
	}
	for _, id := range m.expire(now) {
		if r := m.records[id]; r != nil {
			m.show(r, m.put(r.Instance))
		}
	}
	for _, w := range m.warnings {
		earliest(w.until)
	}
	return next
}

// warned notes a warning about an instance.
func (m *machine) warned(id string, w warning) {
	if m.warn(id, w) {
		if r := m.records[id]; r != nil {
			m.show(r, m.put(r.Instance))
		}
	}
}
