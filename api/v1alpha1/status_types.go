// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// ExternalBackendStatus is what the operator observed and published.
type ExternalBackendStatus struct {
	// observedGeneration is the generation of the spec that this status
	// belongs to.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions say how far the operator has come, and what is in the way.
	// Accepted, ServiceResolved, TargetsResolved, Published, Healthy and Ready
	// are always there; Stalled is there while only an edit can help, Conflict
	// while EndpointSlices of somebody else are on the Service,
	// CredentialsUnavailable while checks lack a credential.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// service is the Service whose EndpointSlices are written.
	// +optional
	Service *ServiceStatus `json:"service,omitempty"`

	// targets counts the addresses by state.
	// +optional
	// +default={}
	Targets TargetCounts `json:"targets"` // also when all are 0: kubectl shows them and waits for them

	// sources has a row for each entry of spec.targets: what it contributes, and
	// what is wrong with it.
	// +optional
	// +listType=map
	// +listMapKey=target
	// +kubebuilder:validation:MaxItems=100
	Sources []SourceStatus `json:"sources,omitempty"`

	// unhealthy lists addresses that are out because their checks fail or
	// cannot be carried out, sorted, at most 32.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Unhealthy []UnhealthyTarget `json:"unhealthy,omitempty"`
}

// ServiceStatus identifies a Service.
type ServiceStatus struct {
	// name of the Service.
	// +required
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`

	// uid of the Service; empty while there is none.
	// +optional
	UID types.UID `json:"uid,omitempty"`
}

// TargetCounts counts addresses by state.
type TargetCounts struct {
	// total number of addresses that this object serves.
	// +optional
	// +default=0
	// +kubebuilder:validation:Minimum=0
	Total int32 `json:"total"`

	// healthy addresses passed their checks and take traffic.
	// +optional
	// +default=0
	// +kubebuilder:validation:Minimum=0
	Healthy int32 `json:"healthy"`

	// unhealthy addresses failed their checks.
	// +optional
	// +default=0
	// +kubebuilder:validation:Minimum=0
	Unhealthy int32 `json:"unhealthy"`

	// unknown addresses have not been judged yet.
	// +optional
	// +default=0
	// +kubebuilder:validation:Minimum=0
	Unknown int32 `json:"unknown"`

	// draining addresses are taken out on purpose and published as terminating.
	// +optional
	// +default=0
	// +kubebuilder:validation:Minimum=0
	Draining int32 `json:"draining"`

	// disabled addresses belong to entries with state Disabled.
	// +optional
	// +default=0
	// +kubebuilder:validation:Minimum=0
	Disabled int32 `json:"disabled"`
}

// SourceStatus is what one entry of spec.targets yielded.
type SourceStatus struct {
	// target is the name of the entry.
	// +required
	// +kubebuilder:validation:MaxLength=63
	Target string `json:"target"`

	// addresses is the number of addresses that the entry contributes.
	// +optional
	// +default=0
	// +kubebuilder:validation:Minimum=0
	Addresses int32 `json:"addresses"`

	// problem says which addresses of the entry are not served from it, and
	// why.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Problem string `json:"problem,omitempty"`
}

// UnhealthyTarget is an address that is out because of its checks.
type UnhealthyTarget struct {
	// address that was checked.
	// +required
	// +kubebuilder:validation:MaxLength=45
	Address string `json:"address"`

	// target is the name of the entry that the address comes from.
	// +required
	// +kubebuilder:validation:MaxLength=63
	Target string `json:"target"`

	// reason of the last failed check, one of a documented set.
	// +required
	// +kubebuilder:validation:MaxLength=64
	Reason string `json:"reason"`

	// httpStatus is the exact HTTP status that was not expected, 100 to 999, where
	// an ExternalBackendPolicy of the namespace lets it be told
	// (spec.allow.checks.statusDetail).
	// +optional
	// +kubebuilder:validation:Minimum=100
	// +kubebuilder:validation:Maximum=999
	HTTPStatus int32 `json:"httpStatus,omitempty"`

	// since is when the address became unhealthy.
	// +required
	Since metav1.Time `json:"since"`
}

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

// Reasons of the condition Accepted.
const (
	// ReasonAccepted: the whole spec can be acted on.
	ReasonAccepted = "Accepted"
	// ReasonAddressDenied: some addresses must not be targeted; the others are
	// served.
	ReasonAddressDenied = "AddressDenied"
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
