// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package status_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/status"
)

func refuse(entry, reason, text string) func(*status.Facts) {
	return func(f *status.Facts) {
		f.Rejected = append(f.Rejected, status.Rejection{Entry: entry, Reason: reason, Err: errors.New(text)})
	}
}

func spare(entry, text string) func(*status.Facts) {
	return func(f *status.Facts) {
		f.Pending = append(f.Pending, status.Rejection{Entry: entry, Reason: v1alpha1.ReasonAddressDenied, Err: errors.New(text)})
	}
}

func reachCases() []conditionCase {
	type edits = []func(*status.Facts)
	byPolicy := refuse("rack", v1alpha1.ReasonPolicyDenied, "192.0.2.1 is not allowed")
	byLimit := refuse("rack", v1alpha1.ReasonLimitExceeded, "192.0.2.2 is one too many")
	byNone := refuse("rack", v1alpha1.ReasonNoPolicy, "192.0.2.3 has no policy")
	const left = "address is left out, all others are served: "
	return []conditionCase{
		{"a policy denies", edits{byPolicy}, v1alpha1.ConditionAccepted, no, v1alpha1.ReasonPolicyDenied, "1 " + left + `target "rack": 192.0.2.1 is not allowed`, true},
		{"no policy", edits{byNone}, v1alpha1.ConditionAccepted, no, v1alpha1.ReasonNoPolicy, "1 " + left + `target "rack": 192.0.2.3 has no policy`, true},
		{"too many", edits{byLimit}, v1alpha1.ConditionAccepted, no, v1alpha1.ReasonLimitExceeded, "1 " + left + `target "rack": 192.0.2.2 is one too many`, true},
		{
			"the gravest reason of several",
			edits{byLimit, byPolicy, reject("spare", "127.0.0.1")},
			v1alpha1.ConditionAccepted, no, v1alpha1.ReasonAddressDenied,
			`3 addresses are left out, all others are served: target "rack": 192.0.2.2 is one too many; target "rack": 192.0.2.1 is not allowed; ` +
				`target "spare": 127.0.0.1 must not be targeted: loopback (127.0.0.0/8)`, true,
		},
		{
			"intervals are lengthened",
			edits{func(f *status.Facts) { f.Backend.Lengthened, f.Backend.Timing.Interval = true, time.Minute }},
			v1alpha1.ConditionAccepted, yes, v1alpha1.ReasonAccepted,
			"the whole spec can be acted on; checks are made every 1m0s, since the ExternalBackendPolicies of the namespace allow no shorter interval", false,
		},
		{
			"a denial that is to come",
			edits{spare("rack", "192.0.2.1 is of a Pod from noon on")},
			v1alpha1.ConditionDenyPending, yes, v1alpha1.ReasonClusterNetworksChanged,
			"1 published address is about to be taken out. If the network is a mistake, correct it at the Node, the ServiceCIDR or wherever it comes from before that; " +
				`else remove the addresses: target "rack": 192.0.2.1 is of a Pod from noon on`, false,
		},
	}
}

// TestDenyPendingEvents: it is told when it begins, and when it is over.
func TestDenyPendingEvents(t *testing.T) {
	pending := func(f *status.Facts) { spare("rack", "192.0.2.1 is of a Pod from noon on")(f) }
	begins := eventsText(status.Compute(after(good()), good(pending)).Transitions)
	if len(begins) != 1 || begins[0][:len("Warning FollowCluster ClusterNetworksChanged: 1 published")] != "Warning FollowCluster ClusterNetworksChanged: 1 published" {
		t.Error(begins)
	}
	ends := eventsText(status.Compute(after(good(pending)), good()).Transitions)
	if want := []string{"Normal FollowCluster DenyPendingOver: no published address is about to be taken out any more"}; !slices.Equal(ends, want) {
		t.Error(fmt.Sprint(ends), want)
	}
}

// TestDenyPendingMoves: since when it is True is the record of when the last network
// was staged, so it moves with that, and a user is told of another one.
func TestDenyPendingMoves(t *testing.T) {
	since := func(at time.Time) func(*status.Facts) {
		return func(f *status.Facts) {
			spare("rack", "192.0.2.1 is of a Pod from noon on")(f)
			f.PendingSince = at
		}
	}
	first, second := now.Add(-time.Minute).Truncate(time.Second), now.Truncate(time.Second)
	for _, tt := range []struct {
		name         string
		before, then time.Time
		events       int
	}{
		{"as before", first, first, 0},
		{"another network", first, second, 1},
		{"the last one is gone", second, first, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			eb := after(good(since(tt.before)))
			outcome := status.Compute(eb, good(since(tt.then), later))
			if got := find(t, outcome, v1alpha1.ConditionDenyPending).LastTransitionTime.Time; !got.Equal(tt.then) {
				t.Errorf("since %s, want %s", got, tt.then)
			}
			if len(outcome.Transitions) != tt.events || outcome.Urgent != (tt.events > 0) {
				t.Errorf("urgent %t, events %v", outcome.Urgent, outcome.Transitions)
			}
		})
	}
}
