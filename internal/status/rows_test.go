// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package status_test

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/internal/status"
	"externalbackend.dev/operator/internal/target"
	"externalbackend.dev/operator/internal/translate"
)

func TestCountsAndService(t *testing.T) {
	four := targets("192.0.2.1/rack", "192.0.2.2/rack", "192.0.2.3/rack", "192.0.2.4/spare")
	got := status.Compute(backend(), good(serve(four, health.Healthy, health.Unhealthy, health.Unknown, health.Healthy))).Status
	if want := (v1alpha1.TargetCounts{Total: 4, Healthy: 2, Unhealthy: 1, Unknown: 1}); got.Targets != want {
		t.Errorf("targets %+v, want %+v", got.Targets, want)
	}
	if want := (v1alpha1.ServiceStatus{Name: "payments", UID: "svc-1"}); *got.Service != want {
		t.Errorf("service %+v, want %+v", *got.Service, want)
	}
	if got.ObservedGeneration != 7 {
		t.Errorf("observedGeneration %d", got.ObservedGeneration)
	}
	got = status.Compute(backend(), good(func(f *status.Facts) { f.ServiceUID = "" })).Status
	if want := (v1alpha1.ServiceStatus{Name: "payments"}); *got.Service != want {
		t.Errorf("without a Service: %+v, want %+v", *got.Service, want)
	}
}

// TestCountsOfWhatIsOutOnPurpose: each address counts once, whatever its checks
// say, and what is disabled is not listed as unhealthy.
func TestCountsOfWhatIsOutOnPurpose(t *testing.T) {
	five := targets("192.0.2.1/rack", "192.0.2.2/rack", "192.0.2.3/spare", "192.0.2.4/spare", "192.0.2.5/spare")
	got := status.Compute(backend(), good(
		serve(five, health.Healthy, health.Unhealthy, health.Healthy, health.Unhealthy, health.Unknown),
		func(f *status.Facts) { f.Health[4].Obstacle = health.LocalPermission },
		disable("spare"), depart("192.0.2.8/rack", "192.0.2.9/removed"))).Status
	if want := (v1alpha1.TargetCounts{Total: 7, Healthy: 1, Unhealthy: 1, Draining: 2, Disabled: 3}); got.Targets != want {
		t.Errorf("targets %+v, want %+v", got.Targets, want)
	}
	if len(got.Unhealthy) != 1 || got.Unhealthy[0].Address != "192.0.2.2" {
		t.Errorf("unhealthy %+v", got.Unhealthy)
	}
	want := []v1alpha1.SourceStatus{{Target: "rack", Addresses: 3}, {Target: "spare", Addresses: 3}}
	if diff := gocmp.Diff(want, got.Sources); diff != "" {
		t.Errorf("sources (-want +got):\n%s", diff)
	}
}

