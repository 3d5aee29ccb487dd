// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"testing"

	"pgregory.net/rapid"
)

// TestHeap compares the heap with a plain set under any sequence of operations.
func TestHeap(t *testing.T) {
	type item struct{ place int }
	rapid.Check(t, func(t *rapid.T) {
		var h heap[*item]
		all := make([]*item, 40)
		for i := range all {
			all[i] = &item{place: nowhere}
		}
		keys := map[*item]int64{}
		pick := rapid.IntRange(0, len(all)-1)
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				i, key := all[pick.Draw(t, "item")], rapid.Int64Range(0, 50).Draw(t, "key")
				h.set(i, &i.place, key)
				keys[i] = key
			},
			"remove": func(t *rapid.T) {
				i := all[pick.Draw(t, "item")]
				h.remove(&i.place)
				delete(keys, i)
			},
			"pop": func(t *rapid.T) {
				if h.empty() {
					return
				}
				least, i := h.least()
				for _, key := range keys {
					if key < least {
						t.Fatalf("the head is at %d, but another at %d", least, key)
					}
				}
				h.remove(&i.place)
				delete(keys, i)
			},
			"": func(t *rapid.T) {
				if len(h.slots) != len(keys) {
					t.Fatalf("%d items, want %d", len(h.slots), len(keys))
				}
				for _, i := range all {
					key, in := keys[i]
					if in != (i.place != nowhere) || in && (h.slots[i.place].item != i || h.slots[i.place].key != key) {
						t.Fatalf("an item does not know its place, %d", i.place)
					}
				}
				most, limit, want := rapid.Int64Range(0, 50).Draw(t, "most"), rapid.IntRange(1, 45).Draw(t, "limit"), 0
				for _, key := range keys {
					if key <= most {
						want++
					}
				}
				if got := h.count(0, most, limit); min(got, limit) != min(want, limit) {
					t.Fatalf("%d items up to %d are counted with the limit %d, want %d", got, most, limit, want)
				}
			},
		})
	})
}
