// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// said makes an answer of addresses by the last numbers of them.
func said(ttl time.Duration, hosts ...int) answer {
	a := answer{outcome: Answered, ttl: ttl}
	for _, host := range hosts {
		a.addrs = append(a.addrs, addr(host))
	}
	return a
}

func told(outcome Outcome) answer { return answer{outcome: outcome} }

// TestEveryKindOfAnswer shows the members before and after.
func TestEveryKindOfAnswer(t *testing.T) {
	const before = "[.1 .2] Answered"
	type step struct {
		after time.Duration
		heard answer
		want  string
	}
	for _, tt := range []struct {
		name  string
		steps []step
	}{
		{"the same", []step{{30 * time.Second, said(30*time.Second, 1, 2), before}}},
		{"one more", []step{{30 * time.Second, said(30*time.Second, 1, 2, 3), "[.1 .2 .3] Answered"}}},
		{"one is missing, until three TTLs are over", []step{
			{30 * time.Second, said(30*time.Second, 1), before},
			{30 * time.Second, said(30*time.Second, 1), before},
			{30 * time.Second, said(30*time.Second, 1), before},
			{29 * time.Second, said(30*time.Second, 1), before},
			{1 * time.Second, said(30*time.Second, 1), "[.1] Answered"},
		}},
		{"one is missing, until a minute is over", []step{
			{30 * time.Second, said(0, 1, 2), before},
			{5 * time.Second, said(0, 1), before},
			{10 * time.Second, said(0, 1), before},
			{10 * time.Second, said(0, 1), before},
			{10 * time.Second, said(0, 1), before},
			{10 * time.Second, said(0, 1), before},
			{10 * time.Second, said(0, 1), before},
			{9 * time.Second, said(0, 1), before},
			{1 * time.Second, said(0, 1), "[.1] Answered"},
		}},
		{"one is missing, and comes back in time", []step{
			{30 * time.Second, said(30*time.Second, 1), before},
			{30 * time.Second, said(30*time.Second, 1), before},
			{30 * time.Second, said(30*time.Second, 1, 2), before},
			{30 * time.Second, said(30*time.Second, 1), before},
			{60 * time.Second, said(30*time.Second, 1), before},
		}},
		{"one is missing, and nobody can say for how long", []step{
			{30 * time.Second, said(30*time.Second, 1), before},
			{5 * time.Second, told(Timeout), "[.1 .2] Timeout failing"},
			{10 * time.Minute, told(Timeout), "[.1 .2] Timeout failing"},
			{5 * time.Second, said(30*time.Second, 1), before},
			{30 * time.Second, said(30*time.Second, 1), before},
			{30 * time.Second, said(30*time.Second, 1), before},
			{25 * time.Second, said(30*time.Second, 1), "[.1] Answered"},
		}},
		{"one is missing, and nobody asked for long", []step{
			{30 * time.Second, said(30*time.Second, 1), before},
			{time.Hour, said(30*time.Second, 1), before},
			{30 * time.Second, said(30*time.Second, 1), "[.1] Answered"},
		}},
		{"a cache's TTL is what is left of it", append(
			slices.Repeat([]step{{5 * time.Second, said(3*time.Second, 1), before}}, 18),
			step{5 * time.Second, said(3*time.Second, 1), "[.1] Answered"},
		)},
		{"others", []step{
			{30 * time.Second, said(30*time.Second, 3), "[.1 .2 .3] Answered"},
			{30 * time.Second, said(30*time.Second, 3), "[.1 .2 .3] Answered"},
			{60 * time.Second, said(30*time.Second, 3), "[.3] Answered"},
		}},
		{"none", []step{
			{30 * time.Second, told(Empty), "[.1 .2] Empty unconfirmed"},
			{30 * time.Second, told(Empty), "[.1 .2] Empty unconfirmed"},
			{30 * time.Second, told(Empty), "[.1 .2] Empty unconfirmed"},
			{29 * time.Second, told(Empty), "[.1 .2] Empty unconfirmed"},
			{1 * time.Second, told(Empty), "[] Empty"},
		}},
		{"none, until it was said three times", []step{
			{30 * time.Second, said(0, 1, 2), before},
			{5 * time.Second, told(Empty), "[.1 .2] Empty unconfirmed"},
			{60 * time.Second, told(Empty), "[.1 .2] Empty unconfirmed"},
			{60 * time.Second, told(Empty), "[] Empty"},
		}},
		{"none, for as long as the longer TTL says", []step{
			{30 * time.Second, told(Empty), "[.1 .2] Empty unconfirmed"},
			{30 * time.Second, answer{outcome: Empty, ttl: time.Minute}, "[.1 .2] Empty unconfirmed"},
			{60 * time.Second, told(Empty), "[.1 .2] Empty unconfirmed"},
			{60 * time.Second, told(Empty), "[.1 .2] Empty unconfirmed"},
			{30 * time.Second, told(Empty), "[] Empty"},
		}},
		{"no such name", []step{
			{30 * time.Second, told(NameError), "[.1 .2] NameError unconfirmed"},
			{30 * time.Second, told(NameError), "[.1 .2] NameError unconfirmed"},
			{60 * time.Second, told(NameError), "[] NameError"},
			{5 * time.Second, said(30*time.Second, 1, 2), before},
		}},
		{"none, or no such name", []step{
			{30 * time.Second, told(NameError), "[.1 .2] NameError unconfirmed"},
			{60 * time.Second, told(Empty), "[.1 .2] Empty unconfirmed"},
			{60 * time.Second, told(NameError), "[] NameError"},
		}},
		{"none, and then some", []step{
			{30 * time.Second, told(NameError), "[.1 .2] NameError unconfirmed"},
			{60 * time.Second, told(NameError), "[.1 .2] NameError unconfirmed"},
			{30 * time.Second, said(30*time.Second, 2), before},
			{30 * time.Second, told(NameError), "[.1 .2] NameError unconfirmed"},
		}},
		{"none, and then nobody knows", []step{
			{30 * time.Second, told(NameError), "[.1 .2] NameError unconfirmed"},
			{60 * time.Second, told(NameError), "[.1 .2] NameError unconfirmed"},
			{30 * time.Second, told(ServerFailure), "[.1 .2] ServerFailure failing"},
			{5 * time.Second, told(NameError), "[.1 .2] NameError unconfirmed"},
			{60 * time.Second, told(NameError), "[.1 .2] NameError unconfirmed"},
			{60 * time.Second, told(NameError), "[] NameError"},
		}},
		{"SERVFAIL", []step{{30 * time.Second, told(ServerFailure), "[.1 .2] ServerFailure failing"}}},
		{"REFUSED", []step{{30 * time.Second, told(Refused), "[.1 .2] Refused failing"}}},
		{"malformed", []step{{30 * time.Second, told(Malformed), "[.1 .2] Malformed failing"}}},
		{"timeout", []step{{30 * time.Second, told(Timeout), "[.1 .2] Timeout failing"}}},
		{"unreachable", []step{{30 * time.Second, told(Unreachable), "[.1 .2] Unreachable failing"}}},
		{"failures for a week, and then the same", []step{
			{30 * time.Second, told(Timeout), "[.1 .2] Timeout failing"},
			{7 * 24 * time.Hour, told(Refused), "[.1 .2] Refused failing"},
			{30 * time.Second, said(30*time.Second, 1, 2), before},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, now := newSet(DefaultMinTTL, DefaultMaxTTL), epoch
			first := said(30*time.Second, 1, 2)
			s.step(&first, now)
			if got := state(s.snapshot); got != before {
				t.Fatalf("before: %s", got)
			}
			for i, step := range tt.steps {
				now = now.Add(step.after)
				s.step(&step.heard, now)
				if got := state(s.snapshot); got != step.want {
					t.Errorf("after step %d, %s: got %s, want %s", i, step.heard, got, step.want)
				}
			}
		})
	}
}

