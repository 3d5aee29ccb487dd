// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"externalbackend.dev/operator/internal/health"
)

// certificateMessage is what a server says of TLS 1.2 up to within a message of
// certificates of a size, of which it has sent some bytes.
func certificateMessage(size, sent int) string {
	record := func(b []byte) string { return fmt.Sprintf("\x16\x03\x03%c%c%s", len(b)>>8, len(b), b) }
	hello := slices.Concat([]byte{2, 0, 0, 38, 3, 3}, make([]byte, 33), []byte{0xc0, 0x2b, 0})
	out := record(hello)
	for message := append([]byte{11, byte(size >> 16), byte(size >> 8), byte(size)}, make([]byte, sent)...); len(message) > 0; {
		n := min(len(message), 1<<14)
		out += string([]byte{0x16, 3, 3, byte(n >> 8), byte(n)}) + string(message[:n])
		message = message[n:]
	}
	return out
}

// manyNames makes a certificate have as many names as fit into a handshake.
func manyNames(c *x509.Certificate) {
	for len(c.DNSNames) < (maxHandshake-2048)/3 {
		c.DNSNames = append(c.DNSNames, "a")
	}
}

// TestRunningChecksTakeLittle: whatever targets send before they fall silent, checks
// keep little of it.
func TestRunningChecksTakeLittle(t *testing.T) {
	const n = 20
	const ok = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
	var tiny strings.Builder
	for i := 0; tiny.Len() < maxResponseHeader-200; i++ {
		fmt.Fprintf(&tiny, "%x:\r\n", i)
	}
	large := newAuthority(t).issue(manyNames)
	large.SessionTicketsDisabled = true
	insecure := overTLS(health.TLSConfig{InsecureSkipVerify: true})
	// A pipe holds nothing: when the last byte has gone, all before has been dealt with.
	saying := func(text string) func(net.Conn) {
		return func(c net.Conn) {
			go func() { _, _ = io.Copy(io.Discard, c) }()
			_, _ = io.WriteString(c, text[:len(text)-1])
			_, _ = io.WriteString(c, text[len(text)-1:])
		}
	}
	for name, tc := range map[string]struct {
		server func(net.Conn)
		edits  []func(*health.Check)
	}{
		"headers, then a body":      {saying(ok + tiny.String() + "\r\n1\r\na\r\n"), []func(*health.Check){overHTTP()}},
		"headers that do not end":   {saying(ok + tiny.String()), []func(*health.Check){overHTTP()}},
		"a body that is matched":    {saying(ok + "\r\n" + "2010\r\n" + strings.Repeat("a", bodyWindow+10)), []func(*health.Check){overHTTP(matching("x{500}y"))}},
		"certificates":              {saying(certificateMessage(200_000, maxHandshake-200)), []func(*health.Check){insecure}},
		"a certificate, and a body": {secured(large, saying(ok+"\r\n1\r\na\r\n")), []func(*health.Check){overHTTP(), insecure}},
	} {
		t.Run(name, func(t *testing.T) {
			var served atomic.Int32
			all, release := make(chan struct{}), make(chan struct{})
			engine := newSockets(Options{Dial: overPipe(func(conn net.Conn) {
				tc.server(conn)
				if served.Add(1) == n {
					close(all)
				}
				<-release
			})}.withDefaults())
			run := engine.Prepare(check(t, netip.AddrPortFrom(documented, 443), tc.edits...))
			ended := make(chan health.Result)
			v := visitor("shop")
			heap := func() int64 {
				runtime.GC()
				runtime.GC()
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				return int64(m.HeapAlloc + m.StackInuse)
			}
			for range n {
				go func() { ended <- run(newVisit(v, v.namespaces), documented) }()
			}
			<-all
			during := heap()
			v.end(nil)
			for range n {
				if got := <-ended; got.Reason != health.Canceled {
					t.Errorf("got %v, want what is still running", got)
				}
			}
			each := (during - heap()) / n
			t.Logf("%d bytes", each)
			close(release)
			if each > RunningCheckSize {
				t.Errorf("%d bytes are kept of a check, want at most %d", each, RunningCheckSize)
			}
		})
	}
}
