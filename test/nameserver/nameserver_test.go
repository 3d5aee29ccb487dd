// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package nameserver_test

import (
	"fmt"
	"testing"
	"time"

	wire "github.com/miekg/dns"
	"go.uber.org/goleak"

	"externalbackend.dev/operator/test/nameserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T) *nameserver.Server {
	t.Helper()
	server, err := nameserver.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	return server
}

// ask returns "NOERROR: a b" with the data of the answer, or the error.
func ask(server *nameserver.Server, network, name string, qtype uint16) string {
	client := wire.Client{Net: network, Timeout: time.Minute}
	reply, _, err := client.Exchange(new(wire.Msg).SetQuestion(wire.Fqdn(name), qtype), server.Addr().String())
	if err != nil {
		return "error"
	}
	text := wire.RcodeToString[reply.Rcode] + ":"
	if reply.Truncated {
		text += " truncated"
	}
	for _, record := range reply.Answer {
		text += " " + wire.Field(record, 1)
	}
	return text
}

func TestScript(t *testing.T) {
	server := start(t)
	server.Set("DB.example.", "A", nameserver.Records("db.example 30 A 192.0.2.1"), nameserver.Rcode(wire.RcodeServerFailure), nameserver.NXDomain(5))
	for i, want := range []string{"NOERROR: 192.0.2.1", "SERVFAIL:", "NXDOMAIN:", "NXDOMAIN:"} {
		if got := ask(server, "udp", "db.Example", wire.TypeA); got != want {
			t.Errorf("reply %d: got %s, want %s", i, got, want)
		}
	}
	for _, tt := range []struct {
		name  string
		qtype uint16
		want  string
	}{{"db.example", wire.TypeAAAA, "NOERROR:"}, {"other.example", wire.TypeA, "NXDOMAIN:"}} {
		if got := ask(server, "tcp", tt.name, tt.qtype); got != tt.want {
			t.Errorf("%s %d: got %s, want %s", tt.name, tt.qtype, got, tt.want)
		}
	}
	if server.Queries("db.example", "A") != 4 || server.Queries("db.example", "AAAA") != 1 || server.Total() != 6 {
		t.Errorf("it counts %d, %d and %d", server.Queries("db.example", "A"), server.Queries("db.example", "AAAA"), server.Total())
	}
}

func TestTooManyRecordsForUDP(t *testing.T) {
	server := start(t)
	var records []string
	want := "NOERROR:"
	for i := range 100 {
		records = append(records, fmt.Sprintf("db.example 30 A 192.0.2.%d", i))
		want += fmt.Sprintf(" 192.0.2.%d", i)
	}
	server.Set("db.example", "A", nameserver.Records(records...))
	if got := ask(server, "udp", "db.example", wire.TypeA); got != "NOERROR: truncated" {
		t.Errorf("over UDP: %s", got)
	}
	if got := ask(server, "tcp", "db.example", wire.TypeA); got != want {
		t.Errorf("over TCP: %s", got)
	}
}

func TestStopAndStart(t *testing.T) {
	server := start(t)
	before := server.Addr()
	server.Set("db.example", "A", nameserver.Records("db.example 30 A 192.0.2.1"))
	for _, network := range []string{"udp", "tcp"} {
		server.Stop()
		if got := ask(server, network, "db.example", wire.TypeA); got != "error" {
			t.Errorf("stopped, %s: %s", network, got)
		}
		if err := server.Start(); err != nil {
			t.Fatal(err)
		}
		if got := ask(server, network, "db.example", wire.TypeA); got != "NOERROR: 192.0.2.1" || server.Addr() != before {
			t.Errorf("started again at %s, %s: %s", server.Addr(), network, got)
		}
	}
	if server.Start() == nil {
		t.Error("it can be started twice")
	}
}

// TestStopEndsWhatIsHeldBack: nothing keeps a server from stopping.
func TestStopEndsWhatIsHeldBack(t *testing.T) {
	server := start(t)
	asked := make(chan struct{}, 2)
	for name, reply := range map[string]nameserver.Reply{
		"until.example": nameserver.Until(nil, nameserver.NXDomain(5)),
		"slow.example":  nameserver.Slow(time.Hour, nameserver.NXDomain(5)),
	} {
		server.Set(name, "A", func(q nameserver.Query) [][]byte {
			asked <- struct{}{}
			return reply(q)
		})
	}
	ended := make(chan string, 2)
	for _, name := range []string{"until.example", "slow.example"} {
		go func() { ended <- ask(server, "tcp", name, wire.TypeA) }()
		<-asked
	}
	server.Stop()
	for range 2 {
		if got := <-ended; got != "error" {
			t.Errorf("got %s", got)
		}
	}
}