func TestNamesWithoutMembersLoseNothing(t *testing.T) {
	for _, outcome := range []Outcome{Empty, NameError} {
		s := newSet(DefaultMinTTL, DefaultMaxTTL)
		for i := range 5 {
			if pause := s.step(&answer{outcome: outcome, ttl: time.Minute}, epoch.Add(time.Duration(i)*time.Minute)); pause != time.Minute {
				t.Errorf("%s is asked again after %s", outcome, pause)
			}
			if got, want := state(s.snapshot), "[] "+outcome.String(); got != want || s.snapshot.Definitive != epoch {
				t.Errorf("got %s, definitive since %s, want %s", got, s.snapshot.Definitive, want)
			}
			if settled := i >= 3; s.snapshot.Settled != settled {
				t.Errorf("settled %t after %d times %s", s.snapshot.Settled, i+1, outcome)
			}
		}
	}
}

func TestPauses(t *testing.T) {
	s := newSet(5*time.Second, 5*time.Minute)
	for i, step := range []struct {
		heard answer
		want  time.Duration
	}{
		{told(Timeout), 5 * time.Second},
		{told(Timeout), 10 * time.Second},
		{told(Refused), 20 * time.Second},
		{told(Timeout), 30 * time.Second},
		{told(Timeout), 30 * time.Second},
		{said(0, 1), 5 * time.Second},
		{said(60*time.Second, 1), time.Minute},
		{told(Timeout), 5 * time.Second},
		{told(Timeout), 10 * time.Second},
		{told(Timeout), 20 * time.Second},
		{told(Timeout), 40 * time.Second},
		{told(Timeout), time.Minute},
		{told(Timeout), time.Minute},
		{said(24*time.Hour, 1), 5 * time.Minute},
		{told(NameError), 30 * time.Second}, // a cache may repeat itself for who knows how long
		{answer{outcome: Empty, ttl: 10 * time.Second}, 10 * time.Second},
		{answer{outcome: Empty, ttl: time.Hour}, 5 * time.Minute},
		{said(time.Second, 1), 5 * time.Second},
	} {
		if got := s.step(&step.heard, epoch.Add(time.Duration(i)*time.Hour)); got != step.want {
			t.Errorf("step %d, %s: the pause is %s, want %s", i, step.heard, got, step.want)
		}
	}
}

