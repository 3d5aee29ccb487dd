// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"pgregory.net/rapid"

	"externalbackend.dev/operator/internal/health"
)

func containing(text string) func(*health.HTTPCheck) {
	return func(h *health.HTTPCheck) { h.Body = &health.ExpectedBody{Contains: text} }
}

func matching(pattern string) func(*health.HTTPCheck) {
	return func(h *health.HTTPCheck) { h.Body = &health.ExpectedBody{Matches: pattern} }
}

// body answers 200 with a body of known length.
func body(text string) func(net.Conn) {
	return answerAndHold(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(text), text))
}

// inChunks sends a body in chunks of a size.
func inChunks(text string, size int) func(net.Conn) {
	var b strings.Builder
	b.WriteString("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
	for ; len(text) > size; text = text[size:] {
		fmt.Fprintf(&b, "%x\r\n%s\r\n", size, text[:size])
	}
	fmt.Fprintf(&b, "%x\r\n%s\r\n0\r\n\r\n", len(text), text)
	return answerAndHold(b.String())
}

// TestExpectedBody asks servers.
func TestExpectedBody(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	wrong := failed(health.UnexpectedBody)
	filler := strings.Repeat("x", maxResponseBody)
	short := []health.StatusRange{{From: 503, To: 503}}
	for name, tc := range map[string]struct {
		server  func(net.Conn)
		timeout time.Duration
		edit    func(*health.HTTPCheck)
		want    finding
	}{
		"contains":                             {body("status: UP\n"), ample, containing("UP"), passed},
		"contains all of it":                   {body("UP"), ample, containing("UP"), passed},
		"does not contain":                     {body("status: DOWN\n"), ample, containing("UP"), wrong},
		"contains in another case":             {body("up"), ample, containing("UP"), wrong},
		"contains no expression":               {body("status: UP"), ample, containing("U."), wrong},
		"an empty body":                        {body(""), ample, containing("UP"), wrong},
		"no content":                           {answerAndHold("HTTP/1.1 204 No Content\r\n\r\n"), ample, containing("UP"), wrong},
		"until EOF":                            {answer("HTTP/1.0 200 OK\r\n\r\nUP"), ample, containing("UP"), passed},
		"matches":                              {body(`{"status": "UP"}`), ample, matching(`"status":\s*"(UP|OK)"`), passed},
		"does not match":                       {body(`{"status": "DOWN"}`), ample, matching(`"status":\s*"(UP|OK)"`), wrong},
		"matches nothing at all":               {body(""), ample, matching("^$"), passed},
		"matches a line":                       {body("a\nb\nc"), ample, matching("(?m)^b$"), passed},
		"matches no line unless asked to":      {body("a\nb\nc"), ample, matching("^b$"), wrong},
		"one byte at a time":                   {inChunks("status: UP", 1), ample, containing("status: UP"), passed},
		"one byte at a time, matching":         {inChunks("status: UP", 1), ample, matching("^status: UP$"), passed},
		"over the border of windows":           {body(filler[:bodyWindow-3] + "status: UP" + filler[:9999]), ample, containing("status: UP"), passed},
		"over the border of windows, matching": {body(filler[:bodyWindow-3] + "status: UP" + filler[:9999]), ample, matching("status: UPx+$"), passed},
		"a text of the greatest length":        {body(filler[:bodyWindow-1] + strings.Repeat("é", 1024)), ample, containing(strings.Repeat("é", 1024)), passed},
		"exactly 64 KiB":                       {body(filler[:maxResponseBody-2] + "UP"), ample, containing("UP"), passed},
		"exactly 64 KiB, matching":             {body(filler[:maxResponseBody-2] + "UP"), ample, matching("UP$"), passed},
		"exactly 64 KiB in chunks":             {inChunks(filler[:maxResponseBody-2]+"UP", 1000), ample, containing("UP"), passed},
		"half beyond 64 KiB":                   {body(filler[:maxResponseBody-1] + "UP"), ample, containing("UP"), wrong},
		"half beyond 64 KiB, matching":         {body(filler[:maxResponseBody-1] + "UP"), ample, matching("UP"), wrong},
		"beyond 64 KiB":                        {inChunks(filler+"UP", 4096), ample, containing("UP"), wrong},
		"an endless body that matches":         {drip(ok+"\r\n", "status: UP "+filler[:1000], 0), ample, matching("UP x+"), passed},
		"an endless body that does not":        {drip(ok+"\r\n", filler[:1000], 0), ample, containing("UP"), wrong},
		"binary":                               {body("\x00\xff\xfe\x80UP\xc3"), ample, containing("UP"), passed},
		"binary, matching":                     {body("\x00\xff\xfe\x80UP\xc3"), ample, matching("(?s)^.{4}UP.$"), passed},
		"packed":                               {answerAndHold(ok + "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\nUP"), ample, containing("UP"), passed},
		"an unexpected status comes first":     {answer("HTTP/1.1 503 No\r\n\r\nUP"), ample, containing("UP"), unexpected(503)},
		"an expected error status":             {answer("HTTP/1.1 503 No\r\n\r\nUP"), ample, func(h *health.HTTPCheck) { containing("UP")(h); h.ExpectedStatuses = short }, passed},
		"cut off after it":                     {answer(ok + "Content-Length: 99\r\n\r\nUP"), ample, containing("UP"), failed(health.ConnectionClosed)},
		"cut off before it":                    {answer(ok + "Content-Length: 99\r\n\r\nU"), ample, matching("UP"), failed(health.ConnectionClosed)},
		"cut off within a chunk":               {answer(ok + "Transfer-Encoding: chunked\r\n\r\n9\r\nUP"), ample, containing("UP"), failed(health.ConnectionClosed)},
		"broken chunks after it":               {answer(ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nUP\r\nzz\r\n"), ample, matching("UP"), failed(health.InvalidResponse)},
		"dripping on after it":                 {drip(ok+"\r\n", "UP", 20*time.Millisecond), soon, containing("UP"), failed(health.ResponseTimeout)},
		"dripping on after it, matching":       {drip(ok+"\r\n", "UP", 20*time.Millisecond), soon, matching("UP"), failed(health.ResponseTimeout)},
		"silent after a window":                {answerAndHold(ok + "Content-Length: 20000\r\n\r\n" + filler[:bodyWindow] + "UP"), soon, matching("UP"), failed(health.ResponseTimeout)},
	} {
		t.Run(name, func(t *testing.T) {
			server := serve(t, tc.server)
			wantFinding(t, server, check(t, server, overHTTP(tc.edit), within(tc.timeout)), tc.want)
		})
	}
}

// TestExpectedBodyOverTLS: a body that came encrypted is judged as well.
func TestExpectedBodyOverTLS(t *testing.T) {
	ca := newAuthority(t)
	server := serve(t, secured(ca.issue(), body("UP")))
	for text, want := range map[string]finding{"UP": passed, "OK": failed(health.UnexpectedBody)} {
		wantFinding(t, server, check(t, server, overHTTP(containing(text)), overTLS(health.TLSConfig{CABundle: ca.bundle(), ServerName: "app.example"})), want)
	}
}

// TestBodiesAreJudgedAsAWhole compares with a search in the first 64 KiB,
// however they arrive.
func TestBodiesAreJudgedAsAWhole(t *testing.T) {
	slots := newTurnstile(1, 1)
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.OneOf(rapid.IntRange(0, 100), rapid.IntRange(bodyWindow-3, bodyWindow+3),
			rapid.IntRange(2*bodyWindow-9, 2*bodyWindow), rapid.IntRange(maxResponseBody-3, maxResponseBody+9)).Draw(t, "size")
		text := bytes.Repeat([]byte(rapid.StringMatching(`[ab\xff]{0,4}`).Draw(t, "filler")+"-"), size+1)[:size]
		if at := rapid.OneOf(rapid.IntRange(-1, 20), rapid.IntRange(bodyWindow-9, bodyWindow), rapid.IntRange(maxResponseBody-9, maxResponseBody)).Draw(t, "at"); at >= 0 && at < size {
			copy(text[at:], "needle")
		}
		read := text[:min(size, maxResponseBody)]
		var m bodyMatcher
		var want bool
		if rapid.Bool().Draw(t, "as a pattern") {
			m.pattern = regexp.MustCompile(rapid.SampledFrom([]string{"needle", "a-n", "le$", "^[^n]*needle", "(?:ab|b-)*needle", `\x{fffd}`, "^needle$"}).Draw(t, "pattern"))
			want = m.pattern.Match(read)
		} else {
			m.text = []byte(rapid.SampledFrom([]string{"needle", "-needle", "le-", "a", "need\xff"}).Draw(t, "text"))
			want = bytes.Contains(read, m.text)
		}
		m.slots = slots
		var source io.Reader = bytes.NewReader(text)
		if rapid.Bool().Draw(t, "in halves") {
			source = iotest.HalfReader(source)
		}
		if rapid.Bool().Draw(t, "ending with data") {
			source = iotest.DataErrReader(source)
		}
		if got := m.judge(t.Context(), source); (got == passed) != want || got != passed && got != failed(health.UnexpectedBody) {
			t.Fatalf("got %v, want found: %v", got, want)
		}
	})
	if slots.free != 1 {
		t.Errorf("%d slots are free, want the only one to have been given back", slots.free)
	}
}

// once fails once, as a socket tells a reset, and is then at its end.
type once struct {
	io.Reader
	err error
}

func (o *once) Read(b []byte) (int, error) {
	n, err := o.Reader.Read(b)
	if errors.Is(err, io.EOF) {
		err, o.err = o.err, io.EOF
	}
	return n, err
}

// TestAResetIsNoEnd: whoever looks for something sees the error first.
func TestAResetIsNoEnd(t *testing.T) {
	for _, m := range []bodyMatcher{{text: []byte("UP")}, {pattern: regexp.MustCompile("UP$")}, {pattern: regexp.MustCompile("DOWN")}} {
		for _, size := range []int{2, bodyWindow + 9} {
			m.slots = newTurnstile(1, 1)
			got := m.judge(t.Context(), &once{strings.NewReader(strings.Repeat("x", size-2) + "UP"), syscall.ECONNRESET})
			if got != failed(health.ConnectionReset) {
				t.Errorf("%d bytes, %v: got %v", size, m.pattern, got)
			}
		}
	}
}

// TestSilentPeersHoldNoMatchingSlot: who waits for the rest of a body lets others
// match theirs.
func TestSilentPeersHoldNoMatchingSlot(t *testing.T) {
	engine := newSockets(Options{}.withDefaults())
	engine.slots = newTurnstile(1, 1)
	sent := make(chan struct{})
	hanging := serve(t, afterRequest(func(conn net.Conn) {
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n"+strings.Repeat("x", 2*bodyWindow))
		close(sent)
		silent(conn)
	}))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan health.Result)
	run := engine.Prepare(check(t, hanging, overHTTP(matching("UP$"))))
	go func() { ended <- run(ctx, hanging.Addr()) }()
	<-sent
	server := serve(t, body(strings.Repeat("x", 2*bodyWindow)+"UP"))
	c := check(t, server, overHTTP(matching("UP$")))
	if got := engine.Prepare(c)(t.Context(), server.Addr()); got.Outcome != health.Pass {
		t.Errorf("got %v", got)
	}
	cancel()
	if got := <-ended; got.Reason != health.Canceled {
		t.Errorf("the hanging one ended with %v", got)
	}
	if engine.slots.free != 1 {
		t.Errorf("%d slots are free, want the only one to have been given back", engine.slots.free)
	}
}

