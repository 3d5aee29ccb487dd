// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"testing"
	"time"
)

// TestSettled: what was known from before a restart may go once answers have
// lacked it for as long as a member. Time in which nobody answers counts for
// nothing.
func TestSettled(t *testing.T) {
	type step struct {
		after time.Duration
		heard answer
		want  bool
	}
	const ttl = 20 * time.Second
	for _, tt := range []struct {
		name  string
		steps []step
	}{
		{"after a minute", []step{
			{0, said(ttl, 1), false}, {ttl, said(ttl, 1), false}, {ttl, said(ttl, 1), false}, {ttl - 1, said(ttl, 1), false}, {1, said(ttl, 1), true},
		}},
		{"after a minute without one that was not seen before", []step{
			{0, said(ttl, 1), false},
			{ttl, said(ttl, 2), false},
			{ttl, said(ttl, 1), false},
			{ttl, said(ttl, 2), false},
			{ttl, said(ttl, 1), true},
		}},
		{"after three TTLs", []step{
			{0, said(time.Minute, 1), false},
			{time.Minute, said(time.Minute, 1), false},
			{time.Minute, said(time.Minute, 1), false},
			{time.Minute, said(time.Minute, 1), true},
		}},
		{"not by failing", []step{
			{0, said(ttl, 1), false},
			{ttl, told(Timeout), false},
			{time.Hour, told(Refused), false},
			{time.Hour, said(ttl, 1), false}, // the first ttl was without failures
			{ttl, said(ttl, 1), false},
			{ttl, said(ttl, 1), true},
		}},
		{"not before it was ever said", []step{{0, told(Timeout), false}, {time.Hour, told(Timeout), false}, {time.Hour, said(ttl, 1), false}}},
		{"for good", []step{
			{0, answer{outcome: Empty, ttl: ttl}, false},
			{ttl, answer{outcome: NameError, ttl: ttl}, false},
			{ttl, answer{outcome: Empty, ttl: ttl}, false},
			{ttl, answer{outcome: Empty, ttl: ttl}, true},
			{time.Second, told(Timeout), true},
			{time.Second, said(ttl, 1), true},
			{time.Second, told(Empty), true},
		}},
		{"not by what is not confirmed", []step{
			{0, answer{outcome: Empty, ttl: ttl}, false},
			{ttl, answer{outcome: Empty, ttl: ttl}, false},
			{ttl, told(Timeout), false},
			{ttl, answer{outcome: Empty, ttl: ttl}, false},
			{ttl, answer{outcome: Empty, ttl: ttl}, false},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, now := newSet(DefaultMinTTL, DefaultMaxTTL), epoch
			for i, step := range tt.steps {
				now = now.Add(step.after)
				before := s.snapshot
				s.step(&step.heard, now)
				if s.snapshot.Settled != step.want {
					t.Errorf("step %d, %s: settled %t", i, step.heard, s.snapshot.Settled)
				}
				if before != nil && before.Settled != s.snapshot.Settled && before == s.snapshot {
					t.Errorf("step %d: nobody is told", i)
				}
			}
		})
	}
}

// TestMissing: members that the last answer lacks are told apart, unless answers
// are known to be parts of more.
func TestMissing(t *testing.T) {
	s, now := newSet(DefaultMinTTL, DefaultMaxTTL), epoch
	for i, step := range []struct {
		heard answer
		want  []bool // of 1 and 2
	}{
		{said(30*time.Second, 1, 2), []bool{false, false}},
		{said(30*time.Second, 2), []bool{true, false}},
		{told(Timeout), []bool{true, false}},
		{said(30*time.Second, 1, 2), []bool{false, false}},
		{said(30*time.Second, 1), []bool{false, false}}, // 1 came back, and so may 2
	} {
		s.step(&step.heard, now)
		now = now.Add(10 * time.Second)
		if len(s.snapshot.Addrs) != 2 {
			t.Fatalf("step %d: %v", i, s.snapshot.Addrs)
		}
		for member, want := range step.want {
			if got := s.snapshot.Missing(member); got != want {
				t.Errorf("step %d: %s is missing: %t", i, s.snapshot.Addrs[member], got)
			}
		}
	}
}
