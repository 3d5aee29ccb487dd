// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"maps"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// AWSIdentity says with which credentials AWS is asked for the instances of
// ExternalBackends, and who may have that done. Left empty, they are the
// operator's own: from IAM roles for service accounts, EKS Pod Identity, the
// environment, or the instance that it runs on. Nothing about credentials is in
// an ExternalBackend.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=awsid,categories=externalbackend-dev
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Account",type=string,JSONPath=`.status.accountID`
// +kubebuilder:printcolumn:name="Role",type=string,JSONPath=`.spec.role.arn`
// +kubebuilder:printcolumn:name="External-ID",type=string,priority=1,JSONPath=`.status.externalID`
// +kubebuilder:printcolumn:name="Reason",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type AWSIdentity struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec names the credentials and who may use them.
	// +required
	Spec AWSIdentitySpec `json:"spec"`

	// status is what AWS said to these credentials last.
	// +optional
	// +default={"conditions":[{"type":"Ready","status":"Unknown","reason":"Pending","message":"no operator has looked at this yet","lastTransitionTime":"1970-01-01T00:00:00Z"}]}
	Status AWSIdentityStatus `json:"status,omitzero"`
}

// AWSIdentityList is a list of AWSIdentities.
//
// +kubebuilder:object:root=true
type AWSIdentityList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitzero"`

	Items []AWSIdentity `json:"items"`
}

// AWSIdentitySpec names credentials and who may use them.
//
// +kubebuilder:validation:XValidation:rule="!has(self.queues) || self.queues.all(q, !q.url.startsWith('https://sqs') || q.url.split('.').exists(part, part in self.regions))",message="a queue is in a region that regions does not list: add it there, or name a queue in one of them",fieldPath=".queues"
type AWSIdentitySpec struct {
	// allowedNamespaces selects the namespaces whose ExternalBackends may use the
	// identity, by their labels; {} selects all. Left out, none may.
	// +optional
	AllowedNamespaces *NamespaceSelector `json:"allowedNamespaces,omitempty"`

	// regions that may be asked for instances, 1 to 32.
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	Regions []Region `json:"regions"`

	// role is assumed with the operator's own credentials, or those of
	// accessKeySecret. Left out, these are used as they are.
	// +optional
	Role *AWSRole `json:"role,omitempty"`

	// accessKeySecret names a Secret in the operator's own namespace, of type
	// externalbackend.dev/aws-access-key, with the keys accessKeyID and
	// secretAccessKey, and sessionToken if there is one. It is the last resort:
	// prefer roles, whose credentials change by themselves.
	// +optional
	AccessKeySecret *SecretReference `json:"accessKeySecret,omitempty"`

	// instanceStatus is Observe (default) to ask for status checks and scheduled
	// events of instances once a minute, or Ignore. Without the permission
	// ec2:DescribeInstanceStatus nothing is known of them, and all else goes on.
	// +optional
	// +default="Observe"
	InstanceStatus Observation `json:"instanceStatus,omitempty"`

	// autoScaling is Observe (default) to ask for the life cycle of instances that
	// are in Auto Scaling groups, or Ignore. Without the permission
	// autoscaling:DescribeAutoScalingInstances nothing is known of it, and all else
	// goes on.
	// +optional
	// +default="Observe"
	AutoScaling Observation `json:"autoScaling,omitempty"`

	// queues are SQS queues that EventBridge puts events of EC2 and Auto Scaling
	// into, at most 8: what they say is looked up at once, and not only with the
	// next refresh. Messages are deleted, so each queue must be for this identity
	// of this cluster alone.
	// +optional
	// +listType=map
	// +listMapKey=url
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	Queues []EventQueue `json:"queues,omitempty"`
}

// AWSRole is an IAM role to assume.
type AWSRole struct {
	// arn of the role, such as arn:aws:iam::123456789012:role/externalbackend.
	// +required
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="self.matches('^arn:aws[a-z-]*:iam::[0-9]{12}:role/[!-~]+$')",message="must be the ARN of an IAM role such as arn:aws:iam::123456789012:role/externalbackend"
	ARN string `json:"arn"`

	// sessionTags are passed along, for policies of the account to decide by, at
	// most 16. The role must then allow sts:TagSession.
	// +optional
	SessionTags SessionTags `json:"sessionTags,omitempty"`
}

