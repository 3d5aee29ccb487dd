// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestOneListingForAll(t *testing.T) {
	for _, subscribers := range []int{1, 100, 1000} {
		s := newSteps(instance("i-1", "app=web"), instance("i-2", "app=web"), instance("i-3", "app=web"), instance("i-4"))
		for n := range subscribers {
			s.ask(fmt.Sprint(n), "tag:app=web")
		}
		s.list(t)
		s.expect(t, fmt.Sprint(subscribers-1), "i-1 i-2 i-3")
		s.expectCalls(t, "list tag:app=web", "list tag:app=web page 2")
		before := s.Lookup("0", "q")
		s.list(t)
		s.expectCalls(t, "list tag:app=web", "list tag:app=web page 2")
		if s.Lookup("0", "q") != before {
			t.Error("there is a new snapshot, though nothing changed")
		}
	}
}

func TestLifeOfAnInstance(t *testing.T) {
	s := newSteps(instance("i-1", "app=web"), instance("i-2", "app=web"))
	s.ask("a", "tag:app=web known i-1 i-2")
	s.list(t)
	s.expect(t, "a", "i-1 i-2")
	s.change("i-2", func(i *Instance) { i.State = Stopping })
	s.list(t)
	s.expect(t, "a", "i-1 i-2(stopping)")
	s.change("i-2", func(i *Instance) { i.State = Running })
	s.change("i-1", func(i *Instance) { i.Tags["app"] = "db" })
	s.took()
	s.list(t)
	s.expect(t, "a", "i-2 other:i-1")
	s.expectCalls(t, "list tag:app=web", "list instance-id=i-1")
	s.change("i-1", func(i *Instance) { i.State = Terminated })
	s.list(t)
	s.expect(t, "a", "i-2 other:i-1(terminated)")
	s.remove("i-1")
	s.took()
	s.list(t)
	s.expect(t, "a", "i-2 other:i-1(terminated)")
	s.expectCalls(t, "list tag:app=web")
	s.ask("a", "tag:app=web known i-2")
	s.list(t)
	s.expect(t, "a", "i-2")
}

func TestAbsenceIsConfirmed(t *testing.T) {
	s := newSteps(instance("i-1", "app=web"), instance("i-2", "app=web"))
	s.ask("a", "tag:app=web")
	s.list(t)
	s.cloud.mu.Lock()
	s.cloud.answer = func([]Instance) []Instance { return nil }
	s.cloud.mu.Unlock()
	s.list(t)
	s.expect(t, "a", "i-1 i-2 missing:i-1 missing:i-2")
	s.failing("list", &Failure{Kind: Throttled})
	s.list(t)
	s.expect(t, "a", "i-1 i-2 missing:i-1 missing:i-2 Throttled")
	s.failing("", nil)
	s.list(t)
	s.expect(t, "a", "i-1 i-2 missing:i-1 missing:i-2")
	s.failing("instance-id", &Failure{Kind: Throttled})
	s.list(t)
	s.expect(t, "a", "i-1 i-2 missing:i-1 missing:i-2")
	s.failing("", nil)
	if waited := s.list(t); waited < DefaultRefresh {
		t.Errorf("after a request by ids that failed, the next listing comes after %s", waited)
	}
	s.expect(t, "a", "")
}

// TestAbsencesInQuickSuccessionCountOnce: who asks for something else has another
// listing made at once, and with it no instance is gone sooner.
func TestAbsencesInQuickSuccessionCountOnce(t *testing.T) {
	s := newSteps(instance("i-1", "app=web"))
	s.ask("a", "tag:app=web known i-2")
	s.list(t)
	s.remove("i-1")
	s.list(t)
	for n := range confirmations {
		s.ask("b", fmt.Sprintf("i-9%d", n))
		if waited := s.list(t); waited > gap {
			t.Errorf("%d: waited for %s", n, waited)
		}
	}
	s.expect(t, "a", "i-1 missing:i-1 missing:i-2")
	for n := range 2 {
		if waited := s.list(t); waited > recheck+time.Second {
			t.Errorf("%d: waited for %s", n, waited)
		}
	}
	s.expect(t, "a", "")
}

func TestQuickRechecks(t *testing.T) {
	s := newSteps(instance("i-1", "app=web"))
	s.ask("a", "tag:app=web")
	s.list(t)
	s.remove("i-1")
	for n, most := range []time.Duration{33 * time.Second, 5500 * time.Millisecond, 5500 * time.Millisecond} {
		if waited := s.list(t); waited > most {
			t.Errorf("%d: waited for %s", n, waited)
		}
	}
	s.expect(t, "a", "")
}

func TestKnownAfterARestart(t *testing.T) {
	s := newSteps(instance("i-1", "app=web"), instance("i-2", "app=db"))
	s.ask("a", "tag:app=web known i-1 i-2 i-3")
	s.expect(t, "a", "nothing")
	s.list(t)
	s.expectCalls(t, "list tag:app=web", "list instance-id=i-2,i-3")
	s.expect(t, "a", "i-1 other:i-2 missing:i-3")
	s.list(t)
	s.expect(t, "a", "i-1 other:i-2 missing:i-3")
	s.ask("a", "tag:app=web known i-1 i-3") // what was counted stays
	s.list(t)
	s.expect(t, "a", "i-1")
	s.took()
	s.list(t)
	s.expectCalls(t, "list tag:app=web")
	s.set(instance("i-3", "app=web"))
	s.list(t)
	s.expect(t, "a", "i-1 i-3")
}

