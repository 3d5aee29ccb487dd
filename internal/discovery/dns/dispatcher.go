// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

// dispatcher decides who gets a slot. Classes have slots of their own, so that
// names that hang hold up neither those that work nor new ones. Within a class
// groups take turns, and a group starts a query only while it runs fewer than
// there are free slots, less a quarter of all, which is for those that run none:
// many groups whose names hang leave a slot each to as many that come later.
// A task that several groups want is queued for each, and uses the share of the
// one that has a turn first.
type dispatcher struct{ lanes [classes]lane }

// lane is the tasks of one class.
type lane struct {
	free    int
	kept    int            // for groups that run none
	running map[string]int // by group
	queues  map[string]*queue
	turns   []*queue // those of queues, in the order of their turns
}

// queue is the tasks of a group that wait for a slot, in the order in which they
// came. Tasks that have started, or were dropped, are taken out when they come first.
type queue struct {
	group string
	tasks []*task
	in    map[*task]struct{}
}

func newDispatcher() (d dispatcher) {
	for c := range d.lanes {
		d.lanes[c] = lane{free: slots[c], kept: slots[c] / 4, running: map[string]int{}, queues: map[string]*queue{}}
	}
	return d
}

// add queues a task that is waiting, for one of its groups.
func (d *dispatcher) add(t *task, group string) {
	t.class = classOf(t)
	l := &d.lanes[t.class]
	q := l.queues[group]
	if q == nil {
		q = &queue{group: group, in: map[*task]struct{}{}}
		l.queues[group] = q
		l.turns = append(l.turns, q)
	}
	if _, ok := q.in[t]; !ok {
		q.in[t] = struct{}{}
		q.tasks = append(q.tasks, t)
	}
}

// next gives a slot to a task, or returns nil if there is none to be given.
func (d *dispatcher) next() *task {
	for c := range d.lanes {
		if t := d.lanes[c].next(class(c)); t != nil {
			return t
		}
	}
	return nil
}

// admits says whether a group may have another slot.
func (l *lane) admits(group string) bool {
	if running := l.running[group]; running > 0 {
		return running < l.free-l.kept
	}
	return l.free > 0
}

func (l *lane) next(c class) *task {
	for range len(l.turns) {
		q := l.turns[0]
		if !l.admits(q.group) {
			l.turns = append(l.turns[1:], q)
			continue
		}
		t := q.pop(c)
		l.turns = l.turns[1:]
		if len(q.tasks) > 0 {
			l.turns = append(l.turns, q)
		} else {
			delete(l.queues, q.group)
		}
		if t != nil {
			l.free--
			l.running[q.group]++
			t.payer = q.group
			return t
		}
	}
	return nil
}

// pop takes out the first task that is still waiting, or returns nil.
func (q *queue) pop(c class) *task {
	for len(q.tasks) > 0 {
		t := q.tasks[0]
		q.tasks[0] = nil
		q.tasks = q.tasks[1:]
		delete(q.in, t)
		if t.stage == waiting && t.class == c {
			return t
		}
	}
	return nil
}

// release takes the slot back from a task that was running.
func (d *dispatcher) release(t *task) {
	l := &d.lanes[t.class]
	l.free++
	if l.running[t.payer]--; l.running[t.payer] == 0 {
		delete(l.running, t.payer)
	}
}
