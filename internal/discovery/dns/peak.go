// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import "time"

// peak is the greatest of the values of a window of time, or two.
type peak[V int | time.Duration] struct {
	window         time.Duration
	recent, before V
	turned         time.Duration // when recent began
}

func (p *peak[V]) turn(now time.Duration) {
	if now-p.turned < p.window {
		return
	}
	if p.before = p.recent; now-p.turned >= 2*p.window {
		p.before = 0
	}
	p.recent, p.turned = 0, now
}

func (p *peak[V]) add(value V, now time.Duration) {
	p.turn(now)
	p.recent = max(p.recent, value)
}

func (p *peak[V]) at(now time.Duration) V {
	p.turn(now)
	return max(p.recent, p.before)
}