// SessionTags are tags of a session of a role.
//
// +kubebuilder:object:generate=false
// +kubebuilder:validation:MaxProperties=16
// +kubebuilder:validation:XValidation:rule="self.all(k, k.size() <= 128 && k.size() > 0)",message="keys must have 1 to 128 characters"
type SessionTags map[string]SessionTagValue

// SessionTagValue is the value of a tag.
//
// +kubebuilder:validation:MaxLength=256
type SessionTagValue = string

// DeepCopyInto copies the tags.
func (in SessionTags) DeepCopyInto(out *SessionTags) { *out = in.DeepCopy() }

// DeepCopy returns a copy of the tags.
func (in SessionTags) DeepCopy() SessionTags { return maps.Clone(in) }

// SecretReference names a Secret.
type SecretReference struct {
	// name of the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="!format.dns1123Subdomain().validate(self).hasValue()",message="must be the name of a Secret: lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit"
	Name string `json:"name"`
}

// Observation says whether something is observed.
//
// +kubebuilder:validation:Enum=Observe;Ignore
type Observation string

const (
	// ObservationObserve observes it.
	ObservationObserve Observation = "Observe"
	// ObservationIgnore does not ask for it.
	ObservationIgnore Observation = "Ignore"
)

// EventQueue is an SQS queue.
type EventQueue struct {
	// url of the queue, such as
	// https://sqs.eu-west-1.amazonaws.com/123456789012/externalbackend. The region
	// in it must be one of regions.
	// +required
	// +kubebuilder:validation:MaxLength=177
	// +kubebuilder:validation:XValidation:rule="self.matches('^https://sqs(-fips)?[.][a-z0-9-]+[.](amazonaws[.](com([.]cn)?|eu)|c2s[.]ic[.]gov|sc2s[.]sgov[.]gov|cloud[.]adc-e[.]uk|csp[.]hci[.]ic[.]gov|api[.](aws([.]ic[.]gov|[.]scloud|[.]hci[.]ic[.]gov)?|amazonwebservices[.](com[.]cn|eu)|cloud-aws[.]adc-e[.]uk))/[0-9]{12}/[A-Za-z0-9_-]{1,80}([.]fifo)?$')",message="must be the URL of an SQS queue such as https://sqs.eu-west-1.amazonaws.com/123456789012/externalbackend"
	URL string `json:"url"`
}

// SecretTypeAWSAccessKey is the type of Secrets that an AWSIdentity may name.
const SecretTypeAWSAccessKey = "externalbackend.dev/aws-access-key"

// Keys of Secrets of type SecretTypeAWSAccessKey.
const (
	SecretKeyAccessKeyID     = "accessKeyID"
	SecretKeySecretAccessKey = "secretAccessKey"
	SecretKeySessionToken    = "sessionToken"
)

// DefaultAWSIdentity is the name of the AWSIdentity of entries that name none.
const DefaultAWSIdentity = "default"

// AWSIdentityStatus is what AWS said to an identity.
type AWSIdentityStatus struct {
	// observedGeneration is the generation of the spec that this status belongs to.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions of the identity: Ready is always there, Stalled while only an edit
	// can help, PermissionsMissing while an optional call is denied.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// externalID is what the trust policy of the role must ask for as
	// sts:ExternalId. It is made from the UID of the cluster's namespace kube-system
	// and the name of the identity, so that it stays for as long as both do. Only
	// with spec.role.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	ExternalID string `json:"externalID,omitempty"`

	// accountID of the AWS account that the credentials belong to.
	// +optional
	// +kubebuilder:validation:MaxLength=12
	AccountID string `json:"accountID,omitempty"`

	// arn of the user or role that the credentials belong to.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	ARN string `json:"arn,omitempty"`

	// regions has a row for each region that instances are listed of.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Regions []AWSRegionStatus `json:"regions,omitempty"`
}

// AWSRegionStatus is how the listing of a region goes.
type AWSRegionStatus struct {
	// region is its name.
	// +required
	// +kubebuilder:validation:MaxLength=32
	Region string `json:"region"`

	// problem is why the last listing failed, and what to do.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Problem string `json:"problem,omitempty"`

	// staleSince is since when none has succeeded.
	// +optional
	StaleSince *metav1.Time `json:"staleSince,omitempty"`
}
