// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	one   = "i-00000000000000001"
	two   = "i-00000000000000002"
	queue = "https://sqs.eu-west-1.example/1/events"
)

// eventOf is a message of EventBridge.
func eventOf(source, kind, region, at, detail string) string {
	return fmt.Sprintf(`{"version":"0","source":%q,"detail-type":%q,"region":%q,"time":%q,"detail":%s}`, source, kind, region, at, detail)
}

func stateChange(id string) string {
	return eventOf("aws.ec2", "EC2 Instance State-change Notification", here.Region, "2001-09-09T01:46:40Z",
		`{"instance-id":"`+id+`","state":"stopping"}`)
}

func spotWarning(id, at string) string {
	return eventOf("aws.ec2", "EC2 Spot Instance Interruption Warning", here.Region, at,
		`{"instance-id":"`+id+`","instance-action":"terminate"}`)
}

func inSNS(body string) string {
	wrapped, _ := json.Marshal(map[string]string{"Type": "Notification", "Message": body})
	return string(wrapped)
}

func TestEvents(t *testing.T) {
	health := `{"affectedEntities":[{"entityValue":"` + one + `"},{"entityValue":"vol-1"},{"entityValue":"` + two + `"}]}`
	for name, c := range map[string]struct {
		body, want string
	}{
		"state change":      {stateChange(one), one},
		"in SNS":            {inSNS(stateChange(one)), one},
		"spot":              {spotWarning(one, "2026-01-01T00:00:00Z"), one + " interruption"},
		"rebalance":         {eventOf("aws.ec2", "EC2 Instance Rebalance Recommendation", here.Region, "2026-01-01T00:00:00Z", `{"instance-id":"`+one+`"}`), one},
		"lifecycle":         {eventOf("aws.autoscaling", "EC2 Instance-terminate Lifecycle Action", here.Region, "2026-01-01T00:00:00Z", `{"EC2InstanceId":"`+one+`"}`), one},
		"health":            {eventOf("aws.health", "AWS Health Event", here.Region, "2026-01-01T00:00:00Z", health), one + " " + two},
		"another source":    {eventOf("my.app", "EC2 Spot Instance Interruption Warning", here.Region, "2026-01-01T00:00:00Z", `{"instance-id":"`+one+`"}`), ""},
		"no instance":       {eventOf("aws.ec2", "EC2 Spot Instance Interruption Warning", here.Region, "2026-01-01T00:00:00Z", `{"instance-id":"*"}`), ""},
		"no region":         {eventOf("aws.ec2", "EC2 Instance State-change Notification", "", "2026-01-01T00:00:00Z", `{"instance-id":"`+one+`"}`), ""},
		"detail is no JSON": {eventOf("aws.ec2", "EC2 Instance State-change Notification", here.Region, "2026-01-01T00:00:00Z", `"`+one+`"`), ""},
		"empty":             {"", ""},
		"a list":            {"[]", ""},
		"SNS in SNS":        {inSNS(inSNS(stateChange(one))), ""},
		"too long":          {stateChange(one) + strings.Repeat(" ", maxBody), ""},
	} {
		e, ok := parseEvent(c.body)
		got := strings.Join(e.ids, " ")
		if e.interruption {
			got += " interruption"
		}
		if got != c.want || ok != (c.want != "") {
			t.Errorf("%s: got %q, %t", name, got, ok)
		}
	}
}

