// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import "time"

// Status is the health of one target over all of its checks.
type Status struct {
	Verdict Verdict
	// Reason is that of the last failed check; empty while Healthy, and for
	// an Unhealthy or Unknown target of which no check has failed yet.
	Reason Reason
	// Code is the HTTP status code that Reason is about; 0 if it is about none.
	// It must not be told unless policy says so (guard.Scope.StatusCodes).
	Code uint16
	// Since is when the verdict was reached. Zero: not known, because the
	// verdict is Unknown or was taken over.
	Since time.Time
	// Fresh says that every check has passed or failed at least once since the
	// target became known. While false, the verdict is taken over.
	Fresh bool
	// Obstacle says why the last two checks or more could not find out
	// anything; empty if they could. It explains a target that stays Unknown.
	Obstacle Reason
}

// Combine joins the states of all checks of one target: any Unhealthy makes it
// Unhealthy, else any Unknown makes it Unknown. Without checks a target is
// Healthy.
func Combine(states ...State) Status {
	if len(states) == 0 {
		return Status{Verdict: Healthy, Fresh: true}
	}
	combined := states[0].Status()
	for _, s := range states[1:] {
		combined = combined.and(s.Status())
	}
	return combined
}

// and joins the statuses of two checks. The worse verdict speaks for both; of
// two equal ones, the one that explains more, then the one that was reached
// last if both have to hold (Healthy), or first if one suffices.
func (s Status) and(o Status) Status {
	joined, other := s, o
	if o.Verdict.severity() > s.Verdict.severity() {
		joined, other = o, s
	}
	joined.Fresh = s.Fresh && o.Fresh
	if joined.Obstacle == "" {
		joined.Obstacle = other.Obstacle
	}
	if joined.Verdict != other.Verdict {
		return joined
	}
	if joined.Reason == "" {
		joined.Reason, joined.Code = other.Reason, other.Code
	}
	if joined.Verdict == Healthy && other.Since.After(joined.Since) {
		joined.Since = other.Since
	}
	if joined.Verdict == Unhealthy && other.Since.Before(joined.Since) {
		joined.Since = other.Since
	}
	return joined
}

// severity orders verdicts by which one prevails.
func (v Verdict) severity() int {
	switch v {
	case Unhealthy:
		return 2
	case Unknown:
		return 1
	default:
		return 0
	}
}
