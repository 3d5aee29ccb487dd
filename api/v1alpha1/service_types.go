// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

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

	// template shapes the Service: its labels, annotations and families, and
	// whether it is headless. Only with management: Managed.
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
// +kubebuilder:validation:XValidation:rule="!has(self.ipFamilies) || self.ipFamilies.size() < 2 || (has(self.ipFamilyPolicy) ? self.ipFamilyPolicy != 'SingleStack' : has(self.headless) && self.headless)",message="two families are no SingleStack, which is the default of a Service that is not headless: set ipFamilyPolicy: PreferDualStack or RequireDualStack, or remove a family",fieldPath=".ipFamilies"
type ServiceTemplate struct {
	// labels of the Service, at most 32. The EndpointSlices get them, too.
	// Labels that the Service has besides are left alone.
	// +optional
	Labels ServiceLabels `json:"labels,omitempty"`

	// annotations of the Service, at most 32 of at most 4096 characters, with
	// keys that the operator's administrator allows (flag
	// --managed-service-annotations), since other controllers act on them.
	// +optional
	Annotations ServiceAnnotations `json:"annotations,omitempty"`

	// headless Services have no cluster IP: clients find the addresses by DNS,
	// each also under the name of its entry of spec.targets.
	// +optional
	Headless bool `json:"headless,omitempty"`

	// ipFamilyPolicy is SingleStack, PreferDualStack or RequireDualStack.
	// Default: SingleStack; RequireDualStack for a headless Service, unless
	// ipFamilies names one family.
	// +optional
	// +kubebuilder:validation:Enum=SingleStack;PreferDualStack;RequireDualStack
	IPFamilyPolicy *string `json:"ipFamilyPolicy,omitempty"`

	// ipFamilies are IPv4, IPv6 or both, the primary one first. Default: the
	// cluster's own first, and as many as ipFamilyPolicy says.
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
