// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// ConditionInstancesImpaired is there, and True, while AWS says of instances that
// are served, or drain for it, that they are impaired or about to be. The message
// names them.
const ConditionInstancesImpaired = "InstancesImpaired"

// Reasons of the condition InstancesImpaired, the gravest first.
const (
	// ReasonSpotInterruption: AWS is going to reclaim a Spot instance.
	ReasonSpotInterruption = "SpotInterruption"
	// ReasonStatusImpaired: a status check of an instance says impaired.
	ReasonStatusImpaired = "StatusImpaired"
	// ReasonScheduledEvent: AWS is going to reboot, stop, retire or maintain an
	// instance.
	ReasonScheduledEvent = "ScheduledEvent"
)

// Reasons of the condition Accepted that concern EC2 instances.
const (
	// ReasonIdentityNotAllowed: the AWSIdentity does not allow the namespace, or not
	// the region. What was published of the entry is taken out.
	ReasonIdentityNotAllowed = "IdentityNotAllowed"
)

// Reasons of the condition TargetsResolved that concern EC2 instances. Those that
// begin with AWS, IdentityNotFound, IdentityNotUsable and TooManyInstances are
// reasons of the condition Stale, too. InstanceNotFound and AddressKindMissing are
// told also of entries that have other addresses; TargetsResolved is True then.
const (
	// ReasonInstancesPending: nothing is known of the instances yet, or some of them
	// are not running yet.
	ReasonInstancesPending = "InstancesPending"
	// ReasonInstanceNotFound: an instance id was not found for 5 minutes, or no
	// instance matches the filters.
	ReasonInstanceNotFound = "InstanceNotFound"
	// ReasonInstancesNotRunning: instances match, and none of them runs or is to take
	// traffic.
	ReasonInstancesNotRunning = "InstancesNotRunning"
	// ReasonAddressKindMissing: running instances have no address of the kind that
	// is asked for, or no such network interface.
	ReasonAddressKindMissing = "AddressKindMissing"
	// ReasonIdentityNotFound: there is no AWSIdentity of that name. What is published
	// stays.
	ReasonIdentityNotFound = "IdentityNotFound"
	// ReasonIdentityNotUsable: the credentials of the AWSIdentity cannot be had or
	// are invalid; the AWSIdentity says why.
	ReasonIdentityNotUsable = "IdentityNotUsable"
	// ReasonAWSAccessDenied: AWS denies the call that the message names.
	ReasonAWSAccessDenied = "AWSAccessDenied"
	// ReasonAWSCredentialsInvalid: AWS does not accept the credentials, or they have
	// run out.
	ReasonAWSCredentialsInvalid = "AWSCredentialsInvalid"
	// ReasonAWSThrottled: AWS answers that there are too many calls in the account,
	// or the operator's own limit on requests has left no time for a call.
	ReasonAWSThrottled = "AWSThrottled"
	// ReasonAWSRegionUnknown: the region does not exist, or is not enabled in the
	// account.
	ReasonAWSRegionUnknown = "AWSRegionUnknown"
	// ReasonAWSUnavailable: AWS cannot be reached, fails, or answers what cannot be
	// understood.
	ReasonAWSUnavailable = "AWSUnavailable"
	// ReasonTooManyInstances: the region has more instances than can be kept, with
	// filters as they are.
	ReasonTooManyInstances = "TooManyInstances"
)

// Conditions of an AWSIdentity besides Ready.
const (
	// ConditionPermissionsMissing is there, and True, while calls are denied that an
	// option needs. The message names the actions.
	ConditionPermissionsMissing = "PermissionsMissing"
)

// Reasons of the conditions of an AWSIdentity. Ready has those that begin with AWS
// above and TooManyInstances, too.
const (
	// ReasonAuthenticated: AWS accepts the credentials, and every region that is
	// used is listed.
	ReasonAuthenticated = "Authenticated"
	// ReasonAuthenticationPending: AWS was not asked yet.
	ReasonAuthenticationPending = "AuthenticationPending"
	// ReasonAccessKeyUnavailable: the Secret with the access key cannot be read, or
	// is not what it must be; the message says what to do.
	ReasonAccessKeyUnavailable = "AccessKeyUnavailable"
	// ReasonInvalidIdentity: a value of the spec cannot be acted on.
	ReasonInvalidIdentity = "InvalidIdentity"
	// ReasonPermissionsMissing: the message names the actions that are denied.
	ReasonPermissionsMissing = "PermissionsMissing"
)
