// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ExternalBackendPolicy says what ExternalBackends in some namespaces may
// target, and how they may check it. The allows of all policies that select a
// namespace unite, and a deny of any of them wins. A namespace that no policy
// with an allow selects may target everything that is not denied, unless the
// operator runs with --policy-mode=require, which then allows it nothing. What
// the operator itself denies, no policy can allow.
//
// A change takes effect at once, for what is published already too.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,shortName=ebp,categories=externalbackend-dev
// +kubebuilder:printcolumn:name="Allowed",type=string,JSONPath=`.spec.allow.cidrs`
// +kubebuilder:printcolumn:name="Denied",type=string,JSONPath=`.spec.deny.cidrs`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type ExternalBackendPolicy struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec says which namespaces the policy is for, and what it allows and
	// denies them.
	// +required
	Spec ExternalBackendPolicySpec `json:"spec"`
}

// ExternalBackendPolicyList is a list of ExternalBackendPolicies.
//
// +kubebuilder:object:root=true
type ExternalBackendPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitzero"`

	Items []ExternalBackendPolicy `json:"items"`
}

// ExternalBackendPolicySpec says which namespaces a policy is for, and what it
// allows and denies them.
//
// +kubebuilder:validation:XValidation:rule="has(self.allow) || has(self.deny)",message="set allow, deny or both: allow: {} closes the namespaces but for what other policies allow"
type ExternalBackendPolicySpec struct {
	// namespaceSelector selects namespaces by their labels. {} selects all.
	// +required
	NamespaceSelector NamespaceSelector `json:"namespaceSelector"`

	// allow lists what the namespaces may target. The allow of one policy is one
	// grant: an address, the port and the check must all be granted by the same
	// policy. {} grants nothing, and so closes namespaces that no other policy
	// opens. Left out, the policy only denies.
	// +optional
	Allow *PolicyAllow `json:"allow,omitempty"`

	// deny lists what the namespaces may not target, whatever other policies
	// allow.
	// +optional
	Deny *PolicyDeny `json:"deny,omitempty"`
}

// PolicyAllow is one grant.
type PolicyAllow struct {
	// cidrs that addresses may lie in, at most 256, such as 192.0.2.0/24 or
	// 2001:db8::/32. They hold for addresses that a hostname or an instance
	// stands for, too. Left out, no address is allowed.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=256
	CIDRs []CIDR `json:"cidrs,omitempty"`

	// hostnames that may be targeted, at most 128: names such as db.example.com,
	// and patterns such as *.example.com, which stands for every name below
	// example.com. Left out, no hostname is allowed.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=128
	Hostnames []HostnamePattern `json:"hostnames,omitempty"`

	// ports on the targets that may be published and checked, at most 64: single
	// ones such as "443" and inclusive ranges such as "8000-8999", each in
	// quotes. Left out, every port.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Ports []PortRange `json:"ports,omitempty"`

	// checks says how the targets may be checked. Left out, with every kind of
	// check, and with nothing that has to be allowed on its own.
	// +optional
	Checks PolicyChecks `json:"checks,omitzero"`

	// ec2 says which EC2 instances may be targeted. Left out, none. Their addresses
	// must lie in cidrs besides.
	// +optional
	EC2 *PolicyEC2 `json:"ec2,omitempty"`

	// maxAddresses that one ExternalBackend may have, 1 to 10000. Of several
	// policies, the greatest holds. Left out, the policy sets no limit.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000
	MaxAddresses int32 `json:"maxAddresses,omitempty"`
}

