// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package status_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/internal/status"
)

func later(f *status.Facts) { f.Now = now.Add(time.Minute) }

func unhealthySpare(f *status.Facts) { f.Health[1].Verdict = health.Unhealthy }

// TestSameFactsSameStatus: time alone changes nothing, so nothing is patched.
func TestSameFactsSameStatus(t *testing.T) {
	for name, edits := range map[string][]func(*status.Facts){
		"all is well":           nil,
		"some unhealthy":        {unhealthySpare},
		"no Service":            {of(nil)},
		"denied":                {reject("rack", "127.0.0.1")},
		"served by another":     {lose("192.0.2.3/rack", older, "old")},
		"draining and disabled": {drain("rack"), disable("spare"), depart("192.0.2.9/rack")},
		"a conflict":            {foreign("b", ""), foreign("a", ofKubernetes)},
		"first checks pending":  {await, func(f *status.Facts) { f.Health[0].Verdict = health.Unknown }},
		"managed":               {managed(refused)},
		"obstructed": {func(f *status.Facts) {
			f.Health[0].Verdict, f.Health[0].Obstacle = health.Unknown, health.LocalPermission
		}},
	} {
		t.Run(name, func(t *testing.T) {
			eb := after(good(edits...))
			outcome := status.Compute(eb, good(append(edits, later)...))
			if !equality.Semantic.DeepEqual(eb.Status, outcome.Status) {
				t.Errorf("status (-before +after):\n%s", gocmp.Diff(eb.Status, outcome.Status))
			}
			if outcome.Urgent || len(outcome.Transitions)+len(outcome.Flips) > 0 {
				t.Errorf("urgent %t, transitions %v, flips %v", outcome.Urgent, outcome.Transitions, outcome.Flips)
			}
		})
	}
}

// TestLastTransitionTime moves when the status of a condition changes, not
// when its reason or message does.
func TestLastTransitionTime(t *testing.T) {
	first, second := metav1.NewTime(now.Truncate(time.Second)), metav1.NewTime(now.Add(time.Minute).Truncate(time.Second))
	at := func(outcome status.Outcome, kind string) metav1.Time {
		return find(t, outcome, kind).LastTransitionTime
	}

	outcome := status.Compute(after(good()), good(unhealthySpare, later))
	if got := at(outcome, v1alpha1.ConditionHealthy); !got.Equal(&second) {
		t.Errorf("True to False: %s", got)
	}
	if got := at(outcome, v1alpha1.ConditionReady); !got.Equal(&first) {
		t.Errorf("unchanged: %s", got)
	}
	two := targets("192.0.2.1/rack", "192.0.2.2/spare")
	outcome = status.Compute(after(good(unhealthySpare)), good(serve(two, health.Unhealthy, health.Unhealthy), later))
	if got := at(outcome, v1alpha1.ConditionHealthy); !got.Equal(&first) {
		t.Errorf("another reason: %s", got)
	}
	if !outcome.Urgent {
		t.Error("another reason is not urgent")
	}
	outcome = status.Compute(after(good(reject("rack", "127.0.0.1"))), good(reject("rack", "127.0.0.2"), later))
	if got := at(outcome, v1alpha1.ConditionAccepted); !got.Equal(&first) {
		t.Errorf("another message: %s", got)
	}
	if outcome.Urgent || len(outcome.Transitions) > 0 {
		t.Errorf("another message: urgent %t, events %v", outcome.Urgent, outcome.Transitions)
	}
}

// TestUrgent: a report that waits for its turn must not hold back a condition
// or leave the generation behind.
func TestUrgent(t *testing.T) {
	if !status.Compute(backend(), good()).Urgent {
		t.Error("the first status")
	}
	eb := after(good(reject("rack", "127.0.0.1")))
	if !status.Compute(eb, good()).Urgent {
		t.Error("a condition that is gone")
	}
	eb = after(good())
	eb.Generation++
	if outcome := status.Compute(eb, good()); !outcome.Urgent || len(outcome.Transitions) > 0 || outcome.Status.ObservedGeneration != 8 {
		t.Errorf("a new generation: urgent %t, events %v, observed %d", outcome.Urgent, outcome.Transitions, outcome.Status.ObservedGeneration)
	}
	three := targets("192.0.2.1/rack", "192.0.2.2/spare", "192.0.2.3/spare")
	eb = after(good(serve(three, health.Healthy, health.Healthy, health.Unhealthy)))
	if status.Compute(eb, good(serve(three, health.Healthy, health.Unhealthy, health.Unhealthy))).Urgent {
		t.Error("one more unhealthy address is urgent")
	}
}

// eventsText writes down events.
func eventsText(events []status.Event) []string {
	var lines []string
	for _, e := range events {
		lines = append(lines, fmt.Sprintf("%s %s %s: %s", e.Type, e.Action, e.Reason, e.Message))
	}
	return lines
}

