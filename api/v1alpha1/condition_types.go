// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Types of conditions that every ExternalBackend has from the first pass.
const (
	// ConditionAccepted is True when the whole spec can be acted on.
	ConditionAccepted = "Accepted"
	// ConditionServiceResolved is True when the Service exists, can be served
	// and has all ports that the spec names.
	ConditionServiceResolved = "ServiceResolved"
	// ConditionTargetsResolved is True when every entry yields an address.
	ConditionTargetsResolved = "TargetsResolved"
	// ConditionPublished is True when the EndpointSlices hold what they should.
	ConditionPublished = "Published"
	// ConditionHealthy is True when every address is healthy.
	ConditionHealthy = "Healthy"
	// ConditionReady is True when Accepted, ServiceResolved, TargetsResolved
	// and Published are: an outage of targets does not make it False.
	ConditionReady = "Ready"
)

// ReasonPending is the reason of the condition Ready of an object that no operator has
// looked at since it was created: a default, which the API server gives it.
const ReasonPending = "Pending"

// ConditionStalled is there, and True, while the operator cannot proceed until
// somebody edits the object or its Service.
const ConditionStalled = "Stalled"

// ConditionConflict is there, and True, while EndpointSlices of somebody else
// are on the Service: their endpoints take traffic next to ours.
const ConditionConflict = "Conflict"

// Reasons of the condition Conflict.
const (
	// ReasonForeignEndpointSlices: the message names the slices and who manages
	// them.
	ReasonForeignEndpointSlices = "ForeignEndpointSlices"
)

// ConditionDenyPending is there, and True, while published addresses lie in
// networks that have become the cluster's own, and are about to be taken out. Its
// LastTransitionTime is when the last of the networks was found, and moves with that.
const ConditionDenyPending = "DenyPending"

// Reasons of the condition DenyPending.
const (
	// ReasonClusterNetworksChanged: so many addresses would be taken out at once
	// that it may be a mistake. The message names them, and until when it can be
	// corrected.
	ReasonClusterNetworksChanged = "ClusterNetworksChanged"
)

// ConditionCredentialsUnavailable is there, and True, while checks cannot be
// carried out because a credential of theirs cannot be had. What is published
// stays as it is. The message names the Secrets and keys and says what to do.
const ConditionCredentialsUnavailable = "CredentialsUnavailable"

// Reasons of the condition CredentialsUnavailable.
const (
	// ReasonSecretForbidden: the operator may not read a Secret.
	ReasonSecretForbidden = "SecretForbidden"
	// ReasonSecretNotFound: a Secret does not exist in the namespace.
	ReasonSecretNotFound = "SecretNotFound"
	// ReasonSecretTypeMismatch: a Secret is not of type
	// externalbackend.dev/check-credentials.
	ReasonSecretTypeMismatch = "SecretTypeMismatch"
	// ReasonSecretKeyNotFound: a Secret does not have the key.
	ReasonSecretKeyNotFound = "SecretKeyNotFound"
	// ReasonInvalidSecretValue: what a Secret holds under the key is empty or
	// cannot be sent as a header.
	ReasonInvalidSecretValue = "InvalidSecretValue"
	// ReasonSecretUnread: the API server could not be asked for a Secret yet.
	ReasonSecretUnread = "SecretUnread"
)

// ConditionStale is there, and True, while name servers do not answer for a name
// that addresses came from, or AWS does not for instances. What they answered last
// goes on being served, and checked. The message names the entries, and since when.
const ConditionStale = "Stale"

// Reasons of the condition Stale, and of TargetsResolved while a name was never
// answered for. Those that concern EC2 instances are in condition_aws_types.go.
const (
	// ReasonNameServerFailed: the name servers answer that they cannot, or what
	// cannot be understood.
	ReasonNameServerFailed = "NameServerFailed"
	// ReasonNameServerTimeout: no name server answers, or none can be reached.
	ReasonNameServerTimeout = "NameServerTimeout"
	// ReasonTooManyNames: the namespace has as many names as it may, each counted
	// once for A and once for AAAA, so that this one is not asked for.
	ReasonTooManyNames = "TooManyNames"
)

// Reasons of the condition Accepted.
const (
	// ReasonAccepted: the whole spec can be acted on.
	ReasonAccepted = "Accepted"
	// ReasonAddressDenied: some addresses must not be targeted; the others are
	// served.
	ReasonAddressDenied = "AddressDenied"
	// ReasonNameDenied: some names must not be looked up, or what their records
	// lead to must not; the other targets are served.
	ReasonNameDenied = "NameDenied"
	// ReasonPolicyDenied: an ExternalBackendPolicy denies some addresses, their
	// ports or their checks, or none of those of the namespace allows them; the
	// others are served.
	ReasonPolicyDenied = "PolicyDenied"
	// ReasonNoPolicy: no ExternalBackendPolicy that allows anything selects the
	// namespace, and it takes one: always, if the operator requires policies, or
	// for a check of bodies.
	ReasonNoPolicy = "NoPolicy"
	// ReasonLimitExceeded: there are more addresses than the policies of the
	// namespace allow an ExternalBackend; the first ones are served.
	ReasonLimitExceeded = "LimitExceeded"
	// ReasonInvalidSpec: a value cannot be acted on; the message names it.
	ReasonInvalidSpec = "InvalidSpec"
	// ReasonCheckPortNotFound: a check goes to a port that is not published.
	// The checks before go on; without any, readiness stays as it is.
	ReasonCheckPortNotFound = "CheckPortNotFound"
	// ReasonAnnotationDenied: spec.service.template has annotations that the
	// administrator does not allow; the rest of it is acted on.
	ReasonAnnotationDenied = "AnnotationDenied"
)

