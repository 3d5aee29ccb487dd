// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"externalbackend.dev/operator/api/v1alpha1"
)

// transient are reasons that may go away without an edit: a Service that is missing
// may still come, writes are tried again, and so are name servers and AWS. What is
// wrong with an AWSIdentity or an instance is mended elsewhere.
var transient = []string{
	v1alpha1.ReasonServiceNotFound, v1alpha1.ReasonServiceTerminating, v1alpha1.ReasonWriteFailed,
	v1alpha1.ReasonNameServerFailed, v1alpha1.ReasonNameServerTimeout, v1alpha1.ReasonMaxStaleExceeded,
	v1alpha1.ReasonTooManyNames,
	v1alpha1.ReasonInstanceNotFound, v1alpha1.ReasonInstancesNotRunning,
}

// stalledBy says whether only an edit can help.
func stalledBy(parts []metav1.Condition) (metav1.Condition, bool) {
	for _, c := range parts {
		waits := slices.Contains(transient, c.Reason) || slices.Contains(awsReasons, c.Reason)
		edit := c.Type == v1alpha1.ConditionAccepted || c.Type == v1alpha1.ConditionServiceResolved ||
			c.Type == v1alpha1.ConditionTargetsResolved
		if c.Status == metav1.ConditionFalse && edit && !waits {
			return condition(v1alpha1.ConditionStalled, true, c.Reason, c.Message), true
		}
	}
	return metav1.Condition{}, false
}
