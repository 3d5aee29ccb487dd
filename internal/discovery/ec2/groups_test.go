// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func grouped(id string) Instance { return instance(id, "app=web", groupTag+"=g") }

func observing(instances ...Instance) *steps {
	s := newSteps(instances...)
	s.SetIdentity("default", Identity{AutoScaling: true})
	s.pageSize = 1000
	return s
}

func TestInstancesAreKnownBeforeTheirGroups(t *testing.T) {
	inWorld(t, Identity{AutoScaling: true}, []Instance{grouped("i-1"), instance("i-2", "app=web")}, func(t *testing.T, w *world) {
		hang := make(chan struct{})
		w.hangs = func(call string) <-chan struct{} {
			if strings.Contains(call, "groups") {
				return hang
			}
			return nil
		}
		w.states["i-1"] = "Standby"
		w.ask("a", "tag:app=web")
		w.pass(time.Second)
		w.expect(t, "a", "i-1(group?) i-2")
		w.change("i-2", func(i *Instance) { i.State = Stopped })
		w.took()
		w.pass(34 * time.Second)
		w.expect(t, "a", "i-1(group?) i-2(stopped)")
		if n := len(w.took("groups")); n != 1 {
			t.Errorf("%d listings, while a request for states does not end", n)
		}
		report, _ := w.Identity("default")
		if len(report.Failing) != 1 || report.Failing[0].Region != here.Region || report.Failing[0].Failure.Kind != Unavailable ||
			report.Failing[0].Action != "autoscaling:DescribeAutoScalingInstances" {
			t.Errorf("got %+v", report.Failing)
		}
		close(hang)
		w.tells()
		w.pass(time.Minute)
		w.expect(t, "a", "i-1(Standby) i-2(stopped)")
		if got := w.tells(); !slices.Equal(got, []string{"a", "identity default"}) {
			t.Errorf("told: %v", got)
		}
		if report, _ = w.Identity("default"); report.Failing != nil {
			t.Errorf("got %+v", report.Failing)
		}
	})
}

func TestNewInstancesWaitForTheirGroups(t *testing.T) {
	s := observing(grouped("i-1"))
	s.states["i-1"] = "Standby"
	s.failing("groups", &Failure{Kind: Throttled, Action: "x", Err: errors.New("no")})
	s.ask("a", "tag:app=web")
	for range maxUnanswered - 1 {
		s.list(t)
		s.expect(t, "a", "i-1(group?)")
	}
	if report, _ := s.Identity("default"); len(report.Failing) != 1 || report.Failing[0].Failure.Kind != Throttled {
		t.Errorf("got %+v", report.Failing)
	}
	s.list(t)
	s.expect(t, "a", "i-1") // it has waited long enough
	s.failing("", nil)
	for range 4 {
		s.list(t)
	}
	s.expect(t, "a", "i-1(Standby)")
	s.failing("groups", &Failure{Kind: Throttled})
	s.set(grouped("i-2"))
	s.list(t)
	s.expect(t, "a", "i-1(Standby) i-2(group?)")
	s.remove("i-2")
	for range 5 {
		s.list(t)
	}
	s.expect(t, "a", "i-1(Standby)")
	if n := len(s.source.m.fresh); n > 0 {
		t.Errorf("%d that are gone are waited for", n)
	}
}

func TestNobodyWaitsForWhatIsDenied(t *testing.T) {
	s := observing(grouped("i-1"))
	s.failing("groups", &Failure{Kind: AccessDenied, Action: "x"})
	s.ask("a", "tag:app=web")
	s.list(t)
	s.expect(t, "a", "i-1")
	s.set(grouped("i-2"))
	s.list(t)
	s.expect(t, "a", "i-1 i-2")
}

func TestPausesAfterFailures(t *testing.T) {
	s := observing(grouped("i-1"))
	s.ask("a", "tag:app=web tag role")
	s.list(t)
	s.cloud.fail = func(call string) error {
		if strings.Contains(call, "list") {
			return nil
		}
		return &Failure{Kind: Unavailable}
	}
	s.took()
	for range 30 {
		s.list(t) // in 15 minutes
	}
	for _, kind := range []string{"groups", "tags"} {
		n := 0
		for _, call := range s.calls {
			if strings.Contains(call, kind) {
				n++
			}
		}
		if n < 4 || n > 7 {
			t.Errorf("%s: %d attempts", kind, n)
		}
	}
}

