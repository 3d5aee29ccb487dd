// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// FQDNTarget is a DNS name that stands for addresses.
//
// +kubebuilder:validation:XValidation:rule="self.resolution == 'SRV' || !self.hostname.contains('_')",message="no name of a host has a '_', only names of services do: set resolution: SRV, or correct the name",fieldPath=".hostname"
// +kubebuilder:validation:XValidation:rule="self.resolution == 'SRV' || !has(self.port)",message="only SRV records give the number of a port: set resolution: SRV, or remove it",fieldPath=".port"
type FQDNTarget struct {
	// hostname is the DNS name in full, such as db.example.com, of at most 253
	// characters. It is absolute with and without a dot at its end: no search list
	// is used. With resolution: SRV it may be the name of a service, such as
	// _http._tcp.example.com. HTTP and TLS checks ask for this name, unless they
	// say otherwise; with SRV, for the one that a record gives.
	// +required
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=254
	// +kubebuilder:validation:XValidation:rule="self.matches('^([A-Za-z0-9_]([-A-Za-z0-9_]{0,61}[A-Za-z0-9_])?[.])+[A-Za-z0-9_]([-A-Za-z0-9_]{0,61}[A-Za-z0-9_])?[.]?$') && (self.size() < 254 || self.endsWith('.'))",message="must be a DNS name in full such as db.example.com, since no search list is used: two or more parts of at most 63 letters, digits and '-', joined by dots, and at most 253 characters"
	// +kubebuilder:validation:XValidation:rule="!self.matches('(^|[.])([0-9]+|0[Xx][0-9A-Fa-f]*)[.]?$')",message="reads as an IP address, since its last part is a number: list addresses with ip"
	// +kubebuilder:validation:XValidation:rule="!self.matches('(^|[.])(?i:localhost)[.]?$')",message="localhost is the machine of whoever asks: name another host"
	Hostname string `json:"hostname"`

	// resolution is Resolve (default) to publish the addresses of the name; SRV to
	// publish the hosts that its SRV records name, each with its port, and with
	// its priority added to tier (weights cannot be expressed); or Passthrough to
	// publish the name itself on a headless Service, for consumers that look it
	// up. Kubernetes has deprecated EndpointSlices with names, and kube-proxy
	// ignores them.
	// +optional
	// +default="Resolve"
	Resolution FQDNResolution `json:"resolution,omitempty"`

	// maxStale is how old the last answer of a name server may become while none
	// answers: 1m to 168h. After that, its addresses are taken out like any that
	// leave, until there is an answer again. Left out, they stay for however long
	// it takes.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') && duration(self) >= duration('1m') && duration(self) <= duration('168h')",message="must be a duration from 1m to 168h in whole numbers, such as 30m or 24h"
	MaxStale *Duration `json:"maxStale,omitempty"`

	// port is the name of the Service port that SRV records give the number of,
	// whatever else says which it is. Other ports are as for every entry. Default:
	// the only port of the Service. Only with resolution: SRV.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="must be the name of a Service port: lower-case letters, digits and '-'"
	Port string `json:"port,omitempty"`
}

// FQDNResolution says what is looked up and published of a DNS name.
//
// +kubebuilder:validation:Enum=Resolve;SRV;Passthrough
type FQDNResolution string

const (
	// ResolutionResolve publishes the addresses of the name.
	ResolutionResolve FQDNResolution = "Resolve"
	// ResolutionSRV publishes the hosts and ports that SRV records name (RFC 2782).
	ResolutionSRV FQDNResolution = "SRV"
	// ResolutionPassthrough publishes the name itself.
	ResolutionPassthrough FQDNResolution = "Passthrough"
)