// TestTransitionEvents: one event for each transition, none for what others
// repeat or what is as it should be from the start, but that something is
// published.
func TestTransitionEvents(t *testing.T) {
	type edits = []func(*status.Facts)
	ambiguous := lose("192.0.2.1/rack", owner, "rack")
	policy := `Warning ResolveService TrafficPolicyLocal: Service "payments" has internalTrafficPolicy: Local, ` +
		"with which nodes drop traffic to addresses outside the cluster: set it to Cluster"
	for _, tt := range []struct {
		name   string
		before edits // nil: there is no status yet
		after  edits
		want   []string
	}{
		{name: "all is well from the start", want: []string{"Normal Publish Published: the EndpointSlices are up to date"}},
		{name: "bad from the start", after: edits{of(nil), serve(nil)}, want: []string{
			`Warning ResolveService ServiceNotFound: there is no Service "payments" in this namespace: create it without a selector, or correct spec.service.name`,
			`Warning ResolveTargets NoAddresses: 2 targets have no address that can be served (see status.sources): "rack"; "spare"`,
		}},
		{name: "worth telling from the start, though True", after: edits{ambiguous}, want: []string{
			`Warning ResolveTargets DuplicateAddress: 192.0.2.1 is listed more than once in "rack" and served once`,
			"Normal Publish Published: the EndpointSlices are up to date",
		}},
		{name: "another serves an address", before: edits{}, after: edits{lose("192.0.2.9/rack", older, "old")}, want: []string{
			`Warning ResolveTargets ServedByAnother: 192.0.2.9 is served by the older ExternalBackend "veteran" (target "old")`,
		}},
		{name: "the Service lacks a family", before: edits{}, after: edits{func(f *status.Facts) { f.Excluded = targets("2001:db8::1/rack") }}, want: []string{
			"Warning ResolveTargets FamilyNotServed: 2001:db8::1 is not served: the Service has no IPv6",
		}},
		{name: "the Service goes, and so does an address", before: edits{}, after: edits{of(nil), unhealthySpare}, want: []string{
			`Warning ResolveService ServiceNotFound: there is no Service "payments" in this namespace: create it without a selector, or correct spec.service.name`,
			"Warning CheckHealth SomeUnhealthy: 1 of 2 addresses are healthy",
		}},
		{name: "held from the start", after: edits{await, func(f *status.Facts) { f.Health[0].Verdict = health.Unknown }}},
		{name: "held no more", before: edits{await, func(f *status.Facts) { f.Health[0].Verdict = health.Unknown }}, want: []string{
			"Normal Publish Published: the EndpointSlices are up to date",
			"Normal CheckHealth AllHealthy: 2 of 2 addresses are healthy",
		}},
		{name: "a traffic policy from the start", after: edits{of(local)}, want: []string{policy, "Normal Publish Published: the EndpointSlices are up to date"}},
		{name: "a traffic policy", before: edits{}, after: edits{of(local)}, want: []string{policy}},
		{name: "a traffic policy no more", before: edits{of(local)}, want: []string{
			`Normal ResolveService Resolved: Service "payments" has every port that is named`,
		}},
		{name: "a managed Service is refused", before: edits{}, after: edits{managed(refused)}, want: []string{
			"Warning ResolveService ServiceUpdateRefused: " + refused.Message,
		}},
		{name: "a managed Service is refused for another reason", before: edits{managed(refused)}, after: edits{managed(notOwned)}, want: []string{
			"Warning ResolveService ServiceNotOwned: " + notOwned.Message,
		}},
		{name: "a delete fails where nothing can be published", before: edits{of(nil)}, after: edits{of(nil), func(f *status.Facts) { f.WriteError = errors.New("forbidden") }}, want: []string{
			"Warning Publish WriteFailed: the EndpointSlices could not be written and will be tried again: forbidden",
		}},
		{name: "all are disabled", before: edits{unhealthySpare}, after: edits{unhealthySpare, disable("rack", "spare")}, want: []string{
			"Normal CheckHealth NoTargets: no address is meant to take traffic: 2 are disabled",
		}},
		{name: "pending from the start", after: edits{func(f *status.Facts) { f.Health[0].Verdict = health.Unknown }}, want: []string{"Normal Publish Published: the EndpointSlices are up to date"}},
		{name: "denied", before: edits{}, after: edits{reject("rack", "127.0.0.1")}, want: []string{
			`Warning ValidateSpec AddressDenied: 1 address is left out, all others are served: target "rack": 127.0.0.1 must not be targeted: loopback (127.0.0.0/8)`,
		}},
		{name: "corrected", before: edits{reject("rack", "127.0.0.1")}, want: []string{"Normal ValidateSpec Accepted: the whole spec can be acted on"}},
		{name: "the Service comes", before: edits{of(nil)}, want: []string{
			`Normal ResolveService Resolved: Service "payments" has every port that is named`,
			"Normal Publish Published: the EndpointSlices are up to date",
		}},
		{name: "unhealthy", before: edits{}, after: edits{unhealthySpare}, want: []string{
			"Warning CheckHealth SomeUnhealthy: 1 of 2 addresses are healthy",
		}},
		{name: "healthy again", before: edits{unhealthySpare}, want: []string{"Normal CheckHealth AllHealthy: 2 of 2 addresses are healthy"}},
		{name: "settled", before: edits{ambiguous}, want: []string{"Normal ResolveTargets Resolved: every target has its addresses"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			eb := backend()
			if tt.before != nil {
				eb = after(good(tt.before...))
			}
			outcome := status.Compute(eb, good(append(tt.after, later)...))
			if diff := gocmp.Diff(tt.want, eventsText(outcome.Transitions), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}
