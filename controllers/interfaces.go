// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"time"

	"externalbackend.dev/operator/internal/discovery/dns"
	"externalbackend.dev/operator/internal/discovery/ec2"
	"externalbackend.dev/operator/internal/guard"
	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/internal/target"
)

// HealthSource checks targets in the background. It never makes Reconcile
// wait.
type HealthSource interface {
	// Ensure makes the targets of a subscriber exactly these.
	Ensure(sub health.Subscriber, thresholds health.Thresholds, targets []health.Target)
	// Statuses appends the health of the targets to dst, in the order of the
	// last Ensure.
	Statuses(sub health.Subscriber, dst []health.Status) []health.Status
	// Forget ends all checks of a subscriber.
	Forget(sub health.Subscriber)
}

// Names finds out what the DNS says, in the background. It never makes Reconcile
// wait.
type Names interface {
	// Ensure makes the questions that are asked for a subscriber exactly these.
	Ensure(sub health.Subscriber, questions []dns.Question)
	// Lookup returns what is known about a question, the same pointer as long as
	// nothing changes; nil if nobody asks it or nothing is known yet.
	Lookup(sub health.Subscriber, question dns.Question) *dns.Snapshot
	// Forget ends what is asked for a subscriber.
	Forget(sub health.Subscriber)
}

// IdentitySource knows the AWSIdentities.
type IdentitySource interface {
	// Book returns them, the same pointer as long as nothing that matters changes; nil
	// as long as they are not known.
	Book() *IdentityBook
}

// Instances finds out which EC2 instances there are, in the background. It never
// makes Reconcile wait.
type Instances interface {
	// SetIdentity makes an identity known, or changes it. Nothing is asked on behalf
	// of one that is not known.
	SetIdentity(name string, identity ec2.Identity)
	// DropIdentity forgets an identity with all that was found out with it.
	DropIdentity(name string)
	// Identity returns what AWS says to an identity; false if it is not known.
	Identity(name string) (ec2.IdentityReport, bool)
	// Ensure makes the queries of a subscriber exactly these.
	Ensure(sub health.Subscriber, queries []ec2.Query)
	// Lookup returns what is known about the query of that name, the same pointer as
	// long as nothing changes; nil if there is none, its identity is not known, or
	// nothing was heard yet.
	Lookup(sub health.Subscriber, query string) *ec2.Snapshot
	// Forget ends what is asked for a subscriber.
	Forget(sub health.Subscriber)
}

// LiteralResolver turns the literals of an entry into targets, and names those
// that are none.
type LiteralResolver func(entry string, literals []string) ([]target.Target, []error)

// Guard says what may be targeted.
type Guard interface {
	// Scope returns what may be targeted in a namespace; nil as long as that is
	// not known.
	Scope(namespace string) *guard.Scope
}

// Metrics is told what the controller does.
type Metrics interface {
	// SliceWritten counts a request that wrote an EndpointSlice: create,
	// update or delete.
	SliceWritten(operation string, err error)
	// FlipPublished records the time from a changed verdict to the end of the
	// write that published it.
	FlipPublished(latency time.Duration)
	// SetTargets sets the number of targets of an ExternalBackend by state.
	SetTargets(namespace, name string, healthy, unhealthy, unknown, draining, disabled, standby int)
	// SetStale sets the number of entries of an ExternalBackend whose addresses
	// are those of an old answer.
	SetStale(namespace, name string, entries int)
	// SetReady records whether an ExternalBackend is Ready.
	SetReady(namespace, name string, ready bool)
	// Forget drops the series of an ExternalBackend.
	Forget(namespace, name string)
}
