// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"externalbackend.dev/operator/internal/health"
)

// at returns one target with what is at its address.
func at(instance, addr string, seed health.Verdict, checks ...*health.Check) []health.Target {
	t := target(addr, seed, checks...)
	t.Instance = instance
	return []health.Target{t}
}

// TestAnotherInstanceStartsAnew: neither the verdict of the instance before at the
// address counts, nor what was known against it.
func TestAnotherInstanceStartsAnew(t *testing.T) {
	for name, instances := range map[string][2]string{
		"another instance":             {"i-a", "i-b"},
		"an instance that was listed":  {"", "i-b"},
		"listed, and was an instance":  {"i-a", ""},
		"none of its checks is shared": {"i-a", "i-c"},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, Options{}, func(w *world) {
				check := tcp(80)
				w.standard.result = refused
				w.run()
				w.Ensure(shop, usual, at(instances[0], "198.18.0.1", health.Healthy, check))
				if instances[1] != "i-c" {
					w.Ensure(other, usual, at(instances[0], "198.18.0.1", health.Healthy, check))
				}
				w.after(time.Minute)
				w.wantVerdicts(shop, health.Unhealthy)
				w.Ensure(shop, usual, at(instances[1], "198.18.0.1", health.Unknown, check))
				if got := w.Statuses(shop, nil)[0]; got != (health.Status{}) {
					t.Errorf("status %+v of an instance that was never checked", got)
				}
				w.Ensure(shop, usual, at(instances[1], "198.18.0.1", health.Healthy, check))
				w.wantVerdicts(shop, health.Unknown)
				w.tell("198.18.0.1", 80, func(h *host) { h.result = pass })
				w.after(time.Minute)
				w.wantVerdicts(shop, health.Healthy)
				if stats := w.Stats(); stats.Probes != 1 {
					t.Errorf("%d probes", stats.Probes)
				}
			})
		})
	}
}

// TestAnotherInstanceNeedsFullThresholds: failures of the one before do not count.
func TestAnotherInstanceNeedsFullThresholds(t *testing.T) {
	inWorld(t, Options{}, func(w *world) {
		check, thrice := tcp(80), health.Thresholds{Healthy: 1, Unhealthy: 3}
		w.standard.result = refused
		w.run()
		w.Ensure(other, thrice, at("", "198.18.0.1", health.Healthy, check))
		w.Ensure(shop, thrice, at("i-a", "198.18.0.1", health.Healthy, check))
		for len(w.starts("198.18.0.1", 80)) < 2 {
			w.after(100 * time.Millisecond)
		}
		w.Ensure(shop, thrice, at("i-b", "198.18.0.1", health.Healthy, check))
		for len(w.starts("198.18.0.1", 80)) < 4 {
			w.after(100 * time.Millisecond)
		}
		w.wantVerdicts(other, health.Unhealthy)
		w.wantVerdicts(shop, health.Healthy)
		w.after(time.Minute)
		w.wantVerdicts(shop, health.Unhealthy)
	})
}

// TestResultsOfTheInstanceBefore: a check that others want goes on, and its result
// counts for them only, if the instance was not known yet when it started.
func TestResultsOfTheInstanceBefore(t *testing.T) {
	for name, tc := range map[string]struct {
		before, after string
		want          health.Verdict
	}{
		"another instance":              {"i-a", "i-b", health.Unknown},
		"the first instance there":      {"", "i-b", health.Unknown},
		"an instance that nobody had":   {"nobody", "i-b", health.Unknown},
		"an address that is listed now": {"i-a", "", health.Unknown},
		"the same instance":             {"i-a", "i-a", health.Healthy},
		"a listed address is new":       {"nobody", "", health.Healthy},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, Options{}, func(w *world) {
				check := tcp(80)
				w.standard.latency = 500 * time.Millisecond
				w.run()
				w.Ensure(other, usual, at("i-a", "198.18.0.1", health.Unknown, check))
				if tc.before != "nobody" {
					w.Ensure(shop, usual, at(tc.before, "198.18.0.1", health.Unknown, check))
				}
				for len(w.starts("198.18.0.1", 80)) < 1 {
					w.after(10 * time.Millisecond)
				}
				w.Ensure(shop, usual, at(tc.after, "198.18.0.1", health.Unknown, check))
				w.after(600 * time.Millisecond)
				w.wantVerdicts(other, health.Healthy)
				w.wantVerdicts(shop, tc.want)
				w.after(20 * time.Second)
				w.wantVerdicts(shop, health.Healthy)
				if gaps := w.gaps("198.18.0.1", 80); slices.Min(gaps) < 900*time.Millisecond {
					t.Errorf("checks are %s apart", slices.Min(gaps))
				}
			})
		})
	}
}

