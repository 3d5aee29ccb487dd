// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"fmt"
	"maps"
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
		h := history{set: newSet(DefaultMinTTL, DefaultMaxTTL), lastIn: map[netip.Addr]sighting{}, now: epoch}
		h.hosts = rapid.SampledFrom([]int{2, 8, 100, 400}).Draw(t, "hosts")
		for range rapid.IntRange(20, 120).Draw(t, "steps") {
			h.step(t)
		}
	})
}

// history is a set and what has happened to it.
type history struct {
	set   *set
	hosts int
	now   time.Time
	mood  []Outcome // what comes for so many queries
	run   int

	known    time.Duration // time between queries of which none failed
	failing  bool
	lastIn   map[netip.Addr]sighting // last answer that had it
	lastSaid time.Time               // last definitive answer
	lastTTL  time.Duration           // of the last answer with records
	emptied  int                     // in a row
	since    time.Duration           // of known
	emptyTTL time.Duration           // the longest of those
}

// sighting is an answer that had an address.
type sighting struct {
	at    time.Time
	known time.Duration
	chain []string
}

func (h *history) step(t *rapid.T) {
	a := h.draw(t)
	before := h.set.snapshot
	if before == nil {
		before = &Snapshot{}
	}
	if !h.failing && !h.lastSaid.IsZero() {
		h.known += h.now.Sub(h.lastSaid)
	}
	h.failing = !a.outcome.Definitive()
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
		h.empty(t, &a, before, after)
	}
	if a.outcome.Definitive() {
		if !after.FailingSince.IsZero() || after.Definitive.IsZero() || !before.Definitive.IsZero() && before.Definitive != after.Definitive {
			t.Errorf("after %s: %s", a, state(after))
		}
		h.lastSaid = h.now
	}
	for i, addr := range after.Addrs {
		if want := h.lastIn[addr].chain; !slices.Equal(after.Chain(i), want) {
			t.Errorf("%s came by way of %v, and not of %v", addr, want, after.Chain(i))
		}
	}
	h.now = h.now.Add(pause)
	if rapid.IntRange(0, 3).Draw(t, "late") == 0 {
		h.now = h.now.Add(time.Duration(rapid.IntRange(0, 3600).Draw(t, "by")) * time.Second)
	}
}

func (h *history) draw(t *rapid.T) answer {
	if h.run--; h.run < 0 {
		h.mood = rapid.SampledFrom([][]Outcome{
			{Answered}, {Answered}, {Empty, NameError}, {ServerFailure, Refused, Malformed, Timeout, Unreachable},
		}).Draw(t, "mood")
		h.run = rapid.SampledFrom([]int{0, 0, 1, 3, 10}).Draw(t, "run")
	}
	kind := rapid.SampledFrom(h.mood).Draw(t, "kind")
	a := answer{outcome: kind, ttl: time.Duration(rapid.SampledFrom([]int{0, 0, 5, 30, 300, 86400}).Draw(t, "ttl")) * time.Second}
	if kind == Answered {
		from := rapid.IntRange(0, h.hosts-1).Draw(t, "from")
		step := rapid.SampledFrom([]int{1, 3, 7}).Draw(t, "step")
		for i := range rapid.SampledFrom([]int{1, 2, 8, 60, 200}).Draw(t, "in") {
			a.addrs = append(a.addrs, addr((from+step*i)%h.hosts))
		}
		slices.SortFunc(a.addrs, netip.Addr.Compare)
		a.addrs = slices.Compact(a.addrs)
	}
	a.chain = rapid.SampledFrom([][]string{nil, nil, {"a.example"}, {"a.example", "b.example"}}).Draw(t, "chain")
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
	h.lastTTL = bounded(a.ttl)
	last := maps.Clone(h.lastIn)
	were, came, out := 0, 0, 0
	for _, addr := range a.addrs {
		h.lastIn[addr] = sighting{h.now, h.known, a.chain}
		switch is, was := slices.Contains(after.Addrs, addr), slices.Contains(before.Addrs, addr); {
		case !is && was:
			t.Errorf("%s is in the answer, and no member any more", addr)
		case !is:
			out++
		case was:
			were++
		default:
			came++
		}
	}
	full := len(after.Addrs) == MaxAddrs
	if came > max(0, maxAnswerAddrs-were) || out > 0 && !full && were+came < maxAnswerAddrs {
		t.Errorf("of an answer %d records were members, %d come in, and %d do not", were, came, out)
	}
	if after.Dropped < out || !full && after.Dropped != out {
		t.Errorf("%d are said to be dropped, %d are", after.Dropped, out)
	}
	for _, addr := range after.Addrs {
		if !slices.Contains(a.addrs, addr) && !slices.Contains(before.Addrs, addr) {
			t.Errorf("%s is a member, and was none, and is not in the answer", addr)
		}
	}
	early := 0
	for _, addr := range before.Addrs {
		missed := h.known-last[addr].known < max(DefaultMinRetention, 3*h.lastTTL) || last[addr].at.Equal(h.lastSaid)
		if missed && !slices.Contains(after.Addrs, addr) {
			early++
		}
	}
	if early > 0 && (len(before.Addrs) < MaxAddrs || early > came) {
		t.Errorf("%d of %d left before they were missing for long enough, for %d that came", early, len(before.Addrs), came)
	}
}

// bounded is a TTL as it counts.
func bounded(ttl time.Duration) time.Duration { return min(max(ttl, DefaultMinTTL), DefaultMaxTTL) }

func (h *history) empty(t *rapid.T, a *answer, before, after *Snapshot) {
	if h.emptied++; h.emptied == 1 {
		h.since, h.emptyTTL = h.known, h.lastTTL
	}
	h.emptyTTL = max(h.emptyTTL, bounded(a.ttl))
	switch lasted := h.known - h.since; {
	case after.Dropped != 0:
		t.Errorf("%d are said to be dropped of nothing", after.Dropped)
	case after.Unconfirmed != (len(after.Addrs) > 0):
		t.Errorf("after %d empty answers: %s", h.emptied, state(after))
	case after.Unconfirmed && !slices.Equal(before.Addrs, after.Addrs):
		t.Errorf("an unconfirmed answer turns %s into %s", state(before), state(after))
	case !after.Unconfirmed && len(before.Addrs) > 0 && (h.emptied < confirmations || lasted < max(DefaultMinRetention, 3*h.emptyTTL)):
		t.Errorf("after %d empty answers in %s: %s", h.emptied, lasted, state(after))
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