// TestPatternsThatBacktrackElsewhere end, since what they match is looked for in
// linear time.
func TestPatternsThatBacktrackElsewhere(t *testing.T) {
	server := serve(t, body(strings.Repeat("a", maxResponseBody)))
	for _, pattern := range []string{"(a+)+$x", "(a|aa)+x", "(?:a?){100}a{100}x", "(.*)(.*)(.*)(.*)x"} {
		wantFinding(t, server, check(t, server, overHTTP(matching(pattern))), failed(health.UnexpectedBody))
	}
}

// TestBodiesTakeNoMemory: a check allocates far less than a body, whether it
// looks at it or not.
func TestBodiesTakeNoMemory(t *testing.T) {
	response := "HTTP/1.1 200 OK\r\n\r\n" + strings.Repeat("x", maxResponseBody)
	for name, m := range map[string]*bodyMatcher{
		"none": nil, "text": {text: []byte("UP")}, "pattern": {pattern: regexp.MustCompile("UP"), slots: newTurnstile(1, 1)},
	} {
		x := newHTTPExchange(check(t, netip.AddrPortFrom(documented, 80), overHTTP()), "test", nil)
		x.body = m
		talk := func() {
			x.talk(t.Context(), &canned{Reader: strings.NewReader(response), Writer: io.Discard}, documented)
		}
		talk() // fills the pools
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range 50 {
			talk()
		}
		runtime.ReadMemStats(&after)
		if each := (after.TotalAlloc - before.TotalAlloc) / 50; each > maxResponseBody/2 {
			t.Errorf("%s: %d bytes are allocated for a check", name, each)
		}
	}
}