// TestTheFirstOfTwoInstancesCounts, as of several targets with the same address.
func TestTheFirstOfTwoInstancesCounts(t *testing.T) {
	inWorld(t, Options{}, func(w *world) {
		check := tcp(80)
		both := append(at("i-a", "198.18.0.1", health.Healthy, check), at("i-b", "198.18.0.1", health.Unhealthy, check)...)
		w.run()
		w.Ensure(shop, usual, both)
		w.wantVerdicts(shop, health.Healthy, health.Healthy)
		w.Ensure(shop, usual, both)
		w.wantVerdicts(shop, health.Healthy, health.Healthy)
		slices.Reverse(both)
		w.Ensure(shop, usual, both)
		w.wantVerdicts(shop, health.Unhealthy, health.Unhealthy)
	})
}

// TestAnotherInstanceWithOtherChecks: whether or not there is room for them,
// nothing is left of the instance before.
func TestAnotherInstanceWithOtherChecks(t *testing.T) {
	for name, tc := range map[string]struct {
		before, after []*health.Check
		obstacle      health.Reason
	}{
		"another check":          {[]*health.Check{tcp(80)}, []*health.Check{tcp(81)}, ""},
		"one more":               {[]*health.Check{tcp(80)}, []*health.Check{tcp(80), tcp(81)}, ""},
		"more than there may be": {[]*health.Check{tcp(80)}, []*health.Check{tcp(80), tcp(81), tcp(82)}, health.TooManyChecks},
		"none before":            {nil, []*health.Check{tcp(80)}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, Options{MaxChecksPerNamespace: 2}, func(w *world) {
				w.run()
				w.Ensure(shop, usual, at("i-a", "198.18.0.1", health.Healthy, tc.before...))
				w.after(time.Minute)
				w.wantVerdicts(shop, health.Healthy)
				w.Ensure(shop, usual, at("i-b", "198.18.0.1", health.Unknown, tc.after...))
				if got := w.Statuses(shop, nil)[0]; got != (health.Status{Obstacle: tc.obstacle}) {
					t.Errorf("status %+v of an instance that was never checked", got)
				}
				w.after(time.Minute)
				w.wantVerdicts(shop, health.Healthy)
			})
		})
	}
}

// TestVerdictsAreAboutTheInstance, whoever wants its checks besides, and however long
// they take: one instance always answers, and the other never does.
func TestVerdictsAreAboutTheInstance(t *testing.T) {
	instances := []string{"", "i-good", "i-bad"}
	never := map[string]health.Verdict{"i-good": health.Unhealthy, "i-bad": health.Healthy}
	rapid.Check(t, func(r *rapid.T) {
		latency := time.Duration(rapid.IntRange(1, 900).Draw(r, "latency")) * time.Millisecond
		stubborn := rapid.Bool().Draw(r, "stubborn")
		steps := rapid.SliceOfN(rapid.IntRange(0, 6), 1, 40).Draw(r, "steps")
		wrong := ""
		inWorld(t, Options{}, func(w *world) {
			w.standard = host{result: pass, latency: latency, stubborn: stubborn}
			checks := []*health.Check{tcp(80, every(2*time.Second)), tcp(81, every(time.Second))}
			w.run()
			w.Ensure(other, usual, at("", "198.18.0.1", health.Unknown, checks...))
			now := ""
			for _, step := range steps {
				switch step {
				case 0:
					w.Ensure(other, usual, at("", "198.18.0.1", health.Unknown, checks...))
				case 1:
					w.Forget(other)
				case 2, 3:
					now = instances[step-1]
					for _, port := range []uint16{80, 81} {
						w.tell("198.18.0.1", port, func(h *host) { h.result = map[string]health.Result{"i-good": pass, "i-bad": refused}[now] })
					}
					w.Ensure(shop, health.Thresholds{Healthy: 1, Unhealthy: 1}, at(now, "198.18.0.1", health.Unknown, checks...))
				case 4: // an edit takes nothing over, either
					slices.Reverse(checks)
				}
				for range 3 * max(0, step-4) {
					w.after(200 * time.Millisecond)
					if got := w.verdicts(shop); now != "" && got[0] == never[now] {
						wrong = fmt.Sprintf("%s is %s", now, got[0])
					}
				}
			}
			w.after(5 * time.Second) // what is still running
		})
		if wrong != "" {
			r.Fatal(wrong)
		}
	})
}
