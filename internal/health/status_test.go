// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestCombine(t *testing.T) {
	thresholds := Thresholds{Healthy: 1, Unhealthy: 1}
	state := func(r Result, at time.Duration) State {
		s, _ := State{}.Step(r, thresholds, epoch.Add(at))
		return s
	}
	since := func(at time.Duration) time.Time { return time.Unix(0, epoch.Add(at).UnixNano()) }
	early, late := state(Result{Outcome: Pass}, 1), state(Result{Outcome: Pass}, 2)
	refused := state(Result{Outcome: Fail, Reason: ConnectionRefused}, 3)
	status := state(Result{Outcome: Fail, Reason: UnexpectedStatus5xx, Code: 503}, 4)
	denied := state(Result{Outcome: Indeterminate, Reason: AddressDenied}, 5)
	denied.lasting = true
	for name, tc := range map[string]struct {
		states []State
		want   Status
	}{
		"no checks":                         {nil, Status{Verdict: Healthy, Fresh: true}},
		"one":                               {[]State{refused}, refused.Status()},
		"all Healthy, since the last":       {[]State{late, early}, Status{Verdict: Healthy, Fresh: true, Since: since(2)}},
		"one Unhealthy suffices":            {[]State{early, refused, late}, Status{Verdict: Unhealthy, Reason: ConnectionRefused, Fresh: true, Since: since(3)}},
		"two Unhealthy, since the first":    {[]State{status, refused}, Status{Verdict: Unhealthy, Reason: UnexpectedStatus5xx, Code: 503, Fresh: true, Since: since(3)}},
		"Unknown beats Healthy":             {[]State{early, {}}, Status{}},
		"Unhealthy beats Unknown":           {[]State{{}, refused}, Status{Verdict: Unhealthy, Reason: ConnectionRefused, Since: since(3)}},
		"an obstacle shows":                 {[]State{early, denied}, Status{Obstacle: AddressDenied}},
		"the code is that of the reason":    {[]State{Seed(Unhealthy), status}, Status{Verdict: Unhealthy, Reason: UnexpectedStatus5xx, Code: 503}},
		"another reason has no code":        {[]State{refused, status}, Status{Verdict: Unhealthy, Reason: ConnectionRefused, Fresh: true, Since: since(3)}},
		"a seeded one without own time":     {[]State{Seed(Unhealthy), refused}, Status{Verdict: Unhealthy, Reason: ConnectionRefused}},
		"not fresh until every check is so": {[]State{Seed(Healthy), early}, Status{Verdict: Healthy, Since: since(1)}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Combine(tc.states...); got != tc.want {
				t.Errorf("Combine = %+v, want %+v", got, tc.want)
			}
		})
	}
}

// TestCombineIsAllOf checks the verdict against its definition, in any order.
func TestCombineIsAllOf(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		found := map[Verdict]bool{}
		var states []State
		for range rapid.IntRange(0, 6).Draw(t, "checks") {
			v := genSeed(t)
			found[v] = true
			states = append(states, Seed(v))
		}
		want := Healthy
		switch {
		case found[Unhealthy]:
			want = Unhealthy
		case found[Unknown]:
			want = Unknown
		}
		if got := Combine(states...).Verdict; got != want {
			t.Fatalf("verdict = %s, want %s", got, want)
		}
	})
}
