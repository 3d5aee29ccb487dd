// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package status_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/status"
)

// conditionCase is a fact that a condition has to tell.
type conditionCase struct {
	name    string
	edits   []func(*status.Facts)
	kind    string
	status  metav1.ConditionStatus
	reason  string
	message string
	// stalled is true when only an edit helps.
	stalled bool
}

const (
	yes     = metav1.ConditionTrue
	no      = metav1.ConditionFalse
	unknown = metav1.ConditionUnknown
)

func conditionCases() []conditionCase {
	return slices.Concat(acceptedCases(), serviceCases(), targetCases(), publishedCases(), healthyCases(), conflictCases(), reachCases(), credentialCases(), nameCases(), instanceCases(), []conditionCase{
		{"all is well", nil, v1alpha1.ConditionReady, yes, v1alpha1.ReasonReady, "everything is published as specified", false},
	})
}

func TestConditions(t *testing.T) {
	for _, tt := range conditionCases() {
		t.Run(tt.kind+": "+tt.name, func(t *testing.T) {
			outcome := status.Compute(backend(), good(tt.edits...))
			want := metav1.Condition{
				Type: tt.kind, Status: tt.status, Reason: tt.reason, Message: tt.message, ObservedGeneration: 7,
				LastTransitionTime: metav1.Date(2026, 1, 2, 3, 4, 5, 0, now.Location()),
			}
			if diff := gocmp.Diff(want, find(t, outcome, tt.kind)); diff != "" {
				t.Errorf("condition (-want +got):\n%s", diff)
			}
			checkSummary(t, outcome)
			stalled := slices.ContainsFunc(outcome.Status.Conditions, func(c metav1.Condition) bool { return c.Type == v1alpha1.ConditionStalled })
			if stalled != tt.stalled {
				t.Errorf("stalled: %t", stalled)
			}
		})
	}
}

// checkSummary checks what holds always: which conditions there are, that
// Ready repeats the first that is in its way, Healthy having no part in it, and
// that Stalled repeats one that an edit can change.
func checkSummary(t *testing.T, outcome status.Outcome) {
	t.Helper()
	ready := find(t, outcome, v1alpha1.ConditionReady)
	wantStatus, wantReason, wantMessage := yes, v1alpha1.ReasonReady, "everything is published as specified"
	for _, kind := range []string{
		v1alpha1.ConditionPublished, v1alpha1.ConditionTargetsResolved, v1alpha1.ConditionServiceResolved, v1alpha1.ConditionAccepted,
	} {
		if c := find(t, outcome, kind); c.Status != yes {
			wantStatus, wantReason, wantMessage = no, c.Reason, c.Message
		}
	}
	if ready.Status != wantStatus || ready.Reason != wantReason || ready.Message != wantMessage {
		t.Errorf("Ready is %s, %s, %q; want %s, %s, %q", ready.Status, ready.Reason, ready.Message, wantStatus, wantReason, wantMessage)
	}
	var kinds []string
	for _, c := range outcome.Status.Conditions {
		kinds = append(kinds, c.Type)
		if c.Type != v1alpha1.ConditionStalled {
			continue
		}
		repeats := slices.ContainsFunc(outcome.Status.Conditions, func(o metav1.Condition) bool {
			return o.Type != c.Type && o.Status == no && o.Reason == c.Reason && o.Message == c.Message
		})
		if c.Status != yes || !repeats {
			t.Errorf("Stalled is %s, %s, %q", c.Status, c.Reason, c.Message)
		}
	}
	possible := regexp.MustCompile("^Accepted ServiceResolved TargetsResolved Published Healthy Ready( Stalled)?( Conflict)?( DenyPending)?( CredentialsUnavailable)?( Stale)?( InstancesImpaired)?$")
	if got := strings.Join(kinds, " "); !possible.MatchString(got) {
		t.Errorf("conditions %s", got)
	}
}