// PolicyDeny lists what may not be targeted.
//
// +kubebuilder:validation:XValidation:rule="has(self.cidrs) || has(self.hostnames) || has(self.ports)",message="denies nothing: list cidrs, hostnames or ports, or remove it"
type PolicyDeny struct {
	// cidrs that no address may lie in, at most 256.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=256
	CIDRs []CIDR `json:"cidrs,omitempty"`

	// hostnames that may not be targeted, at most 128: names such as
	// db.example.com, and patterns such as *.example.com.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=128
	Hostnames []HostnamePattern `json:"hostnames,omitempty"`

	// ports on the targets that may be neither published nor checked, at most
	// 64: single ones such as "22" and inclusive ranges such as "1-1023", each
	// in quotes.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Ports []PortRange `json:"ports,omitempty"`
}

// PolicyChecks says how targets may be checked.
type PolicyChecks struct {
	// kinds of checks that are allowed: TCP, HTTP, which includes HTTPS, and
	// None. Left out, all of them.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=3
	Kinds []CheckKind `json:"kinds,omitempty"`

	// minInterval is the shortest interval between two checks of an address: 1s
	// to 1h. A shorter one is lengthened. Of several policies, the least holds.
	// Left out, the policy sets none.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') && duration(self) >= duration('1s') && duration(self) <= duration('1h')",message="must be a duration from 1s to 1h in whole numbers, such as 10s or 1m30s"
	MinInterval *Duration `json:"minInterval,omitempty"`

	// customHost allows checks to name a host other than the hostname of the
	// target, and with it requests to any host that the targets serve:
	// http.hostname, tls.serverName, and headers that proxies take for either:
	// Forwarded, X-Forwarded-Server, X-Forwarded-URI and -URL, X-Original- and
	// X-Rewrite- with the same, and all that have host or authority in their
	// names. Default false.
	// +optional
	CustomHost bool `json:"customHost,omitempty"`

	// secrets allows checks to send credentials from Secrets. Default false:
	// then such checks are refused, and their Secrets are not read.
	// +optional
	Secrets bool `json:"secrets,omitempty"`

	// bodyMatching allows checks to expect something of the body of a response,
	// which tells their author what is in it. Default false. Namespaces without a
	// policy that allows anything need one for that, too.
	// +optional
	BodyMatching bool `json:"bodyMatching,omitempty"`

	// insecureSkipVerify allows checks to accept any certificate. Default false.
	// +optional
	InsecureSkipVerify bool `json:"insecureSkipVerify,omitempty"`

	// statusDetail is how much of an unexpected HTTP status is told in status and
	// events: Class, such as 5xx, or Code, such as 503. Default Class, and so in
	// namespaces without a policy that allows anything.
	// +optional
	StatusDetail StatusDetail `json:"statusDetail,omitempty"`
}

// CheckKind is a kind of check.
//
// +kubebuilder:validation:Enum=TCP;HTTP;None
type CheckKind string

const (
	// CheckKindTCP opens a connection.
	CheckKindTCP CheckKind = "TCP"
	// CheckKindHTTP sends a request, with or without TLS.
	CheckKindHTTP CheckKind = "HTTP"
	// CheckKindNone checks nothing.
	CheckKindNone CheckKind = "None"
)

// StatusDetail is how much of an unexpected HTTP status is told.
//
// +kubebuilder:validation:Enum=Class;Code
type StatusDetail string

const (
	// StatusDetailClass tells the first digit.
	StatusDetailClass StatusDetail = "Class"
	// StatusDetailCode tells all of it.
	StatusDetailCode StatusDetail = "Code"
)

// PolicyEC2 says which EC2 instances may be targeted.
type PolicyEC2 struct {
	// identities are the names of the AWSIdentities that may be used, at most 32.
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	Identities []IdentityName `json:"identities"`

	// regions that instances may be in, at most 64, such as eu-west-1. Left out,
	// every region.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Regions []Region `json:"regions,omitempty"`

	// requiredTags are tags that an instance must have, at most 16: so the owner
	// of an instance agrees to its being targeted. $(namespace) in a value stands
	// for the namespace of the ExternalBackend.
	// +optional
	RequiredTags InstanceTags `json:"requiredTags,omitempty"`
}
