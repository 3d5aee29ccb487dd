// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import "time"

// Verdict is the judgement about one target.
type Verdict uint8

const (
	// Unknown means that there is not enough evidence yet. It is published
	// like Unhealthy: not ready.
	Unknown Verdict = iota
	// Healthy means that the target takes traffic.
	Healthy
	// Unhealthy means that enough consecutive checks failed.
	Unhealthy
)

// String returns the verdict as it appears in status, events and metrics.
func (v Verdict) String() string {
	switch v {
	case Healthy:
		return "Healthy"
	case Unhealthy:
		return "Unhealthy"
	default:
		return "Unknown"
	}
}

// Outcome is what one execution of a check said.
type Outcome uint8

const (
	// Indeterminate means that the checker could not find out, for a cause
	// on its own side. It never counts. It is the zero value, so that a result
	// that nobody filled in is no evidence.
	Indeterminate Outcome = iota
	// Pass means that the target answered as expected.
	Pass
	// Fail means that the target answered wrongly or not at all.
	Fail
)

// String returns the outcome as it appears in metrics.
func (o Outcome) String() string {
	switch o {
	case Pass:
		return "Pass"
	case Fail:
		return "Fail"
	default:
		return "Indeterminate"
	}
}

// Result is one execution of a check.
type Result struct {
	Outcome Outcome
	// Reason says why; it is empty for a Pass.
	Reason Reason
	// Code is the HTTP status code that was not expected; 0 if that is not the
	// reason. Who may be told it is a matter of policy.
	Code uint16
	// Latency is the time from the start of dialling to the decision.
	Latency time.Duration
}

// Thresholds says how many consecutive results flip a verdict. Values below 1
// count as 1, values above 65535 as 65535.
type Thresholds struct {
	// Healthy is the number of passes that makes an Unhealthy target Healthy.
	Healthy int
	// Unhealthy is the number of fails that makes a target Unhealthy.
	Unhealthy int
}

// reached says whether a streak of one kind of result satisfies a threshold.
func reached(streak uint16, threshold int) bool {
	return int(streak) >= min(max(threshold, 1), maxStreak)
}