func TestManyGroupedInstances(t *testing.T) {
	const many = 5000
	s := observing()
	for n := range many {
		i := grouped(fmt.Sprintf("i-%04d", n))
		s.set(i)
		s.states[i.ID] = "InService"
	}
	s.ask("a", "tag:app=web")
	s.list(t)
	if n := len(s.source.m.fresh); n > 0 {
		t.Errorf("%d new instances were not asked about", n)
	}
	s.took()
	asked := map[string]bool{}
	for refresh := range 3 {
		if refresh == 1 {
			s.set(grouped("i-9999"))
			s.states["i-9999"] = "InService"
		}
		s.list(t)
		calls := slices.DeleteFunc(s.took("list"), func(call string) bool { return !strings.Contains(call, "groups") })
		if len(calls) > maxRequests {
			t.Errorf("%d requests after one listing", len(calls))
		}
		if refresh == 1 && !strings.Contains(calls[0], "i-9999") {
			t.Errorf("the new one is not the first")
		}
		for _, call := range calls {
			for id := range strings.SplitSeq(strings.Fields(call)[2], ",") {
				asked[id] = true
			}
		}
	}
	if len(asked) != many+1 {
		t.Errorf("asked about %d", len(asked))
	}
	// What a request brought counts, though the next one fails.
	for id := range s.states {
		s.states[id] = "Standby"
	}
	requests := 0
	s.cloud.fail = func(call string) error {
		if strings.Contains(call, "groups") {
			if requests++; requests > 3 {
				return &Failure{Kind: Throttled}
			}
		}
		return nil
	}
	s.list(t)
	standby := 0
	for _, i := range s.Lookup("a", "q").Matching {
		if i.Lifecycle == "Standby" {
			standby++
		}
	}
	if standby != 3*MaxLifecycles {
		t.Errorf("%d are in Standby", standby)
	}
}

// A request that always fails stops no other.
func TestARequestThatAlwaysFails(t *testing.T) {
	s := observing()
	for n := range 2 * MaxLifecycles {
		i := grouped(fmt.Sprintf("i-%02d", n))
		s.set(i)
		s.states[i.ID] = "InService"
	}
	s.failing("i-00", &Failure{Kind: Refused})
	s.ask("a", "tag:app=web")
	for range 12 {
		s.list(t)
	}
	got := s.Lookup("a", "q").Matching
	if last := got[len(got)-1]; last.Lifecycle != "InService" {
		t.Errorf("got %+v", last)
	}
}

func TestUnusableCredentialsKeepWhatIsKnown(t *testing.T) {
	s := observing(grouped("i-1"))
	both := Identity{AutoScaling: true, InstanceStatus: true}
	s.SetIdentity("default", both)
	s.states["i-1"] = "Standby"
	s.cloud.statuses[InstanceImpaired] = []Status{{ID: "i-1", Impaired: true}}
	s.ask("a", "tag:app=web")
	s.list(t)
	s.expect(t, "a", "i-1(Standby)(status?)")
	s.source.statusTurn(t.Context())
	s.expect(t, "a", "i-1(Standby)(impaired)")
	s.SetIdentity("default", Identity{Unusable: true})
	s.expect(t, "a", "i-1(Standby)(impaired) CredentialsUnavailable")
	s.SetIdentity("default", both)
	s.failing("eu", &Failure{Kind: Throttled})
	s.list(t)
	s.source.statusTurn(t.Context())
	s.expect(t, "a", "i-1(Standby)(impaired) Throttled")
	s.SetIdentity("default", Identity{})
	s.expect(t, "a", "i-1 Throttled")
}

func TestStatusesAreUnknownUntilAsked(t *testing.T) {
	s := newSteps(instance("i-1", "app=web"))
	s.SetIdentity("default", Identity{InstanceStatus: true})
	s.ask("a", "tag:app=web")
	s.list(t)
	s.expect(t, "a", "i-1(status?)")
	s.failing("status", &Failure{Kind: Unavailable, Action: "ec2:DescribeInstanceStatus"})
	if pause := s.source.statusTurn(t.Context()); pause != DefaultRefresh {
		t.Errorf("asked again after %s", pause)
	}
	s.expect(t, "a", "i-1") // it cannot be found out
	if report, _ := s.Identity("default"); len(report.Failing) != 1 {
		t.Errorf("got %+v", report)
	}
}

func TestGroupsOfOthersAreNotAskedFor(t *testing.T) {
	s := observing(grouped("i-1"), instance("i-2", "app=none", groupTag+"=g"))
	s.ask("a", "tag:app=web")
	s.ask("b", "vpc-id=x")
	s.states["i-1"] = "InService"
	s.list(t)
	s.expectCalls(t, "list", "groups i-1")
	s.ask("b", "tag:app=none") // the listing has it already
	s.expect(t, "b", "i-2(group?)")
	s.states["i-2"] = "InService"
	s.options(t)
	s.expectCalls(t, "groups i-2")
	s.expect(t, "b", "i-2(InService)")
}

func TestHintsAreAboutGroupsToo(t *testing.T) {
	i := instance(one, "app=web", groupTag+"=g")
	identity := withQueue()
	identity.AutoScaling = true
	inWorld(t, identity, []Instance{i}, func(t *testing.T, w *world) {
		w.states[one] = "InService"
		w.ask("a", "tag:app=web")
		w.pass(2 * time.Second)
		w.expect(t, "a", one+"(InService)")
		w.states[one] = "Terminating:Wait"
		w.send(stateChange(one))
		w.pass(2 * time.Second)
		w.expect(t, "a", one+"(Terminating:Wait)")
	})
}

func TestWhatIsKnownIsNotNewOnceItIsObserved(t *testing.T) {
	s := newSteps(grouped("i-1"))
	s.ask("a", "tag:app=web")
	s.list(t)
	s.failing("list", &Failure{Kind: Throttled})
	s.SetIdentity("default", Identity{AutoScaling: true, InstanceStatus: true})
	s.expect(t, "a", "i-1")
}
