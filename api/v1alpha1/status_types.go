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
	// CredentialsUnavailable while checks lack a credential, Stale while
	// addresses are those of an old answer, InstancesImpaired while AWS says that
	// something is wrong with an EC2 instance.
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
	// +listType=atomic
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

	// standby addresses passed their checks and take no traffic, because their
	// tier does not serve.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Standby int32 `json:"standby,omitempty"`
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

	// staleSince is since when no name server has answered for the name of the
	// entry, or AWS for its instances, so that its addresses are those of the last
	// answer.
	// +optional
	StaleSince *metav1.Time `json:"staleSince,omitempty"`
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
