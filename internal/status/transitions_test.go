// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package status_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/internal/sliceplan"
	"externalbackend.dev/operator/internal/status"
	"externalbackend.dev/operator/internal/translate"
)

func later(f *status.Facts) { f.Now = now.Add(time.Minute) }

func unhealthySpare(f *status.Facts) { f.Health[1].Verdict = health.Unhealthy }

// TestSameFactsSameStatus: time alone changes nothing, so nothing is patched.
func TestSameFactsSameStatus(t *testing.T) {
	for name, edits := range map[string][]func(*status.Facts){
		"all is well":       nil,
		"some unhealthy":    {unhealthySpare},
		"no Service":        {of(nil)},
		"denied":            {reject("rack", "127.0.0.1")},
		"served by another": {lose("192.0.2.3/rack", older, "old")},
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
// repeat or what is as it should be from the start.
func TestTransitionEvents(t *testing.T) {
	type edits = []func(*status.Facts)
	ambiguous := lose("192.0.2.1/rack", owner, "rack")
	for _, tt := range []struct {
		name   string
		before edits // nil: there is no status yet
		after  edits
		want   []string
	}{
		{name: "all is well from the start"},
		{name: "bad from the start", after: edits{of(nil), serve(nil)}, want: []string{
			`Warning ResolveService ServiceNotFound: there is no Service "payments" in this namespace: create it without a selector, or correct spec.service.name`,
			`Warning ResolveTargets NoAddresses: 2 targets have no address that can be served (see status.sources): "rack"; "spare"`,
		}},
		{name: "worth telling from the start, though True", after: edits{ambiguous}, want: []string{
			`Warning ResolveTargets DuplicateAddress: 192.0.2.1 is listed more than once in "rack" and served once`,
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
		{name: "pending from the start", after: edits{func(f *status.Facts) { f.Health[0].Verdict = health.Unknown }}},
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

// TestLongEventMessages stay within what the API server takes: 1024 bytes.
func TestLongEventMessages(t *testing.T) {
	outcome := status.Compute(backend(), good(func(f *status.Facts) {
		f.Backend.SpecProblem = &translate.Problem{Reason: v1alpha1.ReasonInvalidSpec, Message: strings.Repeat("long ", 1000)}
	}))
	if len(outcome.Transitions) != 1 || len(outcome.Transitions[0].Message) != 1024 {
		t.Errorf("events %v", outcome.Transitions)
	}
}

// TestFlipEvents: one event for each direction, however many flip.
func TestFlipEvents(t *testing.T) {
	flips := func(ready bool, addresses ...string) func(*status.Facts) {
		return func(f *status.Facts) {
			for _, a := range addresses {
				f.Flips = append(f.Flips, sliceplan.Flip{Owner: "uid-1", Address: a, Entry: "rack", Ready: ready})
			}
		}
	}
	refused := func(f *status.Facts) { f.Health[0].Reason = health.ConnectionRefused }
	many := make([]string, 5000)
	for i := range many {
		many[i] = fmt.Sprintf("2001:db8:aaaa:bbbb:cccc:dddd:eeee:%x", 0x1000+i)
	}
	for _, tt := range []struct {
		name  string
		edits []func(*status.Facts)
		want  []string
	}{
		{name: "none"},
		{name: "one out, with the reason", edits: []func(*status.Facts){refused, flips(false, "192.0.2.1")}, want: []string{
			"Warning Withdraw TargetsUnhealthy: 1 address no longer takes traffic: 192.0.2.1 (ConnectionRefused)",
		}},
		{name: "out without a reason", edits: []func(*status.Facts){flips(false, "192.0.2.2", "198.51.100.1")}, want: []string{
			"Warning Withdraw TargetsUnhealthy: 2 addresses no longer take traffic: 192.0.2.2; 198.51.100.1",
		}},
		{name: "in and out", edits: []func(*status.Facts){refused, flips(true, "192.0.2.2"), flips(false, "192.0.2.1")}, want: []string{
			"Warning Withdraw TargetsUnhealthy: 1 address no longer takes traffic: 192.0.2.1 (ConnectionRefused)",
			"Normal Admit TargetsHealthy: 1 address takes traffic: 192.0.2.2",
		}},
		{name: "many", edits: []func(*status.Facts){flips(true, many...)}, want: []string{
			"Normal Admit TargetsHealthy: 5000 addresses take traffic: " + strings.Join(many[:5], "; ") + "; and 4995 more",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			outcome := status.Compute(after(good()), good(tt.edits...))
			if diff := gocmp.Diff(tt.want, eventsText(outcome.Flips), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
			for _, e := range outcome.Flips {
				if len(e.Message) > 1024 || e.Type != corev1.EventTypeNormal && e.Type != corev1.EventTypeWarning {
					t.Errorf("%s event of %d bytes", e.Type, len(e.Message))
				}
			}
		})
	}
}
