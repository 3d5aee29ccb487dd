// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package status_test

import (
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/status"
)

// untouched is what the API server says of an object that was just created.
var untouched = []metav1.Condition{{
	Type: v1alpha1.ConditionReady, Status: unknown, Reason: v1alpha1.ReasonPending, LastTransitionTime: metav1.NewTime(time.Unix(0, 0)),
}}

// TestDefaultOfTheStatusIsNoHistory: the first report is the same with it as without.
func TestDefaultOfTheStatusIsNoHistory(t *testing.T) {
	eb := backend()
	want := status.Compute(eb, good())
	eb.Status.Conditions = untouched
	if diff := gocmp.Diff(want, status.Compute(eb, good())); diff != "" {
		t.Errorf("ExternalBackend (-want +got):\n%s", diff)
	}
	for name, edits := range map[string][]func(*status.IdentityFacts){"works": nil, "is not asked yet": {notAsked}} {
		facts := working(edits...)
		want := status.ComputeIdentity(facts)
		facts.Identity = facts.Identity.DeepCopy()
		facts.Identity.Status.Conditions = untouched
		if diff := gocmp.Diff(want, status.ComputeIdentity(facts)); diff != "" {
			t.Errorf("AWSIdentity that %s (-want +got):\n%s", name, diff)
		}
	}
}
