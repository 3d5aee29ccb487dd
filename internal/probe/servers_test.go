// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"testing"
	"time"

	"externalbackend.dev/operator/internal/health"
)

// documented is the address under which tests reach their loopback servers.
var documented = netip.MustParseAddr("192.0.2.10")

// serve runs a server on the loopback that handles every connection with
// handle, until the test ends.
func serve(t testing.TB, handle func(net.Conn)) netip.AddrPort {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var conns []net.Conn
	var handlers sync.WaitGroup
	handlers.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, conn)
			mu.Unlock()
			handlers.Go(func() { handle(conn) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		mu.Lock()
		for _, c := range conns {
			_ = c.Close()
		}
		mu.Unlock()
		handlers.Wait()
	})
	return netip.MustParseAddrPort(listener.Addr().String())
}

// silent never says anything.
func silent(conn net.Conn) { _, _ = conn.Read(make([]byte, 1)) }

// afterRequest reads a request and then does something.
func afterRequest(do func(conn net.Conn)) func(net.Conn) {
	return func(conn net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			do(conn)
		}
	}
}

// answer reads a request, answers with a text and closes.
func answer(text string) func(net.Conn) {
	return afterRequest(func(conn net.Conn) {
		_, _ = conn.Write([]byte(text))
		_ = conn.Close()
	})
}

// answerAndHold answers and leaves the connection open.
func answerAndHold(text string) func(net.Conn) {
	return afterRequest(func(conn net.Conn) {
		_, _ = conn.Write([]byte(text))
		silent(conn)
	})
}

// drip sends a text again and again until the client has enough.
func drip(head, text string, pause time.Duration) func(net.Conn) {
	return afterRequest(func(conn net.Conn) {
		_, err := conn.Write([]byte(head))
		for err == nil {
			_, err = conn.Write([]byte(text))
			time.Sleep(pause)
		}
	})
}

// dialTo returns a dialer that connects to a server in place of the
// documented address, however long that takes, and fails the test if asked for
// anything else.
func dialTo(t testing.TB, server netip.AddrPort) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		want := netip.AddrPortFrom(documented, server.Port()).String()
		if network != "tcp" || address != want {
			t.Errorf("dialled %s %s, want tcp %s", network, address, want)
			return nil, errors.New("unexpected address")
		}
		return new(net.Dialer).DialContext(context.WithoutCancel(ctx), "tcp", server.String())
	}
}

// check returns a check of a server that has ample time, edited.
func check(t testing.TB, server netip.AddrPort, edits ...func(*health.Check)) *health.Check {
	t.Helper()
	c := health.Check{Kind: health.TCP, Port: server.Port(), Timing: health.Timing{Interval: time.Minute, Timeout: time.Minute}}
	for _, edit := range edits {
		edit(&c)
	}
	made, err := health.NewCheck(c)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func overHTTP(edits ...func(*health.HTTPCheck)) func(*health.Check) {
	return func(c *health.Check) {
		c.Kind, c.HTTP = health.HTTP, &health.HTTPCheck{}
		for _, edit := range edits {
			edit(c.HTTP)
		}
	}
}

func overTLS(config health.TLSConfig) func(*health.Check) {
	return func(c *health.Check) { c.TLS = &config }
}

func within(timeout time.Duration) func(*health.Check) {
	return func(c *health.Check) { c.Timing.Timeout = timeout }
}

// execute runs a check once, as the scheduler does.
func execute(t testing.TB, opts Options, addr netip.Addr, c *health.Check) health.Result {
	t.Helper()
	v := newVisit(t.Context(), nil)
	v.start(c.Timing.Timeout)
	defer v.stop()
	return newSockets(opts.withDefaults()).Prepare(c)(v, addr)
}

// wantFinding runs a check against a server under the documented address.
func wantFinding(t *testing.T, server netip.AddrPort, c *health.Check, want finding) {
	t.Helper()
	got := execute(t, Options{Dial: dialTo(t, server)}, documented, c)
	if (finding{got.Outcome, got.Reason, got.Code}) != want {
		t.Errorf("got %s %s, want %s %s", got.Outcome, got.Reason, want.outcome, want.reason)
	}
	if got.Latency <= 0 {
		t.Errorf("the latency is %s", got.Latency)
	}
}
