// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"math"
	"time"
)

const maxStreak = math.MaxUint16

// State is what is known about one check of one target: a verdict and the
// streak of results that argues against it. It is a small value; the zero
// value is Unknown without any evidence.
type State struct {
	failure  Reason // of the last Fail
	obstacle Reason // of the last result, if it was Indeterminate
	since    int64  // Unix nanoseconds at which the verdict was reached; 0: before our time
	code     uint16 // of failure, if it is an unexpected status
	streak   uint16 // consecutive results against the verdict; for Unknown, fails
	verdict  Verdict
	fresh    bool
	lasting  bool // obstacle: the result before was Indeterminate, too
}

// Seed returns the state of a target whose verdict is taken over, from what is
// published or from the configured initial state, without own evidence. Only
// full thresholds of fresh results move it. Seed(Unknown) is the zero State.
func Seed(v Verdict) State { return State{verdict: v} }

// Resume returns the state of a check that replaces others: it keeps the
// verdict that they had come to and starts counting anew.
func Resume(s Status) State {
	st := State{failure: s.Reason, code: s.Code, verdict: s.Verdict, fresh: s.Fresh}
	if !s.Since.IsZero() {
		st.since = s.Since.UnixNano()
	}
	return st
}

// Step folds one result, obtained at now, into the state. changed says that
// the verdict is another one than before.
func (s State) Step(r Result, t Thresholds, now time.Time) (next State, changed bool) {
	switch r.Outcome {
	case Pass:
		s.fresh, s.obstacle, s.lasting = true, "", false
	case Fail:
		s.fresh, s.obstacle, s.lasting, s.failure, s.code = true, "", false, r.Reason, r.Code
	default:
		s.obstacle, s.lasting = r.Reason, s.obstacle != ""
		return s, false
	}
	if !s.opposes(r.Outcome) {
		s.streak = 0
		return s, false
	}
	if s.streak < maxStreak {
		s.streak++
	}
	to := s.challenger(r.Outcome, t)
	if to == s.verdict {
		return s, false
	}
	s.verdict, s.since, s.streak = to, now.UnixNano(), 0
	return s, true
}

// opposes says whether an outcome speaks against the verdict.
func (s State) opposes(o Outcome) bool {
	switch s.verdict {
	case Healthy:
		return o == Fail
	case Unhealthy:
		return o == Pass
	default:
		return true
	}
}

// challenger returns the verdict that the current streak, ending in o, leads
// to: the present one while the streak is too short.
func (s State) challenger(o Outcome, t Thresholds) Verdict {
	switch {
	case o == Pass && (s.verdict == Unknown || reached(s.streak, t.Healthy)):
		return Healthy
	case o == Fail && reached(s.streak, t.Unhealthy):
		return Unhealthy
	default:
		return s.verdict
	}
}

// Verdict returns the current verdict.
func (s State) Verdict() Verdict { return s.verdict }

// Fresh says whether there has been a Pass or Fail since the state was made.
func (s State) Fresh() bool { return s.fresh }

// Pending says whether the next results may soon decide something: the verdict
// is Unknown, or a streak against it has begun.
func (s State) Pending() bool { return s.verdict == Unknown || s.streak > 0 }

// Interval returns the wanted time from the start of the last check to the
// start of the next.
func (s State) Interval(t Timing) time.Duration {
	settled := t.Interval
	if s.verdict == Unhealthy {
		settled = t.UnhealthyInterval
	}
	if !s.Pending() {
		return settled
	}
	return t.edge(settled)
}

// Status returns what is worth telling about the state.
func (s State) Status() Status {
	st := Status{Verdict: s.verdict, Fresh: s.fresh}
	if s.lasting {
		st.Obstacle = s.obstacle
	}
	if s.verdict != Healthy {
		st.Reason, st.Code = s.failure, s.code
	}
	if s.since != 0 {
		st.Since = time.Unix(0, s.since)
	}
	return st
}
