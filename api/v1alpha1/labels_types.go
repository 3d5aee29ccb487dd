// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import "maps"

// ServiceLabels are labels of a Service that the operator creates, with values
// of at most 63 characters. Reserved are those by which EndpointSlices find
// their Service, their writer and their readers, since slices get the labels of
// their Service.
//
// +kubebuilder:object:generate=false
// +kubebuilder:validation:MaxProperties=32
// +kubebuilder:validation:XValidation:rule="self.all(k, k.size() <= 317 && !format.qualifiedName().validate(k).hasValue())",message="keys must be qualified names such as team or example.com/team: at most 63 letters, digits, '-', '_' and '.', after an optional DNS subdomain and '/'"
// +kubebuilder:validation:XValidation:rule="!self.exists(k, k in ['kubernetes.io/service-name', 'service.kubernetes.io/headless'] || k.startsWith('endpointslice.kubernetes.io/') || k.startsWith('externalbackend.dev/') || k.contains('.externalbackend.dev/'))",message="kubernetes.io/service-name, service.kubernetes.io/headless and keys in endpointslice.kubernetes.io and externalbackend.dev are reserved, they would hide the Service or its EndpointSlices: remove them"
type ServiceLabels map[string]LabelValue

// LabelValue is the value of a label. The alias gives it a bound in the schema,
// without which the rules would count as too expensive.
//
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:XValidation:rule="!format.labelValue().validate(self).hasValue()",message="must be the value of a label: empty, or letters, digits, '-', '_' and '.', beginning and ending with a letter or digit"
type LabelValue = string

// DeepCopyInto copies the labels. It is not generated, because the generator
// knows no aliases.
func (in ServiceLabels) DeepCopyInto(out *ServiceLabels) { *out = in.DeepCopy() }

// DeepCopy returns a copy of the labels.
func (in ServiceLabels) DeepCopy() ServiceLabels { return maps.Clone(in) }

// ServiceAnnotations are annotations of a Service that the operator creates,
// with values of at most 4096 characters.
//
// +kubebuilder:object:generate=false
// +kubebuilder:validation:MaxProperties=32
// +kubebuilder:validation:XValidation:rule="self.all(k, k.size() <= 317 && !format.qualifiedName().validate(k).hasValue())",message="keys must be qualified names such as example.com/scrape: at most 63 letters, digits, '-', '_' and '.', after an optional DNS subdomain and '/'"
// +kubebuilder:validation:XValidation:rule="!self.exists(k, k == 'kubectl.kubernetes.io/last-applied-configuration' || k.startsWith('externalbackend.dev/') || k.contains('.externalbackend.dev/'))",message="kubectl.kubernetes.io/last-applied-configuration and keys in externalbackend.dev are reserved for the records of kubectl and of the operator: remove them"
type ServiceAnnotations map[string]AnnotationValue

// AnnotationValue is the value of an annotation.
//
// +kubebuilder:validation:MaxLength=4096
type AnnotationValue = string

// DeepCopyInto copies the annotations.
func (in ServiceAnnotations) DeepCopyInto(out *ServiceAnnotations) { *out = in.DeepCopy() }

// DeepCopy returns a copy of the annotations.
func (in ServiceAnnotations) DeepCopy() ServiceAnnotations { return maps.Clone(in) }
