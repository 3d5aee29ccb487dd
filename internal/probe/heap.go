// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

// arity of the heap: with four children an item moves through half as many
// levels as with two, within the same cache lines.
const arity = 4

// heap orders items by a number, least first. Every item knows its place, so
// that it can be moved and taken out.
type heap[T any] struct{ slots []slot[T] }

// slot has the number beside the item, so that comparing touches nothing else.
type slot[T any] struct {
	key   int64
	place *int // of the item
	item  T
}

// nowhere is the place of an item that is in no heap.
const nowhere = -1

func (h *heap[T]) empty() bool { return len(h.slots) == 0 }

// least returns the number and the item at the head. The heap must not be empty.
func (h *heap[T]) least() (int64, T) { return h.slots[0].key, h.slots[0].item }

// count returns how many items from place i downwards have a number up to most,
// or at least limit if they are more than that.
func (h *heap[T]) count(i int, most int64, limit int) int {
	if i >= len(h.slots) || h.slots[i].key > most {
		return 0
	}
	n := 1
	for child := arity*i + 1; child <= arity*i+arity && n < limit; child++ {
		n += h.count(child, most, limit-n)
	}
	return n
}

// set puts an item in, or moves it to where its number belongs.
func (h *heap[T]) set(item T, place *int, key int64) {
	i := *place
	if i == nowhere {
		i = len(h.slots)
		h.slots = append(h.slots, slot[T]{})
	}
	s := slot[T]{key, place, item}
	h.slots[i] = s
	h.down(h.up(i, s), s)
}

// remove takes out the item at a place, if there is one.
func (h *heap[T]) remove(place *int) {
	hole, last := *place, len(h.slots)-1
	if hole == nowhere {
		return
	}
	moved := h.slots[last]
	h.slots[last] = slot[T]{}
	h.slots = h.slots[:last]
	*place = nowhere
	if hole != last {
		h.down(h.up(hole, moved), moved)
	}
}

func (h *heap[T]) put(s slot[T], i int) {
	h.slots[i] = s
	*s.place = i
}

// up moves a slot from i towards the root and returns where it ends.
func (h *heap[T]) up(i int, s slot[T]) int {
	for i > 0 {
		parent := (i - 1) / arity
		if h.slots[parent].key <= s.key {
			break
		}
		h.put(h.slots[parent], i)
		i = parent
	}
	h.put(s, i)
	return i
}

// down moves a slot from i away from the root.
func (h *heap[T]) down(i int, s slot[T]) {
	for {
		first := arity*i + 1
		if first >= len(h.slots) {
			break
		}
		least := first
		for child := first + 1; child < min(first+arity, len(h.slots)); child++ {
			if h.slots[child].key < h.slots[least].key {
				least = child
			}
		}
		if h.slots[least].key >= s.key {
			break
		}
		h.put(h.slots[least], i)
		i = least
	}
	h.put(s, i)
}
