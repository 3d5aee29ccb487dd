// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"testing"
	"time"
	"unsafe"

	"pgregory.net/rapid"
)

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// results turns a script of P(ass), F(ail) and I(ndeterminate) into results.
func results(script string) []Result {
	var out []Result
	for _, c := range script {
		switch c {
		case 'P':
			out = append(out, Result{Outcome: Pass})
		case 'F':
			out = append(out, Result{Outcome: Fail, Reason: ConnectionRefused})
		case 'I':
			out = append(out, Result{Outcome: Indeterminate, Reason: LocalResources})
		}
	}
	return out
}

// verdicts folds a script over a state and returns the verdict after each
// result as U(nknown), H(ealthy), D(own).
func verdicts(s State, t Thresholds, script string) string {
	letters := map[Verdict]string{Unknown: "U", Healthy: "H", Unhealthy: "D"}
	out := ""
	for i, r := range results(script) {
		before := s.Verdict()
		var changed bool
		s, changed = s.Step(r, t, epoch.Add(time.Duration(i)*time.Second))
		if changed != (before != s.Verdict()) {
			return "changed does not tell the truth"
		}
		out += letters[s.Verdict()]
	}
	return out
}

func TestStep(t *testing.T) {
	usual := Thresholds{Healthy: 2, Unhealthy: 3}
	for name, tc := range map[string]struct {
		seed       Verdict
		thresholds Thresholds
		script     string
		want       string
	}{
		"one pass makes Unknown Healthy":                   {Unknown, usual, "P", "H"},
		"fails keep Unknown until the threshold":           {Unknown, usual, "FFFF", "UUDD"},
		"a pass between fails makes Unknown Healthy":       {Unknown, usual, "FFP", "UUH"},
		"Healthy needs consecutive fails":                  {Healthy, usual, "FFPFFPFFF", "HHHHHHHHD"},
		"Unhealthy needs consecutive passes":               {Unhealthy, usual, "PFPFPP", "DDDDDH"},
		"seeded Healthy needs the full threshold":          {Healthy, usual, "FFF", "HHD"},
		"seeded Unhealthy needs the full threshold":        {Unhealthy, usual, "PP", "DH"},
		"a seeded Unhealthy is not an Unknown":             {Unhealthy, Thresholds{Healthy: 3, Unhealthy: 1}, "PPP", "DDH"},
		"Indeterminate neither counts nor breaks a streak": {Healthy, usual, "FIIFIIIF", "HHHHHHHD"},
		"Indeterminate alone decides nothing":              {Unknown, usual, "IIIIIIII", "UUUUUUUU"},
		"thresholds below one count as one":                {Unknown, Thresholds{}, "FPF", "DHD"},
		"a streak starts anew after a flip":                {Unknown, usual, "PFFFPPFFF", "HHHDDHHHD"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := verdicts(Seed(tc.seed), tc.thresholds, tc.script); got != tc.want {
				t.Errorf("verdicts after %s = %s, want %s", tc.script, got, tc.want)
			}
		})
	}
}

func TestStreakSaturates(t *testing.T) {
	s := Seed(Healthy)
	thresholds := Thresholds{Healthy: 1, Unhealthy: 1 << 30}
	for i := range maxStreak {
		var changed bool
		if s, changed = s.Step(results("F")[0], thresholds, epoch); changed != (i == maxStreak-1) {
			t.Fatalf("changed = %v at fail %d", changed, i+1)
		}
	}
}

