// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

// Package nameserver is a DNS server for tests. It says of each name what its
// script has next, be it a lie, garbage, or nothing at all, over UDP and TCP, and
// counts what it is asked.
package nameserver

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"

	wire "github.com/miekg/dns"
)

// Server answers on one address and port. It is safe for concurrent use.
type Server struct {
	addr netip.AddrPort

	mu      sync.Mutex
	scripts map[question]*script
	names   map[string]bool // that have a script
	counts  map[question]int
	total   int
	udp     *net.UDPConn
	tcp     *net.TCPListener
	conns   map[net.Conn]struct{}
	done    chan struct{} // closed when it stops; nil while it is stopped

	running sync.WaitGroup
}

type question struct{ name, qtype string }

// script is the replies to come. The last one stays.
type script struct{ replies []Reply }

// Listen starts a server on an IP address and port; port 0 takes one that is
// free for both UDP and TCP.
func Listen(address string) (*Server, error) {
	addr, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, fmt.Errorf("%q is not the address of a DNS server: %w", address, err)
	}
	s := &Server{
		addr: addr, scripts: map[question]*script{}, names: map[string]bool{},
		counts: map[question]int{}, conns: map[net.Conn]struct{}{},
	}
	const tries = 10
	for range tries {
		if err = s.Start(); err == nil {
			return s, nil
		}
	}
	return nil, err
}

// Addr returns where it listens, or did until it was stopped.
func (s *Server) Addr() netip.AddrPort {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addr
}

// Set replaces the script of a name and type ("A"): the replies in order, the last
// one for ever. Of other types the name has no records; other names do not exist.
func (s *Server) Set(name, qtype string, replies ...Reply) {
	if len(replies) == 0 {
		panic("nameserver: a script without replies for " + name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q := question{canonical(name), qtype}
	s.scripts[q] = &script{replies}
	s.names[q.name] = true
}

// Queries returns how often a name and type was asked for, over UDP and TCP.
func (s *Server) Queries(name, qtype string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[question{canonical(name), qtype}]
}

// Total returns how often anything was asked for.
func (s *Server) Total() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total
}

// Start listens again after Stop, on the same port.
func (s *Server) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done != nil {
		return errors.New("the name server runs already")
	}
	udp, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(s.addr))
	if err != nil {
		return err
	}
	addr := udp.LocalAddr().(*net.UDPAddr).AddrPort()
	tcp, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(addr))
	if err != nil {
		return errors.Join(err, udp.Close())
	}
	s.addr, s.udp, s.tcp, s.done = addr, udp, tcp, make(chan struct{})
	done := s.done
	s.running.Go(func() { s.serveUDP(udp, done) })
	s.running.Go(func() { s.serveTCP(tcp, done) })
	return nil
}

// Stop closes all sockets, and returns when every goroutine has ended: the port
// is closed, and nobody replies.
func (s *Server) Stop() {
	s.mu.Lock()
	if s.done != nil {
		close(s.done)
		s.done = nil
		_ = s.udp.Close()
		_ = s.tcp.Close()
		for conn := range s.conns {
			_ = conn.Close()
		}
	}
	s.mu.Unlock()
	s.running.Wait()
}

func (s *Server) serveUDP(conn *net.UDPConn, done chan struct{}) {
	buffer := make([]byte, wire.MaxMsgSize)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buffer)
		if err != nil {
			return
		}
		query, reply := s.take(buffer[:n], false, done)
		if reply == nil {
			continue
		}
		s.running.Go(func() {
			for _, message := range reply(query) {
				_, _ = conn.WriteToUDPAddrPort(message, from)
			}
		})
	}
}

func (s *Server) serveTCP(listener *net.TCPListener, done chan struct{}) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		if s.done == done {
			s.conns[conn] = struct{}{}
			s.running.Go(func() { s.serveConn(conn, done) })
		} else {
			_ = conn.Close()
		}
		s.mu.Unlock()
	}
}

// serveConn closes a connection on which it has nothing to reply.
func (s *Server) serveConn(conn net.Conn, done chan struct{}) {
	defer func() {
		_ = conn.Close()
		s.mu.Lock()
		delete(s.conns, conn)
		s.mu.Unlock()
	}()
	for {
		var length [2]byte
		if _, err := io.ReadFull(conn, length[:]); err != nil {
			return
		}
		message := make([]byte, binary.BigEndian.Uint16(length[:]))
		if _, err := io.ReadFull(conn, message); err != nil {
			return
		}
		query, reply := s.take(message, true, done)
		if reply == nil {
			return
		}
		for _, message := range reply(query) {
			framed := append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...)
			if _, err := conn.Write(framed); err != nil {
				return
			}
		}
	}
}

// take counts a query and returns what its script has next.
func (s *Server) take(message []byte, tcp bool, done chan struct{}) (Query, Reply) {
	msg := new(wire.Msg)
	if err := msg.Unpack(message); err != nil || len(msg.Question) != 1 {
		return Query{}, nil
	}
	q := question{canonical(msg.Question[0].Name), wire.TypeToString[msg.Question[0].Qtype]}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[q]++
	s.total++
	return Query{Msg: msg, TCP: tcp, done: done}, s.next(q)
}

func (s *Server) next(q question) Reply {
	script := s.scripts[q]
	switch {
	case script != nil && len(script.replies) > 1:
		reply := script.replies[0]
		script.replies = script.replies[1:]
		return reply
	case script != nil:
		return script.replies[0]
	case s.names[q.name]:
		return NoData(negativeTTL)
	default:
		return NXDomain(negativeTTL)
	}
}

func canonical(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }
