// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package dns_test

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"externalbackend.dev/operator/internal/discovery/dns"
	"externalbackend.dev/operator/test/nameserver"
)

// TestNamesOverTheWire follows a name of both families, and of a service, through
// what happens to its server. It waits for changes, and never for a time.
func TestNamesOverTheWire(t *testing.T) {
	server, err := nameserver.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	changed := make(chan string, 1)
	resolver := dns.New(dns.Options[string]{
		Servers: []netip.AddrPort{server.Addr()},
		MinTTL:  time.Millisecond, MinRetention: 5 * time.Millisecond,
		Changed: func(sub string) {
			select {
			case changed <- sub:
			default: // there is one to be read
			}
		},
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- resolver.Start(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	question := func(name string, qtype dns.Type) dns.Question {
		q, err := dns.ParseQuestion(name, qtype)
		if err != nil {
			t.Fatal(err)
		}
		return q
	}
	v4, v6 := question("DB.Example.", dns.A), question("db.example", dns.AAAA)
	srv := question("_pg._tcp.db.example", dns.SRV)
	// until waits for a state, which some change has to bring.
	until := func(q dns.Question, want string) {
		t.Helper()
		for {
			if s := resolver.Lookup(q); s != nil && state(s) == want {
				return
			}
			<-changed
		}
	}

	server.Set("db.example", "A", nameserver.Records("db.example 0 CNAME b.example", "b.example 0 A 192.0.2.2", "b.example 0 A 192.0.2.1"))
	server.Set("db.example", "AAAA", nameserver.Rcode(2))
	server.Set("_pg._tcp.db.example", "SRV", nameserver.Records("_pg._tcp.db.example 0 SRV 10 5 5432 B.example"))
	resolver.Ensure("shop/a", []dns.Question{v4, v6, srv})
	until(v4, "[192.0.2.1 192.0.2.2] [] Answered false false")
	until(v6, "[] [] ServerFailure true false")
	until(srv, "[] [{b.example 5432 10 5}] Answered false false")

	server.Set("db.example", "AAAA", nameserver.Records("db.example 0 AAAA 2001:db8::1"))
	until(v6, "[2001:db8::1] [] Answered false false")

	server.Stop()
	until(v4, "[192.0.2.1 192.0.2.2] [] Timeout true false")
	until(v6, "[2001:db8::1] [] Timeout true false")
	until(srv, "[] [{b.example 5432 10 5}] Timeout true false")
	server.Set("db.example", "A", nameserver.NoData(0))
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	until(v6, "[2001:db8::1] [] Answered false false")
	until(srv, "[] [{b.example 5432 10 5}] Answered false false")
	until(v4, "[] [] Empty false false")
}

func state(s *dns.Snapshot) string {
	return fmt.Sprintf("%v %v %s %t %t", s.Addrs, s.Services, s.Outcome, !s.FailingSince.IsZero(), s.Unconfirmed)
}
