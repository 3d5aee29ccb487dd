// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"externalbackend.dev/operator/test/rack"
	"externalbackend.dev/operator/test/traffic"
)

func unpainted(_ tint, text string) string { return text }

func TestRowsLineUpWithTheHeader(t *testing.T) {
	hosts := []*rack.Host{{Name: "rack-a"}, {Name: "rack-b"}}
	r := row{requests: 40, failed: 13, afterFlip: 2, cells: []cell{{0, "not ready"}, {27, "ready"}}}
	got := tableHeader(hosts) + "\n" + r.render(" 12.5 s  ", unpainted)
	want := "   time  requests  failed  after flip   rack-a            rack-b\n" +
		" 12.5 s        40      13           2     0 not ready      27 ready"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestRowPaintsWhatMatters(t *testing.T) {
	painted := map[string]tint{}
	paint := func(colour tint, text string) string {
		painted[strings.TrimSpace(text)] = colour
		return text
	}
	row{failed: 3, afterFlip: 1, cells: []cell{{1, "ready"}, {2, "not ready"}, {3, "IPv4 ready"}}}.render("", paint)
	want := map[string]tint{"3": yellow, "1": red, "ready": green, "not ready": red, "IPv4 ready": yellow}
	for text, colour := range want {
		if painted[text] != colour {
			t.Errorf("%q is painted %q, want %q", text, painted[text], colour)
		}
	}
	clear(painted)
	row{}.render("", paint)
	if len(painted) != 0 {
		t.Errorf("a row without failures paints %v", painted)
	}
}

func TestRowCountsWhatFinishedBetweenTwoTallies(t *testing.T) {
	before := &tally{requests: 100, failed: 4, byHost: map[string]int{"a": 96}}
	after := &tally{requests: 140, failed: 7, byHost: map[string]int{"a": 120, "b": 13}, unexcused: make([]traffic.Request, 1)}
	got := rowBetween(before, after, []*rack.Host{{Name: "a"}, {Name: "b"}}, func(h *rack.Host) string { return "of " + h.Name })
	if got.requests != 40 || got.failed != 3 || got.afterFlip != 1 {
		t.Errorf("row = %+v, want 40 requests, 3 failed, 1 after a flip", got)
	}
	if got.cells[0] != (cell{24, "of a"}) || got.cells[1] != (cell{13, "of b"}) {
		t.Errorf("cells = %v", got.cells)
	}
}

func TestBothFamiliesInOneCell(t *testing.T) {
	draining := conditions{published: true, serving: true, terminating: true}
	for _, test := range []struct {
		ip4, ip6 conditions
		want     string
	}{
		{healthy, healthy, "ready"},
		{unhealthy, unhealthy, "not ready"},
		{conditions{}, conditions{}, "absent"},
		{draining, draining, "f/t/t"},
		{healthy, unhealthy, "IPv4 ready"},
		{conditions{}, healthy, "IPv6 ready"},
		{conditions{}, unhealthy, "mixed"},
	} {
		if got := both(test.ip4, test.ip6); got != test.want {
			t.Errorf("both(%+v, %+v) = %q, want %q", test.ip4, test.ip6, got, test.want)
		}
	}
}

func TestSummary(t *testing.T) {
	requests := []traffic.Request{
		{Start: at(0), End: at(0.1), Answer: traffic.Answer{Host: "rack-a"}},
		{Start: at(0.5), End: at(0.6), Answer: traffic.Answer{Host: "rack-b"}, IPv6: true},
		failed(10.5, 10.6), failed(12.5, 13.5), failed(13.5, 13.6),
	}
	outages := []outage{
		{host: "rack-a", what: "killed", began: at(10), flipped: at(12), unrouted: at(12.05)},
		{host: "rack-b", what: "hung", began: at(12.4)},
	}
	got := summary(count(requests, outages), []*rack.Host{{Name: "rack-a"}, {Name: "rack-b"}}, 6)
	want := `  requests      5 in 13 s: 0.3 a second on average, 0 in the slowest second; 1 over IPv6; 3 failed
  answered by   rack-a 1   rack-b 1
  slice writes  6 EndpointSlices created or changed in all

                      not ready   kube-proxy   failed requests, started
  outage                  after        after   before the flip   before kube-proxy   afterwards
  rack-a killed           2.0 s        50 ms                 1                   0            0
  rack-b hung                 -            -                 2                   0            0`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestScreenWithoutColourPrintsPlainLines(t *testing.T) {
	var out bytes.Buffer
	s := &screen{out: &out, began: time.Now().Add(-time.Hour)}
	s.heading("Part")
	s.event(green, "%d addresses", 8)
	s.command("kubectl get x", "a: 1\n", "NAME\n\nfoo\n")
	if strings.Contains(out.String(), "\x1b") {
		t.Errorf("escape sequences without colour: %q", out.String())
	}
	for _, line := range []string{"\nPart\n", " s  8 addresses\n", " s  $ kubectl get x\n", "\n         | a: 1\n", "\n         NAME\n\n         foo\n"} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("no %q in %q", line, out.String())
		}
	}
}
