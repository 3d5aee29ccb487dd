// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	wire "github.com/miekg/dns"
	"k8s.io/utils/clock"

	"externalbackend.dev/operator/test/nameserver"
)

const (
	// never is longer than any test waits.
	never = time.Hour
	// soon is how long tests wait for a reply that does not come.
	soon = 2 * time.Second
)

func startServer(t testing.TB) *nameserver.Server {
	t.Helper()
	server, err := nameserver.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	return server
}

// askers returns a client of some servers.
func askers(timeout time.Duration, servers ...*nameserver.Server) *client {
	var addrs []netip.AddrPort
	for _, server := range servers {
		addrs = append(addrs, server.Addr())
	}
	c := newClient(addrs, "", clock.RealClock{})
	c.servers.config.timeout = timeout
	return c
}

var db = Question{"db.example", A}

// TestOneServer shows what is made of each thing that a server may do.
func TestOneServer(t *testing.T) {
	const record, alias = "db.example 30 A 192.0.2.1", "db.example 30 CNAME b.example"
	right := nameserver.Records(record)
	wrong := nameserver.Records("db.example 30 A 192.0.2.66")
	var many []string
	for i := range 4000 {
		many = append(many, fmt.Sprintf("db.example 30 A 10.0.%d.%d", i/250, i%250))
	}
	for _, tt := range []struct {
		name    string
		replies []nameserver.Reply
		timeout time.Duration // default: never
		want    string        // begins with
		queries int           // default: 1
	}{
		{name: "an answer", replies: []nameserver.Reply{right}, want: "Answered 192.0.2.1 ttl=30"},
		{name: "no data", replies: []nameserver.Reply{nameserver.NoData(7)}, want: "Empty ttl=7"},
		{name: "no such name", replies: []nameserver.Reply{nameserver.NXDomain(7)}, want: "NameError ttl=7"},
		{name: "a service failure", replies: []nameserver.Reply{nameserver.Rcode(wire.RcodeServerFailure)}, want: "ServerFailure"},
		{name: "a refusal", replies: []nameserver.Reply{nameserver.Rcode(wire.RcodeRefused)}, want: "Refused"},
		{
			name: "a truncated answer", replies: []nameserver.Reply{nameserver.Truncated(right)},
			want: "Answered 192.0.2.1 ttl=30", queries: 2,
		},
		{
			name: "thousands of records", replies: []nameserver.Reply{nameserver.Records(many...)},
			want: "Answered 10.0.0.0 10.0.0.1", queries: 2,
		},
		{
			name: "no EDNS", replies: []nameserver.Reply{nameserver.WithoutEDNS(right)},
			want: "Answered 192.0.2.1 ttl=30", queries: 2,
		},
		{
			name: "no EDNS, and truncated", replies: []nameserver.Reply{nameserver.WithoutEDNS(nameserver.Truncated(right))},
			want: "Answered 192.0.2.1 ttl=30", queries: 3,
		},
		{
			name: "nothing but format errors", replies: []nameserver.Reply{nameserver.Rcode(wire.RcodeFormatError)},
			want: "Malformed", queries: 2,
		},
		{
			name:    "forgeries before the answer",
			replies: []nameserver.Reply{nameserver.Several(nameserver.WrongID(wrong), nameserver.WrongQuestion(wrong, "www.example"), nameserver.Bytes([]byte("?")), right)},
			want:    "Answered 192.0.2.1 ttl=30",
		},
		{
			name: "forgeries alone", replies: []nameserver.Reply{nameserver.Several(nameserver.WrongID(wrong), nameserver.WrongQuestion(wrong, "www.example"))},
			timeout: soon, want: "Malformed",
		},
		{name: "garbage", replies: []nameserver.Reply{nameserver.Bytes([]byte("garbage, and a lot of it"))}, timeout: soon, want: "Malformed"},
		{name: "half an answer", replies: []nameserver.Reply{nameserver.Half(right)}, want: "Malformed"},
		{
			name: "half an answer over TCP", replies: []nameserver.Reply{nameserver.Truncated(nameserver.Half(right))},
			want: "Malformed", queries: 2,
		},
		{
			name: "another's answer over TCP", replies: []nameserver.Reply{nameserver.Truncated(nameserver.WrongID(wrong))},
			want: "Malformed", queries: 2,
		},
		{
			name: "its own query", replies: []nameserver.Reply{nameserver.Altered(right, func(b []byte) []byte {
				b[2] &^= 1 << 7
				return b
			})}, timeout: soon, want: "Malformed",
		},
		{
			name: "an answer to no question", replies: []nameserver.Reply{nameserver.Several(nameserver.WithoutQuestion(wrong), nameserver.WithoutQuestion(nameserver.NXDomain(5)))},
			timeout: soon, want: "Malformed",
		},
		{name: "a refusal of no question", replies: []nameserver.Reply{nameserver.WithoutQuestion(nameserver.Rcode(wire.RcodeRefused))}, want: "Refused"},
		{name: "silence", replies: []nameserver.Reply{nameserver.Silence()}, timeout: soon, want: "Timeout", queries: 2},
		{name: "silence once", replies: []nameserver.Reply{nameserver.Silence(), right}, timeout: time.Second, want: "Answered 192.0.2.1 ttl=30", queries: 2},
		{
			name: "silence over TCP", replies: []nameserver.Reply{nameserver.Truncated(nameserver.Silence())},
			timeout: soon, want: "Timeout", queries: 4,
		},
		{
			name: "a chain that loops", replies: []nameserver.Reply{nameserver.Records(alias, "b.example 30 CNAME db.example")},
			want: "Malformed",
		},
		{
			name: "a chain to a name that does not exist", replies: []nameserver.Reply{nameserver.Records(alias)},
			want: "NameError ttl=30 via b.example",
		},
		{name: "an address that does not exist", replies: []nameserver.Reply{nameserver.Message(wire.RcodeNameError, []string{record}, nil)}, want: "Malformed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := startServer(t)
			server.Set("db.example", "A", tt.replies...)
			timeout := tt.timeout
			if timeout == 0 {
				timeout = never
			}
			if got := askers(timeout, server).ask(t.Context(), db, 0).String(); !strings.HasPrefix(got, tt.want) {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if got := server.Queries("db.example", "A"); got != max(tt.queries, 1) {
				t.Errorf("it was asked %d times, want %d", got, max(tt.queries, 1))
			}
		})
	}
}