func TestStateStatus(t *testing.T) {
	s := Seed(Healthy)
	if got := s.Status(); got != (Status{Verdict: Healthy}) {
		t.Errorf("a seeded state says %+v: it has no evidence and no time of its own", got)
	}
	thresholds := Thresholds{Healthy: 1, Unhealthy: 2}
	s, _ = s.Step(Result{Outcome: Fail, Reason: ConnectTimeout}, thresholds, epoch)
	if got := s.Status(); got != (Status{Verdict: Healthy, Fresh: true}) {
		t.Errorf("a fail that does not flip shows: %+v", got)
	}
	s, _ = s.Step(Result{Outcome: Fail, Reason: ConnectionRefused}, thresholds, epoch.Add(time.Second))
	flipped := Status{Verdict: Unhealthy, Reason: ConnectionRefused, Since: time.Unix(0, epoch.Add(time.Second).UnixNano()), Fresh: true}
	if got := s.Status(); got != flipped {
		t.Errorf("after the flip: %+v, want %+v", got, flipped)
	}
	s, _ = s.Step(Result{Outcome: Indeterminate, Reason: AddressDenied}, thresholds, epoch.Add(time.Minute))
	if got := s.Status(); got != flipped {
		t.Errorf("a single Indeterminate shows: %+v", got)
	}
	s, _ = s.Step(Result{Outcome: Indeterminate, Reason: AddressDenied}, thresholds, epoch.Add(time.Minute))
	obstructed := flipped
	obstructed.Obstacle = AddressDenied
	if got := s.Status(); got != obstructed {
		t.Errorf("after an Indeterminate: %+v, want %+v", got, obstructed)
	}
	s, _ = s.Step(Result{Outcome: Fail, Reason: UnexpectedStatus5xx, Code: 503}, thresholds, epoch.Add(time.Hour))
	flipped.Reason, flipped.Code = UnexpectedStatus5xx, 503
	if got := s.Status(); got != flipped {
		t.Errorf("a further fail: %+v, want the new reason and the old time %+v", got, flipped)
	}
	if got := Resume(s.Status()).Status(); got != flipped {
		t.Errorf("resumed: %+v, want %+v", got, flipped)
	}
	s, _ = s.Step(Result{Outcome: Fail, Reason: ConnectionReset}, thresholds, epoch.Add(time.Hour))
	flipped.Reason, flipped.Code = ConnectionReset, 0
	if got := s.Status(); got != flipped {
		t.Errorf("a fail without a code: %+v, want %+v", got, flipped)
	}
	s, _ = s.Step(Result{Outcome: Fail, Reason: UnexpectedStatus5xx, Code: 503}, thresholds, epoch)
	if s, _ = s.Step(Result{Outcome: Pass}, thresholds, epoch); s.Status().Code != 0 {
		t.Errorf("a Healthy one shows code %d", s.Status().Code)
	}
}

func TestResumeResetsCounters(t *testing.T) {
	thresholds := Thresholds{Healthy: 2, Unhealthy: 3}
	s := Seed(Healthy)
	for _, r := range results("FF") {
		s, _ = s.Step(r, thresholds, epoch)
	}
	s = Resume(s.Status())
	if s.Pending() {
		t.Error("a resumed state has a pending counter")
	}
	if got := verdicts(s, thresholds, "FFF"); got != "HHD" {
		t.Errorf("verdicts = %s, want the full threshold again: HHD", got)
	}
}

