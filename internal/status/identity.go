// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"time"

	"externalbackend.dev/operator/api/v1alpha1"
)

// IdentityFacts is what is known about an AWSIdentity.
type IdentityFacts struct {
	Identity *v1alpha1.AWSIdentity
	// Invalid is what of its spec cannot be acted on; nil: nothing.
	Invalid error
	// AccessKeyProblem is why its access key cannot be had, and what to do; empty:
	// it can, or there is none.
	AccessKeyProblem string
	// ExternalID is that of its role; empty if it has none.
	ExternalID string
	// AccountID and ARN are those of the caller; empty while they are not known.
	AccountID, ARN string
	// Asked is true once AWS has answered, or failed to, who the caller is. Failure
	// is why the last attempt failed; nil if it did not.
	Asked   bool
	Failure *AWSFailure
	// Regions are those that somebody wants to have listed, sorted by name.
	Regions []RegionFacts
	// Denied are the IAM actions that an option needs and that are denied, sorted.
	Denied []string
	// Queues are those that cannot be read, sorted by URL.
	Queues []QueueFacts
	Now    time.Time
}

// RegionFacts is how the listing of a region goes.
type RegionFacts struct {
	Region string
	// Failure is why the last attempt failed, and FailingSince since when none has
	// succeeded; nil and zero if it did.
	Failure      *AWSFailure
	FailingSince time.Time
}

// QueueFacts is why a queue cannot be read.
type QueueFacts struct {
	URL     string
	Failure AWSFailure
}

// IdentityOutcome is what is to be reported of an AWSIdentity.
type IdentityOutcome struct {
	Status v1alpha1.AWSIdentityStatus
	// Transitions are events about conditions, to be sent once the status that
	// has them is stored.
	Transitions []Event
	// Urgent is true when a condition changed or belongs to another generation
	// of the spec, so that the report must not wait.
	Urgent bool
}

// ComputeIdentity returns the report about an AWSIdentity, given the one before,
// which is in facts.Identity.
func ComputeIdentity(facts IdentityFacts) IdentityOutcome { panic("") }
