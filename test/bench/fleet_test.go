// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"externalbackend.dev/operator/test/aws/fake"
)

func TestProcessorTimeIsThatOfTheRequests(t *testing.T) {
	// A core is used for a tenth of the time, and for all of it in the second after a
	// request, which comes after 10 s.
	var looks []look
	used := time.Duration(0)
	for at := time.Duration(0); at <= 20*time.Second; at += 100 * time.Millisecond {
		l := look{at: moment(at), cpu: used}
		if at > 10*time.Second {
			l.requests = 1
		}
		looks = append(looks, l)
		if at >= 10*time.Second && at < 11*time.Second {
			used += 100 * time.Millisecond
		} else {
			used += 10 * time.Millisecond
		}
	}
	busy, idle := attribute(looks, 2*time.Second)
	if busy.Round(time.Millisecond) != 900*time.Millisecond || idle < 0.0999 || idle > 0.1001 {
		t.Errorf("the request took %s beside %.3f of a core, want 900ms and 0.1", busy, idle)
	}
	if busy, idle := attribute(looks[:1], time.Second); busy != 0 || idle != 0 {
		t.Errorf("one look says %s and %.3f", busy, idle)
	}
}

func TestRefreshesAreFirstPages(t *testing.T) {
	if got := refreshes([]fake.Request{{Page: 1}, {Page: 2}, {Page: 3}, {Page: 1}}); got != 2 {
		t.Errorf("got %d", got)
	}
}

func TestMemoryOfAProcess(t *testing.T) {
	resident, peak, err := memory(os.Getpid())
	if err != nil || resident < 1<<20 || peak < resident/2 {
		t.Errorf("got %d, %d, %v", resident, peak, err)
	}
	if _, _, err := memory(1 << 22); err == nil { // beyond the greatest number of a process
		t.Error("a process that cannot be has memory")
	}
}

func TestOnlyOnePartIsMeasured(t *testing.T) {
	o, err := parseOptions([]string{"-only=ec2"})
	if err != nil || o.fleet == 0 || o.sizes != nil || o.cold+o.names != 0 || o.goTests {
		t.Errorf("got %+v, %v", o, err)
	}
	for _, args := range [][]string{{"-only=names"}, {"-ec2=-1"}, {"-ec2=5001"}} {
		if _, err := parseOptions(args); err == nil {
			t.Errorf("%q is accepted", args)
		}
	}
}

func TestCallsAreThoseOfTheAccount(t *testing.T) {
	aws, err := fake.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer aws.Close()
	for selecting, want := range map[string]int{byOneTag: callInstances, byOtherTags: 1, byID: 1} {
		c := &caller{calls: calls{Selecting: selecting}, account: aws.Account("200000000000"), ids: []string{"i-1"}}
		if s := c.selector(0); len(s.IDs)+len(s.Filters) != 1 || c.wanted() != want {
			t.Errorf("%s: got %+v for %d instances", selecting, s, c.wanted())
		}
	}
	c := newCaller(aws.Account("200000000001"), byID, 3)
	mine := fake.Request{Account: "200000000001", Operation: "DescribeInstances"}
	status := fake.Request{Account: "200000000001", Operation: "DescribeInstanceStatus"}
	requests := []fake.Request{mine, status, {Account: "200000000001"}, {Account: "200000000002", Operation: "DescribeInstances"}}
	c.look(1, requests)
	if c.Listings.seen != 1 || c.Statuses.seen != 1 || c.Others != 1 {
		t.Errorf("got %+v", c.calls)
	}
}

func TestRoundsAreBursts(t *testing.T) {
	var r rounds
	for second, count := range []int{0, 2, 2, 2, 3, 5, 5, 5, 8, 8, 10} { // the last one is not over
		r.look(moment(time.Duration(second+1)*time.Second), count)
	}
	if r.each() != 3 || r.perMinute() != 6/(7.0/60) {
		t.Errorf("got %.2f a round, %.2f a minute", r.each(), r.perMinute())
	}
	if r = (rounds{}); r.each() != 0 || r.perMinute() != 0 {
		t.Errorf("without any, got %.2f a round, %.2f a minute", r.each(), r.perMinute())
	}
}

func TestReportOfEC2(t *testing.T) {
	r := &results{Fleet: fleet{
		Calls: []calls{{
			Selecting: byOneTag, Backends: 100, Others: 1,
			Listings: rounds{last: moment(time.Minute), after: 2, between: 2}, Statuses: rounds{last: moment(time.Minute), after: 3, between: 1},
		}},
		Size: 5000, Before: 40e6,
		Starts: []fleetStart{{
			First: time.Second, All: 2 * time.Second, Writes: writes{"create": 50}, CPU: 3 * time.Second,
			Calls: map[string]int{"DescribeInstances": 5}, Memory: 80e6, Peak: 90e6,
		}},
		Idle: fleetIdle{
			Took: time.Minute, Refreshes: 2, CPU: 150 * time.Millisecond, Idle: 0.012, Memory: 70e6, Patched: true,
			Calls: map[string]int{"DescribeInstances": 10, "DescribeInstanceStatus": 3},
		},
	}}
	parts := r.parts()
	if len(parts) != 1 || parts[0].marks != ec2Marks {
		t.Fatalf("the parts are %v", parts)
	}
	for _, want := range []string{
		"| the same tag | 100 | 1.0 | 3.0 | 2.0 | 3.0 | 1 |",
		"| 1 | 1.00 | 2.00 | 50 create | 5 DescribeInstances | 3.00 | 80 | 90 |",
		"Without any instances, the operator has 40 MB of memory.",
		"| 60.00 | 2 | 3 DescribeInstanceStatus, 10 DescribeInstances | 150.0 | 1.20 | none | some | 70 |",
	} {
		if !strings.Contains(parts[0].text, want+"\n") {
			t.Errorf("the report lacks\n%s\nin\n%s", want, parts[0].text)
		}
	}
	r.Names = []nameFlips{{flips: &flips{}}}
	if parts := r.parts(); len(parts) != 2 || parts[0].marks != mainMarks || strings.Contains(parts[0].text, "AWS") {
		t.Errorf("the parts are %v", parts)
	}
	if parts := (&results{}).parts(); parts != nil {
		t.Errorf("without results, the parts are %v", parts)
	}
}