// Reasons of the condition ServiceResolved.
const (
	// ReasonServiceResolved: the Service can be served as specified.
	ReasonServiceResolved = "Resolved"
	// ReasonServiceNotFound: no Service has that name in the namespace.
	ReasonServiceNotFound = "ServiceNotFound"
	// ReasonServiceReserved: the Service is the one by which everything in the
	// cluster reaches the API server.
	ReasonServiceReserved = "ServiceReserved"
	// ReasonServiceHasSelector: the Service selects Pods; Kubernetes itself
	// writes its EndpointSlices.
	ReasonServiceHasSelector = "ServiceHasSelector"
	// ReasonServiceExternalName: the Service is of type ExternalName, which
	// has no EndpointSlices.
	ReasonServiceExternalName = "ServiceExternalName"
	// ReasonPortNotFound: spec.ports names a port that the Service does not
	// have; the other ports are served.
	ReasonPortNotFound = "PortNotFound"
	// ReasonTargetPortNamed: a Service port has a named targetPort, which only
	// spec.ports can resolve; the other ports are served.
	ReasonTargetPortNamed = "TargetPortNamed"
	// ReasonServiceTerminating: the Service is being deleted.
	ReasonServiceTerminating = "ServiceTerminating"
	// ReasonServiceNotOwned: management is Managed and the Service belongs to
	// somebody else. It is served as it is, and not written.
	ReasonServiceNotOwned = "ServiceNotOwned"
	// ReasonServiceUpdateRefused: the API server refuses to create the managed
	// Service or to change it; the message says what it says.
	ReasonServiceUpdateRefused = "ServiceUpdateRefused"
	// ReasonServiceNotHeadless: resolution Passthrough needs a headless Service.
	ReasonServiceNotHeadless = "ServiceNotHeadless"
	// ReasonPassthroughDeprecated: the Service is served with the name of a
	// target, which Kubernetes has deprecated and most consumers ignore.
	ReasonPassthroughDeprecated = "PassthroughDeprecated"
	// ReasonTrafficPolicyLocal: the Service can be served, but with a traffic
	// policy of Local no traffic reaches endpoints outside the cluster.
	ReasonTrafficPolicyLocal = "TrafficPolicyLocal"
	// ReasonTooManyLabels: the Service is served, and has more labels than its
	// EndpointSlices get.
	ReasonTooManyLabels = "TooManyLabels"
)

// Reasons of the condition TargetsResolved.
const (
	// ReasonTargetsResolved: every entry yields its addresses.
	ReasonTargetsResolved = "Resolved"
	// ReasonDuplicateAddress: an address is listed more than once here; it is
	// served once.
	ReasonDuplicateAddress = "DuplicateAddress"
	// ReasonServedByAnother: an older ExternalBackend of the Service serves an
	// address of this one.
	ReasonServedByAnother = "ServedByAnother"
	// ReasonFamilyNotServed: an address is of a family that the Service does
	// not have.
	ReasonFamilyNotServed = "FamilyNotServed"
	// ReasonNoAddresses: an entry yields no address that can be served.
	ReasonNoAddresses = "NoAddresses"
	// ReasonNamesPending: a name was not answered for yet, and no query for it has
	// failed.
	ReasonNamesPending = "NamesPending"
	// ReasonNameNotFound: the DNS does not have the name of an entry.
	ReasonNameNotFound = "NameNotFound"
	// ReasonMaxStaleExceeded: the last answer for the name of an entry is older
	// than its maxStale; its addresses are taken out.
	ReasonMaxStaleExceeded = "MaxStaleExceeded"
	// ReasonRecordsDropped: a name has more records, or instances have more
	// addresses, than are served; the first ones are, in the order of addresses, or
	// of priorities.
	ReasonRecordsDropped = "RecordsDropped"
	// ReasonPassthroughConflict: an older ExternalBackend of the Service publishes
	// a name where this one has addresses, or addresses where this one has a name.
	ReasonPassthroughConflict = "PassthroughConflict"
)

// Reasons of the condition Published.
const (
	// ReasonPublished: the EndpointSlices hold what they should.
	ReasonPublished = "Published"
	// ReasonNotPublishable: nothing is written as long as the Service or its
	// ports are not resolved.
	ReasonNotPublishable = "NotPublishable"
	// ReasonWriteFailed: the API server refused or failed a write; it is tried
	// again. It is a reason of ServiceResolved, too, for a write of a managed
	// Service that may succeed later.
	ReasonWriteFailed = "WriteFailed"
	// ReasonAwaitingFirstChecks: nothing has been published yet, because the
	// first round of checks has not ended.
	ReasonAwaitingFirstChecks = "AwaitingFirstChecks"
)

// Reasons of the condition Healthy.
const (
	// ReasonAllHealthy: every address is healthy.
	ReasonAllHealthy = "AllHealthy"
	// ReasonSomeUnhealthy: some addresses are unhealthy.
	ReasonSomeUnhealthy = "SomeUnhealthy"
	// ReasonNoneHealthy: no address is healthy.
	ReasonNoneHealthy = "NoneHealthy"
	// ReasonChecksPending: some addresses have not been judged yet and none
	// is unhealthy.
	ReasonChecksPending = "ChecksPending"
	// ReasonNoTargets: this object serves no address; the conditions Accepted
	// and TargetsResolved say why.
	ReasonNoTargets = "NoTargets"
)

// Reasons of the condition Ready. When it is False it has the reason of the
// first condition that is.
const (
	// ReasonReady: everything is published as specified.
	ReasonReady = "Ready"
)
