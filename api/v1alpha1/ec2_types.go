// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// EC2Target is a set of EC2 instances of one region, which is found out again and
// again. Only instances that are running get traffic; one that stops, terminates,
// or leaves its Auto Scaling group is drained. Nodes of this cluster never are
// targets.
type EC2Target struct {
	// region that the instances are in, such as eu-west-1.
	// +required
	Region Region `json:"region"`

	// identityRef names the AWSIdentity with whose credentials AWS is asked. Left
	// out, it is the one named default.
	// +optional
	// +default={}
	IdentityRef AWSIdentityReference `json:"identityRef,omitzero"`

	// selector says which instances.
	// +required
	Selector InstanceSelector `json:"selector"`

	// addresses says which addresses of an instance are used: by default its
	// primary private IPv4 address.
	// +optional
	// +default={}
	Addresses InstanceAddresses `json:"addresses,omitzero"`

	// networkInterface says whose addresses are used where an instance has several
	// network interfaces: by default that with device index 0.
	// +optional
	// +default={}
	NetworkInterface NetworkInterfaceSelector `json:"networkInterface,omitzero"`

	// drainOn lists what else takes an instance out, with the grace of spec.drain:
	// ImpairedStatus, ScheduledEvent or SpotInterruption. By default an impaired
	// status and a scheduled event are told in the condition InstancesImpaired and
	// change nothing. What the AWSIdentity does not observe is never seen.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=3
	DrainOn []InstanceDrainReason `json:"drainOn,omitempty"`
}

// AWSIdentityReference names an AWSIdentity.
type AWSIdentityReference struct {
	// name of the AWSIdentity. By default, it is the one named default.
	// +optional
	// +default="default"
	// +kubebuilder:validation:MinLength=1
	Name IdentityName `json:"name,omitempty"`
}

// InstanceSelector selects EC2 instances: those that have one of the ids, if there
// are any, and match every filter.
//
// +kubebuilder:validation:XValidation:rule="has(self.instanceIDs) || has(self.filters)",message="selects every instance of the region: list instanceIDs, filters or both"
type InstanceSelector struct {
	// instanceIDs of instances, at most 200, and 1000 in all entries, such as
	// i-0123456789abcdef0. An id that is not found is waited for and, after 5
	// minutes, reported.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=200
	InstanceIDs []InstanceID `json:"instanceIDs,omitempty"`

	// filters that an instance must match, all of them, at most 10. They are those
	// of the EC2 API. Those of all entries may have 16384 characters.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=10
	Filters []InstanceFilter `json:"filters,omitempty"`
}

// InstanceID is the id of an EC2 instance.
//
// +kubebuilder:validation:MaxLength=19
// +kubebuilder:validation:XValidation:rule="self.matches('^i-([0-9a-f]{8}|[0-9a-f]{17})$')",message="must be the id of an EC2 instance such as i-0123456789abcdef0: i- and 17 or 8 hexadecimal digits in lower case"
type InstanceID string

// InstanceFilter is a condition on one property of an instance.
type InstanceFilter struct {
	// name of the filter: tag:KEY for the value of a tag, whose key is
	// case-sensitive; tag-key; or one of architecture, availability-zone,
	// availability-zone-id, dns-name, iam-instance-profile.arn, image-id,
	// instance-lifecycle, instance-type, instance.group-id, instance.group-name,
	// ip-address, ipv6-address, key-name, owner-id, placement-group-name,
	// private-dns-name, private-ip-address, subnet-id, tenancy and vpc-id.
	// +required
	// +kubebuilder:validation:MaxLength=132
	// +kubebuilder:validation:XValidation:rule="self.startsWith('tag:') ? self.size() > 4 : self in ['tag-key', 'architecture', 'availability-zone', 'availability-zone-id', 'dns-name', 'iam-instance-profile.arn', 'image-id', 'instance-lifecycle', 'instance-type', 'instance.group-id', 'instance.group-name', 'ip-address', 'ipv6-address', 'key-name', 'owner-id', 'placement-group-name', 'private-dns-name', 'private-ip-address', 'subnet-id', 'tenancy', 'vpc-id']",message="is not a filter that can be used: use tag:KEY, tag-key, architecture, availability-zone, availability-zone-id, dns-name, iam-instance-profile.arn, image-id, instance-lifecycle, instance-type, instance.group-id, instance.group-name, ip-address, ipv6-address, key-name, owner-id, placement-group-name, private-dns-name, private-ip-address, subnet-id, tenancy or vpc-id; instance ids go into instanceIDs, and only running instances are served anyway"
	Name string `json:"name"`

	// values of which the property must have one, at most 20, and 500 in all
	// entries. They are case-sensitive; * stands for any characters, ? for one or
	// none, and \ takes the next character literally. A value has at most 5 of * and
	// ?.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=20
	Values []FilterValue `json:"values"`
}

