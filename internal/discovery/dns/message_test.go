// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"encoding/binary"
	"runtime"
	"slices"
	"testing"

	wire "github.com/miekg/dns"

	"externalbackend.dev/operator/test/nameserver"
)

// behindQuestion returns where the records of a packed message begin.
func behindQuestion(b []byte) int {
	at := headerSize
	for b[at] != 0 {
		at += int(b[at]) + 1
	}
	return at + 5
}

// TestRepliesThatAreCutOff at the border of a record, where what is left reads as
// a message: they are not the whole one, and the next server has it.
func TestRepliesThatAreCutOff(t *testing.T) {
	good := nameserver.Records("db.example 30 A 192.0.2.1", "db.example 30 A 192.0.2.2")
	const record = 16 // of one address, whose name is a pointer
	cut := func(reply nameserver.Reply, records int) nameserver.Reply {
		return nameserver.Altered(reply, func(b []byte) []byte { return b[:behindQuestion(b)+records*record] })
	}
	for _, tt := range []struct {
		name  string
		reply nameserver.Reply
	}{
		{"addresses, behind the question", cut(good, 0)},
		{"addresses, behind the first of two", cut(good, 1)},
		{"addresses, before the OPT record", cut(good, 2)},
		{"no such name, before the SOA record", cut(nameserver.NXDomain(30), 0)},
		{"no data, before the SOA record", cut(nameserver.NoData(30), 0)},
		{"behind the header", nameserver.Altered(good, func(b []byte) []byte { return b[:headerSize] })},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			first, second := startServer(t), startServer(t)
			first.Set("db.example", "A", nameserver.Truncated(tt.reply))
			second.Set("db.example", "A", good)
			if got := askers(soon, first).ask(t.Context(), db, 0).String(); got != "Malformed" {
				t.Errorf("got %s", got)
			}
			if got := askers(soon, first, second).ask(t.Context(), db, 0).String(); got != "Answered 192.0.2.1 192.0.2.2 ttl=30" {
				t.Errorf("with another server: got %s", got)
			}
		})
	}
}

// costly returns a reply of 64 KiB to a query, with as many names as it can have
// that take four times their size once they are text.
func costly(t testing.TB, query *wire.Msg, kind string) []byte {
	t.Helper()
	b, err := new(wire.Msg).SetReply(query).Pack()
	if err != nil {
		t.Fatal(err)
	}
	u16 := func(values ...int) {
		for _, v := range values {
			b = binary.BigEndian.AppendUint16(b, uint16(v))
		}
	}
	head := func(kind uint16, size int) { u16(int(kind), wire.ClassINET, 0, 30, size) }
	pointer := 0xc000 | len(b)
	for _, size := range []int{63, 63, 63, 50} {
		b = append(append(b, byte(size)), slices.Repeat([]byte{1}, size)...)
	}
	b = append(b, 0)
	head(wire.TypeA, 4)
	b = append(b, 192, 0, 2, 1)
	records := 1
	const most = wire.MaxMsgSize - 1
	for ; kind != "HIP" && len(b) < most-30; records++ {
		label := []byte{4, byte('a' + records>>12&15), byte('a' + records>>8&15), byte('a' + records>>4&15), byte('a' + records&15)}
		question := 0xc000 | headerSize
		switch kind {
		case "A":
			u16(pointer)
			head(wire.TypeA, 4)
			b = append(b, 192, 0, 2, 1)
		case "A of as many names":
			b = append(b, label...)
			u16(pointer)
			head(wire.TypeA, 4)
			b = append(b, 192, 0, 2, 1)
		case "CNAME":
			u16(question)
			head(wire.TypeCNAME, 7)
			b = append(b, label...)
			u16(pointer)
		case "SRV":
			u16(question)
			head(wire.TypeSRV, 13)
			u16(0, 0, 1)
			b = append(b, label...)
			u16(pointer)
		case "SOA":
			u16(pointer)
			head(wire.TypeSOA, 24)
			u16(pointer, pointer, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
		}
	}
	if kind == "HIP" { // whose servers are names
		size := (most - len(b) - 12) &^ 1
		u16(pointer)
		head(wire.TypeHIP, size)
		b = append(b, 0, 0, 0, 0)
		for range size/2 - 2 {
			u16(pointer)
		}
		records++
	}
	counts := 6
	if kind == "SOA" {
		counts = 8
	}
	binary.BigEndian.PutUint16(b[counts:], uint16(records))
	return b
}

// TestReadingTakesLittle: neither what is not asked for nor names that are short
// on the wire alone take much memory, and a reply is read like the one before.
func TestReadingTakesLittle(t *testing.T) {
	for _, tt := range []struct {
		kind string
		most uint64 // KiB
	}{{"HIP", 128}, {"A", 1024}, {"A of as many names", 512}, {"CNAME", 512}, {"SOA", 512}, {"SRV", 6 * 1024}} {
		t.Run(tt.kind, func(t *testing.T) {
			q := db
			if tt.kind == "SRV" {
				q.Type = SRV
			}
			query := newQuery(q, true)
			message := costly(t, query, tt.kind)
			if len(message) < wire.MaxMsgSize-64 {
				t.Fatalf("the message has %d bytes", len(message))
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			a, err := read(query, message, q)
			runtime.ReadMemStats(&after)
			if took := (after.TotalAlloc - before.TotalAlloc) / 1024; took > tt.most {
				t.Errorf("%d KiB (%s, %v)", took, a.outcome, err)
			}
		})
	}
}

// BenchmarkRead is what one reply of each kind takes, which must be in proportion.
func BenchmarkRead(b *testing.B) {
	for _, kind := range []string{"HIP", "A", "A of as many names", "CNAME", "SOA", "SRV"} {
		b.Run(kind, func(b *testing.B) {
			q := db
			if kind == "SRV" {
				q.Type = SRV
			}
			query := newQuery(q, true)
			message := costly(b, query, kind)
			b.ReportAllocs()
			for b.Loop() {
				_, _ = read(query, message, q)
			}
		})
	}
}
