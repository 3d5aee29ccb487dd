// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package status_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/internal/sliceplan"
	"externalbackend.dev/operator/internal/status"
	"externalbackend.dev/operator/internal/translate"
)

// TestLongEventMessages stay within what the API server takes: 1024 bytes.
func TestLongEventMessages(t *testing.T) {
	outcome := status.Compute(backend(), good(func(f *status.Facts) {
		f.Backend.SpecProblem = &translate.Problem{Reason: v1alpha1.ReasonInvalidSpec, Message: strings.Repeat("long ", 1000)}
	}))
	if len(outcome.Transitions) == 0 || len(outcome.Transitions[0].Message) != 1024 {
		t.Errorf("events %v", outcome.Transitions)
	}
}

// flips adds changes of published readiness, all of the entry rack.
func flips(ready bool, addresses ...string) func(*status.Facts) {
	return flip(sliceplan.Flip{Entry: "rack", Ready: ready}, addresses...)
}

func flip(f sliceplan.Flip, addresses ...string) func(*status.Facts) {
	return func(facts *status.Facts) {
		for _, a := range addresses {
			f.Owner, f.Address = "uid-1", a
			facts.Flips = append(facts.Flips, f)
		}
	}
}

// TestFlipEvents: one event for each cause, however many flip.
func TestFlipEvents(t *testing.T) {
	refused := func(f *status.Facts) { f.Health[0].Reason = health.ConnectionRefused }
	unavailable := func(f *status.Facts) { f.Health[0].Reason, f.Health[0].Code = health.UnexpectedStatus5xx, 503 }
	drains := sliceplan.Flip{Entry: "rack", Draining: true}
	drained := func(addresses ...string) func(*status.Facts) {
		return func(f *status.Facts) {
			for _, a := range addresses {
				f.Drained = append(f.Drained, netip.MustParseAddr(a))
			}
		}
	}
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
		{name: "one out, with the class of its status", edits: []func(*status.Facts){unavailable, flips(false, "192.0.2.1")}, want: []string{
			"Warning Withdraw TargetsUnhealthy: 1 address no longer takes traffic: 192.0.2.1 (UnexpectedStatus5xx)",
		}},
		{name: "one out, with its status", edits: []func(*status.Facts){unavailable, telling("192.0.2.1"), flips(false, "192.0.2.1")}, want: []string{
			"Warning Withdraw TargetsUnhealthy: 1 address no longer takes traffic: 192.0.2.1 (UnexpectedStatus5xx, HTTP 503)",
		}},
		{name: "out without a reason", edits: []func(*status.Facts){flips(false, "192.0.2.2", "198.51.100.1")}, want: []string{
			"Warning Withdraw TargetsUnhealthy: 2 addresses no longer take traffic: 192.0.2.2; 198.51.100.1",
		}},
		{name: "in and out", edits: []func(*status.Facts){refused, flips(true, "192.0.2.2"), flips(false, "192.0.2.1")}, want: []string{
			"Warning Withdraw TargetsUnhealthy: 1 address no longer takes traffic: 192.0.2.1 (ConnectionRefused)",
			"Normal Admit TargetsHealthy: 1 address takes traffic: 192.0.2.2",
		}},
		{name: "one drains", edits: []func(*status.Facts){flip(drains, "192.0.2.1")}, want: []string{
			"Normal Drain TargetsDraining: 1 address drains and gets no new connections: 192.0.2.1",
		}},
		{name: "two drain, though the checks of one fail", edits: []func(*status.Facts){refused, flip(drains, "192.0.2.1", "192.0.2.9")}, want: []string{
			"Normal Drain TargetsDraining: 2 addresses drain and get no new connections: 192.0.2.1; 192.0.2.9",
		}},
		{name: "one has drained", edits: []func(*status.Facts){drained("192.0.2.9")}, want: []string{
			"Normal Drain TargetsDrained: 1 address has drained and is gone: 192.0.2.9",
		}},
		{name: "some have drained, sorted", edits: []func(*status.Facts){drained("2001:db8::1", "192.0.2.10", "192.0.2.9")}, want: []string{
			"Normal Drain TargetsDrained: 3 addresses have drained and are gone: 192.0.2.9; 192.0.2.10; 2001:db8::1",
		}},
		{name: "one is disabled", edits: []func(*status.Facts){refused, disable("rack"), flips(false, "192.0.2.1")}, want: []string{
			"Normal Withdraw TargetsDisabled: 1 address is disabled and takes no traffic: 192.0.2.1",
		}},
		{name: "all at once", edits: []func(*status.Facts){
			disable("spare"), flips(true, "192.0.2.3"), flip(drains, "192.0.2.4"), flips(false, "192.0.2.1"),
			flip(sliceplan.Flip{Entry: "spare"}, "192.0.2.2", "192.0.2.6"), drained("192.0.2.5"),
		}, want: []string{
			"Warning Withdraw TargetsUnhealthy: 1 address no longer takes traffic: 192.0.2.1",
			"Normal Admit TargetsHealthy: 1 address takes traffic: 192.0.2.3",
			"Normal Withdraw TargetsDisabled: 2 addresses are disabled and take no traffic: 192.0.2.2; 192.0.2.6",
			"Normal Drain TargetsDraining: 1 address drains and gets no new connections: 192.0.2.4",
			"Normal Drain TargetsDrained: 1 address has drained and is gone: 192.0.2.5",
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
