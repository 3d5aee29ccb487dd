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
	udpBuffer = 4096
)

var buffers = sync.Pool{New: func() any { return new([udpBuffer]byte) }}

// exchange asks one server, within a time for all of it, and says whether there
// was any reply: one that is of no use shows that somebody is there, too.
func exchange(ctx context.Context, q Question, server netip.AddrPort, timeout time.Duration, useTCP bool) (a answer, heard bool) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	edns := true
	for {
		a, err := send(ctx, q, edns, server, useTCP)
		if err == nil {
			return a, true
		}
		outcome := outcomeOf(err)
		heard = heard || outcome == Malformed && !errors.Is(err, errBogus)
		switch {
		case errors.Is(err, errTruncated) && !useTCP:
			useTCP = true
		case errors.Is(err, errTooOld) && edns: // RFC 6891, 7
			edns = false
		default:
			return answer{outcome: outcome}, heard
		}
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

// send asks over a socket of its own. Errors are those of read, or of the network.
func send(ctx context.Context, q Question, edns bool, server netip.AddrPort, useTCP bool) (answer, error) {
	query := newQuery(q, edns)
	packed, err := query.Pack()
	if err != nil {
		return answer{}, errors.Join(errBogus, err)
	}
	network, receive := "udp", overUDP
	if useTCP {
		network, receive = "tcp", overTCP
		//nolint:gosec // G115: a question and an OPT record
		packed = append(binary.BigEndian.AppendUint16(nil, uint16(len(packed))), packed...) // RFC 1035, 4.2.2
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, network, server.String())
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := conn.Write(packed); err != nil {
		return answer{}, err
	}
	return receive(conn, query, q)
}

// overUDP ignores whatever is no reply to the query, which might be forged (RFC
// 5452, 9.1), until the time is over.
func overUDP(conn net.Conn, query *wire.Msg, q Question) (answer, error) {
	buffer := buffers.Get().(*[udpBuffer]byte)
	defer buffers.Put(buffer)
	var bogus error
	for {
		n, err := conn.Read(buffer[:])
		if err != nil {
			return answer{}, errors.Join(bogus, err)
		}
		a, err := read(query, buffer[:n], q)
		switch {
		case err == nil:
			return a, nil
		case errors.Is(err, errBogus):
			bogus = err
		case n == len(buffer): // there may have been more
			return answer{}, errTruncated
		default:
			return answer{}, err
		}
	}
}

func overTCP(conn net.Conn, query *wire.Msg, q Question) (answer, error) {
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return answer{}, err
	}
	message := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(conn, message); err != nil {
		return answer{}, err
	}
	return read(query, message, q)
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
