// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"time"

	"k8s.io/utils/clock"
)

// Options configures a Discoverer whose subscribers are told apart by S.
type Options[S comparable] struct {
	// Connector makes the connections. It must be set.
	Connector Connector
	// Refresh is the time between two listings of a source, of which each is up to a
	// tenth later. Default: DefaultRefresh.
	Refresh time.Duration
	// Changed tells that the snapshot of at least one query of a subscriber changed.
	// Changes are coalesced per subscriber. It is called from one goroutine.
	// Default: nobody is told.
	Changed func(S)
	// IdentityChanged tells that Identity says something else than before. It is
	// called from one goroutine. Default: nobody is told.
	IdentityChanged func(identity string)
	// Clock tells the time and wakes the discoverer. Default: the real clock.
	Clock clock.WithTicker
}

func (o Options[S]) withDefaults() Options[S] {
	if o.Refresh <= 0 {
		o.Refresh = DefaultRefresh
	}
	if o.Changed == nil {
		o.Changed = func(S) {}
	}
	if o.IdentityChanged == nil {
		o.IdentityChanged = func(string) {}
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	return o
}
