// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"maps"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// NamespaceSelector selects namespaces by their labels: all of matchLabels and
// matchExpressions must hold. It has the form of every label selector in
// Kubernetes, and bounds, so that no selector is stored that cannot be used.
type NamespaceSelector struct {
	// matchLabels are labels that a namespace must have, at most 16.
	// +optional
	MatchLabels MatchLabels `json:"matchLabels,omitempty"`

	// matchExpressions are conditions on the labels of a namespace, at most 16.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	MatchExpressions []LabelExpression `json:"matchExpressions,omitempty"`
}

// Selector returns the selector in the form that matches labels. The error names
// what the API server accepts in no policy.
func (s *NamespaceSelector) Selector() (labels.Selector, error) {
	selector := metav1.LabelSelector{MatchLabels: s.MatchLabels}
	for _, e := range s.MatchExpressions {
		selector.MatchExpressions = append(selector.MatchExpressions, metav1.LabelSelectorRequirement{
			Key: string(e.Key), Operator: e.Operator, Values: e.Values,
		})
	}
	return metav1.LabelSelectorAsSelector(&selector)
}

// MatchLabels are labels that a namespace must have.
//
// +kubebuilder:object:generate=false
// +kubebuilder:validation:MaxProperties=16
// +kubebuilder:validation:XValidation:rule="self.all(k, k.size() <= 317 && !format.qualifiedName().validate(k).hasValue())",message="keys must be qualified names such as team or example.com/team: at most 63 letters, digits, '-', '_' and '.', after an optional DNS subdomain and '/'"
type MatchLabels map[string]LabelValue

// DeepCopyInto copies the labels.
func (in MatchLabels) DeepCopyInto(out *MatchLabels) { *out = in.DeepCopy() }

// DeepCopy returns a copy of the labels.
func (in MatchLabels) DeepCopy() MatchLabels { return maps.Clone(in) }

// LabelExpression is a condition on one label.
//
// +kubebuilder:validation:XValidation:rule="self.operator in ['In', 'NotIn'] == (has(self.values) && self.values.size() > 0)",message="In and NotIn need values to compare with, Exists and DoesNotExist have none",fieldPath=".values"
type LabelExpression struct {
	// key of the label.
	// +required
	Key LabelKey `json:"key"`

	// operator is In or NotIn to compare the value of the label with values, or
	// Exists or DoesNotExist.
	// +required
	// +kubebuilder:validation:Enum=In;NotIn;Exists;DoesNotExist
	Operator metav1.LabelSelectorOperator `json:"operator"`

	// values that the label is compared with, at most 64.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Values []LabelValue `json:"values,omitempty"`
}

// LabelKey is the key of a label.
//
// +kubebuilder:validation:MaxLength=317
// +kubebuilder:validation:XValidation:rule="!format.qualifiedName().validate(self).hasValue()",message="must be a qualified name such as team or example.com/team: at most 63 letters, digits, '-', '_' and '.', after an optional DNS subdomain and '/'"
type LabelKey string

// CIDR is an IPv4 or IPv6 network in text form.
//
// +kubebuilder:validation:MaxLength=43
// +kubebuilder:validation:XValidation:rule="isCIDR(self) && string(cidr(self).masked()) == self",message="must be a network such as 192.0.2.0/24 or 2001:db8::/32 in its shortest form: no bits set after the prefix, no leading zeros, lower case, no IPv4-mapped IPv6 (write ::ffff:192.0.2.0/120 as 192.0.2.0/24)"
type CIDR string

// HostnamePattern is a DNS name, or *. and a DNS name for every name below it.
//
// +kubebuilder:validation:MaxLength=253
// +kubebuilder:validation:XValidation:rule="self.matches('^([*][.])?([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?[.])*[a-z]([-a-z0-9]{0,61}[a-z0-9])?$')",message="must be a DNS name such as db.example.com, or *. and a name such as *.example.com for every name below it: lower case, no trailing dot, no address"
type HostnamePattern string

// PortRange is a port such as "443", or an inclusive range such as "8000-8999".
//
// +kubebuilder:validation:MaxLength=11
// +kubebuilder:validation:XValidation:rule="self.matches('^[1-9][0-9]{0,4}(-[1-9][0-9]{0,4})?$') && self.split('-').all(port, int(port) <= 65535) && int(self.split('-')[0]) <= int(self.split('-')[self.split('-').size() - 1])",message="must be a port such as \"443\" or an ascending range such as \"8000-8999\", within 1 to 65535"
type PortRange string

// IdentityName is the name of an AWSIdentity.
//
// +kubebuilder:validation:MaxLength=253
// +kubebuilder:validation:XValidation:rule="!format.dns1123Subdomain().validate(self).hasValue()",message="must be the name of an AWSIdentity: lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit"
type IdentityName string

// Region is an AWS region.
//
// +kubebuilder:validation:MaxLength=32
// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z]+(-[a-z]+)+-[1-9][0-9]?$')",message="must be an AWS region such as eu-west-1"
type Region string

// InstanceTags are tags of an EC2 instance.
//
// +kubebuilder:object:generate=false
// +kubebuilder:validation:MaxProperties=16
// +kubebuilder:validation:XValidation:rule="self.all(k, k.size() <= 128 && k.size() > 0)",message="keys must be keys of tags: 1 to 128 characters"
type InstanceTags map[string]TagValue

// TagValue is the value of a tag.
//
// +kubebuilder:validation:MaxLength=256
// +kubebuilder:validation:XValidation:rule="self.split('$(namespace)').all(part, !part.contains('$('))",message="$(namespace) is all that can be put into a value"
type TagValue = string

// DeepCopyInto copies the tags.
func (in InstanceTags) DeepCopyInto(out *InstanceTags) { *out = in.DeepCopy() }

// DeepCopy returns a copy of the tags.
func (in InstanceTags) DeepCopy() InstanceTags { return maps.Clone(in) }
