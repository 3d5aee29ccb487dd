// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package nameserver

import (
	"fmt"
	"time"

	wire "github.com/miekg/dns"
)

// negativeTTL is that of negative answers that no script has, in seconds.
const negativeTTL = 60

// Query is a query to be replied to.
type Query struct {
	Msg *wire.Msg
	TCP bool // it came over TCP

	done <-chan struct{} // closed when the server stops
}

// Reply returns the messages to be sent. None is silence.
type Reply func(Query) [][]byte

// Records answers with records as in a zone file: "db.example 30 A 192.0.2.1".
// Over UDP it sets the TC bit, without any of them, if they are too many.
func Records(texts ...string) Reply { return message(wire.RcodeSuccess, parse(texts), nil) }

// NoData says that the name has no record of the type (RFC 2308, 2.2), for a
// negative TTL in seconds.
func NoData(ttl int) Reply { return message(wire.RcodeSuccess, nil, parse([]string{soa(ttl)})) }

// NXDomain says that the name does not exist, for a negative TTL in seconds.
func NXDomain(ttl int) Reply { return message(wire.RcodeNameError, nil, parse([]string{soa(ttl)})) }

// Rcode answers with a response code and nothing else.
func Rcode(code int) Reply { return message(code, nil, nil) }

// Message answers with a response code and the records of the answer and the
// authority section.
func Message(code int, answer, authority []string) Reply {
	return message(code, parse(answer), parse(authority))
}

// Silence does not reply.
func Silence() Reply { return func(Query) [][]byte { return nil } }

// Bytes replies with what may be no message at all.
func Bytes(b []byte) Reply { return func(Query) [][]byte { return [][]byte{b} } }

// Altered changes the bytes of a reply before they are sent.
func Altered(reply Reply, alter func([]byte) []byte) Reply {
	return func(q Query) [][]byte {
		messages := reply(q)
		for i := range messages {
			messages[i] = alter(messages[i])
		}
		return messages
	}
}

// WrongID changes the ID of a reply, as one does who only guesses at it.
func WrongID(reply Reply) Reply {
	return Altered(reply, func(b []byte) []byte {
		b[0] ^= 0xff
		return b
	})
}

// WrongQuestion replies as if another name had been asked for.
func WrongQuestion(reply Reply, name string) Reply {
	return func(q Query) [][]byte {
		q.Msg = q.Msg.Copy()
		q.Msg.Question[0].Name = wire.Fqdn(name)
		return reply(q)
	}
}

// WithoutQuestion leaves the question out of a reply.
func WithoutQuestion(reply Reply) Reply {
	return func(q Query) [][]byte {
		q.Msg = q.Msg.Copy()
		q.Msg.Question = nil
		return reply(q)
	}
}

// Half cuts a reply off in the middle.
func Half(reply Reply) Reply {
	return Altered(reply, func(b []byte) []byte { return b[:len(b)/2] })
}

// Several sends one reply after the other.
func Several(replies ...Reply) Reply {
	return func(q Query) (messages [][]byte) {
		for _, reply := range replies {
			messages = append(messages, reply(q)...)
		}
		return messages
	}
}

// Truncated sets the TC bit of a reply that comes over UDP, and leaves its records
// out.
func Truncated(reply Reply) Reply {
	return func(q Query) [][]byte {
		if q.TCP {
			return reply(q)
		}
		return truncated(q)
	}
}

// WithoutEDNS does not understand queries with an OPT record (RFC 6891, 7).
func WithoutEDNS(reply Reply) Reply {
	refuse := Rcode(wire.RcodeFormatError)
	return func(q Query) [][]byte {
		if q.Msg.IsEdns0() != nil {
			return refuse(q)
		}
		return reply(q)
	}
}

// Until holds a reply back until a channel is closed.
func Until(release <-chan struct{}, reply Reply) Reply {
	return func(q Query) [][]byte {
		select {
		case <-release:
			return reply(q)
		case <-q.done:
			return nil
		}
	}
}

// Slow holds a reply back for a time.
func Slow(delay time.Duration, reply Reply) Reply {
	return func(q Query) [][]byte {
		timer := time.NewTimer(delay)
		defer timer.Stop()
		select {
		case <-timer.C:
			return reply(q)
		case <-q.done:
			return nil
		}
	}
}

func message(code int, answer, authority []wire.RR) Reply {
	return func(q Query) [][]byte {
		m := new(wire.Msg).SetRcode(q.Msg, code)
		m.RecursionAvailable, m.Compress = true, true
		m.Answer, m.Ns = answer, authority
		size := wire.MinMsgSize
		if opt := q.Msg.IsEdns0(); opt != nil {
			m.SetEdns0(wire.DefaultMsgSize, false)
			size = max(size, int(opt.UDPSize()))
		}
		packed := pack(m)
		if !q.TCP && len(packed) > size {
			return truncated(q)
		}
		return [][]byte{packed}
	}
}

func truncated(q Query) [][]byte {
	m := new(wire.Msg).SetReply(q.Msg)
	m.Truncated = true
	return [][]byte{pack(m)}
}

// pack panics about scripts that cannot be sent.
func pack(m *wire.Msg) []byte {
	packed, err := m.Pack()
	if err != nil {
		panic(fmt.Sprintf("nameserver: the reply about %v cannot be packed: %v", m.Question, err))
	}
	return packed
}

// parse panics about scripts that are none.
func parse(texts []string) []wire.RR {
	var records []wire.RR
	for _, text := range texts {
		record, err := wire.NewRR(text)
		if err != nil || record == nil {
			panic(fmt.Sprintf("nameserver: %q is not a record: %v", text, err))
		}
		records = append(records, record)
	}
	return records
}

func soa(ttl int) string {
	return fmt.Sprintf(". %d SOA ns.example. admin.example. 1 3600 600 86400 %d", ttl, ttl)
}
