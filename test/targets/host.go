// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package targets

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// Behaviour is what a host does to those who connect. Changing it cuts the
// connections that are open.
type Behaviour int

const (
	// Serve answers every HTTP request with 200 and the host's address.
	Serve Behaviour = iota
	// ServerError answers every HTTP request with 500.
	ServerError
	// Refuse answers that nothing listens.
	Refuse
	// Vanish does not answer at all, as a host that is switched off.
	Vanish
	// Hang accepts connections and says nothing.
	Hang
	// Endless sends a status of 200 and a body that never ends, as fast as it
	// is read.
	Endless
	// Drip sends a status of 200 and a body that goes on byte by byte.
	Drip
	// recite answers whatever comes with the text of Recite.
	recite
)

// dripPause is the time between two bytes of Drip.
const dripPause = 20 * time.Millisecond

// Host is one address and port outside the cluster.
type Host struct {
	address  netip.AddrPort
	listener net.Listener
	serving  sync.WaitGroup

	mu        sync.Mutex
	behaviour Behaviour
	text      string // of recite
	attempts  int
	received  http.Header // of the last request
	failures  int         // still to come
	open      map[net.Conn]struct{}
	changed   chan struct{} // closed when the behaviour changes
}

// newHost starts a host, with TLS if there is a configuration for that.
func newHost(address netip.AddrPort, config *tls.Config) (*Host, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("starting host %s: %w", address, err)
	}
	if config != nil {
		listener = tls.NewListener(listener, config)
	}
	h := &Host{
		address: address, listener: listener,
		open: make(map[net.Conn]struct{}), changed: make(chan struct{}),
	}
	h.serving.Go(h.accept)
	return h, nil
}

// Set changes the behaviour.
func (h *Host) Set(b Behaviour) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.behaviour = b
	close(h.changed)
	h.changed = make(chan struct{})
	for conn := range h.open {
		_ = conn.Close() // its handler reports nothing that matters
	}
	clear(h.open)
}

// Recite makes the host answer whatever is sent to it with a text, literally,
// and close.
func (h *Host) Recite(text string) {
	h.mu.Lock()
	h.text = text
	h.mu.Unlock()
	h.Set(recite)
}

// Attempts returns how often somebody has tried to connect.
func (h *Host) Attempts() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.attempts
}

// Received returns the values of a header of the last request that was read.
func (h *Host) Received(header string) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.received.Values(header)
}

// FailNext makes the next n connections be refused, whatever the behaviour.
func (h *Host) FailNext(n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failures = n
}

// Failures returns how many of FailNext are still to come.
func (h *Host) Failures() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.failures
}

func (h *Host) dial(ctx context.Context, network string, refuser *refuser) (net.Conn, error) {
	h.mu.Lock()
	h.attempts++
	behaviour, changed := h.behaviour, h.changed
	if h.failures > 0 {
		h.failures--
		behaviour = Refuse
	}
	h.mu.Unlock()
	switch behaviour {
	case Refuse:
		return refuser.dial(ctx, network)
	case Vanish:
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-changed:
			return refuser.dial(ctx, network)
		}
	default:
		var dialer net.Dialer
		return dialer.DialContext(ctx, network, h.listener.Addr().String())
	}
}

func (h *Host) accept() {
	for {
		conn, err := h.listener.Accept()
		if err != nil {
			return // closed
		}
		h.mu.Lock()
		behaviour, changed := h.behaviour, h.changed
		gone := behaviour == Refuse || behaviour == Vanish // since the peer dialled
		if !gone {
			h.open[conn] = struct{}{}
		}
		h.mu.Unlock()
		if gone {
			_ = conn.Close() // nothing was written that could be lost
			continue
		}
		h.serving.Go(func() {
			defer h.forget(conn)
			h.answer(conn, behaviour, changed)
		})
	}
}

func (h *Host) forget(conn net.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.open, conn)
	_ = conn.Close() // Set may have closed it already
}

// answer deals with one request. The peer may go at any time, which ends it.
func (h *Host) answer(conn net.Conn, behaviour Behaviour, changed <-chan struct{}) {
	if behaviour == recite {
		h.recite(conn)
		return
	}
	request, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return
	}
	h.mu.Lock()
	h.received = request.Header
	h.received.Set("Host", request.Host) // which net/http takes out
	h.mu.Unlock()
	status, body := http.StatusOK, io.Reader(strings.NewReader("served by "+h.address.String()+"\n"))
	switch behaviour {
	case Serve, Refuse, Vanish, recite: // who gets through to Refuse and Vanish was faster; recite has returned
	case Hang:
		_, _ = conn.Read(make([]byte, 1)) // until the peer has had enough
		return
	case ServerError:
		status, body = http.StatusInternalServerError, strings.NewReader("out of order\n")
	case Endless:
		body = zeros{}
	case Drip:
		body = drip{changed}
	}
	response := http.Response{
		StatusCode: status, ProtoMajor: 1, ProtoMinor: 1, Request: request, Close: true,
		Body: io.NopCloser(body), ContentLength: -1,
	}
	_ = response.Write(conn) // fails when the peer goes, as it does with Endless and Drip
}

// recite says its text once anything has come.
func (h *Host) recite(conn net.Conn) {
	h.mu.Lock()
	text := h.text
	h.mu.Unlock()
	if _, err := conn.Read(make([]byte, 16<<10)); err == nil {
		_, _ = io.WriteString(conn, text) // fails when the peer goes
	}
}

func (h *Host) close() {
	_ = h.listener.Close() // whatever it says, it accepts no more
	h.Set(Refuse)
	h.serving.Wait()
}

// zeros is a body without an end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// drip is a body without an end and without haste.
type drip struct{ stop <-chan struct{} }

func (d drip) Read(p []byte) (int, error) {
	select {
	case <-d.stop:
		return 0, io.EOF
	case <-time.After(dripPause):
		p[0] = '.'
		return 1, nil
	}
}