func TestFailingSinceTheFirstFailure(t *testing.T) {
	s := newSet(DefaultMinTTL, DefaultMaxTTL)
	for i, step := range []struct {
		heard answer
		want  int // seconds, or -1
	}{
		{told(Timeout), 0}, {told(Timeout), 0}, {said(0, 1), -1}, {told(Refused), 3}, {told(Timeout), 3}, {told(Empty), -1}, {told(Timeout), 6},
	} {
		s.step(&step.heard, epoch.Add(time.Duration(i)*time.Second))
		want := epoch.Add(time.Duration(step.want) * time.Second)
		if step.want < 0 {
			want = time.Time{}
		}
		if got := s.snapshot.FailingSince; !got.Equal(want) {
			t.Errorf("step %d: failing since %s, want %s", i, got, want)
		}
	}
}

// TestServicesChangeTheirPriority: a service is a host and port. One that is missing
// comes last, until it comes back: then answers may be parts of more.
func TestServicesChangeTheirPriority(t *testing.T) {
	s := newSet(DefaultMinTTL, DefaultMaxTTL)
	for i, step := range []struct {
		heard []Service
		want  string
	}{
		{[]Service{{"a.example", 1, 10, 5}, {"b.example", 1, 20, 5}}, "[10/a.example:1 20/b.example:1] Answered"},
		{[]Service{{"b.example", 1, 5, 7}, {"a.example", 1, 10, 5}}, "[5/b.example:1 10/a.example:1] Answered"},
		{[]Service{{"b.example", 2, 5, 7}, {"a.example", 1, 10, 5}}, "[5/b.example:2 10/a.example:1 5/b.example:1] Answered"},
		{[]Service{{"b.example", 1, 5, 7}, {"a.example", 1, 10, 5}}, "[5/b.example:1 5/b.example:2 10/a.example:1] Answered"},
	} {
		s.step(&answer{outcome: Answered, services: step.heard}, epoch.Add(time.Duration(i)*5*time.Second))
		if got := state(s.snapshot); got != step.want {
			t.Errorf("step %d: got %s, want %s", i, got, step.want)
		}
	}
}

// TestRotation has pools of which every answer is a part. Once it is known how
// long members stay away, none leaves, or few if there are more than fit.
func TestRotation(t *testing.T) {
	for _, tt := range []struct {
		name       string
		hosts      int
		most       int // that may leave in the second hour
		pick       func(round, i int) int
		wantMember int
	}{
		{"by turns", 100, 0, func(round, i int) int { return (8*round + i) % 100 }, 100},
		{"by turns, for longer than the retention", 240, 0, func(round, i int) int { return (8*round + i) % 240 }, 240},
		{"by chance", 100, 0, random(100), 100},
		{"more than fit, by turns", 1000, 0, func(round, i int) int { return (8*round + i) % 1000 }, MaxAddrs},
		{"more than fit, by chance", 1000, 1000, random(1000), MaxAddrs},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, now := newSet(DefaultMinTTL, DefaultMaxTTL), epoch
			left := 0
			for round := range 2 * 720 {
				a := answer{outcome: Answered}
				for i := range 8 {
					a.addrs = append(a.addrs, addr(tt.pick(round, i)))
				}
				slices.SortFunc(a.addrs, netip.Addr.Compare)
				a.addrs = slices.Compact(a.addrs)
				var before []netip.Addr
				if s.snapshot != nil {
					before = s.snapshot.Addrs
				}
				now = now.Add(s.step(&a, now))
				if len(s.addrs.known) > 2*MaxAddrs {
					t.Fatalf("%d records are known", len(s.addrs.known))
				}
				for _, addr := range before {
					if round >= 720 && !slices.Contains(s.snapshot.Addrs, addr) {
						left++
					}
				}
			}
			t.Logf("%d left, there are %d", left, len(s.snapshot.Addrs))
			if got := len(s.snapshot.Addrs); got != tt.wantMember || left > tt.most {
				t.Errorf("there are %d members, want %d; %d left, want at most %d", got, tt.wantMember, left, tt.most)
			}
		})
	}
}

func random(hosts int) func(int, int) int {
	chance := rand.New(rand.NewPCG(1, 2))
	return func(int, int) int { return chance.IntN(hosts) }
}
