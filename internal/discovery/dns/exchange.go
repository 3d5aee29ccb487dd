// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"time"

	wire "github.com/miekg/dns"
)

const (
	// udpSize is the size of replies over UDP that we ask for: what no network
	// fragments (RFC 9715).
	udpSize = 1232
	// udpBuffer leaves room for servers that do as they like.
	udpBuffer  = 4096
	headerSize = 12 // RFC 1035, 4.1.1
)

var buffers = sync.Pool{New: func() any { return new([udpBuffer]byte) }}

// errTruncated asks for TCP, and errBogus stands for replies that are none.
var (
	errTruncated = errors.New("the reply is truncated")
	errBogus     = errors.New("the reply is not one to this query")
)

// exchange asks one server. The timeout is for each connection.
func exchange(ctx context.Context, q Question, server netip.AddrPort, timeout time.Duration, useTCP bool) answer {
	edns := true
	for {
		query := newQuery(q, edns)
		reply, err := send(ctx, query, server, timeout, useTCP)
		if errors.Is(err, errTruncated) && !useTCP {
			useTCP = true
			continue
		}
		if err != nil {
			return answer{outcome: outcomeOf(err)}
		}
		if edns && (reply.Rcode == wire.RcodeFormatError || reply.Rcode == wire.RcodeNotImplemented) {
			edns = false // RFC 6891, 7
			continue
		}
		return parse(reply, q)
	}
}

func newQuery(q Question, edns bool) *wire.Msg {
	m := new(wire.Msg)
	m.SetQuestion(wire.Fqdn(q.Name), uint16(q.Type))
	if edns {
		m.SetEdns0(udpSize, false)
	}
	return m
}

// send returns the reply to a query, over a socket of its own.
func send(ctx context.Context, query *wire.Msg, server netip.AddrPort, timeout time.Duration, useTCP bool) (*wire.Msg, error) {
	packed, err := query.Pack()
	if err != nil {
		return nil, errors.Join(errBogus, err)
	}
	network := "udp"
	if useTCP {
		network = "tcp"
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, network, server.String())
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if useTCP {
		return overTCP(conn, query, packed)
	}
	return overUDP(conn, query, packed)
}

// overUDP ignores whatever is no reply to the query, which might be forged (RFC
// 5452, 9.1), until the time is over.
func overUDP(conn net.Conn, query *wire.Msg, packed []byte) (*wire.Msg, error) {
	if _, err := conn.Write(packed); err != nil {
		return nil, err
	}
	buffer := buffers.Get().(*[udpBuffer]byte)
	defer buffers.Put(buffer)
	var bogus error
	for {
		n, err := conn.Read(buffer[:])
		if err != nil {
			return nil, errors.Join(bogus, err)
		}
		reply, err := unpack(query, buffer[:n])
		if !errors.Is(err, errBogus) {
			return reply, err
		}
		bogus = err
	}
}

// overTCP frames messages by their length (RFC 1035, 4.2.2).
func overTCP(conn net.Conn, query *wire.Msg, packed []byte) (*wire.Msg, error) {
	//nolint:gosec // G115: a question and an OPT record
	framed := append(binary.BigEndian.AppendUint16(nil, uint16(len(packed))), packed...)
	if _, err := conn.Write(framed); err != nil {
		return nil, err
	}
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return nil, err
	}
	message := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(conn, message); err != nil {
		return nil, err
	}
	return unpack(query, message)
}

// unpack returns errBogus for what anybody could have sent, errTruncated, or
// another error for what cannot be parsed.
func unpack(query *wire.Msg, message []byte) (*wire.Msg, error) {
	const response, truncated = 1 << 7, 1 << 1 // in the third byte
	if len(message) < headerSize || binary.BigEndian.Uint16(message) != query.Id || message[2]&response == 0 {
		return nil, errBogus
	}
	if message[2]&truncated != 0 {
		return nil, errTruncated
	}
	reply := new(wire.Msg)
	if err := reply.Unpack(message); err != nil {
		return nil, err
	}
	if !repliesTo(reply, query) {
		return nil, errBogus
	}
	return reply, nil
}

// repliesTo says whether a reply repeats the question. Only one that tells nothing
// about the name may do without (RFC 6891, 7).
func repliesTo(reply, query *wire.Msg) bool {
	if reply.Opcode != query.Opcode {
		return false
	}
	if len(reply.Question) == 0 {
		return reply.Rcode != wire.RcodeSuccess && reply.Rcode != wire.RcodeNameError
	}
	got, sent := reply.Question[0], query.Question[0]
	return len(reply.Question) == 1 && got.Qtype == sent.Qtype && got.Qclass == sent.Qclass &&
		strings.EqualFold(got.Name, sent.Name)
}

// outcomeOf tells what an error says about the server.
func outcomeOf(err error) Outcome {
	var timeout net.Error
	switch {
	case errors.Is(err, errBogus):
		return Malformed
	case errors.As(err, &timeout) && timeout.Timeout(),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, context.DeadlineExceeded),
		errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return Timeout
	case errors.As(err, new(*net.OpError)):
		return Unreachable
	default:
		return Malformed
	}
}
