// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package ec2

import "time"

// Source is where instances are listed: a region, with the credentials of an
// identity.
type Source struct{ Identity, Region string }

// Query is what a subscriber wants to know of a source. It is told apart from its
// others by Name.
type Query struct {
	// Name of the query, unique for the subscriber.
	Name     string
	Source   Source
	Selector Selector
	// InterfaceTag is the key of the tag by which interfaces are selected; empty:
	// none.
	InterfaceTag string
	// Known are the ids of instances that are in use already, sorted: of those that
	// do not match (any more), it is found out what has become of them.
	Known []string
}

// Snapshot is what is known about a query. It does not change.
type Snapshot struct {
	// Listed is when the first complete listing began that answers the query; zero
	// while there is none. Until then, the instances below are those that happen to be
	// known, which may be few.
	Listed time.Time
	// Matching are the instances that the selector selects and that are not
	// terminated, by id, running or not. One that is missing from the last listing
	// stays until it is gone for certain: Missing has its id.
	Matching []*Instance
	// Others are those of Query.Known, and those that matched before, of which is
	// known that they do not match or are terminated, by id. They stay for as long as
	// they are Known, and those that are not until after the next complete listing.
	Others []*Instance
	// Missing are the ids, sorted, of Matching, Others and Query.Known that the last
	// answers lack, which may be a mistake. An id of Known that is in neither of the
	// three is gone.
	Missing []string
	// Failure is why the last attempt failed, and FailingSince since when none has
	// succeeded; nil and zero if it did.
	Failure      *Failure
	FailingSince time.Time
}

// Kind is the kind of a failure.
type Kind string

// Kinds of failures.
const (
	// AccessDenied: the credentials do not have the permission for Failure.Action.
	AccessDenied Kind = "AccessDenied"
	// CredentialsInvalid: AWS does not accept the credentials, or they have run out,
	// or the role cannot be assumed.
	CredentialsInvalid Kind = "CredentialsInvalid"
	// CredentialsUnavailable: there are none to ask with.
	CredentialsUnavailable Kind = "CredentialsUnavailable"
	// Throttled: there are too many calls.
	Throttled Kind = "Throttled"
	// RegionUnknown: the region does not exist or is not enabled.
	RegionUnknown Kind = "RegionUnknown"
	// Unavailable: no connection, no answer in time, or a failure of the server.
	Unavailable Kind = "Unavailable"
	// Malformed: an answer that cannot be understood.
	Malformed Kind = "Malformed"
	// TooMany: more instances than are kept.
	TooMany Kind = "TooMany"
	// Refused: AWS refuses the request for another reason.
	Refused Kind = "Refused"
)

// Failure is why a call failed. It says nothing of what a namespace may not know.
type Failure struct {
	Kind Kind
	// Action is the IAM action of the call, such as ec2:DescribeInstances.
	Action string
	// Code is the error code of the AWS API, such as UnauthorizedOperation; empty if
	// there was no such answer.
	Code string
	// Err is what happened in detail, for logs; it may be nil.
	Err error
}

// Error implements error.
func (f *Failure) Error() string {
	text := f.Action + ": " + string(f.Kind)
	if f.Code != "" {
		text += " (" + f.Code + ")"
	}
	if f.Err != nil {
		text += ": " + f.Err.Error()
	}
	return text
}

// Unwrap returns what happened in detail.
func (f *Failure) Unwrap() error { return f.Err }
