// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package ec2

import "time"

// confirmations is how many times in a row something is missing before it is
// believed to be gone.
const confirmations = 3

// absence counts the answers in a row that something is missing from.
type absence struct {
	times int
	last  time.Time
}

// count takes an answer that was asked for at a time. Those that come in quick
// succession count as one: what ails AWS for a moment ails them all.
func (a *absence) count(at time.Time, spacing time.Duration) {
	if a.times == 0 || !at.Before(a.last.Add(spacing)) {
		a.times++
		a.last = at
	}
}

func (a absence) believed() bool { return a.times >= confirmations }

// spacing is the least time between two answers that count.
func (p *pace) spacing() time.Duration { return min(recheck, p.period) }
