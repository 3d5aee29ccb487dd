// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"fmt"

	"externalbackend.dev/operator/api/v1alpha1"
)

// AWSFailure is why AWS could not be asked, or gave no answer that helps.
type AWSFailure struct {
	// Kind is one of those that the discovery of instances tells apart.
	Kind string
	// Action is the IAM action of the call, such as ec2:DescribeInstances, and Code
	// the error code of the AWS API; empty if there is none.
	Action, Code string
	// Identity is the name of the AWSIdentity that was to ask, and Region where;
	// empty: nowhere in particular.
	Identity, Region string
}

// IAM actions without which a role cannot be used, the second one with tags.
const (
	actionAssumeRole = "sts:AssumeRole"
	actionTagSession = "sts:TagSession"
)

// awsReasons are those why instances cannot be listed.
var awsReasons = []string{
	v1alpha1.ReasonAWSAccessDenied, v1alpha1.ReasonAWSCredentialsInvalid, v1alpha1.ReasonAWSThrottled,
	v1alpha1.ReasonAWSRegionUnknown, v1alpha1.ReasonAWSUnavailable,
	v1alpha1.ReasonIdentityNotFound, v1alpha1.ReasonIdentityNotUsable, v1alpha1.ReasonTooManyInstances,
}

// Explain returns the reason, a constant of the API package, and a text that says
// what is wrong and what to do. It has no more than what the author of an
// ExternalBackend that uses the AWSIdentity may know.
func (f *AWSFailure) Explain() (reason, text string) {
	call := f.call()
	switch f.Kind {
	case "AccessDenied":
		return v1alpha1.ReasonAWSAccessDenied, fmt.Sprintf("AWS denies %s to the AWSIdentity %q: allow the action in the IAM policy of its role or user", call, f.Identity)
	case "CredentialsInvalid":
		return v1alpha1.ReasonAWSCredentialsInvalid, f.invalid(call)
	case "CredentialsUnavailable":
		return v1alpha1.ReasonIdentityNotUsable, fmt.Sprintf("the AWSIdentity %q has no credentials to ask AWS with: its status says why", f.Identity)
	case "Throttled":
		return v1alpha1.ReasonAWSThrottled, f.throttled(call)
	case "RegionUnknown":
		return v1alpha1.ReasonAWSRegionUnknown, fmt.Sprintf("the region %q does not exist, or is not enabled in the account (%s): correct it, or enable it", f.Region, call)
	case "Unavailable":
		return v1alpha1.ReasonAWSUnavailable, fmt.Sprintf("AWS cannot be reached or fails to answer %s: it is tried again; if that does not help, let the operator connect to its endpoints", call)
	case "Malformed":
		return v1alpha1.ReasonAWSUnavailable, fmt.Sprintf("AWS answers %s with what cannot be understood: it is tried again; see the log of the operator", call)
	case "TooMany":
		return v1alpha1.ReasonTooManyInstances, fmt.Sprintf("%s finds more instances than can be kept: have the filters of targets select fewer", call)
	case "Refused":
		return v1alpha1.ReasonAWSUnavailable, fmt.Sprintf("AWS refuses %s: it is tried again; see the log of the operator", call)
	}
	return v1alpha1.ReasonAWSUnavailable, fmt.Sprintf("AWS gives no answer to %s: it is tried again", call)
}

// throttled tells AWS' limit from the operator's own, which has no code.
func (f *AWSFailure) throttled(call string) string {
	if f.Code == "" {
		return fmt.Sprintf("the operator's own limit of 2 requests a second, which all that uses the AWSIdentity %q shares, has left no time for %s: it is tried again; if that does not help, have the filters of targets select fewer instances", f.Identity, call)
	}
	return fmt.Sprintf("AWS answers %s with too many calls in the account: it is tried again; find out what else makes so many, or have the limit raised", call)
}

func (f *AWSFailure) invalid(call string) string {
	if f.Action == actionAssumeRole || f.Action == actionTagSession {
		return fmt.Sprintf("the role of the AWSIdentity %q cannot be assumed (%s): have its trust policy allow it to the credentials that assume it, with the external ID in the status of the AWSIdentity", f.Identity, call)
	}
	return fmt.Sprintf("AWS does not accept the credentials of the AWSIdentity %q for %s: renew them, or wait until they have been", f.Identity, call)
}

// call names the call with all that is known of it.
func (f *AWSFailure) call() string {
	text := f.Action
	if text == "" {
		text = "a call"
	}
	if f.Region != "" {
		text += " in " + f.Region
	}
	if f.Code != "" {
		text += fmt.Sprintf(" (%s)", printable(f.Code))
	}
	return text
}

// maxCode bounds an error code that is told, in bytes.
const maxCode = 64

// printable returns an error code as it is if it looks like one, else quoted: who
// answers in place of AWS may say anything.
func printable(code string) string {
	for _, c := range code {
		if c <= ' ' || c > '~' {
			return fmt.Sprintf("%+q", bounded(code, maxCode))
		}
	}
	return bounded(code, maxCode)
}
