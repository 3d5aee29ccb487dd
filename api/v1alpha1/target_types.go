// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Target is a named entry with exactly one kind of target: ip, fqdn or ec2.
//
// +kubebuilder:validation:XValidation:rule="[has(self.ip), has(self.fqdn), has(self.ec2)].exists_one(set, set)",message="set exactly one kind of target: ip, fqdn or ec2"
type Target struct {
	// name of the entry, unique in this object: at most 63 lower-case letters,
	// digits and '-'. Status, events and EndpointSlices refer to it.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="must be a DNS label: lower-case letters, digits and '-', beginning and ending with a letter or digit"
	Name string `json:"name"`

	// ip lists fixed addresses.
	// +optional
	IP *IPTarget `json:"ip,omitempty"`

	// fqdn names a host whose addresses are looked up in the DNS, again and again.
	// +optional
	FQDN *FQDNTarget `json:"fqdn,omitempty"`

	// ec2 selects EC2 instances by their ids or properties.
	// +optional
	EC2 *EC2Target `json:"ec2,omitempty"`

	// zone that the addresses are in, as the label topology.kubernetes.io/zone
	// of Nodes names it. A Service with trafficDistribution sends traffic to the
	// client's zone while every address has one. EC2 instances are in the zone
	// whose Nodes have the same zone id in the label topology.k8s.aws/zone-id,
	// unless this says otherwise.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="!format.labelValue().validate(self).hasValue()",message="must be the value of a Node's label topology.kubernetes.io/zone, such as eu-west-1a"
	Zone string `json:"zone,omitempty"`

	// tier of the addresses, 0 to 1000. Default 0, the first choice: addresses of
	// a higher tier stand by until those before do not suffice. See
	// spec.availability.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000
	Tier int32 `json:"tier,omitempty"`

	// state is Active (default), Drain to take the addresses out with the grace
	// of spec.drain, or Disabled to keep them listed and checked without any
	// traffic.
	// +optional
	// +default="Active"
	State TargetState `json:"state,omitempty"`

	// ports of these addresses where they are not those of spec.ports, at most
	// 100, and 1000 in all entries. Each names a port of the Service; those that
	// are not named here are as for every entry.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=100
	Ports []TargetPort `json:"ports,omitempty"`
}

// TargetState is what is wanted of an entry.
//
// +kubebuilder:validation:Enum=Active;Drain;Disabled
type TargetState string

const (
	// TargetActive lets healthy addresses take traffic.
	TargetActive TargetState = "Active"
	// TargetDrain has the addresses published as terminating for the duration of
	// the drain, and then no more.
	TargetDrain TargetState = "Drain"
	// TargetDisabled has the addresses published as not ready.
	TargetDisabled TargetState = "Disabled"
)

// TargetPort is a port of the addresses of one entry.
type TargetPort struct {
	// name of the port in the Service. Default "": the only port of a Service
	// that leaves it unnamed.
	// +optional
	// +default=""
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self == '' || self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="must be the name of a Service port (lower-case letters, digits and '-'), or empty for an unnamed one"
	Name string `json:"name"`

	// port on these addresses, 1 to 65535.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port"`
}

// IPTarget is a set of literal addresses.
type IPTarget struct {
	// addresses are IPv4 and IPv6 addresses such as 192.0.2.10 and
	// 2001:db8::10, in any order: 1 to 1000 an entry, at most 5000 in all
	// entries. An address that is listed twice is served once, one of a family
	// that the Service does not have is not served.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=1000
	Addresses []IPAddress `json:"addresses"`
}

// IPAddress is an IPv4 or IPv6 address in text form.
//
// +kubebuilder:validation:MinLength=2
// +kubebuilder:validation:MaxLength=45
// +kubebuilder:validation:XValidation:rule="isIP(self)",message="must be an IPv4 or IPv6 address such as 192.0.2.10 or 2001:db8::10: no port, no prefix length, no zone, no leading zeros, no IPv4-mapped IPv6 (write ::ffff:192.0.2.10 as 192.0.2.10)"
type IPAddress string
