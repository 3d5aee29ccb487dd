// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package ec2

import "time"

// tick does what falls due by itself, and returns when that is next; zero: never.
func (m *machine) tick(now time.Time) (next time.Time) {
	for _, id := range m.expire(now) {
		if r := m.records[id]; r != nil {
			m.show(r, m.put(r.Instance))
		}
	}
	for _, w := range m.warnings {
		if next.IsZero() || w.until.Before(next) {
			next = w.until
		}
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
