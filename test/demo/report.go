// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"externalbackend.dev/operator/test/rack"
)

// The table has a header every so many rows.
const headerEvery = 10

// row is one second of the table.
type row struct {
	requests, failed int // finished in this second
	afterFlip        int // of the failed: started when no outage excused it any more
	cells            []cell
}

// cell is one host in a row.
type cell struct {
	answered   int
	conditions string // as published
}

// tableHeader returns the table's header for the hosts.
func tableHeader(hosts []*rack.Host) string {
	var b strings.Builder
	b.WriteString("   time  requests  failed  after flip")
	for _, h := range hosts {
		fmt.Fprintf(&b, "   %-15s", h.Name)
	}
	return strings.TrimRight(b.String(), " ")
}

// render returns the row's text; paint colours parts of it.
func (r row) render(stamp string, paint func(tint, string) string) string {
	paintIf := func(cond bool, t tint, text string) string {
		if !cond {
			return text
		}
		return paint(t, text)
	}
	var b strings.Builder
	b.WriteString(stamp)
	fmt.Fprintf(&b, "%8d  ", r.requests)
	b.WriteString(paintIf(r.failed > 0, yellow, fmt.Sprintf("%6d  ", r.failed)))
	b.WriteString(paintIf(r.afterFlip > 0, red, fmt.Sprintf("%10d", r.afterFlip)))
	for _, c := range r.cells {
		colour := yellow
		switch c.conditions {
		case "ready":
			colour = green
		case "not ready":
			colour = red
		}
		fmt.Fprintf(&b, "   %3d %s", c.answered, paint(colour, fmt.Sprintf("%-11s", c.conditions)))
	}
	return strings.TrimRight(b.String(), " ")
}

// both returns the conditions of a host's two addresses as one cell shows them.
func both(ip4, ip6 conditions) string {
	switch {
	case ip4 == ip6:
		return ip4.String()
	case ip4.ready && !ip6.ready:
		return "IPv4 ready"
	case ip6.ready && !ip4.ready:
		return "IPv6 ready"
	}
	return "mixed"
}

// rowBetween counts what finished between two tallies.
func rowBetween(before, after *tally, hosts []*rack.Host, conditionsOf func(*rack.Host) string) row {
	r := row{
		requests: after.requests - before.requests, failed: after.failed - before.failed,
		afterFlip: len(after.unexcused) - len(before.unexcused),
	}
	for _, h := range hosts {
		r.cells = append(r.cells, cell{after.byHost[h.Name] - before.byHost[h.Name], conditionsOf(h)})
	}
	return r
}

// printTable prints a row every second until ctx is done.
func (s *scenario) printTable(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	before := s.ledger.tally()
	for rows := 0; ; rows++ {
		if rows%headerEvery == 0 {
			s.screen.print(s.screen.paint(bold, tableHeader(s.hosts)))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		after := s.ledger.tally()
		r := rowBetween(before, after, s.hosts, func(h *rack.Host) string { return both(s.board.of(h.IP4), s.board.of(h.IP6)) })
		s.screen.print(r.render(s.screen.stamp(), s.screen.paint))
		before = after
	}
}

// summary returns the closing account.
func summary(t *tally, hosts []*rack.Host, sliceWrites int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "  requests      %d in %d s: %.1f a second on average, %d in the slowest second; %d over IPv6; %d failed\n",
		t.requests, len(t.seconds), t.rate(), t.slowest(), t.ipv6, t.failed)
	b.WriteString("  answered by")
	for _, h := range hosts {
		fmt.Fprintf(&b, "   %s %d", h.Name, t.byHost[h.Name])
	}
	fmt.Fprintf(&b, "\n  slice writes  %d EndpointSlices created or changed in all\n\n", sliceWrites)
	b.WriteString("                      not ready   kube-proxy   failed requests, started\n")
	b.WriteString("  outage                  after        after   before the flip   before kube-proxy   afterwards\n")
	for _, o := range t.outages {
		fmt.Fprintf(&b, "  %-18s %10s   %10s   %15d   %17d   %10d\n", o.host+" "+o.what,
			between(o.began, o.flipped), between(o.flipped, o.unrouted), o.beforeFlip, o.beforeProxy, o.afterwards)
	}
	return strings.TrimRight(b.String(), "\n")
}

// between formats the time from one event to the next, or a dash if it never came.
func between(from, to time.Time) string {
	if from.IsZero() || to.IsZero() {
		return "-"
	}
	d := to.Sub(from)
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
