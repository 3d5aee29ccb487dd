// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	gocmp "cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	wire "github.com/miekg/dns"
)

// message returns a reply to a question with records as in a zone file; those
// behind "--" are in the authority section. It is that of a recursive server.
func message(t testing.TB, q Question, rcode int, records ...string) (query, m *wire.Msg) {
	t.Helper()
	query = newQuery(q, true)
	m = new(wire.Msg).SetRcode(query, rcode)
	m.RecursionAvailable, m.Compress = true, true
	section := &m.Answer
	for _, text := range records {
		if text == "--" {
			section = &m.Ns
			continue
		}
		record, err := wire.NewRR(text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		*section = append(*section, record)
	}
	return query, m
}

// readAs returns what is read in a message.
func readAs(t testing.TB, query, m *wire.Msg, q Question) answer {
	t.Helper()
	packed, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	if a, err := read(query, packed, q); err == nil {
		return a
	}
	return answer{outcome: Malformed}
}

// String shows an answer in a line.
func (a answer) String() string {
	text := a.outcome.String()
	for _, addr := range a.addrs {
		text += " " + addr.String()
	}
	for _, s := range a.services {
		text += fmt.Sprintf(" %d/%d/%s:%d", s.Priority, s.Weight, s.Host, s.Port)
	}
	if a.outcome.Definitive() {
		text += fmt.Sprintf(" ttl=%d", a.ttl/time.Second)
	}
	if len(a.chain) > 0 && a.outcome.Definitive() {
		text += " via " + strings.Join(a.chain, ",")
	}
	if a.dropped > 0 {
		text += fmt.Sprintf(" dropped=%d", a.dropped)
	}
	if a.next != "" {
		text += " next=" + a.next
	}
	return text
}

const soa = "example. 300 SOA ns.example. admin.example. 1 3600 600 86400 60"

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		name    string
		asked   string // default: db.example
		qtype   Type   // default: A
		rcode   int
		records []string
		want    string
	}{
		{name: "one address", records: []string{"db.example. 30 A 192.0.2.1"}, want: "Answered 192.0.2.1 ttl=30"},
		{
			name:    "addresses are sorted, and the same one counts once",
			records: []string{"db.example. 30 A 192.0.2.10", "db.example. 30 A 192.0.2.9", "db.example. 30 A 192.0.2.10"},
			want:    "Answered 192.0.2.9 192.0.2.10 ttl=30",
		},
		{
			name: "the least TTL counts", records: []string{"db.example. 30 A 192.0.2.1", "db.example. 20 A 192.0.2.2"},
			want: "Answered 192.0.2.1 192.0.2.2 ttl=20",
		},
		{name: "TTL 0", records: []string{"db.example. 0 A 192.0.2.1"}, want: "Answered 192.0.2.1 ttl=0"},
		{
			name: "a TTL with the highest bit set is 0 (RFC 2181)", records: []string{"db.example. 2147483648 A 192.0.2.1"},
			want: "Answered 192.0.2.1 ttl=0",
		},
		{
			name: "the longest TTL", records: []string{"db.example. 2147483647 A 192.0.2.1"},
			want: "Answered 192.0.2.1 ttl=2147483647",
		},
		{name: "names are the same in any case", records: []string{"DB.Example. 30 A 192.0.2.1"}, want: "Answered 192.0.2.1 ttl=30"},
		{name: "IPv6", qtype: AAAA, records: []string{"db.example. 30 AAAA 2001:db8::1"}, want: "Answered 2001:db8::1 ttl=30"},
		{
			name: "IPv4 in the form of IPv6", qtype: AAAA, records: []string{"db.example. 30 AAAA ::ffff:192.0.2.1"},
			want: "Answered 192.0.2.1 ttl=30",
		},
		{
			name:    "a chain of CNAME records",
			records: []string{"b.example. 10 CNAME c.example.", "db.example. 30 CNAME B.example.", "c.example. 20 A 192.0.2.1"},
			want:    "Answered 192.0.2.1 ttl=10 via b.example,c.example",
		},
		{
			name:    "records of other names are not believed",
			records: []string{"db.example. 30 A 192.0.2.1", "www.example. 5 A 192.0.2.66", "db.example.net. 5 A 192.0.2.66"},
			want:    "Answered 192.0.2.1 ttl=30",
		},
		{
			name:    "nor records beside the chain",
			records: []string{"db.example. 30 CNAME b.example.", "b.example. 30 A 192.0.2.1", "db.example. 5 A 192.0.2.66"},
			want:    "Answered 192.0.2.1 ttl=30 via b.example",
		},
		{
			name: "nor those of another class", records: []string{"db.example. 30 CH A 192.0.2.66", "--", soa},
			want: "Empty ttl=60",
		},
		{
			name: "nor those in another section", records: []string{"--", soa, "db.example. 30 A 192.0.2.66"},
			want: "Empty ttl=60",
		},
		{
			name:    "the same CNAME record twice",
			records: []string{"db.example. 30 CNAME b.example.", "db.example. 30 CNAME b.example.", "b.example. 30 A 192.0.2.1"},
			want:    "Answered 192.0.2.1 ttl=30 via b.example",
		},
		{
			name:    "a chain that forks",
			records: []string{"db.example. 30 CNAME b.example.", "db.example. 30 CNAME c.example.", "b.example. 30 A 192.0.2.1"},
			want:    "Malformed",
		},
		{name: "a chain that loops", records: []string{"db.example. 30 CNAME b.example.", "b.example. 30 CNAME db.example."}, want: "Malformed"},
		{name: "a CNAME record of itself", records: []string{"db.example. 30 CNAME db.example."}, want: "Malformed"},
		{name: "a CNAME record to the root", records: []string{"db.example. 30 CNAME ."}, want: "Malformed"},
		{
			name: "a chain as long as may be", asked: "n0.example", records: append(chainOf(maxChain), fmt.Sprintf("n%d.example. 30 A 192.0.2.1", maxChain)),
			want: "Answered 192.0.2.1 ttl=30 via " + chainNames(maxChain),
		},
		{
			name: "a chain that is too long", asked: "n0.example", records: append(chainOf(maxChain+1), fmt.Sprintf("n%d.example. 30 A 192.0.2.1", maxChain+1)),
			want: "Malformed",
		},
		{name: "no record of the type", records: []string{"--", soa}, want: "Empty ttl=60"},
		{
			name: "the TTL of the SOA record may be the shorter one", records: []string{"--", strings.Replace(soa, "300", "30", 1)},
			want: "Empty ttl=30",
		},
		{name: "an empty answer of a server that says no more", want: "Empty ttl=0"},
		{
			name:    "no record of the type at the end of a chain",
			records: []string{"db.example. 10 CNAME b.example.", "--", soa}, want: "Empty ttl=10 via b.example",
		},
		{
			name:    "a chain whose end nobody looked at",
			records: []string{"db.example. 10 CNAME db.example.net."}, want: "Malformed next=db.example.net",
		},
		{
			name:    "the SOA record of another zone says nothing about the end of a chain",
			records: []string{"db.example. 10 CNAME db.example.net.", "--", soa}, want: "Malformed next=db.example.net",
		},
		{name: "a referral", records: []string{"--", "example. 300 NS ns.example."}, want: "Malformed"},
		{name: "no such name", rcode: wire.RcodeNameError, records: []string{"--", soa}, want: "NameError ttl=60"},
		{name: "no such name, without an SOA record", rcode: wire.RcodeNameError, want: "NameError ttl=0"},
		{
			name:    "no such name at the end of a chain (RFC 6604)",
			rcode:   wire.RcodeNameError,
			records: []string{"db.example. 10 CNAME b.example.", "--", soa}, want: "NameError ttl=10 via b.example",
		},
		{
			name:    "a name that does not exist, and its address",
			rcode:   wire.RcodeNameError,
			records: []string{"db.example. 30 A 192.0.2.1"}, want: "Malformed",
		},
		{name: "SERVFAIL", rcode: wire.RcodeServerFailure, records: []string{"db.example. 30 A 192.0.2.1"}, want: "ServerFailure"},
		{name: "REFUSED", rcode: wire.RcodeRefused, want: "Refused"},
		{name: "NOTIMP", rcode: wire.RcodeNotImplemented, want: "Malformed"},
		{name: "YXDOMAIN", rcode: wire.RcodeYXDomain, want: "Malformed"},
		{
			name: "services", qtype: SRV,
			records: []string{"db.example. 30 SRV 20 0 5432 A.example.", "db.example. 30 SRV 10 5 5433 b.example.", "db.example. 30 SRV 10 7 5432 b.example."},
			want:    "Answered 10/7/b.example:5432 10/5/b.example:5433 20/0/a.example:5432 ttl=30",
		},
		{
			name: "a service counts once, with its first priority", qtype: SRV,
			records: []string{"db.example. 30 SRV 20 9 5432 a.example.", "db.example. 30 SRV 10 5 5432 a.example."},
			want:    "Answered 10/5/a.example:5432 ttl=30",
		},
		{
			name: "a service that is not available (RFC 2782)", qtype: SRV, records: []string{"db.example. 30 SRV 0 0 0 ."},
			want: "Empty ttl=30",
		},
		{
			name: "a service that says so, and is", qtype: SRV,
			records: []string{"db.example. 30 SRV 0 0 0 .", "db.example. 30 SRV 1 0 5432 a.example."},
			want:    "Answered 1/0/a.example:5432 ttl=30",
		},
		{name: "only services without a port", qtype: SRV, records: []string{"db.example. 30 SRV 0 0 0 a.example."}, want: "Malformed"},
		{name: "services of a name without any", qtype: SRV, records: []string{"--", soa}, want: "Empty ttl=60"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q := Question{gocmp.Or(tt.asked, "db.example"), gocmp.Or(tt.qtype, A)}
			query, m := message(t, q, tt.rcode, tt.records...)
			if got := readAs(t, query, m, q).String(); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// chainOf returns the records of a chain of n links that begins at n0.example.
func chainOf(n int) (records []string) {
	for i := range n {
		records = append(records, fmt.Sprintf("n%d.example. 30 CNAME n%d.example.", i, i+1))
	}
	return records
}

func chainNames(n int) string {
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("n%d.example", i+1))
	}
	return strings.Join(names, ",")
}