func TestQueryEndsWithItsContext(t *testing.T) {
	server := startServer(t)
	asked := make(chan struct{})
	hang := func(nameserver.Query) [][]byte {
		asked <- struct{}{}
		return nil
	}
	for _, reply := range []nameserver.Reply{hang, nameserver.Truncated(hang)} {
		server.Set("db.example", "A", reply)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan answer)
		c := askers(never, server)
		go func() { done <- c.ask(ctx, db, 0) }()
		select {
		case <-asked:
		case a := <-done:
			t.Fatalf("the query ended by itself: %s", a)
		}
		cancel()
		if a := <-done; a.outcome.Definitive() {
			t.Errorf("a query that was ended brought %s", a)
		}
		if tries := c.servers.plan(0).tries; tries[0].timeout != never {
			t.Error("a server that was not waited for counts as silent")
		}
	}
}

// TestALargeDatagram is more than is asked for, and than is taken: it is asked for
// over TCP.
func TestALargeDatagram(t *testing.T) {
	server := startServer(t)
	var records []string
	for i := range 400 {
		records = append(records, fmt.Sprintf("db.example 30 A 10.0.%d.%d", i/250, i%250))
	}
	reply := nameserver.Records(records...)
	server.Set("db.example", "A", func(q nameserver.Query) [][]byte {
		q.TCP = true // it knows no limits
		return reply(q)
	})
	if got := askers(never, server).ask(t.Context(), db, 0); got.outcome != Answered || len(got.addrs) != 400 || server.Total() != 2 {
		t.Errorf("got %s after %d queries", got, server.Total())
	}
}

// TestAServerWithoutTCPIsNotSilent: it has replied.
func TestAServerWithoutTCPIsNotSilent(t *testing.T) {
	server := startServer(t)
	server.Set("db.example", "A", nameserver.Truncated(nameserver.Silence()))
	c := askers(soon, server)
	c.servers.config.attempts = 1
	if got := c.ask(t.Context(), db, 0).String(); got != "Timeout" {
		t.Errorf("got %s", got)
	}
	if known := c.servers.of(server.Addr()); len(known.missed) > 0 || known.replied.IsZero() {
		t.Errorf("it counts as one that did not reply: %+v", known)
	}
}

// TestAChainTakesNoLongerThanAQuery that nobody replies to, though each link is
// replied to in time.
func TestAChainTakesNoLongerThanAQuery(t *testing.T) {
	server := startServer(t)
	for i := range maxChain {
		server.Set(fmt.Sprintf("n%d.example", i), "A", nameserver.Silence(), nameserver.Records(fmt.Sprintf("n%d.example 30 CNAME n%d.example", i, i+1)))
	}
	if got := askers(soon/4, server).ask(t.Context(), Question{"n0.example", A}, 0).String(); got != "Timeout" {
		t.Errorf("got %s", got)
	}
	if server.Queries("n3.example", "A") > 0 {
		t.Error("with two attempts for all, the fourth link was asked for after a timeout for each of three")
	}
}

// onlyTCP refuses over UDP.
func onlyTCP(q nameserver.Query) [][]byte {
	if q.TCP {
		return nameserver.Records("db.example 30 A 192.0.2.1")(q)
	}
	return nameserver.Rcode(wire.RcodeRefused)(q)
}
