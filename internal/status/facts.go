// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

// Package status turns what one pass found out about an ExternalBackend into
// its status, and the difference to the previous status into events.
package status

import (
	"net/netip"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/internal/sliceplan"
	"externalbackend.dev/operator/internal/target"
	"externalbackend.dev/operator/internal/translate"
)

// Facts is what one pass found out about one ExternalBackend.
type Facts struct {
	Backend *translate.Backend
	// Service that it serves; UID is empty if there is none.
	ServiceName string
	ServiceUID  types.UID

	// Targets are served, with their health in the same order. Those of entries
	// in Disabled are among them, those that drain are not.
	Targets []target.Target
	Health  []health.Status
	// TellsCode says whether policy lets an author know the exact HTTP status
	// that a target answers with. Nil: of none.
	TellsCode func(target.Target) bool
	// Draining are addresses that are published and not wanted any more: most of
	// them as terminating, some as before if that could not be written.
	Draining []target.Departure
	// Drain and Disabled are the names of the entries with these states.
	Drain, Disabled map[string]bool

	// Rejected names what was not an address or is denied.
	Rejected []Rejection
	// Pending are denials of published addresses that take effect later.
	Pending []Rejection
	// PendingSince is since when the last of them has been, in whole seconds.
	PendingSince time.Time
	// Losses are addresses that are served from elsewhere.
	Losses []target.Loss
	// Winner is an older ExternalBackend of the Service beside which nothing of this
	// one is published, since one of them has a name; nil if there is none.
	Winner *target.Owner
	// Excluded are addresses of families that the Service does not have.
	Excluded []target.Target
	// Sources is what is known of the names and instances of entries, by entry.
	Sources map[string]Source
	// Impaired are instances that are impaired or about to be, and served or drain
	// for it.
	Impaired []Impairment
	// Standby are the addresses that are healthy and take no traffic, since their
	// tier does not serve.
	Standby map[netip.Addr]bool
	// Portless are the names of entries that have no port, unlike others.
	Portless map[string]bool

	// ManagedProblem is why a managed Service is not as specified.
	ManagedProblem *translate.Problem
	// Foreign are slices of somebody else on the Service, which has no selector.
	Foreign []ForeignSlice

	// Credentials are those of its checks that cannot be had, sorted.
	Credentials []CredentialProblem

	// Awaiting is true while the first publication is held.
	Awaiting bool
	// Flips are the changes of published readiness that were written.
	Flips []sliceplan.Flip
	// Drained are addresses whose drain ended in this pass.
	Drained []netip.Addr
	// WriteError is why slices could not be brought up to date.
	WriteError error

	Now time.Time
}

// Rejection is an address that is never served.
type Rejection struct {
	Entry string
	Err   error
	// Reason is a constant of the API package.
	Reason string
}

// Source is what is known of the name of an entry, or of its instances.
type Source struct {
	// Subject is how messages name it, such as "db.example.com", in quotes, or
	// instances in eu-west-1. Unit is what it has several of, in the plural, such as
	// records.
	Subject, Unit string
	// Answered is true if it is known of everything that was asked what there is. That
	// there is nothing must have been confirmed.
	Answered bool
	// Reason, a constant of the API package, is why it has no addresses, if it has
	// none, or not all that it is meant to have, or no new answer. Problem names the
	// culprits and what to do; both empty: none.
	Reason, Problem string
	// StaleSince is since when addresses are served by an answer that cannot be
	// had again; zero if it can.
	StaleSince time.Time
	// Expired is true if that is so for longer than the entry allows.
	Expired bool
	// Dropped is how many of its Unit are more than are served.
	Dropped int
}

// ForeignSlice is an EndpointSlice that is not the operator's.
type ForeignSlice struct {
	Name string
	// ManagedBy is the value of its managed-by label; empty if it has none.
	ManagedBy string
}

// Event is worth telling once.
type Event struct {
	// Type is corev1.EventTypeNormal or corev1.EventTypeWarning.
	Type    string
	Reason  string
	Action  string
	Message string
}

// Outcome is what is to be reported.
type Outcome struct {
	Status v1alpha1.ExternalBackendStatus
	// Flips are events about what was written. They hold whether or not the
	// status can be patched.
	Flips []Event
	// Transitions are events about conditions, to be sent once the status that
	// has them is stored.
	Transitions []Event
	// Urgent is true when a condition changed or belongs to another generation
	// of the spec, so that the report must not wait.
	Urgent bool
}

// maxUnhealthy bounds status.unhealthy.
const maxUnhealthy = 32

// maxNamed bounds how many culprits a message names.
const maxNamed = 5

// Compute returns the report for the facts, given the one before.
func Compute(eb *v1alpha1.ExternalBackend, facts Facts) Outcome {
	counts := count(facts)
	next := v1alpha1.ExternalBackendStatus{
		ObservedGeneration: eb.Generation,
		Service:            &v1alpha1.ServiceStatus{Name: facts.ServiceName, UID: facts.ServiceUID},
		Targets:            counts,
		Sources:            sources(facts),
		Unhealthy:          unhealthy(eb.Status.Unhealthy, facts),
	}
	next.Conditions = wantedConditions(facts, counts)
	transitions := complete(next.Conditions, eb.Status.Conditions, eb.Generation, facts.Now)
	return Outcome{
		Status:      next,
		Flips:       flipEvents(facts),
		Transitions: conditionEvents(transitions),
		Urgent:      len(transitions) > 0 || eb.Status.ObservedGeneration != eb.Generation,
	}
}

func count(facts Facts) v1alpha1.TargetCounts {
	draining := int32(len(facts.Draining))
	c := v1alpha1.TargetCounts{Total: int32(len(facts.Targets)) + draining, Draining: draining}
	for i, t := range facts.Targets {
		switch {
		case facts.Disabled[t.Entry]:
			c.Disabled++
		case facts.Standby[t.Addr]:
			c.Standby++
		case facts.Health[i].Verdict == health.Healthy:
			c.Healthy++
		case facts.Health[i].Verdict == health.Unhealthy:
			c.Unhealthy++
		default:
			c.Unknown++
		}
	}
	return c
}