func TestInterval(t *testing.T) {
	timing := Timing{Interval: 10 * time.Second, Timeout: time.Second, EdgeInterval: 2 * time.Second, UnhealthyInterval: 30 * time.Second}
	slow := Timing{Interval: 10 * time.Second, Timeout: 5 * time.Second, EdgeInterval: 2 * time.Second, UnhealthyInterval: 10 * time.Second}
	quick := Timing{Interval: time.Second, Timeout: time.Second, EdgeInterval: 2 * time.Second, UnhealthyInterval: time.Second}
	for name, tc := range map[string]struct {
		seed   Verdict
		script string
		timing Timing
		want   time.Duration
	}{
		"Healthy":                             {Healthy, "", timing, 10 * time.Second},
		"Unhealthy":                           {Unhealthy, "", timing, 30 * time.Second},
		"Unknown":                             {Unknown, "", timing, 2 * time.Second},
		"Unknown, undecidable":                {Unknown, "I", timing, 2 * time.Second},
		"Healthy, a fail pending":             {Healthy, "F", timing, 2 * time.Second},
		"Healthy, no longer pending":          {Healthy, "FP", timing, 10 * time.Second},
		"Healthy, undecidable":                {Healthy, "I", timing, 10 * time.Second},
		"Unhealthy, a pass pending":           {Unhealthy, "P", timing, 2 * time.Second},
		"just flipped":                        {Healthy, "FFF", timing, 30 * time.Second},
		"the edge interval covers a timeout":  {Unknown, "", slow, 5 * time.Second},
		"the edge interval never slows down":  {Unknown, "", quick, time.Second},
		"edge in Unhealthy never slows down":  {Unhealthy, "P", quick, time.Second},
		"settled does not care for the edges": {Healthy, "", slow, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			s := Seed(tc.seed)
			for _, r := range results(tc.script) {
				s, _ = s.Step(r, Thresholds{Healthy: 2, Unhealthy: 3}, epoch)
			}
			if got := s.Interval(tc.timing); got != tc.want {
				t.Errorf("interval = %s, want %s", got, tc.want)
			}
		})
	}
}

func TestStateIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(State{}); size > 48 {
		t.Errorf("a State has %d bytes, want at most 48: there is one per check and target", size)
	}
}

func genThresholds(t *rapid.T) Thresholds {
	return Thresholds{
		Healthy:   rapid.IntRange(1, 6).Draw(t, "healthyThreshold"),
		Unhealthy: rapid.IntRange(1, 6).Draw(t, "unhealthyThreshold"),
	}
}

func genSeed(t *rapid.T) Verdict {
	return rapid.SampledFrom([]Verdict{Unknown, Healthy, Unhealthy}).Draw(t, "seed")
}

// TestFlipsNeedFullStreaks checks every flip against its definition: it is
// preceded by as many equal results as the threshold says, all of them obtained
// since the state was made, and a verdict never withstands such a streak.
func TestFlipsNeedFullStreaks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		thresholds := genThresholds(t)
		s := Seed(genSeed(t))
		script := rapid.StringOfN(rapid.SampledFrom([]rune("PF")), 0, 60, -1).Draw(t, "script")
		streak, last := 0, Indeterminate
		for _, r := range results(script) {
			if r.Outcome != last {
				streak = 0
			}
			streak, last = streak+1, r.Outcome
			before := s.Verdict()
			s, _ = s.Step(r, thresholds, epoch)
			want := before
			switch {
			case r.Outcome == Pass && (before == Unknown || streak >= thresholds.Healthy):
				want = Healthy
			case r.Outcome == Fail && streak >= thresholds.Unhealthy:
				want = Unhealthy
			}
			if s.Verdict() != want {
				t.Fatalf("%s after %d x %s became %s, want %s", before, streak, r.Outcome, s.Verdict(), want)
			}
		}
	})
}

// TestIndeterminateIsInvisible inserts Indeterminate results anywhere and
// expects the same verdicts as without them.
func TestIndeterminateIsInvisible(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		thresholds := genThresholds(t)
		plain := Seed(genSeed(t))
		noisy := plain
		script := rapid.StringOfN(rapid.SampledFrom([]rune("PFI")), 0, 60, -1).Draw(t, "script")
		for _, r := range results(script) {
			if r.Outcome != Indeterminate {
				plain, _ = plain.Step(r, thresholds, epoch)
			}
			var changed bool
			noisy, changed = noisy.Step(r, thresholds, epoch)
			if changed && r.Outcome == Indeterminate {
				t.Fatal("an Indeterminate result changed the verdict")
			}
			undisturbed := noisy
			undisturbed.obstacle, undisturbed.lasting = plain.obstacle, plain.lasting
			if undisturbed != plain {
				t.Fatalf("with Indeterminate results %+v, without %+v", noisy, plain)
			}
		}
	})
}
