// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"context"
	"time"
)

// task is a question with what is known about it and when it is asked next.
type task struct {
	question Question
	set      *set
	due      time.Time
	// groups that want it, and how many of the subscribers of each.
	groups map[string]int

	stage  stage
	place  int                // in byDue while idle
	class  class              // while waiting or running
	payer  string             // the group whose share it uses while running
	cancel context.CancelFunc // while running
}

// stage is what a task is up to.
type stage uint8

const (
	idle    stage = iota // waits for its time
	waiting              // waits for a slot
	running
	dropped // nobody wants it any more
)

// class tells tasks apart by how long they will probably take.
type class uint8

const (
	fresh   class = iota // has not been asked yet
	failing              // the last query failed; most of those hang
	sound
	classes
)

// slots are how many queries of each class run at the same time.
var slots = [classes]int{fresh: 64, failing: 128, sound: 256}

func classOf(t *task) class {
	switch {
	case t.set.snapshot == nil:
		return fresh
	case !t.set.snapshot.FailingSince.IsZero():
		return failing
	default:
		return sound
	}
}

// byDue is a heap of idle tasks by when they are due (container/heap).
type byDue []*task

func (h byDue) Len() int           { return len(h) }
func (h byDue) Less(i, j int) bool { return h[i].due.Before(h[j].due) }

func (h byDue) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

// Push adds a task at the end.
func (h *byDue) Push(x any) {
	t := x.(*task)
	t.place = len(*h)
	*h = append(*h, t)
}

// Pop takes the last task out.
func (h *byDue) Pop() any {
	last := len(*h) - 1
	t := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return t
}
