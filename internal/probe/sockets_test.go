// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"externalbackend.dev/operator/internal/health"
)

const (
	ample = time.Minute
	soon  = 100 * time.Millisecond
)

func TestTCP(t *testing.T) {
	t.Run("accepting and silent", func(t *testing.T) {
		server := serve(t, silent)
		wantFinding(t, server, check(t, server), passed)
	})
	t.Run("refusing", func(t *testing.T) {
		server := refusing(t)
		wantFinding(t, server, check(t, server), failed(health.ConnectionRefused))
	})
}

func TestHTTP(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	line := "X: " + strings.Repeat("x", 1019) + "\r\n"
	for name, tc := range map[string]struct {
		server  func(net.Conn)
		timeout time.Duration
		edit    func(*health.HTTPCheck)
		want    finding
	}{
		"ok":                           {answer(ok + "Content-Length: 2\r\n\r\nok"), ample, nil, passed},
		"ok, connection left open":     {answerAndHold(ok + "Content-Length: 2\r\n\r\nok"), ample, nil, passed},
		"ok until EOF":                 {answer("HTTP/1.0 200 OK\r\n\r\nok"), ample, nil, passed},
		"ok in chunks":                 {answerAndHold(ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"), ample, nil, passed},
		"no content":                   {answerAndHold("HTTP/1.1 204 No Content\r\n\r\n"), ample, nil, passed},
		"HEAD has no body":             {answerAndHold(ok + "Content-Length: 99\r\n\r\n"), ample, func(h *health.HTTPCheck) { h.Method = "HEAD" }, passed},
		"POST":                         {answer(ok + "\r\n"), ample, func(h *health.HTTPCheck) { h.Method = "POST" }, passed},
		"informational first":          {answer("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ok + "\r\n"), ample, nil, passed},
		"a redirect passes unfollowed": {answer("HTTP/1.1 302 Found\r\nLocation: http://192.0.2.99/\r\n\r\n"), ample, nil, passed},
		"a redirect may be unexpected": {answer("HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n"), ample, func(h *health.HTTPCheck) {
			h.ExpectedStatuses = []health.StatusRange{{From: 200, To: 299}}
		}, unexpected(302)},
		"not found":                {answer("HTTP/1.1 404 Not Found\r\n\r\n"), ample, nil, unexpected(404)},
		"unavailable":              {answer("HTTP/1.1 503 Service Unavailable\r\n\r\n"), ample, nil, unexpected(503)},
		"unavailable may be fine":  {answer("HTTP/1.1 503 Service Unavailable\r\n\r\n"), ample, func(h *health.HTTPCheck) { h.ExpectedStatuses = []health.StatusRange{{From: 503, To: 503}} }, passed},
		"switching protocols":      {answer("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"), ample, nil, unexpected(101)},
		"informational for ever":   {drip("", "HTTP/1.1 100 Continue\r\n\r\n", 0), ample, nil, failed(health.InvalidResponse)},
		"another protocol":         {answer("SSH-2.0-OpenSSH_9.9\r\n"), ample, nil, failed(health.InvalidResponse)},
		"another HTTP":             {answer("HTTP/2.0 200 OK\r\n\r\n"), ample, nil, failed(health.InvalidResponse)},
		"contradicting lengths":    {answer(ok + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nok"), ample, nil, failed(health.InvalidResponse)},
		"broken chunks":            {answer(ok + "Transfer-Encoding: chunked\r\n\r\nzz\r\n"), ample, nil, failed(health.InvalidResponse)},
		"closing without a word":   {answer(""), ample, nil, failed(health.ConnectionClosed)},
		"half-closed":              {afterRequest(halfClose), ample, nil, failed(health.ConnectionClosed)},
		"half-closed after a body": {afterRequest(func(c net.Conn) { _, _ = io.WriteString(c, ok+"\r\nok"); halfClose(c) }), ample, nil, passed},
		"closing within the body":  {answer(ok + "Content-Length: 99\r\n\r\nok"), ample, nil, failed(health.ConnectionClosed)},
		"resetting":                {afterRequest(func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0); _ = c.Close() }), ample, nil, failed(health.ConnectionReset)},
		"accepting and silent":     {silent, soon, nil, failed(health.ResponseTimeout)},
		"slow headers":             {drip(ok, "X: y\r\n", 20*time.Millisecond), soon, nil, failed(health.ResponseTimeout)},
		"dripping body":            {drip(ok+"\r\n", "x", 20*time.Millisecond), soon, nil, failed(health.ResponseTimeout)},
		"a body of 40 KiB":         {answer(ok + "Content-Length: 40960\r\n\r\n" + strings.Repeat(line, 40)), ample, nil, passed},
		"endless body":             {drip(ok+"\r\n", line, 0), ample, nil, passed},
		"endless headers":          {drip(ok, line, 0), ample, nil, failed(health.ResponseTooLarge)},
		"long lines":               {answerAndHold("HTTP/1.1 200 " + strings.Repeat("o", 1500) + "\r\nX: " + strings.Repeat("x", 9000) + "\r\nContent-Length: 2\r\n\r\nok"), ample, nil, passed},
		"lines go on":              {answerAndHold(ok + "X: a\r\n b\r\nContent-Length:\r\n 2\r\nY: a\r\n Content-Length: 9\r\n\r\nok"), ample, nil, passed},
		"a line goes on at first":  {answerAndHold(ok + " X: a\r\n\r\n"), ample, nil, failed(health.InvalidResponse)},
		"no header":                {answerAndHold(ok + "what\r\n"), ample, nil, failed(health.InvalidResponse)},
		"many tiny headers":        {answerAndHold(ok + strings.Repeat("a:\r\n", 3000) + "content-length: 2\r\n\r\nok"), ample, nil, passed},
		"many lengths":             {answerAndHold(ok + strings.Repeat("Content-Length: 2\r\n", 200)), ample, nil, failed(health.ResponseTooLarge)},
		"chunks after hints":       {answerAndHold("HTTP/1.1 103 Early\r\nContent-Length: 9\r\n\r\n" + ok + "transfer-encoding: chunked\r\nTrailer: X\r\n\r\n2\r\nok\r\n0\r\nX: y\r\n\r\n"), ample, nil, passed},
		"a header of 15 KiB":       {answer(ok + strings.Repeat(line, 15) + "\r\n"), ample, nil, passed},
		"a header of 17 KiB":       {answer(ok + strings.Repeat(line, 17) + "\r\n"), ample, nil, failed(health.ResponseTooLarge)},
	} {
		t.Run(name, func(t *testing.T) {
			server := serve(t, tc.server)
			edit := func(h *health.HTTPCheck) {
				if tc.edit != nil {
					tc.edit(h)
				}
			}
			wantFinding(t, server, check(t, server, overHTTP(edit), within(tc.timeout)), tc.want)
		})
	}
}

func halfClose(conn net.Conn) {
	_ = conn.(*net.TCPConn).CloseWrite()
	silent(conn)
}

// TestRequest compares what goes over the wire.
func TestRequest(t *testing.T) {
	const agent = "User-Agent: externalbackend-operator-health-check/1.2.3\r\n"
	tail := "Connection: close\r\n\r\n"
	for name, tc := range map[string]struct {
		addr string
		edit func(*health.Check)
		want string
	}{
		"defaults":                  {"192.0.2.1", overHTTP(), "GET / HTTP/1.1\r\nHost: 192.0.2.1:8080\r\n" + agent + tail},
		"IPv6":                      {"2001:db8::1", overHTTP(), "GET / HTTP/1.1\r\nHost: [2001:db8::1]:8080\r\n" + agent + tail},
		"default port":              {"192.0.2.1", func(c *health.Check) { overHTTP()(c); c.Port = 80 }, "GET / HTTP/1.1\r\nHost: 192.0.2.1\r\n" + agent + tail},
		"default port, IPv6":        {"2001:db8::1", func(c *health.Check) { overHTTP()(c); c.Port = 80 }, "GET / HTTP/1.1\r\nHost: [2001:db8::1]\r\n" + agent + tail},
		"not default without TLS":   {"192.0.2.1", func(c *health.Check) { overHTTP()(c); c.Port = 443 }, "GET / HTTP/1.1\r\nHost: 192.0.2.1:443\r\n" + agent + tail},
		"host, path and headers":    {"192.0.2.1", overHTTP(everything), "OPTIONS /a?b=c HTTP/1.1\r\nHost: a.example\r\nX-A: 1\r\nX-B: 2\r\n" + agent + tail},
		"the user's own User-Agent": {"192.0.2.1", overHTTP(ownAgent), "GET / HTTP/1.1\r\nHost: 192.0.2.1:8080\r\nuser-agent: me\r\n" + tail},
		"POST has no body":          {"192.0.2.1", overHTTP(func(h *health.HTTPCheck) { h.Method = "POST" }), "POST / HTTP/1.1\r\nHost: 192.0.2.1:8080\r\n" + agent + "Content-Length: 0\r\n" + tail},
	} {
		t.Run(name, func(t *testing.T) {
			var sent bytes.Buffer
			dial := func(context.Context, string, string) (net.Conn, error) {
				return &canned{Reader: strings.NewReader("HTTP/1.1 200 OK\r\n\r\n"), Writer: &sent}, nil
			}
			c := check(t, netip.MustParseAddrPort("192.0.2.1:8080"), tc.edit)
			if got := execute(t, Options{Dial: dial, Version: "1.2.3"}, netip.MustParseAddr(tc.addr), c); got.Outcome != health.Pass {
				t.Errorf("got %v", got)
			}
			if sent.String() != tc.want {
				t.Errorf("sent\n%swant\n%s", sent.String(), tc.want)
			}
			if _, err := http.ReadRequest(newReader(sent.String())); err != nil {
				t.Errorf("no valid request: %v", err)
			}
		})
	}
}

func everything(h *health.HTTPCheck) {
	h.Method, h.Path, h.Host = "OPTIONS", "/a?b=c", "a.example"
	h.Headers = []health.Header{{Name: "X-A", Value: "1"}, {Name: "X-B", Value: "2"}}
}

func ownAgent(h *health.HTTPCheck) {
	h.Headers = []health.Header{{Name: "user-agent", Value: "me"}}
}

// TestDialFailures makes the system's errors appear where they do.
func TestDialFailures(t *testing.T) {
	system := func(errno syscall.Errno) error {
		return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", errno)}
	}
	for _, tc := range []struct {
		err  error
		want finding
	}{
		{system(syscall.ECONNREFUSED), failed(health.ConnectionRefused)},
		{system(syscall.ECONNRESET), failed(health.ConnectionReset)},
		{system(syscall.EHOSTUNREACH), failed(health.HostUnreachable)},
		{system(syscall.ETIMEDOUT), failed(health.ConnectTimeout)},
		{&net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}, failed(health.ConnectTimeout)},
		{system(syscall.ENETUNREACH), undecided(health.NetworkUnreachable)},
		{system(syscall.EAFNOSUPPORT), undecided(health.NetworkUnreachable)},
		{system(syscall.EMFILE), undecided(health.LocalResources)},
		{system(syscall.ENFILE), undecided(health.LocalResources)},
		{system(syscall.EADDRNOTAVAIL), undecided(health.LocalResources)},
		{system(syscall.ENOBUFS), undecided(health.LocalResources)},
		{system(syscall.ENOMEM), undecided(health.LocalResources)},
		{system(syscall.EPERM), undecided(health.LocalPermission)},
		{system(syscall.EACCES), undecided(health.LocalPermission)},
		{system(syscall.EINVAL), undecided(health.LocalError)},
		{errors.New("something new"), undecided(health.LocalError)},
	} {
		t.Run(tc.err.Error(), func(t *testing.T) {
			dial := func(context.Context, string, string) (net.Conn, error) { return nil, tc.err }
			got := execute(t, Options{Dial: dial}, documented, check(t, netip.AddrPortFrom(documented, 80)))
			if (finding{got.Outcome, got.Reason, got.Code}) != tc.want {
				t.Errorf("got %s %s, want %s %s", got.Outcome, got.Reason, tc.want.outcome, tc.want.reason)
			}
		})
	}
}

func TestBlackHole(t *testing.T) {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	c := check(t, netip.AddrPortFrom(documented, 80), within(10*time.Millisecond))
	if got := execute(t, Options{Dial: dial}, documented, c); got.Outcome != health.Fail || got.Reason != health.ConnectTimeout {
		t.Errorf("got %v", got)
	}
}

// TestCancel ends checks from outside at each point where they wait.
func TestCancel(t *testing.T) {
	waiting := make(chan struct{}, 1)
	server := serve(t, func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 1))
		waiting <- struct{}{}
		silent(conn)
	})
	for name, c := range map[string]*health.Check{
		"waiting for a response":  check(t, server, overHTTP()),
		"waiting for a handshake": check(t, server, overTLS(health.TLSConfig{})),
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				<-waiting
				cancel()
			}()
			got := newSockets(Options{Dial: dialTo(t, server)}.withDefaults()).Prepare(c)(ctx, documented)
			if got.Outcome != health.Indeterminate || got.Reason != health.Canceled {
				t.Errorf("got %v", got)
			}
		})
	}
}
