// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package fake

import (
	"errors"
	"fmt"
	"hash/fnv"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"externalbackend.dev/operator/test/aws/sigv4"
)

// Server is AWS on one port of the loopback address. It is safe for concurrent use.
type Server struct {
	listener net.Listener
	http     *http.Server
	ended    chan struct{} // closed when nothing is served any more
	done     chan struct{} // closed by Close: what waits gives up

	mu       sync.Mutex
	seed     uint64
	serial   int
	accounts map[string]*Account
	keys     map[string]*principal // by access key id
	faults   []*Injection
	requests []Request
}

// principal is who an access key belongs to.
type principal struct {
	key     sigv4.Key
	account *Account
	arn     string
	// unique is the id of the user, or of the role and session.
	unique  string
	tags    map[string]string
	expired bool
}

// Start starts a server on a free port. It has no accounts.
func Start() (*Server, error) { return Listen("127.0.0.1:0") }

// Listen starts a server on an address. It has no accounts.
func Listen(address string) (*Server, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("the fake of AWS cannot listen: %w", err)
	}
	s := &Server{
		listener: listener, ended: make(chan struct{}), done: make(chan struct{}),
		seed: 1, accounts: map[string]*Account{}, keys: map[string]*principal{},
	}
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	go func() {
		defer close(s.ended)
		if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			panic(err)
		}
	}()
	return s, nil
}

// Close ends all requests and stops to listen.
func (s *Server) Close() {
	s.mu.Lock()
	select {
	case <-s.done:
	default:
		close(s.done)
	}
	s.mu.Unlock()
	_ = s.http.Close()
	<-s.ended
}

// URL is the endpoint of all services, as for AWS_ENDPOINT_URL.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() }

// Addr is where it listens.
func (s *Server) Addr() netip.AddrPort {
	return s.listener.Addr().(*net.TCPAddr).AddrPort()
}

// Shuffle has instances listed in another order from now on. Each seed makes one.
func (s *Server) Shuffle(seed uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seed = seed
}

// Account returns the account with this id, of 12 digits, which exists from then on.
func (s *Server) Account(id string) *Account {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.accounts[id]
	if a == nil {
		a = &Account{server: s, id: id, regions: map[string]*Region{}, roles: map[string]*Role{}}
		s.accounts[id] = a
	}
	return a
}

// ExpireSessions has all temporary keys run out that were handed out so far.
func (s *Server) ExpireSessions() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.keys {
		p.expired = p.expired || p.key.Token != ""
	}
}

// rank is where something stands in a list.
func (s *Server) rank(id string) uint64 {
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%d/%s", s.seed, id)
	sum := h.Sum64() // the last bytes change only its last bits
	sum ^= sum >> 33
	sum *= 0xff51afd7ed558ccd
	return sum ^ sum>>33
}

// next is a number that was not there before.
func (s *Server) next() int {
	s.serial++
	return s.serial
}