// FuzzEvent reads whatever may be in a queue.
func FuzzEvent(f *testing.F) {
	for _, seed := range []string{stateChange(one), inSNS(spotWarning(one, "2026-01-01T00:00:00Z")), "{", `{"Type":"Notification"}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		e, ok := parseEvent(body)
		if ok && (e.region == "" || len(e.ids) == 0 || len(e.ids) > maxHinted) {
			t.Errorf("got %+v", e)
		}
		for _, id := range e.ids {
			if !isInstanceID(id) {
				t.Errorf("%q is the id of an instance", id)
			}
		}
	})
}

func withQueue() Identity { return Identity{Queues: []Queue{{URL: queue, Region: here.Region}}} }

func TestHints(t *testing.T) {
	inWorld(t, withQueue(), []Instance{instance(one, "app=web"), instance(two, "app=db")}, func(t *testing.T, w *world) {
		w.ask("a", "tag:app=web")
		w.pass(time.Second)
		w.took()
		w.change(one, func(i *Instance) { i.State = Stopping })
		for range 5 {
			w.send(stateChange(one))
			w.send(stateChange(two))
		}
		w.send("garbage")
		w.pass(1100 * time.Millisecond)
		w.expect(t, "a", one+"(stopping)")
		calls := w.took("receive", "delete")
		if len(calls) == 0 || len(calls) > 2 || calls[0] != here.Region+" list instance-id="+one {
			t.Errorf("got calls %q", calls)
		}
		if len(w.deleted) != 11 {
			t.Errorf("%d messages are deleted", len(w.deleted))
		}
		w.send(strings.Replace(stateChange(one), here.Region, "eu-west-2", 1))
		w.pass(time.Second)
		if calls := w.took("receive", "delete"); calls != nil {
			t.Errorf("an event of another region: %q", calls)
		}
	})
}

func TestSpotInterruption(t *testing.T) {
	inWorld(t, withQueue(), []Instance{instance(one, "app=web")}, func(t *testing.T, w *world) {
		w.ask("a", "tag:app=web")
		w.send(spotWarning(one, w.clock.Now().UTC().Format(time.RFC3339))) // it may come first
		w.pass(time.Second)
		w.expect(t, "a", one+"(interrupted)")
		snapshot := w.Lookup("a", "q")
		w.send(spotWarning(one, w.clock.Now().Add(-time.Second).UTC().Format(time.RFC3339)))
		w.pass(time.Second)
		if w.Lookup("a", "q") != snapshot {
			t.Error("a repetition changes something")
		}
		w.send(spotWarning(one, w.clock.Now().Add(-time.Hour).UTC().Format(time.RFC3339)))
		w.pass(interruptedFor)
		w.expect(t, "a", one)
	})
}

func TestFailingQueue(t *testing.T) {
	inWorld(t, withQueue(), nil, func(t *testing.T, w *world) {
		w.failing("receive", &Failure{Kind: AccessDenied, Action: receiveAction})
		w.pass(time.Minute)
		w.expectCalls(t) // nobody wants that region
		w.ask("a", "tag:app=web")
		w.pass(time.Minute)
		report, _ := w.Identity("default")
		if len(report.Queues) != 1 || report.Queues[0].URL != queue || report.Queues[0].Failure.Kind != AccessDenied {
			t.Errorf("got %+v", report.Queues)
		}
		if n := len(w.took("list", "caller")); n > 7 {
			t.Errorf("%d attempts in a minute", n)
		}
		w.failing("", nil)
		w.pass(time.Minute)
		w.send("x")
		w.pass(time.Second)
		if report, _ = w.Identity("default"); len(report.Queues) != 0 {
			t.Errorf("got %+v", report.Queues)
		}
	})
}

func TestAutoScaling(t *testing.T) {
	inWorld(t, Identity{AutoScaling: true}, []Instance{instance("i-1", "app=web", groupTag+"=g"), instance("i-2", "app=web")}, func(t *testing.T, w *world) {
		w.states["i-1"] = "InService"
		w.ask("a", "tag:app=web")
		w.pass(time.Second)
		w.expect(t, "a", "i-1(InService) i-2")
		if got := w.took("list", "caller"); !slices.Equal(got, []string{here.Region + " groups i-1"}) {
			t.Errorf("got calls %q", got)
		}
		w.states["i-1"] = "Standby"
		w.pass(time.Minute)
		w.expect(t, "a", "i-1(Standby) i-2")
		w.failing("groups", &Failure{Kind: AccessDenied, Action: "autoscaling:X"})
		w.pass(time.Minute)
		w.expect(t, "a", "i-1(Standby) i-2")
		if report, _ := w.Identity("default"); !slices.Equal(report.Denied, []string{"autoscaling:X"}) {
			t.Errorf("got %+v", report)
		}
		w.took()
		w.failing("", nil)
		w.pass(2 * time.Minute)
		if got := w.took("list"); got != nil {
			t.Errorf("asked again at once: %q", got)
		}
		w.pass(deniedPause)
		if report, _ := w.Identity("default"); report.Denied != nil {
			t.Errorf("got %+v", report)
		}
	})
}

// TestStatesThatAreNotReturned: what the tag of its group says is in one is not left
// out for good after one answer without it.
func TestStatesThatAreNotReturned(t *testing.T) {
	s := observing(grouped("i-1"), grouped("i-2"), grouped("i-3"))
	s.states["i-1"], s.states["i-2"] = "Terminating:Wait", "InService"
	s.ask("a", "tag:app=web")
	s.list(t)
	s.expect(t, "a", "i-1(Terminating:Wait) i-2(InService) i-3(group?)")
	clear(s.states)
	s.list(t)
	s.expect(t, "a", "i-1(Terminating:Wait) i-2 i-3(group?)")
	s.states["i-1"] = "Terminating:Wait"
	s.list(t)
	s.expect(t, "a", "i-1(Terminating:Wait) i-2 i-3")
	clear(s.states)
	s.list(t)
	s.list(t)
	s.expect(t, "a", "i-1(Terminating:Wait) i-2 i-3")
	s.list(t)
	s.expect(t, "a", "i-1 i-2 i-3")
}

// TestNobodyIsPendingForEver: without the permission, nobody is told that a hook has
// ended.
func TestNobodyIsPendingForEver(t *testing.T) {
	s := observing(grouped("i-1"), grouped("i-2"))
	s.states["i-1"], s.states["i-2"] = "Pending:Wait", "Standby"
	s.ask("a", "tag:app=web")
	s.list(t)
	s.failing("groups", &Failure{Kind: AccessDenied})
	s.list(t)
	s.expect(t, "a", "i-1 i-2(Standby)")
}

func TestStatuses(t *testing.T) {
	inWorld(t, Identity{InstanceStatus: true}, []Instance{instance("i-1", "app=web"), instance("i-2", "app=web")}, func(t *testing.T, w *world) {
		w.statuses[SystemImpaired] = []Status{{ID: "i-1", Impaired: true}, {ID: "i-2"}}
		w.statuses[EventScheduled] = []Status{{ID: "i-2", Events: []Event{{Code: "instance-reboot"}}}}
		w.ask("a", "tag:app=web")
		w.pass(time.Second)
		w.expect(t, "a", "i-1(impaired) i-2")
		if s := w.Lookup("a", "q"); len(s.Matching[1].Events) != 1 {
			t.Errorf("got %+v", s.Matching[1])
		}
		w.failing("status", &Failure{Kind: Throttled})
		w.statuses[SystemImpaired] = nil
		w.pass(2 * time.Minute)
		w.expect(t, "a", "i-1(impaired) i-2")
		w.failing("", nil)
		w.pass(3 * time.Minute)
		w.expect(t, "a", "i-1 i-2")
	})
}

func TestInterfaceTags(t *testing.T) {
	inWorld(t, Identity{}, []Instance{instance("i-1", "app=web")}, func(t *testing.T, w *world) {
		w.tags["eni-i-1"] = map[string]string{"role": "front"}
		w.ask("a", "tag:app=web")
		w.pass(time.Second)
		w.failing("tags", &Failure{Kind: AccessDenied, Action: "ec2:DescribeNetworkInterfaces"})
		w.ask("b", "tag:app=web tag role")
		w.pass(2 * time.Second)
		w.expect(t, "a", "i-1")
		w.expect(t, "b", "unlisted i-1 AccessDenied")
		w.failing("", nil)
		w.pass(deniedPause + time.Minute)
		w.expect(t, "b", "i-1")
		choice := Choice{IPv4: Private, Interface: InterfaceSelector{TagKey: "role"}}
		if got := choice.Addresses(w.Lookup("b", "q").Matching[0]); len(got) != 1 {
			t.Errorf("got %s", got)
		}
		w.failing("tags", &Failure{Kind: Throttled})
		w.pass(time.Minute)
		w.expect(t, "b", "i-1 Throttled")
		w.expect(t, "a", "i-1")
		if got := choice.Addresses(w.Lookup("b", "q").Matching[0]); len(got) != 1 {
			t.Errorf("got %s", got)
		}
	})
}

// TestTagsThatAreNotReturned: an interface has lost the tag that it is selected by
// once three answers in a row say so.
func TestTagsThatAreNotReturned(t *testing.T) {
	s := newSteps(instance("i-1", "app=web"))
	s.tags["eni-i-1"] = map[string]string{"role": "front"}
	s.ask("a", "tag:app=web tag role")
	s.list(t)
	choice := Choice{IPv4: Private, Interface: InterfaceSelector{TagKey: "role"}}
	expect := func(addresses int) {
		t.Helper()
		if got := choice.Addresses(s.Lookup("a", "q").Matching[0]); len(got) != addresses {
			t.Errorf("got %s, want %d", got, addresses)
		}
	}
	expect(1)
	without := func(times int) {
		tags := s.tags
		s.tags = nil
		s.list(t)
		for range times - 1 {
			s.clock.Step(recheck)
			s.options(t)
		}
		s.tags = tags
	}
	without(confirmations - 1)
	expect(1)
	s.clock.Step(recheck)
	s.options(t)
	without(confirmations - 1)
	expect(1)
	s.clock.Step(recheck)
	s.options(t)
	s.took()
	without(confirmations)
	expect(0)
	s.clock.Step(recheck)
	s.options(t)
	s.expectCalls(t, "list tag:app=web", "tags role", "tags role", "tags role")
}

func TestManyTagKeys(t *testing.T) {
	s := newSteps(instance("i-1", "app=web"))
	for n := range MaxFilterValues + 1 {
		s.ask(fmt.Sprint(n), fmt.Sprintf("tag:app=web tag key-%d", n))
	}
	s.list(t)
	requests := 0
	for _, call := range s.took("list") {
		if keys, ok := strings.CutPrefix(call, here.Region+" tags "); ok {
			requests++
			if n := len(strings.Split(keys, ",")); n > MaxFilterValues {
				t.Errorf("%d keys in a request", n)
			}
		}
	}
	if requests != 2 {
		t.Errorf("%d requests", requests)
	}
}

func TestAQueueOfASourceThatIsAnotherOne(t *testing.T) {
	inWorld(t, withQueue(), []Instance{instance(one, "app=web")}, func(t *testing.T, w *world) {
		w.ask("a", "tag:app=web")
		w.pass(time.Second)
		w.Forget("a")
		w.ask("b", "tag:app=web")
		w.pass(time.Second)
		w.send(spotWarning(one, w.clock.Now().UTC().Format(time.RFC3339)))
		w.pass(time.Second)
		w.expect(t, "b", one+"(interrupted)")
		w.Forget("b")
		w.deleted = nil
		w.send(stateChange(one))
		w.pass(time.Second)
		if len(w.deleted) > 0 {
			t.Error("a message is deleted that nobody has heard")
		}
	})
}
