// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"fmt"
	"strings"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
)

// twoServers returns servers 192.0.2.1 and .2 on a clock that is moved by hand.
func twoServers() (*servers, *clocktesting.FakePassiveClock) {
	now := clocktesting.NewFakePassiveClock(epoch)
	return newServers(ports("192.0.2.1:53", "192.0.2.2:53"), "", now), now
}

// String shows in which order servers are asked, each by the end of its address, with
// how often and for how long if that is not as configured.
func (p plan) String() string {
	var texts []string
	for _, t := range p.tries {
		text := fmt.Sprintf(".%d", t.server.Addr().As4()[3])
		if t.timeout != 5*time.Second || t.rounds != 2 {
			text += fmt.Sprintf(" %dx%s", t.rounds, t.timeout)
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, ", ")
}

// next makes a plan and ends it.
func (s *servers) next() string {
	p := s.plan(0)
	s.end(p)
	return p.String()
}

// TestOneNameMakesNoServerSilent: neither does its server, however often it is
// asked for; several names do, if nobody was replied to meanwhile.
func TestOneNameMakesNoServerSilent(t *testing.T) {
	s, now := twoServers()
	first := ports("192.0.2.1:53")[0]
	at := func(name string, sent time.Time) miss { return miss{first, name, sent} }
	misses := func(name string) {
		sent := now.Now()
		now.SetTime(sent.Add(5 * time.Second))
		s.missed(at(name, sent))
	}
	expect := func(what, want string) {
		t.Helper()
		if got := s.next(); got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	for range 100 {
		misses("a.evil")
	}
	expect("a name hangs", ".1, .2")
	misses("b.evil")
	s.heard(first)
	misses("c.evil")
	misses("d.evil")
	expect("three hang, and it replied meanwhile", ".1, .2")
	sent := now.Now().Add(-time.Second)
	s.heard(first)
	for _, name := range []string{"e.evil", "f.evil", "g.evil"} {
		s.missed(at(name, sent))
	}
	expect("it replied to what was sent later", ".1, .2")
	now.SetTime(now.Now().Add(time.Second))
	misses("a.example")
	misses("b.example")
	expect("two names are missed", ".1, .2")
	misses("c.example")
	expect("three names are missed", ".2, .1")
	s.heard(first)
	expect("it replies to somebody", ".1, .2")
}

// TestAServerThatAnotherOutdoesIsSilent: it is not for the name.
func TestAServerThatAnotherOutdoesIsSilent(t *testing.T) {
	s, now := twoServers()
	first := ports("192.0.2.1:53")[0]
	s.heard(first)
	s.outdone([]miss{{first, "db.example", now.Now().Add(-time.Second)}})
	if got := s.next(); got != ".1, .2" {
		t.Errorf("it has replied to others meanwhile: %s", got)
	}
	s.outdone([]miss{{first, "db.example", now.Now().Add(time.Second)}})
	if got := s.next(); got != ".2, .1" {
		t.Errorf("got %s", got)
	}
}

// TestSilentServersHaveTheirTurn: one query asks them, and no others wait for that.
func TestSilentServersHaveTheirTurn(t *testing.T) {
	s, now := twoServers()
	first := ports("192.0.2.1:53")[0]
	s.outdone([]miss{{first, "db.example", now.Now()}})
	for range 3 {
		now.SetTime(now.Now().Add(silenceCounts - time.Nanosecond))
		if got := s.next(); got != ".2, .1" {
			t.Errorf("before its time: %s", got)
		}
		now.SetTime(now.Now().Add(time.Nanosecond))
		sent := now.Now()
		if got := s.next(); got != ".1, .2" {
			t.Errorf("when its time is over: %s", got)
		}
		if got := s.next(); got != ".2, .1" {
			t.Errorf("while somebody asks it: %s", got)
		}
		s.missed(miss{first, "db.example", sent})
	}
}

// TestSilentServersAreWaitedFor, since they may only be slow: all of them by as
// many queries as do not pile up, and as long as others.
func TestSilentServersAreWaitedFor(t *testing.T) {
	s, now := twoServers()
	for _, server := range ports("192.0.2.1:53", "192.0.2.2:53") {
		for _, name := range []string{"a", "b", "c"} {
			s.missed(miss{server, name, now.Now().Add(time.Second)})
		}
	}
	var patient []plan
	for range maxPatient {
		p := s.plan(0)
		if p.String() != ".1, .2" || p.most != 20*time.Second {
			t.Fatalf("got %s, and %s", p, p.most)
		}
		patient = append(patient, p)
	}
	for range 2 * maxPatient {
		if p := s.plan(0); p.String() != ".1 1x1s, .2 1x1s" || p.most != 2*time.Second {
			t.Fatalf("with %d that wait: got %s, and %s", maxPatient, p, p.most)
		} else {
			s.end(p)
		}
	}
	s.end(patient[0])
	if got := s.next(); got != ".1, .2" {
		t.Errorf("when one of them has ended: %s", got)
	}
	s.heard(ports("192.0.2.2:53")[0])
	for range maxPatient {
		if got := s.plan(0).String(); !strings.HasPrefix(got, ".2, .1") {
			t.Errorf("when one has replied: %s", got)
		}
	}
}
