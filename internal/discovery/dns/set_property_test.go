// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestSetKeepsItsPromises steps through answers and failures of all kinds.
func TestSetKeepsItsPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := history{set: newSet(DefaultMinTTL, DefaultMaxTTL), lastIn: map[netip.Addr]time.Time{}, now: epoch}
		h.hosts = rapid.SampledFrom([]int{2, 8, 400}).Draw(t, "hosts")
		h.most = rapid.IntRange(1, 64).Draw(t, "most")
		for range rapid.IntRange(1, 120).Draw(t, "steps") {
			h.step(t)
		}
	})
}

// history is a set and what has happened to it.
type history struct {
	set         *set
	hosts, most int // there are, in an answer
	now         time.Time

	lastIn   map[netip.Addr]time.Time // last answer that had it
	lastSaid time.Time                // last definitive answer
	emptied  int
}

func (h *history) step(t *rapid.T) {
	a := h.draw(t)
	before := h.set.snapshot
	if before == nil {
		before = &Snapshot{}
	}
	pause := h.set.step(&a, h.now)
	after := h.set.snapshot

	if pause < DefaultMinTTL || pause > DefaultMaxTTL {
		t.Errorf("the pause is %s", pause)
	}
	if after.Outcome != a.outcome || !slices.IsSortedFunc(after.Addrs, netip.Addr.Compare) || len(after.Addrs) > MaxAddrs {
		t.Errorf("after %s: %s", a, state(after))
	}
	if again := *after; !after.equal(&again) || (after != before) == (before.Outcome != 0 && before.equal(after)) {
		t.Errorf("after %s a snapshot is the same as before and is another pointer, or the reverse", a)
	}
	switch {
	case !a.outcome.Definitive():
		h.failed(t, before, after)
	case a.outcome == Answered:
		h.answered(t, &a, before, after)
	default:
		h.empty(t, before, after)
	}
	if a.outcome.Definitive() {
		if !after.FailingSince.IsZero() || after.Definitive.IsZero() || !before.Definitive.IsZero() && before.Definitive != after.Definitive {
			t.Errorf("after %s: %s", a, state(after))
		}
		h.lastSaid = h.now
	}
	h.now = h.now.Add(pause)
	if rapid.IntRange(0, 9).Draw(t, "late") == 0 {
		h.now = h.now.Add(time.Duration(rapid.IntRange(0, 3600).Draw(t, "by")) * time.Second)
	}
}

func (h *history) draw(t *rapid.T) answer {
	kind := rapid.SampledFrom([]Outcome{
		Answered, Answered, Answered, Answered, Answered, Answered, Answered, Answered,
		Empty, Empty, NameError, ServerFailure, Refused, Malformed, Timeout, Unreachable,
	}).Draw(t, "kind")
	a := answer{outcome: kind, ttl: time.Duration(rapid.SampledFrom([]int{0, 5, 30, 300, 86400}).Draw(t, "ttl")) * time.Second}
	if kind == Answered {
		hosts := rapid.SliceOfNDistinct(rapid.IntRange(0, h.hosts-1), 1, min(h.hosts, h.most), rapid.ID).Draw(t, "in")
		for _, host := range hosts {
			a.addrs = append(a.addrs, addr(host))
		}
		slices.SortFunc(a.addrs, netip.Addr.Compare)
	}
	return a
}

func (h *history) failed(t *rapid.T, before, after *Snapshot) {
	h.emptied = 0
	if !slices.Equal(before.Addrs, after.Addrs) {
		t.Errorf("a failure turns %s into %s", state(before), state(after))
	}
	if after.Unconfirmed || after.FailingSince.IsZero() || !before.FailingSince.IsZero() && after.FailingSince != before.FailingSince {
		t.Errorf("after a failure: %s, failing since %s", state(after), after.FailingSince)
	}
}

func (h *history) answered(t *rapid.T, a *answer, before, after *Snapshot) {
	h.emptied = 0
	ttl := min(max(a.ttl, DefaultMinTTL), DefaultMaxTTL)
	for _, addr := range a.addrs {
		h.lastIn[addr] = h.now
		if !slices.Contains(after.Addrs, addr) && (slices.Contains(before.Addrs, addr) || len(after.Addrs) < MaxAddrs) {
			t.Errorf("%s is in the answer, and no member", addr)
		}
	}
	for _, addr := range after.Addrs {
		if !slices.Contains(a.addrs, addr) && !slices.Contains(before.Addrs, addr) {
			t.Errorf("%s is a member, and was none, and is not in the answer", addr)
		}
	}
	for _, addr := range before.Addrs {
		if absent := h.now.Sub(h.lastIn[addr]); !slices.Contains(after.Addrs, addr) && absent < max(minRetention, 3*ttl) {
			t.Errorf("%s left %s after the last answer that had it", addr, absent)
		}
		if h.lastIn[addr].Equal(h.lastSaid) && !slices.Contains(after.Addrs, addr) {
			t.Errorf("%s left with the first answer that lacks it", addr)
		}
	}
}

func (h *history) empty(t *rapid.T, before, after *Snapshot) {
	h.emptied++
	switch {
	case after.Unconfirmed != (len(before.Addrs) > 0 && h.emptied < confirmations):
		t.Errorf("after %d empty answers: %s", h.emptied, state(after))
	case after.Unconfirmed && !slices.Equal(before.Addrs, after.Addrs):
		t.Errorf("an unconfirmed answer turns %s into %s", state(before), state(after))
	case !after.Unconfirmed && len(after.Addrs) > 0:
		t.Errorf("after %d empty answers: %s", h.emptied, state(after))
	}
}

// epoch is when tests begin.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func addr(host int) netip.Addr {
	return netip.AddrFrom4([4]byte{192, 0, byte(2 + host>>8), byte(host)})
}

// state shows what readers see of a set: "[.1 .2] Timeout failing".
func state(s *Snapshot) string {
	var members []string
	for _, addr := range s.Addrs {
		members = append(members, strings.TrimPrefix(addr.String(), "192.0.2"))
	}
	for _, s := range s.Services {
		members = append(members, fmt.Sprintf("%d/%s:%d", s.Priority, s.Host, s.Port))
	}
	text := fmt.Sprintf("[%s] %s", strings.Join(members, " "), s.Outcome)
	if s.Unconfirmed {
		text += " unconfirmed"
	}
	if !s.FailingSince.IsZero() {
		text += " failing"
	}
	return text
}
