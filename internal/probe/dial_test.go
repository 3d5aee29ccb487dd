// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"externalbackend.dev/operator/internal/health"
)

// refusing returns an address at which connections are refused, reserved until
// the test ends.
func refusing(t *testing.T) netip.AddrPort {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := netip.MustParseAddrPort(listener.Addr().String())
	// Reserving the port by a client that is bound to it, not by the listener,
	// leaves nothing that accepts.
	peer := serve(t, silent)
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	holder, err := (&net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(server)}).Dial("tcp", peer.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = holder.Close() })
	return server
}

func newReader(text string) *bufio.Reader { return bufio.NewReader(strings.NewReader(text)) }

// canned is a connection that answers with a prepared text.
type canned struct {
	io.Reader
	io.Writer
}

func (*canned) Close() error                     { return nil }
func (*canned) LocalAddr() net.Addr              { return nil }
func (*canned) RemoteAddr() net.Addr             { return nil }
func (*canned) SetDeadline(time.Time) error      { return nil }
func (*canned) SetReadDeadline(time.Time) error  { return nil }
func (*canned) SetWriteDeadline(time.Time) error { return nil }

// TestClosedWithReset has a server see how a check ends its connection.
func TestClosedWithReset(t *testing.T) {
	for name, direct := range map[string]bool{"real dialer": true, "injected dialer": false} {
		t.Run(name, func(t *testing.T) {
			end := make(chan error, 1)
			server := serve(t, afterRequest(func(conn net.Conn) {
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
				_, err := conn.Read(make([]byte, 1))
				end <- err
			}))
			opts, addr := Options{}, server.Addr()
			if !direct {
				opts.Dial, addr = dialTo(t, server), documented
			}
			if got := execute(t, opts, addr, check(t, server, overHTTP())); got.Outcome != health.Pass {
				t.Fatalf("got %v", got)
			}
			if err := <-end; !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("the server saw %v, want a reset", err)
			}
		})
	}
}

func TestRealDialer(t *testing.T) {
	server := serve(t, silent)
	if got := execute(t, Options{}, server.Addr(), check(t, server)); got.Outcome != health.Pass {
		t.Errorf("accepting: got %v", got)
	}
	closed := refusing(t)
	if got := execute(t, Options{}, closed.Addr(), check(t, closed)); got.Reason != health.ConnectionRefused {
		t.Errorf("refusing: got %v", got)
	}
	if _, err := newDial(func([]string, netip.AddrPort) error { return nil })(context.Background(), "tcp", "not an address"); err == nil {
		t.Error("dialled something that is no address")
	}
}
