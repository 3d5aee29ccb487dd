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