// FilterValue is a value of a filter. Wildcards are bounded, since each value is
// compared with every instance.
//
// +kubebuilder:validation:MaxLength=255
// +kubebuilder:validation:XValidation:rule="self.split('*').size() + self.split('?').size() <= 7",message="has more than 5 of * and ?: put one * for several of them"
// +kubebuilder:validation:XValidation:rule=`!self.matches(r'^([^\\]|\\.)*\\$')`,message=`ends in a \ that takes nothing literally: write \\ for a \`
type FilterValue string

// InstanceAddresses says which addresses of an instance are used.
//
// +kubebuilder:validation:XValidation:rule="!has(self.ipv4) || self.ipv4 != 'None' || (has(self.ipv6) && self.ipv6 != 'None')",message="no address would be used: set ipv4, ipv6 or both to another value than None"
type InstanceAddresses struct {
	// ipv4 is Private (default), Public, or None.
	// +optional
	// +default="Private"
	IPv4 InstanceIPv4 `json:"ipv4,omitempty"`

	// ipv6 is Primary or None (default).
	// +optional
	// +default="None"
	IPv6 InstanceIPv6 `json:"ipv6,omitempty"`

	// secondary is Exclude (default) for one address of a family of each network
	// interface, or Include for all that it has.
	// +optional
	// +default="Exclude"
	Secondary SecondaryAddresses `json:"secondary,omitempty"`
}

// InstanceIPv4 says which IPv4 addresses of an instance are used.
//
// +kubebuilder:validation:Enum=Private;Public;None
type InstanceIPv4 string

const (
	// InstanceIPv4Private uses private addresses.
	InstanceIPv4Private InstanceIPv4 = "Private"
	// InstanceIPv4Public uses public and Elastic IP addresses.
	InstanceIPv4Public InstanceIPv4 = "Public"
	// InstanceIPv4None uses none.
	InstanceIPv4None InstanceIPv4 = "None"
)

// InstanceIPv6 says which IPv6 addresses of an instance are used.
//
// +kubebuilder:validation:Enum=Primary;None
type InstanceIPv6 string

const (
	// InstanceIPv6Primary uses the primary address, or if none is marked as such,
	// the least.
	InstanceIPv6Primary InstanceIPv6 = "Primary"
	// InstanceIPv6None uses none.
	InstanceIPv6None InstanceIPv6 = "None"
)

// SecondaryAddresses says what becomes of the secondary addresses of a network
// interface.
//
// +kubebuilder:validation:Enum=Exclude;Include
type SecondaryAddresses string

const (
	// SecondaryExclude uses the primary address only.
	SecondaryExclude SecondaryAddresses = "Exclude"
	// SecondaryInclude uses all addresses.
	SecondaryInclude SecondaryAddresses = "Include"
)

// NetworkInterfaceSelector selects network interfaces of an instance that are
// attached. Of subnetID and tag, all that match.
//
// +kubebuilder:validation:XValidation:rule="[has(self.deviceIndex), has(self.subnetID), has(self.tag)].filter(set, set).size() <= 1",message="set at most one of deviceIndex, subnetID and tag"
type NetworkInterfaceSelector struct {
	// deviceIndex of the interface in the instance, 0 to 63. Default 0, the
	// primary interface.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=63
	DeviceIndex *int32 `json:"deviceIndex,omitempty"`

	// subnetID of the subnet that the interface is in.
	// +optional
	// +kubebuilder:validation:MaxLength=24
	// +kubebuilder:validation:XValidation:rule="self.matches('^subnet-([0-9a-f]{8}|[0-9a-f]{17})$')",message="must be the id of a subnet such as subnet-0123456789abcdef0"
	SubnetID *string `json:"subnetID,omitempty"`

	// tag of the interface itself, not of the instance. The AWSIdentity needs the
	// permission ec2:DescribeNetworkInterfaces for it.
	// +optional
	Tag *InterfaceTag `json:"tag,omitempty"`
}

// InterfaceTag is a tag of a network interface.
type InterfaceTag struct {
	// key of the tag, case-sensitive.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Key string `json:"key"`

	// value of the tag, case-sensitive and without wildcards. Left out, any.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Value *string `json:"value,omitempty"`
}

// InstanceDrainReason is a reason to take an instance out that still runs.
//
// +kubebuilder:validation:Enum=ImpairedStatus;ScheduledEvent;SpotInterruption
type InstanceDrainReason string

const (
	// DrainOnImpairedStatus takes out instances whose status checks say impaired.
	// They may recover, and then come back.
	DrainOnImpairedStatus InstanceDrainReason = "ImpairedStatus"
	// DrainOnScheduledEvent takes out instances that AWS is going to reboot, stop,
	// retire or maintain.
	DrainOnScheduledEvent InstanceDrainReason = "ScheduledEvent"
	// DrainOnSpotInterruption takes out Spot instances that AWS is going to
	// reclaim, as the warning two minutes before says. The AWSIdentity needs a
	// queue for it.
	DrainOnSpotInterruption InstanceDrainReason = "SpotInterruption"
)
