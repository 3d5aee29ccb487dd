// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"testing"

	"pgregory.net/rapid"
)

// TestQueue compares the heap with a plain set under any sequence of
// operations.
func TestQueue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q queue
		all := make([]*probe, 40)
		for i := range all {
			all[i] = &probe{place: notQueued}
		}
		queued := map[*probe]bool{}
		pick := rapid.IntRange(0, len(all)-1)
		t.Repeat(map[string]func(*rapid.T){
			"schedule": func(t *rapid.T) {
				p := all[pick.Draw(t, "probe")]
				q.schedule(p, rapid.Int64Range(0, 50).Draw(t, "due"))
				queued[p] = true
			},
			"remove": func(t *rapid.T) {
				p := all[pick.Draw(t, "probe")]
				q.remove(p)
				delete(queued, p)
			},
			"pop": func(t *rapid.T) {
				head := q.head()
				if head == nil {
					return
				}
				for p := range queued {
					if p.due < head.due {
						t.Fatalf("the head is due at %d, but another at %d", head.due, p.due)
					}
				}
				q.remove(head)
				delete(queued, head)
			},
			"": func(t *rapid.T) {
				if len(q.heap) != len(queued) {
					t.Fatalf("%d queued, want %d", len(q.heap), len(queued))
				}
				for _, p := range all {
					if queued[p] != (p.place != notQueued) || queued[p] && q.heap[p.place] != p {
						t.Fatalf("a probe does not know its place, %d", p.place)
					}
				}
			},
		})
	})
}
