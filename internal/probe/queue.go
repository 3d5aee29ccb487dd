// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

// arity of the heap: with four children a probe moves through half as many
// levels as with two, within the same cache lines.
const arity = 4

// queue orders waiting probes by the time at which they are due. It is a heap
// in which every probe knows its place.
type queue struct{ heap []*probe }

// notQueued is the place of a probe that is not in the queue.
const notQueued = -1

// head returns the probe that is due first, or nil.
func (q *queue) head() *probe {
	if len(q.heap) == 0 {
		return nil
	}
	return q.heap[0]
}

// schedule sets when a probe is due and adds it if it is not queued.
func (q *queue) schedule(p *probe, due int64) {
	p.due = due
	if p.place == notQueued {
		p.place = len(q.heap)
		q.heap = append(q.heap, p)
	}
	q.down(q.up(p.place))
}

// remove takes a probe out, if it is queued.
func (q *queue) remove(p *probe) {
	if p.place == notQueued {
		return
	}
	hole, last := p.place, len(q.heap)-1
	moved := q.heap[last]
	q.heap[last] = nil
	q.heap = q.heap[:last]
	p.place = notQueued
	if moved != p {
		q.put(moved, hole)
		q.down(q.up(hole))
	}
}

func (q *queue) put(p *probe, place int) {
	q.heap[place] = p
	p.place = place
}

// up moves the probe at i towards the root and returns where it ends.
func (q *queue) up(i int) int {
	p := q.heap[i]
	for i > 0 {
		parent := (i - 1) / arity
		if q.heap[parent].due <= p.due {
			break
		}
		q.put(q.heap[parent], i)
		i = parent
	}
	q.put(p, i)
	return i
}

// down moves the probe at i away from the root.
func (q *queue) down(i int) {
	p := q.heap[i]
	for {
		first := arity*i + 1
		if first >= len(q.heap) {
			break
		}
		least := first
		for child := first + 1; child < min(first+arity, len(q.heap)); child++ {
			if q.heap[child].due < q.heap[least].due {
				least = child
			}
		}
		if q.heap[least].due >= p.due {
			break
		}
		q.put(q.heap[least], i)
		i = least
	}
	q.put(p, i)
}
