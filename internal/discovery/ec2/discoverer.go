// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"context"
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

// Discoverer lists the instances of all subscribers and keeps what it hears. It is
// safe for concurrent use.
type Discoverer[S comparable] struct{}

// IdentityReport is what AWS says to an identity.
type IdentityReport struct {
	// Caller is zero while it is not known. Failure is why the last attempt to find
	// out failed; nil if it did not.
	Caller  Caller
	Failure *Failure
	// Regions are those that somebody wants to have listed, sorted by name.
	Regions []RegionReport
	// Denied are the actions that an option needs and that are denied, sorted.
	Denied []string
	// Queues are the queues that cannot be read, sorted by URL.
	Queues []QueueReport
}

// RegionReport is how the listing of a region goes.
type RegionReport struct {
	Region string
	// Failure is why the last attempt failed, and FailingSince since when none has
	// succeeded; nil and zero if it did.
	Failure      *Failure
	FailingSince time.Time
}

// QueueReport is why a queue cannot be read.
type QueueReport struct {
	URL     string
	Failure *Failure
}

// SourceStats are figures about a source.
type SourceStats struct {
	Source
	// Instances that are known.
	Instances int
	// Listed is when the last complete listing ended; zero: never.
	Listed time.Time
}

// New returns a discoverer. Queries may be made at once; AWS is asked while Start
// runs.
func New[S comparable](opts Options[S]) *Discoverer[S] { panic("") }

// Start asks AWS until ctx is done, and returns when every goroutine has ended.
func (d *Discoverer[S]) Start(ctx context.Context) error { panic("") }

// SetIdentity makes an identity known, or changes it. While it is not known,
// nothing is asked on its behalf, and its queries have no snapshot. After a change
// everything is listed again; what was known stays until that has succeeded.
func (d *Discoverer[S]) SetIdentity(name string, identity Identity) { panic("") }

// DropIdentity forgets an identity with all that was found out with it.
func (d *Discoverer[S]) DropIdentity(name string) { panic("") }

// Ensure makes the queries those of the subscriber, in place of the ones it had. A
// new one that the listing at hand does not answer is answered by the next one,
// which follows soon.
func (d *Discoverer[S]) Ensure(sub S, queries []Query) { panic("") }

// Lookup returns what is known about the query of that name, the same pointer for as
// long as nothing changes; nil if there is none, its identity is not known, or
// nothing was heard yet.
func (d *Discoverer[S]) Lookup(sub S, query string) *Snapshot { panic("") }

// Forget drops a subscriber with all of its queries.
func (d *Discoverer[S]) Forget(sub S) { panic("") }

// Warn notes that AWS has warned before this process started that it is going to
// reclaim instances, about now.
func (d *Discoverer[S]) Warn(source Source, ids []string) { panic("") }

// Identity returns what AWS says to an identity; false if it is not known.
func (d *Discoverer[S]) Identity(name string) (IdentityReport, bool) { panic("") }

// Sources returns figures about all sources, sorted.
func (d *Discoverer[S]) Sources() []SourceStats { panic("") }
