// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"testing"
	"time"

	"externalbackend.dev/operator/test/nameserver"
)

// TestAllIsLostNoFasterThanOne, also straight after an outage.
func TestAllIsLostNoFasterThanOne(t *testing.T) {
	s := newShown()
	s.show(said(5*time.Minute, 1, 2))
	for range 20 {
		s.show(told(ServerFailure))
	}
	begin := s.now
	for s.snapshot.Addrs != nil {
		s.show(told(Empty))
	}
	if took := s.now.Sub(begin); took < 15*time.Minute {
		t.Errorf("everything is gone %s after the first empty answer; one missing address would have stayed for 15m", took)
	}
}

// TestACacheDoesNotConfirmItself, whatever is asked of it until it forgets.
func TestACacheDoesNotConfirmItself(t *testing.T) {
	s := newShown()
	s.show(said(30*time.Second, 1, 2))
	begin, cached := s.now, s.now.Add(time.Hour)
	for statements := 1; s.snapshot.Addrs != nil; {
		if !s.now.Before(cached) {
			statements++
			cached = s.now.Add(time.Hour)
		}
		s.show(answer{outcome: NameError, ttl: cached.Sub(s.now).Truncate(time.Second)})
		if s.snapshot.Addrs == nil && statements < confirmations {
			t.Fatalf("%d statements, of which a cache repeats the last, are believed", statements)
		}
	}
	if took := s.now.Sub(begin); took > 3*time.Hour {
		t.Errorf("it took %s", took)
	}
}

// TestAServerThatLiesAlone is not believed: each confirmation is asked of another
// one first.
func TestAServerThatLiesAlone(t *testing.T) {
	bad, good := startServer(t), startServer(t)
	bad.Set("db.example", "A", nameserver.NXDomain(5)) // it has lost the zone
	good.Set("db.example", "A", nameserver.Records("db.example 30 A 192.0.2.1"))
	c := askers(never, bad, good)
	s := newShown()
	s.show(said(30*time.Second, 1))
	for range 20 {
		s.show(c.ask(t.Context(), db, s.first()))
		if got := state(s.snapshot); got != "[.1] Answered" && got != "[.1] NameError unconfirmed" {
			t.Fatalf("got %s", got)
		}
	}
	if bad.Total() != good.Total() {
		t.Errorf("one was asked %d times, the other one %d times", bad.Total(), good.Total())
	}
}

// TestAServerIsChosenForEachConfirmation, and only for those.
func TestAServerIsChosenForEachConfirmation(t *testing.T) {
	s := newShown()
	for i, step := range []struct {
		heard answer
		want  int
	}{
		{told(Empty), 1},
		{told(Empty), 2},
		{said(0, 1), 0},
		{told(NameError), 1},
		{told(NameError), 2},
		{told(Timeout), 0},
		{told(NameError), 1},
		{told(NameError), 2},
		{told(NameError), 0},
		{told(NameError), 0},
	} {
		s.show(step.heard)
		if got := s.first(); got != step.want {
			t.Errorf("step %d, %s: got %d, want %d", i, step.heard, got, step.want)
		}
	}
}

// TestOneFamilyContradictsNXDOMAIN of the other one, until it is gone as well.
func TestOneFamilyContradictsNXDOMAIN(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.set("db.example A", said(30*time.Second, 1))
		w.set("db.example AAAA", said(30*time.Second, 2))
		w.Ensure("shop/a", asks("db.example A", "db.example AAAA"))
		w.start(t)
		w.expect(t, "db.example A", "[.1] Answered", "shop/a")
		w.set("db.example A", told(NameError))
		time.Sleep(5 * time.Minute)
		w.expect(t, "db.example A", "[.1] Malformed failing", "shop/a")
		w.expect(t, "db.example AAAA", "[.2] Answered")
		w.set("db.example AAAA", told(NameError))
		time.Sleep(5 * time.Minute)
		w.expect(t, "db.example A", "[] NameError", "shop/a")
		w.expect(t, "db.example AAAA", "[] NameError")
	})
}

// TestNoServiceContradictsNothing: addresses have names of their own.
func TestNoServiceContradictsNothing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.set("_db.example SRV", answer{outcome: Answered, services: []Service{{"a.example", 1, 10, 0}}})
		w.Ensure("shop/a", asks("_db.example SRV"))
		w.start(t)
		w.expect(t, "_db.example SRV", "[10/a.example:1] Answered", "shop/a")
		w.set("_db.example SRV", told(NameError))
		time.Sleep(2 * time.Minute)
		w.expect(t, "_db.example SRV", "[] NameError", "shop/a")
	})
}

// TestAnOutageIsNoAbsence: an address goes when answers have lacked it for long
// enough, and not with the first ones after a time without.
func TestAnOutageIsNoAbsence(t *testing.T) {
	const ttl = 5 * time.Minute
	s := newShown()
	s.show(said(ttl, 1, 2))
	s.show(said(ttl, 1)) // .2 is missing; it stays for 15 minutes of answers
	s.show(told(Timeout))
	s.now = s.now.Add(10 * time.Minute)
	for range 2 {
		s.show(said(ttl, 1))
		if !s.has(2) {
			t.Fatal("it is gone, of 15 minutes without it 10 were without answers")
		}
	}
	s.show(said(ttl, 1))
	if s.has(2) {
		t.Error("it stays for longer than answers have lacked it")
	}
}
