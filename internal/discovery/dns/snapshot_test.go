// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"testing"
	"time"
)

// TestSnapshotsChangeWithWhatReadersSee, and with nothing else.
func TestSnapshotsChangeWithWhatReadersSee(t *testing.T) {
	for _, tt := range []struct {
		name    string
		alter   func(*answer)
		changes bool
	}{
		{"nothing", func(*answer) {}, false},
		{"TTL", func(a *answer) { a.ttl = 40 * time.Second }, false},
		{"one is missing", func(a *answer) { a.addrs = a.addrs[:1] }, true},
		{"chain", func(a *answer) { a.chain = []string{"c.example"} }, true},
		{"chain of those that are there alone", func(a *answer) { a.addrs, a.chain = a.addrs[:1], []string{"c.example"} }, true},
		{"dropped", func(a *answer) { a.dropped = 1 }, true},
		{"outcome", func(a *answer) { *a = told(Timeout) }, true},
	} {
		s := newSet(DefaultMinTTL, DefaultMaxTTL)
		a := said(30*time.Second, 1, 2)
		a.chain = []string{"b.example"}
		s.step(&a, epoch)
		before := s.snapshot
		a.chain = []string{"b.example"} // the same in another place
		tt.alter(&a)
		s.step(&a, epoch.Add(30*time.Second))
		if changes := s.snapshot != before; changes != tt.changes {
			t.Errorf("%s: it is another snapshot: %t", tt.name, changes)
		}
	}
}
