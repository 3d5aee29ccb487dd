// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	wire "github.com/miekg/dns"
)

const (
	// maxRecords is how many records are taken from one answer: more than a set may
	// keep, so that what is a member is seen to be there whatever else is.
	maxRecords = 1024
	// maxChain is to how many names CNAME records may lead one after another.
	maxChain = 16
)

// answer is what one query brought.
type answer struct {
	outcome  Outcome
	addrs    []netip.Addr // in the order and form of Snapshot.Addrs
	services []Service    // in that of Snapshot.Services
	ttl      time.Duration
	chain    []string // to which CNAME records led, in order
	dropped  int      // how many records there are beyond maxRecords
	// next is set if the server did not follow the chain to its end, and then the
	// outcome is Malformed: it is the name to ask for to find out more (RFC 1034,
	// 5.3.3).
	next string
}

// parse says what a reply means for a question. Only records of the name asked for, or of
// a name to which a chain of CNAME records leads from there within the reply,
// count: others may have been put there by anyone. The TTL is the least of what
// was used, that of a definitive negative answer what RFC 2308, 5 says: none
// without an SOA record.
func parse(r *reply, q Question) answer {
	switch r.rcode {
	case wire.RcodeSuccess, wire.RcodeNameError:
	case wire.RcodeServerFailure:
		return answer{outcome: ServerFailure}
	case wire.RcodeRefused:
		return answer{outcome: Refused}
	default:
		return answer{outcome: Malformed}
	}
	chain, ttl, ok := follow(r.answer, q.Name)
	if !ok {
		return answer{outcome: Malformed}
	}
	end := q.Name
	if len(chain) > 0 {
		end = chain[len(chain)-1]
	}
	found := recordsOf(r.answer, end, q.Type)
	switch {
	case len(found) > 0 && r.rcode == wire.RcodeNameError:
		return answer{outcome: Malformed}
	case len(found) > 0:
		return collect(found, q.Type, chain, ttl)
	default:
		return negative(r, end, chain, ttl)
	}
}

// follow returns the names to which CNAME records lead from a name, and the least
// TTL of those. It is not ok if they fork (RFC 2181, 10.1), loop, or are too many.
func follow(records []wire.RR, name string) (chain []string, ttl time.Duration, ok bool) {
	ttl = maxTTL
	start := name
	for {
		target := ""
		for _, record := range recordsOf(records, name, Type(wire.TypeCNAME)) {
			next := canonical(record.(*wire.CNAME).Target)
			if target != "" && next != target || next == "" {
				return nil, 0, false
			}
			target = next
			ttl = min(ttl, seconds(record.Header().Ttl))
		}
		if target == "" {
			return chain, ttl, true
		}
		if target == start || slices.Contains(chain, target) || len(chain) == maxChain {
			return nil, 0, false
		}
		chain = append(chain, target)
		name = target
	}
}

func recordsOf(records []wire.RR, name string, t Type) []wire.RR {
	var found []wire.RR
	for _, record := range records {
		h := record.Header()
		if h.Rrtype == uint16(t) && canonical(h.Name) == name {
			found = append(found, record)
		}
	}
	return found
}

// collect makes the answer of records of the type.
func collect(records []wire.RR, t Type, chain []string, ttl time.Duration) answer {
	a := answer{chain: chain, ttl: ttl}
	unavailable := false
	for _, record := range records {
		a.ttl = min(a.ttl, seconds(record.Header().Ttl))
		switch record := record.(type) {
		case *wire.A:
			a.addAddr(record.A)
		case *wire.AAAA:
			a.addAddr(record.AAAA)
		case *wire.SRV:
			host := canonical(record.Target)
			unavailable = unavailable || host == ""
			if host != "" && len(host) <= maxName && record.Port != 0 {
				a.services = append(a.services, Service{host, record.Port, record.Priority, record.Weight})
			}
		}
	}
	if t == SRV {
		// One for each host and port, that with the first priority.
		slices.SortFunc(a.services, func(x, y Service) int { return cmp.Or(compareHosts(x, y), compareServices(x, y)) })
		a.services = slices.CompactFunc(a.services, func(x, y Service) bool { return compareHosts(x, y) == 0 })
		slices.SortFunc(a.services, compareServices)
		a.services, a.dropped = cut(a.services)
	} else {
		slices.SortFunc(a.addrs, netip.Addr.Compare)
		a.addrs, a.dropped = cut(slices.Compact(a.addrs))
	}
	switch {
	case len(a.addrs)+len(a.services) > 0:
		a.outcome = Answered
	case unavailable:
		a.outcome = Empty
	default:
		a = answer{outcome: Malformed}
	}
	return a
}

func (a *answer) addAddr(ip []byte) {
	if addr, ok := netip.AddrFromSlice(ip); ok {
		a.addrs = append(a.addrs, addr.Unmap())
	}
}

// cut keeps the first records, and counts the others.
func cut[R any](records []R) (kept []R, dropped int) {
	if len(records) <= maxRecords {
		return records, 0
	}
	return slices.Clone(records[:maxRecords]), len(records) - maxRecords
}

// negative makes the answer of a reply that has no record of the type for the
// name at the end of the chain.
func negative(r *reply, end string, chain []string, ttl time.Duration) answer {
	a := answer{outcome: Empty, chain: chain}
	if r.rcode == wire.RcodeNameError {
		a.outcome = NameError
	}
	referral := false
	for _, record := range r.authority {
		switch record := record.(type) {
		case *wire.SOA:
			if zone := canonical(record.Hdr.Name); wire.IsSubDomain(wire.Fqdn(zone), wire.Fqdn(end)) {
				a.ttl = min(ttl, seconds(record.Hdr.Ttl), seconds(record.Minttl))
				return a
			}
		case *wire.NS:
			referral = true
		}
	}
	switch {
	case len(chain) > 0 && a.outcome == Empty: // RFC 2308, 2.2: perhaps nothing is there, perhaps nobody looked
		return answer{outcome: Malformed, chain: chain, ttl: ttl, next: end}
	case !r.vouched: // it was told to serve the zone, and does not have it
		return answer{outcome: Malformed}
	case a.outcome == NameError:
		return a
	case referral, r.others, len(r.answer) > 0: // which is about something else
		return answer{outcome: Malformed}
	default:
		return a
	}
}

// maxTTL is more than any TTL.
const maxTTL = 1 << 31 * time.Second

// seconds returns a TTL. One with the highest bit set counts as zero (RFC 2181,
// 8).
func seconds(ttl uint32) time.Duration {
	if ttl >= 1<<31 {
		return 0
	}
	return time.Duration(ttl) * time.Second
}

// join puts the answer to the question for a.next behind a.
func (a *answer) join(rest answer, name string) answer {
	if !rest.outcome.Definitive() && rest.next == "" {
		return rest
	}
	for _, link := range rest.chain {
		if link == name || slices.Contains(a.chain, link) {
			return answer{outcome: Malformed}
		}
	}
	rest.chain = slices.Concat(a.chain, rest.chain)
	rest.ttl = min(a.ttl, rest.ttl)
	if len(rest.chain) > maxChain {
		return answer{outcome: Malformed}
	}
	return rest
}
