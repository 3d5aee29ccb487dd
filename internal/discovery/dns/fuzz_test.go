// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	wire "github.com/miekg/dns"
)

// FuzzParse reads whatever a server may send.
func FuzzParse(f *testing.F) {
	for _, records := range [][]string{
		{"db.example. 30 A 192.0.2.1", "x.example. 30 A 192.0.2.2"},
		{"db.example. 30 CNAME b.example.", "b.example. 30 AAAA ::ffff:192.0.2.1", "b.example. 30 A 192.0.2.1"},
		{"db.example. 30 CNAME b.example.", "b.example. 30 CNAME db.example."},
		{"db.example. 30 SRV 1 2 3 b.example.", "db.example. 30 SRV 1 2 3 ."},
		{"--", soa},
		{"db.example. 30 CNAME b.example.", "--", soa},
		{"db.example. 30 DNAME net.", "--", "example. 30 NS ns.example."},
	} {
		for _, qtype := range []Type{A, AAAA, SRV} {
			_, seed := message(f, Question{"db.example", qtype}, 0, records...)
			packed, err := seed.Pack()
			if err != nil {
				f.Fatal(err)
			}
			f.Add(packed, uint16(qtype))
			f.Add(packed[:len(packed)-3], uint16(qtype))
		}
	}
	f.Fuzz(func(t *testing.T, packed []byte, qtype uint16) {
		q := Question{"db.example", Type(qtype)}
		if q.Type != A && q.Type != AAAA && q.Type != SRV {
			return
		}
		query := newQuery(q, true)
		if len(packed) > 1 {
			packed[0], packed[1] = byte(query.Id>>8), byte(query.Id)
		}
		a, err := read(query, packed, q)
		if err != nil {
			if o := outcomeOf(err); o != Malformed {
				t.Errorf("%v: %s", err, o)
			}
			return
		}
		// The library reads all records: what is of no use to us may be garbage.
		if reply := new(wire.Msg); reply.Unpack(packed) == nil {
			checkAnswer(t, reply, q, &a)
		}
		if again, err := read(query, packed, q); err != nil || a.String() != again.String() {
			t.Error("the same reply is read in two ways")
		}
	})
}

// checkAnswer checks what holds of every answer, by another way than parse takes:
// a record counts only if its name can be reached from the question's.
func checkAnswer(t *testing.T, reply *wire.Msg, q Question, a *answer) {
	t.Helper()
	if a.ttl < 0 || a.ttl > maxTTL || len(a.chain) > maxChain || a.dropped < 0 {
		t.Errorf("out of bounds: %s", a)
	}
	if !slices.IsSortedFunc(a.addrs, netip.Addr.Compare) || !slices.IsSortedFunc(a.services, compareServices) {
		t.Errorf("not sorted: %s", a)
	}
	has := len(a.addrs)+len(a.services) > 0
	if has != (a.outcome == Answered) || len(a.addrs)+len(a.services) > maxRecords {
		t.Errorf("records: %s", a)
	}
	if a.outcome.Definitive() && reply.Rcode != wire.RcodeSuccess && reply.Rcode != wire.RcodeNameError {
		t.Errorf("response code %d: %s", reply.Rcode, a)
	}
	reachable := map[string]bool{q.Name: true}
	for range reply.Answer {
		for _, record := range reply.Answer {
			if c, ok := record.(*wire.CNAME); ok && reachable[lower(c.Hdr.Name)] {
				reachable[lower(c.Target)] = true
			}
		}
	}
	allowed := map[any]bool{}
	for _, record := range reply.Answer {
		if !reachable[lower(record.Header().Name)] {
			continue
		}
		switch record := record.(type) {
		case *wire.A:
			allowed[record.A.String()] = true
		case *wire.AAAA:
			allowed[record.AAAA.String()] = true
		case *wire.SRV:
			allowed[Service{lower(record.Target), record.Port, record.Priority, record.Weight}] = true
		}
	}
	for _, addr := range a.addrs {
		if !allowed[addr.String()] || addr.Zone() != "" || addr.Is4In6() {
			t.Errorf("%s is not in the reply to %s:\n%s", addr, q, reply)
		}
	}
	for _, service := range a.services {
		if !allowed[service] || service.Port == 0 || service.Host == "" {
			t.Errorf("%v is not in the reply to %s:\n%s", service, q, reply)
		}
	}
	for _, name := range a.chain {
		if !reachable[name] {
			t.Errorf("%s is not on the chain:\n%s", name, reply)
		}
	}
}

func lower(name string) string { return strings.TrimSuffix(strings.ToLower(name), ".") }
