// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"

	"externalbackend.dev/operator/test/traffic"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// at returns a time the given number of seconds after the epoch.
func at(seconds float64) time.Time {
	return epoch.Add(time.Duration(seconds * float64(time.Second)))
}

func failed(start, end float64) traffic.Request {
	return traffic.Request{Start: at(start), End: at(end), Err: errors.New("refused")}
}

func TestFailuresAreCountedByTheStartOfTheRequest(t *testing.T) {
	followed := outage{host: "a", what: "hung", began: at(10), flipped: at(13), unrouted: at(13.1), mended: at(20)}
	unfollowed := outage{host: "a", what: "hung", began: at(10), flipped: at(13)}
	unnoticed := outage{host: "a", what: "hung", began: at(10)}
	for _, test := range []struct {
		name                                             string
		outage                                           outage
		request                                          traffic.Request
		beforeFlip, beforeProxy, afterwards, unexcusable int
	}{
		{"ended before the harm", followed, failed(9.5, 9.9), 0, 0, 0, 1},
		{"under way when the harm came", followed, failed(9.9, 10.1), 1, 0, 0, 0},
		{"started before the flip, failed long after it", followed, failed(12.9, 13.9), 1, 0, 0, 0},
		{"started between flip and kube-proxy", followed, failed(13.05, 14.05), 0, 1, 0, 0},
		{"started at the flip", followed, failed(13, 14), 0, 1, 0, 0},
		{"started when kube-proxy had followed", followed, failed(13.1, 13.2), 0, 0, 1, 1},
		{"started after the mending", followed, failed(21, 21.1), 0, 0, 1, 1},
		{"kube-proxy has not followed yet", unfollowed, failed(14, 15), 0, 1, 0, 0},
		{"no flip yet", unnoticed, failed(14, 15), 1, 0, 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := count([]traffic.Request{test.request}, []outage{test.outage})
			o := got.outages[0]
			if o.beforeFlip != test.beforeFlip || o.beforeProxy != test.beforeProxy || o.afterwards != test.afterwards || len(got.unexcused) != test.unexcusable {
				t.Errorf("before the flip %d, before kube-proxy %d, afterwards %d, unexcused %d; want %d, %d, %d, %d",
					o.beforeFlip, o.beforeProxy, o.afterwards, len(got.unexcused),
					test.beforeFlip, test.beforeProxy, test.afterwards, test.unexcusable)
			}
			if got.failed != 1 {
				t.Errorf("failed = %d, want 1", got.failed)
			}
		})
	}
}

func TestAFailureWithoutAnyOutageIsUnexcused(t *testing.T) {
	if got := count([]traffic.Request{failed(1, 2)}, nil); len(got.unexcused) != 1 {
		t.Errorf("unexcused = %v, want the one failure", got.unexcused)
	}
}

func TestAFailureIsPutDownToTheLatestOutageOnly(t *testing.T) {
	got := count([]traffic.Request{failed(21, 22)}, []outage{
		{host: "a", began: at(10), flipped: at(12), unrouted: at(12.1)},
		{host: "b", began: at(20)},
	})
	if a, b := got.outages[0], got.outages[1]; a.beforeFlip+a.beforeProxy+a.afterwards != 0 || b.beforeFlip != 1 || len(got.unexcused) != 0 {
		t.Errorf("tally = %+v, want the failure with b alone", got)
	}
}

func TestAnswersAreCountedByHostAndFamily(t *testing.T) {
	got := count([]traffic.Request{
		{Start: at(0), End: at(0.1), Answer: traffic.Answer{Host: "a"}},
		{Start: at(0.1), End: at(0.2), Answer: traffic.Answer{Host: "b"}, IPv6: true},
		{Start: at(0.2), End: at(0.3), Answer: traffic.Answer{Host: "a"}, IPv6: true},
	}, nil)
	if got.requests != 3 || got.failed != 0 || got.ipv6 != 2 || got.byHost["a"] != 2 || got.byHost["b"] != 1 {
		t.Errorf("tally = %+v", got)
	}
}

func TestRateCountsFullSecondsOnly(t *testing.T) {
	var requests []traffic.Request
	for second, n := range []int{40, 10, 40, 7} {
		for i := range n {
			requests = append(requests, traffic.Request{Start: at(float64(second) + float64(i)/100)})
		}
	}
	got := count(requests, nil)
	if got.slowest() != 10 || got.rate() != 30 {
		t.Errorf("slowest %d, rate %v in seconds %v; want 10 and 30, without the last, unfinished second", got.slowest(), got.rate(), got.seconds)
	}
}

func TestNoRequestsAreNoRate(t *testing.T) {
	if got := count(nil, nil); got.slowest() != 0 || got.rate() != 0 {
		t.Errorf("slowest %d, rate %v; want 0 and 0", got.slowest(), got.rate())
	}
}

func TestFlipsOfUnharmedHostsAreUnexpected(t *testing.T) {
	outages := []outage{{host: "a", began: at(10), mended: at(20)}}
	flip := func(seconds float64, from, to conditions) transition {
		return transition{at: at(seconds), addr: netip.MustParseAddr("192.0.2.1"), from: from, to: to}
	}
	for _, test := range []struct {
		name       string
		host       string
		transition transition
		unexpected bool
	}{
		{"harmed", "a", flip(12, healthy, unhealthy), false},
		{"before the harm", "a", flip(9, healthy, unhealthy), true},
		{"after the mending", "a", flip(21, healthy, unhealthy), true},
		{"another host", "b", flip(12, healthy, unhealthy), true},
		{"removed altogether", "b", flip(12, healthy, conditions{}), true},
		{"comes back", "b", flip(12, unhealthy, healthy), false},
		{"new", "b", flip(12, conditions{}, unhealthy), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := unexpectedFlips([]transition{test.transition}, outages, func(transition) string { return test.host })
			if (len(got) == 1) != test.unexpected {
				t.Errorf("unexpected flips = %v, want unexpected %t", got, test.unexpected)
			}
		})
	}
}

func TestLedgerSeesAnswersStartedAfterAMoment(t *testing.T) {
	var l ledger
	l.record(traffic.Request{Start: at(1), End: at(3), Answer: traffic.Answer{Host: "a"}})
	if l.answeredSince("a", at(2)) {
		t.Error("a request started before the moment counts")
	}
	l.record(traffic.Request{Start: at(2.5), End: at(3), Answer: traffic.Answer{Host: "a"}})
	if !l.answeredSince("a", at(2)) || l.answeredSince("b", at(2)) {
		t.Error("want an answer by a, and none by b")
	}
}

func TestLedgerUpdatesTheOutageItBegan(t *testing.T) {
	var l ledger
	l.begin(outage{host: "a", began: at(1)})
	update := l.begin(outage{host: "b", began: at(2)})
	update(func(o *outage) { o.flipped = at(3) })
	if got := l.tally().outages; !got[0].flipped.IsZero() || !got[1].flipped.Equal(at(3)) {
		t.Errorf("outages = %+v, want b alone flipped", got)
	}
}
