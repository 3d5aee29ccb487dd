// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"context"
	"net/netip"
	"time"

	"k8s.io/utils/clock"
)

// client asks servers.
//
// A query goes over UDP, from a port and with an ID of its own, and with EDNS0
// (RFC 6891) unless the server knows none; a truncated reply is asked for again
// over TCP. The next server is asked if one has no definitive answer, and those
// that did not reply are asked again, as often as resolv.conf says. A server
// that is silent is asked last; see servers.
type client struct{ servers *servers }

func newClient(fixed []netip.AddrPort, resolvConf string, c clock.PassiveClock) *client {
	return &client{newServers(fixed, resolvConf, c)}
}

// ask returns the answer to a question. If a server leaves a chain of CNAME
// records unfinished, as those do that know only their own zones, it asks for the
// rest, in the time that one query may take if nobody replies. It begins with the
// server that is so many after the one whose turn it is.
func (c *client) ask(ctx context.Context, q Question, first int) answer {
	start := time.Now()
	a, most := c.query(ctx, q, first)
	if a.next == "" {
		return a
	}
	within, cancel := context.WithDeadline(ctx, start.Add(most))
	defer cancel()
	for a.next != "" {
		rest, _ := c.query(within, Question{a.next, q.Type}, first)
		a = a.join(rest, q.Name)
		if !a.outcome.Definitive() && within.Err() != nil && ctx.Err() == nil {
			return answer{outcome: Timeout}
		}
	}
	return a
}

// query asks one server after the other until one has a definitive answer. The
// others tell by the order of Outcome what became of it. It takes most at most.
func (c *client) query(ctx context.Context, q Question, first int) (a answer, most time.Duration) {
	plan := c.servers.plan(first)
	defer c.servers.end(plan)
	best := answer{outcome: Unreachable}
	var missed []miss
	for round, tries := 0, plan.tries; len(tries) > 0; round++ {
		var again []try
		for _, try := range tries {
			sent := c.servers.clock.Now()
			a, heard := exchange(ctx, q, try.server, try.timeout, plan.useTCP)
			if ctx.Err() != nil {
				return answer{outcome: Unreachable}, plan.most
			}
			switch {
			case heard:
				c.servers.heard(try.server)
			case a.outcome != Unreachable:
				missed = append(missed, miss{try.server, q.Name, sent})
				c.servers.missed(missed[len(missed)-1])
			}
			if a.outcome == Timeout && round+1 < try.rounds {
				again = append(again, try)
			}
			if a.outcome.Definitive() || a.next != "" {
				c.servers.outdone(missed)
				return a, plan.most
			}
			if a.outcome < best.outcome {
				best = a
			}
		}
		tries = again
	}
	return best, plan.most
}
