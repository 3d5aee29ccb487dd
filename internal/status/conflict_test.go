// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package status_test

import (
	"fmt"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/internal/status"
	"externalbackend.dev/operator/internal/translate"
)

const (
	ofKubernetes = "endpointslice-controller.k8s.io"
	mirrored     = "endpointslicemirroring-controller.k8s.io"

	oneForeign   = "1 EndpointSlice of the Service is not the operator's: its endpoints take traffic next to those published here. "
	threeForeign = "3 EndpointSlices of the Service are not the operator's: their endpoints take traffic next to those published here. "
	leftOver     = "Those of endpointslice-controller.k8s.io are left over from a selector that the Service had: delete them. "
	copies       = `Those of endpointslicemirroring-controller.k8s.io are copies of the Endpoints object "payments": delete that object. `
	ofOthers     = "Those of anybody else: delete them once this ExternalBackend serves the same addresses. "
)

func conflictCases() []conditionCase {
	type edits = []func(*status.Facts)
	const kind, reason = v1alpha1.ConditionConflict, v1alpha1.ReasonForeignEndpointSlices
	return []conditionCase{
		{
			"a slice of nobody",
			edits{foreign("hand-made", "")},
			kind, yes, reason, oneForeign + ofOthers + `Found: "hand-made" (managed by nobody)`, false,
		},
		{
			"a slice of somebody",
			edits{foreign("mesh-1", "mesh.example")},
			kind, yes, reason, oneForeign + ofOthers + `Found: "mesh-1" (managed by mesh.example)`, false,
		},
		{
			"a slice from a selector",
			edits{foreign("payments-x7k2p", ofKubernetes)},
			kind, yes, reason, oneForeign + leftOver + `Found: "payments-x7k2p" (managed by endpointslice-controller.k8s.io)`, false,
		},
		{
			"a mirrored slice",
			edits{foreign("payments-8dkq2", mirrored)},
			kind, yes, reason, oneForeign + copies + `Found: "payments-8dkq2" (managed by endpointslicemirroring-controller.k8s.io)`, false,
		},
		{
			"one of each, sorted, though an edit is needed besides",
			edits{foreign("payments-c", mirrored), foreign("payments-a", ""), foreign("payments-b", ofKubernetes), reject("rack", "127.0.0.1")},
			kind, yes, reason, threeForeign + leftOver + copies + ofOthers +
				`Found: "payments-a" (managed by nobody); "payments-b" (managed by endpointslice-controller.k8s.io); ` +
				`"payments-c" (managed by endpointslicemirroring-controller.k8s.io)`, true,
		},
		{
			"addresses beside a name",
			edits{lost},
			v1alpha1.ConditionTargetsResolved, no, v1alpha1.ReasonPassthroughConflict, besideName, true,
		},
		{
			"a name beside others",
			edits{lost, passedThrough},
			v1alpha1.ConditionTargetsResolved, no, v1alpha1.ReasonPassthroughConflict, nameBeside, true,
		},
	}
}

// TestNoConflict: the condition is there only while it is True, and Ready does
// not depend on it.
func TestNoConflict(t *testing.T) {
	for _, c := range status.Compute(after(good(foreign("a", ""))), good()).Status.Conditions {
		if c.Type == v1alpha1.ConditionConflict {
			t.Errorf("condition %v", c)
		}
	}
	if ready := find(t, status.Compute(backend(), good(foreign("a", ""))), v1alpha1.ConditionReady); ready.Status != yes {
		t.Errorf("with a conflict: Ready is %s, %s", ready.Status, ready.Reason)
	}
}

