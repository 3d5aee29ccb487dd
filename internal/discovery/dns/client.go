// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"context"
	"net/netip"

	"k8s.io/utils/clock"
)

// client asks servers.
//
// A query goes over UDP, from a port and with an ID of its own, and with EDNS0
// (RFC 6891) unless the server knows none; a truncated reply is asked for again
// over TCP. The next server is asked if one has no definitive answer, and those
// that did not reply are asked again, as often as resolv.conf says. A server
// that has been silent for a whole query, and towards everybody, is
// asked last for 30 s, once and for a second: a dead one costs one timeout.
type client struct{ servers *servers }

func newClient(fixed []netip.AddrPort, resolvConf string, c clock.PassiveClock) *client {
	return &client{newServers(fixed, resolvConf, c)}
}

// ask returns the answer to a question. If a server leaves a chain of CNAME
// records unfinished, as those do that know only their own zones, it asks for the
// rest. It begins with the server that is so many after the one whose turn it is.
func (c *client) ask(ctx context.Context, q Question, first int) answer {
	a := c.query(ctx, q, first)
	for a.next != "" {
		a = a.join(c.query(ctx, Question{a.next, q.Type}, first), q.Name)
	}
	return a
}

// query asks one server after the other until one has a definitive answer. The
// others tell by the order of Outcome what became of it.
func (c *client) query(ctx context.Context, q Question, first int) answer {
	tries, useTCP := c.servers.plan(first)
	best := answer{outcome: Unreachable}
	for round := 0; len(tries) > 0; round++ {
		var again []try
		for _, try := range tries {
			sent := c.servers.clock.Now()
			a := exchange(ctx, q, try.server, try.timeout, useTCP)
			if ctx.Err() != nil {
				return answer{outcome: Unreachable}
			}
			switch a.outcome {
			case Timeout:
				c.servers.missed(try.server, sent)
				if round+1 < try.rounds {
					again = append(again, try)
				}
			case Unreachable:
			default:
				c.servers.heard(try.server)
			}
			if a.outcome.Definitive() || a.next != "" {
				return a
			}
			if a.outcome < best.outcome {
				best = a
			}
		}
		tries = again
	}
	return best
}
