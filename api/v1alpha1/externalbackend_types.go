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
	// +default={"conditions":[{"type":"Ready","status":"Unknown","reason":"Pending","message":"no operator has looked at this yet","lastTransitionTime":"1970-01-01T00:00:00Z"}]}
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
// +kubebuilder:validation:XValidation:rule="self.targets.map(t, has(t.ec2) && has(t.ec2.selector.instanceIDs) ? t.ec2.selector.instanceIDs.size() : 0).sum() <= 1000",message="all targets together may list at most 1000 instance ids: use filters, or split them over several ExternalBackends of the same Service",fieldPath=".targets"
// +kubebuilder:validation:XValidation:rule="self.targets.map(t, has(t.ec2) && has(t.ec2.selector.filters) ? t.ec2.selector.filters.map(f, f.values.size()).sum() : 0).sum() <= 500",message="all targets together may have at most 500 values of filters: use wildcards, or split them over several ExternalBackends of the same Service",fieldPath=".targets"
// +kubebuilder:validation:XValidation:rule="self.targets.map(t, has(t.ec2) && has(t.ec2.selector.filters) ? t.ec2.selector.filters.map(f, f.name.size() + f.values.map(v, v.size()).sum()).sum() : 0).sum() <= 16384",message="the names and values of the filters of all targets together may have at most 16384 characters: use wildcards, or split them over several ExternalBackends of the same Service",fieldPath=".targets"
// +kubebuilder:validation:XValidation:rule="self.service.management != 'Managed' || has(self.ports) || (has(self.service.template) && has(self.service.template.headless) && self.service.template.headless)",message="management: Managed needs ports, the ports of the Service to create: list them, or set service.template.headless to have none",fieldPath=".ports"
// +kubebuilder:validation:XValidation:rule="self.service.management == 'Managed' || !has(self.ports) || !self.ports.exists(p, has(p.servicePort))",message="servicePort is the port of a Service that the operator creates: set service.management: Managed, or remove it",fieldPath=".ports"
// +kubebuilder:validation:XValidation:rule="self.service.management != 'Managed' || !has(self.ports) || self.ports.size() == 1 || !self.ports.exists(p, p.name.size() == 0)",message="every port of a Service with several ports needs a name",fieldPath=".ports"
// +kubebuilder:validation:XValidation:rule="self.service.management != 'Managed' || !has(self.ports) || self.ports.all(p, self.ports.exists_one(q, p.protocol == q.protocol && (has(p.servicePort) ? p.servicePort : p.port) == (has(q.servicePort) ? q.servicePort : q.port)))",message="two ports of the Service would have the same number and protocol: give each its own servicePort, which is port unless it is set",fieldPath=".ports"
// +kubebuilder:validation:XValidation:rule="self.targets.map(t, has(t.ports) ? t.ports.size() : 0).sum() <= 1000",message="all targets together may have at most 1000 ports of their own: split them over several ExternalBackends of the same Service",fieldPath=".targets"
// +kubebuilder:validation:XValidation:rule="!has(self.ports) || self.targets.map(t, has(t.ports) ? t.ports.size() : 0).sum() > 1000 || [self.ports.map(p, p.name)].all(names, self.targets.all(t, !has(t.ports) || t.ports.all(p, p.name in names)))",message="ports of a target must have names that spec.ports has: correct the name, or list it there, too",fieldPath=".targets"
// +kubebuilder:validation:XValidation:rule="self.service.management != 'Managed' || has(self.ports) || !self.targets.exists(t, has(t.ports))",message="ports of a target override ports of spec.ports, and there are none: list them there, too",fieldPath=".targets"
// +kubebuilder:validation:XValidation:rule="self.targets.size() == 1 || !self.targets.exists(t, has(t.fqdn) && t.fqdn.resolution == 'Passthrough')",message="a target with resolution: Passthrough must be the only one, since EndpointSlices with names and such with addresses exclude each other: remove the others, or use resolution: Resolve",fieldPath=".targets"
// +kubebuilder:validation:XValidation:rule="self.service.management != 'Managed' || (has(self.service.template) && has(self.service.template.headless) && self.service.template.headless) || !self.targets.exists(t, has(t.fqdn) && t.fqdn.resolution == 'Passthrough')",message="resolution: Passthrough works with headless Services only: set service.template.headless, or use resolution: Resolve",fieldPath=".targets"
// +kubebuilder:validation:XValidation:rule="!has(self.ports) || self.targets.all(t, !has(t.fqdn) || !has(t.fqdn.port) || self.ports.exists(p, p.name == t.fqdn.port))",message="fqdn.port must be the name of a port that spec.ports has: correct it, or list that port there, too",fieldPath=".targets"
// +kubebuilder:validation:XValidation:rule="!has(self.ports) || self.ports.size() == 1 || !self.targets.exists(t, has(t.fqdn) && t.fqdn.resolution == 'SRV' && !has(t.fqdn.port))",message="there are several ports: say with fqdn.port of which one SRV records give the number",fieldPath=".targets"
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

	// availability says when the addresses of a tier suffice and what becomes of
	// those of the others. Left out, the first tier with a healthy address serves.
	// +optional
	Availability *Availability `json:"availability,omitempty"`

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
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') && duration(self) >= duration('0s') && duration(self) <= duration('1h')",message="must be a duration from 0s to 1h in whole numbers, such as 30s or 2m"
	Duration Duration `json:"duration,omitempty"`
}

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

// Duration is a length of time such as 500ms, 10s or 1m30s. Its bounds and its
// form are checked in one rule a field, so that a user reads one message.
//
// +kubebuilder:validation:MaxLength=16
type Duration string