// TestManyForeignSlices: what to do about them is never cut off.
func TestManyForeignSlices(t *testing.T) {
	var edits []func(*status.Facts)
	for i := range 300 {
		by := []string{ofKubernetes, mirrored, strings.Repeat("m", 63)}[i%3]
		edits = append(edits, foreign(fmt.Sprintf("%s-%03d", strings.Repeat("n", 249), 299-i), by))
	}
	outcome := status.Compute(after(good()), good(edits...))
	if len(outcome.Transitions) != 1 {
		t.Fatalf("events %v", outcome.Transitions)
	}
	message := find(t, outcome, v1alpha1.ConditionConflict).Message
	for what, text := range map[string]string{"condition": message, "event": outcome.Transitions[0].Message} {
		if len(text) > 2048 || !strings.HasPrefix(text, "300 EndpointSlices ") {
			t.Errorf("%s of %d bytes: %s", what, len(text), text)
		}
		for _, remedy := range []string{leftOver, copies, ofOthers} {
			if !strings.Contains(text, remedy) {
				t.Errorf("%s lacks %q: %s", what, remedy, text)
			}
		}
	}
	if !strings.Contains(message, "nnn-000") || !strings.HasSuffix(message, "; and 295 more") {
		t.Errorf("condition %s", message)
	}
}

// TestConflictEvents: one when it appears and one when it goes.
func TestConflictEvents(t *testing.T) {
	type edits = []func(*status.Facts)
	warning := "Warning FindConflicts ForeignEndpointSlices: " + oneForeign + ofOthers + `Found: "a" (managed by nobody)`
	for _, tt := range []struct {
		name   string
		before edits // nil: there is no status yet
		after  edits
		want   []string
	}{
		{name: "from the start", after: edits{foreign("a", "")}, want: []string{
			"Normal Publish Published: the EndpointSlices are up to date", warning,
		}},
		{name: "appears", before: edits{}, after: edits{foreign("a", "")}, want: []string{warning}},
		{name: "another one", before: edits{foreign("a", "")}, after: edits{foreign("a", ""), foreign("b", ofKubernetes)}},
		{name: "in another order", before: edits{foreign("a", ""), foreign("b", "")}, after: edits{foreign("b", ""), foreign("a", "")}},
		{name: "goes", before: edits{foreign("a", "")}, want: []string{
			"Normal FindConflicts ForeignEndpointSlicesGone: every EndpointSlice of the Service is the operator's",
		}},
		{name: "goes while something else happens", before: edits{foreign("a", "")}, after: edits{serve(targets("192.0.2.1/rack", "192.0.2.2/spare"), health.Healthy, health.Unhealthy)}, want: []string{
			"Warning CheckHealth SomeUnhealthy: 1 of 2 addresses are healthy",
			"Normal FindConflicts ForeignEndpointSlicesGone: every EndpointSlice of the Service is the operator's",
		}},
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
			if tt.before != nil && outcome.Urgent != (len(tt.want) > 0) {
				t.Errorf("urgent %t", outcome.Urgent)
			}
		})
	}
}

const (
	besideName = `the older ExternalBackend "veteran" publishes a name (resolution: Passthrough), which must be the only endpoint of the Service: use resolution: Resolve there, or another Service here`
	nameBeside = `the Service is served by the older ExternalBackend "veteran", and a name (resolution: Passthrough) must be the only endpoint: use resolution: Resolve, or another Service`
)

func lost(f *status.Facts) { f.Winner, f.Targets, f.Health = &older, nil, nil }

func passedThrough(f *status.Facts) {
	f.Backend.Entries = []translate.Entry{{Name: "db", FQDN: &translate.FQDN{Hostname: "db.example.com", Resolution: v1alpha1.ResolutionPassthrough}}}
}

// TestPassthroughConflictInSources: rule 29, every entry says why it has nothing.
func TestPassthroughConflictInSources(t *testing.T) {
	for entry, edits := range map[string][]func(*status.Facts){"rack": {lost}, "db": {lost, passedThrough}} {
		want := map[string]string{"rack": besideName, "db": nameBeside}[entry]
		row := status.Compute(backend(), good(edits...)).Status.Sources[0]
		if row.Target != entry || row.Problem != want || row.Addresses != 0 {
			t.Errorf("source: %+v", row)
		}
	}
}