func TestParseTakesTheLowestOfTooMany(t *testing.T) {
	const most = 1500
	var addrs, services []string
	var wantAddrs []netip.Addr
	var wantServices []Service
	for i := range most {
		addrs = append(addrs, fmt.Sprintf("db.example. 30 A 10.0.%d.%d", i/250, i%250))
		services = append(services, fmt.Sprintf("db.example. 30 SRV %d 0 1 h%04d.example.", i/100, i%100+100*(100-i/100)))
		if i < maxRecords {
			wantAddrs = append(wantAddrs, netip.AddrFrom4([4]byte{10, 0, byte(i / 250), byte(i % 250)}))
			wantServices = append(wantServices, Service{Host: fmt.Sprintf("h%d.example", 10000+i%100-100*(i/100)), Port: 1, Priority: uint16(i / 100)})
		}
	}
	slices.Reverse(addrs)
	slices.Reverse(services)
	ask := func(qtype Type, records []string) answer {
		q := Question{"db.example", qtype}
		query, m := message(t, q, 0, records...)
		return readAs(t, query, m, q)
	}
	got := ask(A, addrs)
	if !slices.Equal(got.addrs, wantAddrs) || got.dropped != most-maxRecords {
		t.Errorf("dropped %d, and kept %v", got.dropped, got.addrs)
	}
	got = ask(SRV, services)
	if diff := cmp.Diff(wantServices, got.services); diff != "" || got.dropped != most-maxRecords {
		t.Errorf("dropped %d, and kept (-want +got):\n%s", got.dropped, diff)
	}
}

