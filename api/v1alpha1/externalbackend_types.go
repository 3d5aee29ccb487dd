// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ExternalBackend puts targets that live outside the cluster behind a Service
// without a selector: the operator checks the health of every address and
// keeps the EndpointSlices of the Service up to date.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=eb,categories=externalbackend-dev
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Service",type=string,JSONPath=`.status.service.name`
// +kubebuilder:printcolumn:name="Healthy",type=integer,JSONPath=`.status.targets.healthy`
// +kubebuilder:printcolumn:name="Total",type=integer,JSONPath=`.status.targets.total`
// +kubebuilder:printcolumn:name="Reason",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 63 && self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="metadata.name must be a DNS label: at most 63 lower-case letters, digits and '-', beginning and ending with a letter or digit",fieldPath=".metadata"
type ExternalBackend struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object metadata. The name must be a DNS label
	// of at most 63 characters.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec names the targets, how they are checked and the Service that leads
	// to them.
	// +required
	Spec ExternalBackendSpec `json:"spec"`

	// status is what the operator last observed and published.
	// +optional
	Status ExternalBackendStatus `json:"status,omitzero"`
}

// ExternalBackendList is a list of ExternalBackends.
//
// +kubebuilder:object:root=true
type ExternalBackendList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitzero"`

	Items []ExternalBackend `json:"items"`
}

// ExternalBackendSpec is the wanted state.
//
// +kubebuilder:validation:XValidation:rule="self.targets.map(t, has(t.ip) ? t.ip.addresses.size() : 0).sum() <= 5000",message="all targets together may list at most 5000 addresses: split them over several ExternalBackends of the same Service",fieldPath=".targets"
// +kubebuilder:validation:XValidation:rule="!has(self.service) || !has(self.service.management) || self.service.management != 'Managed' || has(self.ports) || (has(self.service.template) && has(self.service.template.headless) && self.service.template.headless)",message="management: Managed needs ports: list what the Service should have",fieldPath=".ports"
// +kubebuilder:validation:XValidation:rule="!has(self.ports) || (has(self.service) && has(self.service.management) && self.service.management == 'Managed') || self.ports.all(p, !has(p.servicePort))",message="servicePort is the port of a Service that the operator creates: set spec.service.management: Managed, or remove it",fieldPath=".ports"
// +kubebuilder:validation:XValidation:rule="!has(self.ports) || !has(self.service) || !has(self.service.management) || self.service.management != 'Managed' || size(self.ports) < 2 || self.ports.all(p, p.name != ”)",message="every port of a Service with several needs a name",fieldPath=".ports"
type ExternalBackendSpec struct {
	// service names the Service that clients in the cluster use. It must be in
	// the same namespace and have no selector. Left out, it is the Service with
	// the name of this object.
	// +optional
	// +default={}
	Service ServiceReference `json:"service,omitzero"`

	// ports maps ports of the Service to ports of the targets, at most 100.
	// Left out, every port of the Service leads to its targetPort, which must
	// be a number. Once given, only the ports listed here are published.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=100
	Ports []BackendPort `json:"ports,omitempty"`

	// targets are the servers outside the cluster, in 1 to 100 named entries.
	// Editing one entry never touches the health of another.
	// +required
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=100
	Targets []Target `json:"targets"`

	// healthCheck says how each address is checked and when it counts as
	// healthy. Left out, the first TCP port is checked every 10 seconds by
	// opening a connection.
	// +optional
	// +default={}
	HealthCheck HealthCheck `json:"healthCheck,omitzero"`

	// drain says what becomes of addresses that are taken out on purpose.
	// +optional
	// +default={}
	Drain DrainPolicy `json:"drain,omitzero"`
}

// DrainPolicy says what becomes of addresses that are taken out on purpose: an
// entry or an address that is removed, or an entry with state Drain.
type DrainPolicy struct {
	// duration for which such an address stays published as terminating: it gets
	// no new connections while others are ready, and keeps those that it has.
	// 0s takes it out at once. 0s to 1h, default 30s.
	// +optional
	// +default="30s"
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') && duration(self) >= duration('0s') && duration(self) <= duration('1h')",message="must be a duration from 0s to 1h, such as 30s or 2m"
	Duration Duration `json:"duration,omitempty"`
}

// ServiceReference names a Service of the same namespace.
//
// +kubebuilder:validation:XValidation:rule="!has(self.template) || self.management == 'Managed'",message="template shapes a Service that the operator creates: set management: Managed, or remove it",fieldPath=".template"
type ServiceReference struct {
	// name of the Service. Default: the name of this object.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="must be the name of a Service: lower-case letters, digits and '-'"
	Name string `json:"name,omitempty"`

	// management is Referenced (default) for a Service that you write and the
	// operator only reads, or Managed for one that the operator creates, keeps
	// as specified here and has deleted with this object. A Service that is
	// there already is never taken over.
	// +optional
	// +default="Referenced"
	Management ServiceManagement `json:"management,omitempty"`

	// template shapes the Service. Only with management: Managed.
	// +optional
	Template *ServiceTemplate `json:"template,omitempty"`
}

// ServiceManagement says who writes the Service.
//
// +kubebuilder:validation:Enum=Referenced;Managed
type ServiceManagement string

const (
	// ServiceReferenced is a Service that the user writes.
	ServiceReferenced ServiceManagement = "Referenced"
	// ServiceManaged is a Service that the operator creates and owns.
	ServiceManaged ServiceManagement = "Managed"
)

