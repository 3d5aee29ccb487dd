// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/health"
)

// CredentialProblem is a credential of checks that cannot be had. Nothing of what
// its Secret holds is in it.
type CredentialProblem struct {
	// Secret and Key are those that the spec names.
	Secret, Key string
	// Reason is one of an Indeterminate, and a reason of the condition as well.
	Reason health.Reason
}

// text says what is wrong and what to do about it.
func (p CredentialProblem) text() string {
	switch string(p.Reason) {
	case v1alpha1.ReasonSecretForbidden:
		return fmt.Sprintf("the operator may not read the Secret %q: in this namespace, bind the ClusterRole "+
			"externalbackend-check-credentials-reader to the operator's ServiceAccount with a RoleBinding", p.Secret)
	case v1alpha1.ReasonSecretNotFound:
		return fmt.Sprintf("there is no Secret %q: create it with the type %s and the key %q", p.Secret, v1alpha1.SecretTypeCheckCredentials, p.Key)
	case v1alpha1.ReasonSecretTypeMismatch:
		return fmt.Sprintf("the Secret %q is not of the type %s, by which its owner agrees that checks send it: "+
			"create one of that type, since the type of a Secret cannot be changed", p.Secret, v1alpha1.SecretTypeCheckCredentials)
	case v1alpha1.ReasonSecretKeyNotFound:
		return fmt.Sprintf("the Secret %q has no key %q: add it, or name another one", p.Secret, p.Key)
	case v1alpha1.ReasonInvalidSecretValue:
		return fmt.Sprintf("what the Secret %q holds under %q cannot be sent as a header: it must be 1 byte to 8 KiB of printable ASCII characters in one line", p.Secret, p.Key)
	}
	return fmt.Sprintf("the Secret %q has not been read yet, since the API server could not be asked for it: it is tried again", p.Secret)
}

// mostToDo first.
var credentialReasons = []string{
	v1alpha1.ReasonSecretForbidden, v1alpha1.ReasonSecretNotFound, v1alpha1.ReasonSecretTypeMismatch,
	v1alpha1.ReasonSecretKeyNotFound, v1alpha1.ReasonInvalidSecretValue, v1alpha1.ReasonSecretUnread,
}

// credentialsUnavailable tells which credentials cannot be had.
func credentialsUnavailable(problems []CredentialProblem) metav1.Condition {
	rank := len(credentialReasons) - 1
	var culprits []string
	for _, p := range problems {
		if i := slices.Index(credentialReasons, string(p.Reason)); i >= 0 {
			rank = min(rank, i)
		}
		if text := p.text(); !slices.Contains(culprits, text) {
			culprits = append(culprits, text)
		}
	}
	return condition(v1alpha1.ConditionCredentialsUnavailable, true, credentialReasons[rank],
		"checks that need it are not made, and what is published stays as it is: "+naming(culprits))
}