func TestParseQuestion(t *testing.T) {
	long := strings.Repeat("a.", 126) + "a"
	for _, tt := range []struct {
		name  string
		qtype Type
		want  string // or the error mentions
		bad   bool
	}{
		{name: "DB.Example.", qtype: A, want: "db.example A"},
		{name: "_pg._tcp.db.example", qtype: SRV, want: "_pg._tcp.db.example SRV"},
		{name: long, qtype: AAAA, want: long + " AAAA"},
		{name: long + "a", qtype: A, want: "253", bad: true},
		{name: strings.Repeat("a", 64) + ".example", qtype: A, want: "63", bad: true},
		{name: "", qtype: A, want: "not a DNS name", bad: true},
		{name: ".", qtype: A, want: "not a DNS name", bad: true},
		{name: "db..example", qtype: A, want: "not a DNS name", bad: true},
		{name: `db\.example`, qtype: A, want: `'\\'`, bad: true},
		{name: "db example", qtype: A, want: `' '`, bad: true},
		{name: "dß.example", qtype: A, want: "character", bad: true},
		{name: "db.example", qtype: Type(wire.TypeTXT), want: "TXT", bad: true},
	} {
		q, err := ParseQuestion(tt.name, tt.qtype)
		switch {
		case !tt.bad && (err != nil || q.String() != tt.want):
			t.Errorf("%q: got %s, %v, want %s", tt.name, q, err, tt.want)
		case tt.bad && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%q: got error %v, which does not mention %q", tt.name, err, tt.want)
		}
	}
}
