// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"fmt"
	"strings"
	"testing"
	"time"

	wire "github.com/miekg/dns"
	clocktesting "k8s.io/utils/clock/testing"

	"externalbackend.dev/operator/test/nameserver"
)

// TestUnfinishedChain: servers of one zone leave the rest of a chain to others.
func TestUnfinishedChain(t *testing.T) {
	server := startServer(t)
	server.Set("db.example", "A", nameserver.Records("db.example 30 CNAME a.example.net", "a.example.net 20 CNAME b.example.net"))
	server.Set("b.example.net", "A", nameserver.Records("b.example.net 10 CNAME c.example.org"))
	for _, tt := range []struct {
		last nameserver.Reply
		want string
	}{
		{nameserver.Records("c.example.org 40 A 192.0.2.1"), "Answered 192.0.2.1 ttl=10 via a.example.net,b.example.net,c.example.org"},
		{nameserver.NoData(5), "Empty ttl=5 via a.example.net,b.example.net,c.example.org"},
		{nameserver.NXDomain(60), "NameError ttl=10 via a.example.net,b.example.net,c.example.org"},
		{nameserver.Rcode(wire.RcodeServerFailure), "ServerFailure"},
		{nameserver.Records("c.example.org 40 CNAME a.example.net"), "Malformed"},
		{nameserver.Records("c.example.org 40 CNAME DB.example"), "Malformed"},
	} {
		server.Set("c.example.org", "A", tt.last)
		if got := askers(never, server).ask(t.Context(), db, 0).String(); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
	for i := range 20 {
		server.Set(fmt.Sprintf("n%d.example", i), "A", nameserver.Records(fmt.Sprintf("n%d.example 30 CNAME n%d.example", i, i+1)))
	}
	if got := askers(never, server).ask(t.Context(), Question{"n0.example", A}, 0).String(); got != "Malformed" {
		t.Errorf("a chain of 20 links: %s", got)
	}
}

// TestFailover asks the next server unless one has a definitive answer.
func TestFailover(t *testing.T) {
	good := nameserver.Records("db.example 30 A 192.0.2.1")
	lame := lameReply(wire.RcodeSuccess)
	servfail, refused := nameserver.Rcode(wire.RcodeServerFailure), nameserver.Rcode(wire.RcodeRefused)
	for _, tt := range []struct {
		name    string
		replies []nameserver.Reply // of each server
		want    string
		queries []int
	}{
		{"the first answers", []nameserver.Reply{good, servfail}, "Answered 192.0.2.1 ttl=30", []int{1, 0}},
		{"the first knows of no such name", []nameserver.Reply{nameserver.NXDomain(5), good}, "NameError ttl=5", []int{1, 0}},
		{"the first knows of no address", []nameserver.Reply{nameserver.NoData(5), good}, "Empty ttl=5", []int{1, 0}},
		{"the first fails", []nameserver.Reply{servfail, good}, "Answered 192.0.2.1 ttl=30", []int{1, 1}},
		{"the first refuses", []nameserver.Reply{refused, good}, "Answered 192.0.2.1 ttl=30", []int{1, 1}},
		{"the first has not got the zone", []nameserver.Reply{lame, good}, "Answered 192.0.2.1 ttl=30", []int{1, 1}},
		{"the first has not got the zone, and says that the name does not exist", []nameserver.Reply{lameReply(wire.RcodeNameError), good}, "Answered 192.0.2.1 ttl=30", []int{1, 1}},
		{"none has got the zone", []nameserver.Reply{lame, lame}, "Malformed", []int{1, 1}},
		{"the first sends half", []nameserver.Reply{nameserver.Half(good), good}, "Answered 192.0.2.1 ttl=30", []int{1, 1}},
		{"the first is silent", []nameserver.Reply{nameserver.Silence(), good}, "Answered 192.0.2.1 ttl=30", []int{1, 1}},
		{"all fail, and nobody is asked again", []nameserver.Reply{refused, servfail}, "ServerFailure", []int{1, 1}},
		{"only the silent are asked again", []nameserver.Reply{nameserver.Silence(), refused, nameserver.Silence()}, "Refused", []int{2, 1, 2}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var servers []*nameserver.Server
			for _, reply := range tt.replies {
				server := startServer(t)
				server.Set("db.example", "A", reply)
				servers = append(servers, server)
			}
			timeout := never
			if strings.Contains(tt.name, "silent") {
				timeout = time.Second
			}
			if got := askers(timeout, servers...).ask(t.Context(), db, 0).String(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			for i, server := range servers {
				if got := server.Total(); got != tt.queries[i] {
					t.Errorf("server %d was asked %d times, want %d", i, got, tt.queries[i])
				}
			}
		})
	}
}

// lameReply has no record at all and is from a server that neither has the zone nor
// asks others.
func lameReply(rcode int) nameserver.Reply {
	return func(q nameserver.Query) [][]byte {
		packed, err := new(wire.Msg).SetRcode(q.Msg, rcode).Pack()
		if err != nil {
			panic(err)
		}
		return [][]byte{packed}
	}
}

func TestNobodyThere(t *testing.T) {
	gone := startServer(t)
	gone.Stop()
	if got := askers(never, gone).ask(t.Context(), db, 0).String(); got != "Timeout" {
		t.Errorf("a closed port: %s", got)
	}
	if got := askers(never).ask(t.Context(), db, 0).String(); got != "Unreachable" {
		t.Errorf("no servers: %s", got)
	}
}

// TestSilentServerIsAskedLast for half a minute, or until it replies to anybody.
func TestSilentServerIsAskedLast(t *testing.T) {
	dead, live := startServer(t), startServer(t)
	reply := nameserver.Records("db.example 30 A 192.0.2.1")
	dead.Set("db.example", "A", nameserver.Silence())
	live.Set("db.example", "A", reply)
	now := clocktesting.NewFakePassiveClock(epoch)
	c := askers(soon, dead, live)
	c.servers.clock = now
	ask := func(wantDead, wantLive int) {
		t.Helper()
		c.ask(t.Context(), db, 0)
		if dead.Total() != wantDead || live.Total() != wantLive {
			t.Fatalf("the first was asked %d times and the second %d times, want %d and %d", dead.Total(), live.Total(), wantDead, wantLive)
		}
	}
	ask(1, 1)
	ask(1, 2)
	now.SetTime(epoch.Add(silenceCounts - time.Second))
	ask(1, 3)
	dead.Set("db.example", "A", reply)
	now.SetTime(epoch.Add(silenceCounts))
	ask(2, 3)
	ask(3, 3)
}