// TestUnhealthyRows: reason and time of what is out, and what is known of it
// from before a restart.
func TestUnhealthyRows(t *testing.T) {
	earlier := metav1.NewTime(now.Add(-10 * time.Minute).Truncate(time.Second))
	previous := []v1alpha1.UnhealthyTarget{{Address: "192.0.2.1", Target: "rack", Reason: "ConnectTimeout", Since: earlier}}
	since := now.Add(-time.Minute)
	for _, tt := range []struct {
		name     string
		previous []v1alpha1.UnhealthyTarget
		health   health.Status
		want     string // reason and age in seconds; "" for no row
	}{
		{name: "healthy", health: health.Status{Verdict: health.Healthy}},
		{name: "healthy again", previous: previous, health: health.Status{Verdict: health.Healthy}},
		{name: "not judged yet", health: health.Status{Verdict: health.Unknown}},
		{name: "not judged yet, failing", health: health.Status{Verdict: health.Unknown, Reason: health.ConnectionRefused}},
		{
			name: "failed", health: health.Status{Verdict: health.Unhealthy, Reason: health.ConnectionRefused, Since: since},
			want: "ConnectionRefused 60",
		},
		{
			name: "failed again since it was listed", previous: previous, want: "ConnectionRefused 60",
			health: health.Status{Verdict: health.Unhealthy, Reason: health.ConnectionRefused, Since: since},
		},
		{name: "taken over after a restart", previous: previous, health: health.Status{Verdict: health.Unhealthy}, want: "ConnectTimeout 600"},
		{
			name: "taken over, and failed since", previous: previous, want: "ConnectionRefused 600",
			health: health.Status{Verdict: health.Unhealthy, Reason: health.ConnectionRefused, Fresh: true},
		},
		{name: "taken over, never listed", health: health.Status{Verdict: health.Unhealthy}, want: "AwaitingCheck 0"},
		{
			name: "taken over, another address was listed", want: "AwaitingCheck 0", health: health.Status{Verdict: health.Unhealthy},
			previous: []v1alpha1.UnhealthyTarget{{Address: "192.0.2.10", Reason: "ConnectTimeout", Since: earlier}},
		},
		{
			name: "cannot be checked", want: "LocalPermission 0",
			health: health.Status{Verdict: health.Unknown, Reason: health.ConnectionRefused, Obstacle: health.LocalPermission},
		},
		{
			name: "still cannot be checked", previous: previous, want: "LocalPermission 600",
			health: health.Status{Verdict: health.Unknown, Obstacle: health.LocalPermission},
		},
		{
			name: "unhealthy, and cannot be checked now", want: "ConnectionRefused 60",
			health: health.Status{Verdict: health.Unhealthy, Reason: health.ConnectionRefused, Obstacle: health.LocalPermission, Since: since},
		},
		{name: "healthy, and cannot be checked now", health: health.Status{Verdict: health.Healthy, Obstacle: health.LocalPermission}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			eb := backend()
			eb.Status.Unhealthy = tt.previous
			rows := status.Compute(eb, good(func(f *status.Facts) { f.Health[0] = tt.health })).Status.Unhealthy
			got := ""
			for _, r := range rows {
				got += fmt.Sprintf("%s %.0f", r.Reason, now.Truncate(time.Second).Sub(r.Since.Time).Seconds())
				if r.Address != "192.0.2.1" || r.Target != "rack" {
					t.Errorf("row %+v", r)
				}
				if r.Since.Nanosecond() != 0 {
					t.Errorf("since %s is not in whole seconds, which is all that the API keeps", r.Since)
				}
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// telling has policy tell the exact statuses of addresses.
func telling(addresses ...string) func(*status.Facts) {
	return func(f *status.Facts) {
		f.TellsCode = func(t target.Target) bool { return slices.Contains(addresses, t.Addr.String()) }
	}
}

// TestExactStatuses are told of the addresses of which policy says so, now as when
// they are carried over.
func TestExactStatuses(t *testing.T) {
	failing := func(f *status.Facts) {
		serve(targets("192.0.2.1/rack", "192.0.2.2/rack", "192.0.2.3/rack", "192.0.2.4/rack"),
			health.Unhealthy, health.Unhealthy, health.Unhealthy, health.Unknown)(f)
		for i, code := range []uint16{503, 504, 0, 0} {
			f.Health[i].Code, f.Health[i].Reason = code, health.UnexpectedStatus5xx
		}
		f.Health[2].Reason, f.Health[3].Obstacle = health.ConnectionRefused, health.AddressDenied
		f.Health[3].Code = 502 // of a check before
	}
	everywhere := telling("192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4")
	forgotten := serve(targets("192.0.2.1/rack", "192.0.2.2/rack"), health.Unhealthy, health.Unhealthy)
	told := after(good(failing, everywhere))
	for name, tt := range map[string]struct {
		previous *v1alpha1.ExternalBackend
		edits    []func(*status.Facts)
		want     []int32
	}{
		"of none":                        {backend(), []func(*status.Facts){failing}, []int32{0, 0, 0, 0}},
		"of one":                         {backend(), []func(*status.Facts){failing, telling("192.0.2.2")}, []int32{0, 504, 0, 0}},
		"of all that failed for it":      {backend(), []func(*status.Facts){failing, everywhere}, []int32{503, 504, 0, 0}},
		"not any more":                   {told, []func(*status.Facts){failing}, []int32{0, 0, 0, 0}},
		"carried over":                   {told, []func(*status.Facts){forgotten, everywhere}, []int32{503, 504}},
		"carried over, and not any more": {told, []func(*status.Facts){forgotten, telling("192.0.2.1")}, []int32{503, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []int32
			for _, row := range status.Compute(tt.previous, good(tt.edits...)).Status.Unhealthy {
				got = append(got, row.HTTPStatus)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// TestUnhealthyRowsAreSortedAndCapped: the first 32 in the order of addresses.
func TestUnhealthyRowsAreSortedAndCapped(t *testing.T) {
	var items []string
	var verdicts []health.Verdict
	for i := range 50 {
		items, verdicts = append(items, fmt.Sprintf("192.0.2.%d/rack", i+1)), append(verdicts, health.Unhealthy)
	}
	verdicts[0] = health.Healthy
	got := status.Compute(backend(), good(serve(targets(items...), verdicts...))).Status
	if len(got.Unhealthy) != 32 || got.Targets.Unhealthy != 49 {
		t.Fatalf("%d rows of %d unhealthy", len(got.Unhealthy), got.Targets.Unhealthy)
	}
	for i, r := range got.Unhealthy {
		if want := fmt.Sprintf("192.0.2.%d", i+2); r.Address != want {
			t.Errorf("row %d is %s, want %s", i, r.Address, want)
		}
	}
}

func TestSources(t *testing.T) {
	facts := good(reject("rack", "010.0.0.1"), reject("rack", "127.0.0.1"),
		lose("192.0.2.2/rack", owner, "spare"), lose("192.0.2.9/spare", older, "old"),
		func(f *status.Facts) {
			f.Excluded = targets("2001:db8::1/rack")
			f.Portless = map[string]bool{"closed": true}
			f.Backend.Entries = append(f.Backend.Entries, translate.Entry{Name: "empty"}, translate.Entry{Name: "closed"})
		})
	want := []v1alpha1.SourceStatus{
		{Target: "rack", Addresses: 1, Problem: `"010.0.0.1" is not an IPv4 or IPv6 address; ` +
			"127.0.0.1 must not be targeted: loopback (127.0.0.0/8); " +
			`192.0.2.2 is also listed in "spare" and served from there; 2001:db8::1 is not served: the Service has no IPv6`},
		{Target: "spare", Addresses: 1, Problem: `192.0.2.9 is served by the older ExternalBackend "veteran" (target "old")`},
		{Target: "empty"},
		{Target: "closed", Problem: "no port of the Service leads to a port of this target: list one in spec.ports or in its ports"},
	}
	if diff := gocmp.Diff(want, status.Compute(backend(), facts).Status.Sources); diff != "" {
		t.Errorf("sources (-want +got):\n%s", diff)
	}
	if diff := gocmp.Diff([]v1alpha1.SourceStatus{{Target: "rack", Addresses: 1}, {Target: "spare", Addresses: 1}},
		status.Compute(backend(), good()).Status.Sources); diff != "" {
		t.Errorf("without problems (-want +got):\n%s", diff)
	}
}

// TestLongTextsAreBounded: a status holds at most what its schema allows, and
// a text that is cut is valid UTF-8.
func TestLongTextsAreBounded(t *testing.T) {
	for shift := range 4 {
		long := errors.New(strings.Repeat("x", shift) + strings.Repeat("€𝄞", 2000))
		got := status.Compute(backend(), good(func(f *status.Facts) {
			f.Rejected = []status.Rejection{{Entry: "rack", Err: long}}
			f.WriteError = long
		})).Status
		for _, c := range got.Conditions {
			bounded(t, c.Type, c.Message, 2048)
		}
		bounded(t, "problem", got.Sources[0].Problem, 1024)
	}
}

// TestTextsOfTheLimitAreWhole: nothing is cut without need.
func TestTextsOfTheLimitAreWhole(t *testing.T) {
	for _, length := range []int{1024, 1025} {
		text := strings.Repeat("x", length)
		facts := good(func(f *status.Facts) { f.Rejected = []status.Rejection{{Entry: "rack", Err: errors.New(text)}} })
		got := status.Compute(backend(), facts).Status.Sources[0].Problem
		if whole := got == text; whole != (length == 1024) {
			t.Errorf("%d bytes became %d", length, len(got))
		}
	}
}

func bounded(t *testing.T, what, text string, limit int) {
	t.Helper()
	if !utf8.ValidString(text) {
		t.Errorf("%s is not valid UTF-8", what)
	}
	if cut := strings.HasSuffix(text, "..."); len(text) > limit || cut && len(text) < limit-6 {
		t.Errorf("%s has %d bytes, limit %d", what, len(text), limit)
	}
}

// TestManyCulpritsAreCounted: five are named, the others counted.
func TestManyCulpritsAreCounted(t *testing.T) {
	for n, ending := range map[int]string{1: "(127.0.0.0/8)", 5: "(127.0.0.0/8)", 6: "; and 1 more", 1000: "; and 995 more"} {
		var edits []func(*status.Facts)
		for i := range n {
			edits = append(edits, reject("rack", fmt.Sprintf("127.0.%d.%d", i/250, i%250)))
		}
		got := status.Compute(backend(), good(edits...))
		accepted := find(t, got, v1alpha1.ConditionAccepted).Message
		for _, message := range []string{accepted, got.Status.Sources[0].Problem} {
			if strings.Count(message, "127.0.0.0/8") != min(n, 5) || !strings.HasSuffix(message, ending) {
				t.Errorf("%d culprits: %q", n, message)
			}
		}
		if !strings.HasPrefix(accepted, fmt.Sprintf("%d address", n)) {
			t.Errorf("%d culprits: %q", n, accepted)
		}
	}
}

// TestComputeLeavesItsInputAlone: the object comes from a cache.
func TestComputeLeavesItsInputAlone(t *testing.T) {
	eb := after(good(unhealthySpare, reject("rack", "127.0.0.1")))
	facts := good(lose("192.0.2.9/spare", older, "old"), lose("192.0.2.1/rack", owner, "rack"), foreign("b", ""), foreign("a", ""))
	facts.Drained = []netip.Addr{netip.MustParseAddr("192.0.2.9"), netip.MustParseAddr("192.0.2.8")}
	before, losses := eb.DeepCopy(), append([]target.Loss(nil), facts.Losses...)
	slices, drained := append([]status.ForeignSlice(nil), facts.Foreign...), append([]netip.Addr(nil), facts.Drained...)
	status.Compute(eb, facts)
	if diff := gocmp.Diff(slices, facts.Foreign); diff != "" {
		t.Errorf("foreign slices (-before +after):\n%s", diff)
	}
	if diff := gocmp.Diff(drained, facts.Drained, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Errorf("drained (-before +after):\n%s", diff)
	}
	if diff := gocmp.Diff(before, eb); diff != "" {
		t.Errorf("object (-before +after):\n%s", diff)
	}
	if diff := gocmp.Diff(losses, facts.Losses, cmpopts.EquateComparable(target.Loss{})); diff != "" {
		t.Errorf("losses (-before +after):\n%s", diff)
	}
}
