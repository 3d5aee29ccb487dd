// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// TestNothingIsLost: an instance that was seen, and that AWS has as running and
// matching, stays, whatever fails, and whatever is missing fewer than three times
// in a row.
func TestNothingIsLost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newSteps()
		s.ask("a", rapid.SampledFrom([]string{"tag:app=web", "tag:app=web known i-0 i-1", "i-0 i-1 i-2 i-3 tag:app=web", "tag-key=app,x tag:app=web"}).Draw(t, "query"))
		s.change("i-0", func(i *Instance) { *i = instance("i-0", "app=web") })
		seen, liesLeft := map[string]bool{}, map[string]int{}
		for range rapid.IntRange(1, 40).Draw(t, "refreshes") {
			id := fmt.Sprintf("i-%d", rapid.IntRange(0, 3).Draw(t, "id"))
			switch rapid.SampledFrom([]string{"run", "run", "stop", "terminate", "remove", "retag", "nothing"}).Draw(t, "event") {
			case "run":
				s.set(instance(id, "app=web"))
			case "stop":
				stopped := instance(id, "app=web")
				stopped.State = Stopped
				s.set(stopped)
			case "terminate":
				terminated := instance(id, "app=web")
				terminated.State = Terminated
				s.set(terminated)
			case "remove":
				s.remove(id)
			case "retag":
				s.set(instance(id, "app=db"))
			}
			fault := rapid.SampledFrom([]string{"none", "none", "list", "page 2", "instance-id", "ids", "hide", "empty"}).Draw(t, "fault")
			s.cloud.fail, s.cloud.answer = nil, nil
			hidden := map[string]bool{}
			switch fault {
			case "list", "page 2", "instance-id", "ids":
				kind := rapid.SampledFrom([]Kind{Throttled, Unavailable, AccessDenied, Refused}).Draw(t, "kind")
				s.failing(fault, &Failure{Kind: kind, Code: "X"})
			case "hide", "empty":
				for n := range 4 {
					other := fmt.Sprintf("i-%d", n)
					hidden[other] = liesLeft[other] > 0 && (fault == "empty" || other == id)
				}
				s.cloud.answer = func(found []Instance) (rest []Instance) {
					for _, i := range found {
						if !hidden[i.ID] {
							rest = append(rest, i)
						}
					}
					return rest
				}
			}
			s.list(t)
			complete := s.Lookup("a", "q") != nil && s.Lookup("a", "q").Failure == nil
			// Without an answer about ids, a listing says nothing of those it lacks.
			complete = complete && fault != "instance-id"
			for n := range 4 {
				other := fmt.Sprintf("i-%d", n)
				if _, there := s.instances[other]; complete && there && !hidden[other] {
					liesLeft[other] = confirmations - 1
				} else if complete {
					liesLeft[other]--
				}
			}
			for other, i := range s.instances {
				if i.State != Running || i.Tags["app"] != "web" {
					delete(seen, other)
					continue
				}
				snapshot := s.Lookup("a", "q")
				shown := false
				if snapshot != nil {
					for _, m := range snapshot.Matching {
						shown = shown || m.ID == other && len(m.Interfaces) == 1
					}
				}
				if seen[other] && !shown {
					t.Fatalf("%s is lost: %s", other, show(snapshot))
				}
				if shown {
					seen[other] = true
				}
			}
			for other := range seen {
				if _, there := s.instances[other]; !there {
					delete(seen, other)
				}
			}
		}
	})
}

// TestNothingIsKeptForEver: of what nobody uses, nothing stays.
func TestNothingIsKeptForEver(t *testing.T) {
	s := newSteps()
	s.ask("a", "tag:app=web")
	for n := range 50 {
		id := fmt.Sprintf("i-%d", n)
		s.set(instance(id, "app=web"))
		s.list(t)
		s.change(id, func(i *Instance) { i.State = Terminated })
		s.list(t)
		s.remove(id)
		for range 4 {
			s.list(t)
		}
	}
	if n := len(s.source.m.records); n > 1 {
		t.Errorf("%d records: %s", n, s.shown("a"))
	}
}

func TestRetaggedInstancesAreForgotten(t *testing.T) {
	for _, query := range []string{"tag:app=web", "tag:app=web known i-1"} {
		s := newSteps(instance("i-1", "app=web"))
		s.ask("a", query)
		s.list(t)
		s.change("i-1", func(i *Instance) { i.Tags["app"] = "db" })
		s.list(t)
		s.expect(t, "a", "other:i-1")
		s.ask("a", "tag:app=web") // it has drained
		s.list(t)
		s.took()
		s.list(t)
		s.expect(t, "a", "")
		s.expectCalls(t, "list tag:app=web")
	}
}

func TestATableThatIsFull(t *testing.T) {
	s := newSteps(instance("i-1", "app=web"), instance("i-2", "app=web"))
	s.ask("a", "tag:app=web")
	s.list(t)
	s.source.m.most = 2
	s.set(instance("i-3", "app=web"))
	s.change("i-1", func(i *Instance) { i.State = Stopping })
	s.list(t)
	s.expect(t, "a", "i-1(stopping) i-2 TooMany")
	s.change("i-1", func(i *Instance) { i.State = Terminated })
	s.remove("i-2")
	for range 4 {
		s.list(t)
	}
	s.remove("i-1")
	for range 4 {
		s.list(t)
	}
	s.expect(t, "a", "i-3")
}

// TestGoneBeforeItIsKnown: who serves an instance may only say so when told that it
// is gone. It is not looked for all over again then.
func TestGoneBeforeItIsKnown(t *testing.T) {
	s := newSteps(instance("i-1", "app=web"))
	s.ask("a", "tag:app=web")
	s.list(t)
	s.remove("i-1")
	for range confirmations {
		s.list(t)
	}
	s.expect(t, "a", "")
	s.ask("a", "tag:app=web known i-1")
	s.expect(t, "a", "")
	s.list(t)
	s.expect(t, "a", "")
}