// ServiceTemplate shapes a Service that the operator creates.
//
// +kubebuilder:validation:XValidation:rule="!has(self.ipFamilies) || size(self.ipFamilies) < 2 || (has(self.ipFamilyPolicy) && self.ipFamilyPolicy != 'SingleStack')",message="two ipFamilies need ipFamilyPolicy: PreferDualStack or RequireDualStack",fieldPath=".ipFamilies"
type ServiceTemplate struct {
	// labels of the Service, at most 32. The EndpointSlices get them, too.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) <= 317 && !format.qualifiedName().validate(k).hasValue() && size(self[k]) <= 63 && !format.labelValue().validate(self[k]).hasValue())",message="must be labels: qualified names such as team or example.com/team, with values of at most 63 letters, digits, '-', '_' and '.'"
	Labels map[string]string `json:"labels,omitempty"`

	// annotations of the Service, at most 32, with keys that the operator's
	// administrator allows (flag --managed-service-annotations), since other
	// controllers act on them.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) <= 317 && !format.qualifiedName().validate(k).hasValue() && size(self[k]) <= 4096)",message="must have qualified names such as example.com/scrape as keys, and values of at most 4096 characters"
	Annotations map[string]string `json:"annotations,omitempty"`

	// headless Services have no cluster IP: clients find the addresses by DNS,
	// each also under the name of its entry of spec.targets.
	// +optional
	Headless bool `json:"headless,omitempty"`

	// ipFamilyPolicy is SingleStack, PreferDualStack or RequireDualStack.
	// Default: that of the cluster.
	// +optional
	// +kubebuilder:validation:Enum=SingleStack;PreferDualStack;RequireDualStack
	IPFamilyPolicy *string `json:"ipFamilyPolicy,omitempty"`

	// ipFamilies are IPv4, IPv6 or both, the primary one first. Default: those
	// of the cluster.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=2
	// +kubebuilder:validation:XValidation:rule="size(self) < 2 || self[0] != self[1]",message="must not name a family twice"
	IPFamilies []IPFamily `json:"ipFamilies,omitempty"`

	// trafficDistribution is PreferSameZone, PreferSameNode or PreferClose. It
	// takes effect while every entry of spec.targets has a zone.
	// +optional
	// +kubebuilder:validation:Enum=PreferSameZone;PreferSameNode;PreferClose
	TrafficDistribution *string `json:"trafficDistribution,omitempty"`
}

// IPFamily is a family of addresses.
//
// +kubebuilder:validation:Enum=IPv4;IPv6
type IPFamily string

// BackendPort maps one port of the Service to a port of the targets.
type BackendPort struct {
	// name of the port in the Service. Default "": the only port of a Service
	// that leaves it unnamed.
	// +optional
	// +default=""
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self == '' || self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="must be the name of a Service port (lower-case letters, digits and '-'), or empty for an unnamed one"
	Name string `json:"name"`

	// port on the targets, 1 to 65535.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port"`

	// servicePort is the port of the Service, 1 to 65535, default port. Only
	// with management: Managed.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	ServicePort *int32 `json:"servicePort,omitempty"`

	// protocol of the port in the Service: TCP (default), UDP or SCTP.
	// +optional
	// +default="TCP"
	Protocol Protocol `json:"protocol,omitempty"`

	// appProtocol is published as the application protocol of the port, such
	// as kubernetes.io/h2c. Default: the appProtocol of the port in the Service.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="!format.qualifiedName().validate(self).hasValue()",message="must be a qualified name such as kubernetes.io/h2c or https"
	AppProtocol *string `json:"appProtocol,omitempty"`
}

// Protocol is a transport protocol, with the values that Services have.
//
// +kubebuilder:validation:Enum=TCP;UDP;SCTP
type Protocol string

const (
	// ProtocolTCP is TCP.
	ProtocolTCP Protocol = "TCP"
	// ProtocolUDP is UDP.
	ProtocolUDP Protocol = "UDP"
	// ProtocolSCTP is SCTP.
	ProtocolSCTP Protocol = "SCTP"
)

// Target is a named entry with exactly one kind of target: ip.
//
// +kubebuilder:validation:XValidation:rule="has(self.ip)",message="set exactly one kind of target: ip"
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

	// zone that the addresses are in, as the label topology.kubernetes.io/zone
	// of Nodes names it. A Service with trafficDistribution sends traffic to the
	// client's zone while every address has one.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="!format.labelValue().validate(self).hasValue()",message="must be the value of a Node's label topology.kubernetes.io/zone, such as eu-west-1a"
	Zone string `json:"zone,omitempty"`

	// state is Active (default), Drain to take the addresses out with the grace
	// of spec.drain, or Disabled to keep them listed and checked without any
	// traffic.
	// +optional
	// +default="Active"
	State TargetState `json:"state,omitempty"`

	// ports of these addresses where they are not those of spec.ports, at most
	// 100, by the name of the port in the Service.
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
	// TargetActive: healthy addresses take traffic.
	TargetActive TargetState = "Active"
	// TargetDrain: the addresses are published as terminating for the duration of
	// the drain, and then no more.
	TargetDrain TargetState = "Drain"
	// TargetDisabled: the addresses are published as not ready.
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

// Duration is a length of time such as 500ms, 10s or 1m30s. Its bounds and its
// form are checked in one rule a field, so that a user reads one message.
//
// +kubebuilder:validation:MaxLength=16
type Duration string
