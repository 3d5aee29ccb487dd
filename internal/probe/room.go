// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"slices"
	"time"

	"externalbackend.dev/operator/internal/health"
)

// assuredChecks is how many checks a namespace may have however many others
// have. They take half a megabyte.
const assuredChecks = 1000

// room returns by how many checks a namespace may grow. Over all namespaces, each
// may grow until it has as many as are left for others: alone it has half of them
// at most, and whoever comes later finds some. When next to nothing is left, it
// has assuredChecks all the same.
func (s *Scheduler) room(t *tenant) int {
	room := s.opts.MaxChecksPerNamespace - t.checks
	if s.opts.MaxChecks > 0 {
		room = min(room, max(assuredChecks-t.checks, (s.opts.MaxChecks-s.checks-t.checks)/2))
	}
	return room
}

// charge changes the number of checks of a namespace.
func (s *Scheduler) charge(t *tenant, by int) {
	t.checks += by
	s.checks += by
	s.roomMade = s.roomMade || by < 0
}

// cost of a target in checks. One without checks is kept as well.
func cost(checks []*health.Check) int { return max(1, len(checks)) }

// cost of a member; nil costs nothing.
func (m *member) cost() int {
	if m == nil {
		return 0
	}
	return max(1, len(m.probes))
}

// turnAway notes that there is no room for as many more checks of a target of a
// subscription.
func (w *subscription) turnAway(more int) {
	if w.refused == 0 || more < w.refused {
		w.refused = more
	}
}

// excess stands for all targets with a verdict for which there was no room.
var excess = map[health.Verdict]*member{
	health.Unknown:   exceeding(health.Unknown),
	health.Healthy:   exceeding(health.Healthy),
	health.Unhealthy: exceeding(health.Unhealthy),
}

func exceeding(seed health.Verdict) *member {
	state := health.Seed(seed)
	for range 2 { // from the second one on, an obstacle is told
		state, _ = state.Step(health.Result{Outcome: health.Indeterminate, Reason: health.TooManyChecks}, health.Thresholds{}, time.Time{})
	}
	return &member{states: []health.State{state}}
}

// await puts a subscription that misses room behind those of its namespace that
// do already, or takes it out.
func (s *Scheduler) await(w *subscription, missing int) {
	t := w.tenant
	w.missing = missing
	switch waiting := slices.Index(t.away, w); {
	case missing > 0 && waiting < 0:
		t.away = append(t.away, w)
		s.away[t] = struct{}{}
	case missing == 0 && waiting >= 0:
		if t.away = slices.Delete(t.away, waiting, waiting+1); len(t.away) == 0 {
			delete(s.away, t)
		}
	}
}

// offer tells who waits that there is room, after an edit of a namespace: the
// first of each namespace to which it is of use. The others follow when that one
// has taken what it can, so that the room is offered to one after the other.
func (s *Scheduler) offer(t *tenant) {
	if !s.roomMade {
		s.offerTo(t)
		return
	}
	s.roomMade = false
	for t := range s.away {
		s.offerTo(t)
	}
}

func (s *Scheduler) offerTo(t *tenant) {
	room := s.room(t)
	i := slices.IndexFunc(t.away, func(w *subscription) bool { return w.missing <= room })
	if i < 0 {
		return
	}
	s.tell(t.away[i])
	s.await(t.away[i], 0)
}
