// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package status

// AWSFailure is why AWS could not be asked, or did not answer.
type AWSFailure struct {
	// Kind is one of those of the discovery of instances.
	Kind string
	// Action is the IAM action of the call, such as ec2:DescribeInstances, and Code
	// the error code of the AWS API; empty if there is none.
	Action, Code string
	// Identity is the name of the AWSIdentity, and Region where it was asked; empty:
	// none in particular.
	Identity, Region string
}

// Explain returns the reason, a constant of the API package, and what is wrong and
// what to do about it.
func (f *AWSFailure) Explain() (reason, text string) { panic("") }