func TestUnknownIDs(t *testing.T) {
	s := newSteps(instance("i-1"))
	s.ask("a", "i-1 i-2")
	s.list(t)
	s.expectCalls(t, "list instance-id=i-1,i-2")
	s.expect(t, "a", "i-1")
	if waited := s.list(t); waited < DefaultRefresh {
		t.Errorf("an id that does not exist hurries the next listing: after %s", waited)
	}
	s.expect(t, "a", "i-1")
	s.set(instance("i-2"))
	s.list(t)
	s.expect(t, "a", "i-1 i-2")
}

func TestNewQueries(t *testing.T) {
	s := newSteps(instance("i-1", "app=web"), instance("i-2", "app=db"))
	s.ask("a", "tag:app=web")
	s.list(t)
	s.took()
	s.ask("b", "tag:app=web vpc-id=x")
	s.expect(t, "b", "") // it is covered
	s.ask("b", "tag:app=db")
	s.expect(t, "b", "nothing")
	if waited := s.list(t); waited > gap {
		t.Errorf("it took %s", waited)
	}
	s.expectCalls(t, "list tag:app=db,web")
	s.expect(t, "a", "i-1")
	s.expect(t, "b", "i-2")
	s.failing("list", &Failure{Kind: Throttled})
	s.list(t)
	s.ask("c", "vpc-id=x")
	s.expect(t, "c", "unlisted Throttled")
	if waited := s.list(t); waited < DefaultRefresh {
		t.Errorf("a new query hurries a source that is throttled: after %s", waited)
	}
}

func TestFailures(t *testing.T) {
	s := newSteps(instance("i-1", "app=web"), instance("i-2", "app=web"), instance("i-3", "app=web"))
	s.ask("a", "tag:app=web")
	s.failing("page 2", &Failure{Kind: AccessDenied})
	s.list(t)
	s.expect(t, "a", "unlisted AccessDenied")
	if waited := s.list(t); waited > 6*time.Second {
		t.Errorf("the second attempt comes after %s", waited)
	}
	s.failing("", nil)
	s.list(t)
	s.expect(t, "a", "i-1 i-2 i-3")
	for kind, most := range map[Kind]time.Duration{Throttled: maxThrottled, Malformed: maxFailing} {
		s.failing("page 2", &Failure{Kind: kind})
		s.list(t)
		longest := time.Duration(0)
		for range 8 {
			longest = max(longest, s.list(t))
			s.expect(t, "a", "i-1 i-2 i-3 "+string(kind))
		}
		if longest < most || longest > most+most/10 {
			t.Errorf("%s: waited for %s", kind, longest)
		}
		s.failing("", nil)
		s.list(t)
		s.expect(t, "a", "i-1 i-2 i-3")
	}
}

func TestRefusedListingsAreWidened(t *testing.T) {
	s := newSteps(instance("i-1", "app=web"), instance("i-2", "app=db"))
	s.ask("a", "tag:app=web")
	s.failing("tag:app", &Failure{Kind: Refused, Code: "InvalidParameterValue"})
	s.list(t)
	s.expect(t, "a", "nothing") // it may be due to the filters
	s.list(t)
	s.expect(t, "a", "i-1")
	s.took()
	s.list(t)
	s.expectCalls(t, "list")
	s.ask("b", "tag:app=db") // the filters are others now
	s.list(t)
	s.list(t)
	s.expectCalls(t, "list tag:app=db,web", "list")
	s.expect(t, "a", "i-1")
	s.failing("", nil)
	s.clock.Step(widened)
	s.list(t)
	s.expectCalls(t, "list tag:app=db,web")
	s.failing("list", &Failure{Kind: Refused, Code: "OptInRequired"})
	s.list(t)
	s.expect(t, "a", "i-1")
	s.list(t)
	s.expectCalls(t, "list tag:app=db,web", "list")
	s.expect(t, "a", "i-1 Refused") // it is not due to the filters
}

func TestOtherCredentials(t *testing.T) {
	s := newSteps(instance("i-1", "app=web"))
	s.ask("a", "tag:app=web")
	s.list(t)
	s.failing("another", &Failure{Kind: CredentialsInvalid})
	s.SetIdentity("default", Identity{Role: &Role{ARN: "another "}})
	s.ask("b", "tag:app=web")
	s.expect(t, "b", "nothing") // i-1 may be in another account
	s.ask("b", "nothing=x")
	s.SetIdentity("default", Identity{Unusable: true})
	s.SetIdentity("default", Identity{Role: &Role{ARN: "another "}})
	s.ask("b", "tag:app=web")
	s.expect(t, "b", "unlisted CredentialsUnavailable")
	s.list(t)
	s.expect(t, "a", "i-1 CredentialsInvalid")
	s.expect(t, "b", "unlisted CredentialsInvalid")
	s.failing("", nil)
	s.list(t)
	s.expect(t, "b", "i-1")
}

func TestOutageOfAZone(t *testing.T) {
	s := newSteps(instance("i-1", "app=web"), instance("i-2", "app=web"), instance("i-3", "app=web"))
	s.change("i-3", func(i *Instance) { i.Zone = "b" })
	s.ask("a", "tag:app=web known i-1 i-9")
	s.list(t)
	s.change("i-1", func(i *Instance) { i.State = Stopping })
	s.remove("i-2")
	s.cloud.fail = func(call string) error {
		if strings.Contains(call, "list") || strings.Contains(call, "ids i-3") {
			return &Failure{Kind: Unavailable, Code: "Unavailable"}
		}
		return nil
	}
	for range 5 {
		s.list(t)
		s.expect(t, "a", "i-1(stopping) i-2 i-3 missing:i-9 Unavailable")
	}
	s.failing("ids", nil)
	s.failing("list", &Failure{Kind: Unavailable}) // no answer at all
	s.took()
	s.list(t)
	s.expect(t, "a", "i-1(stopping) i-2 i-3 missing:i-9 Unavailable")
}
