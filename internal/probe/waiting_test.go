// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"externalbackend.dev/operator/internal/health"
)

// overPipe returns a dialer to a server that may live in a synctest bubble.
func overPipe(handle func(net.Conn)) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go func() {
			handle(server)
			_ = server.Close()
		}()
		return client, nil
	}
}

// later does something after some time.
func later(d time.Duration, handle func(net.Conn)) func(net.Conn) {
	return func(conn net.Conn) {
		time.Sleep(d)
		handle(conn)
	}
}

// occupy has another namespace hold the only place of an engine for a time, so many
// times, each as soon as it gets it.
func occupy(t *testing.T, gate *turnstile, times int, each time.Duration) {
	p := &pacer{gate: gate, visit: visitor("flood")}
	go func() {
		for range times {
			if err := p.enter(); err != nil {
				t.Error(err)
			}
			time.Sleep(each)
			p.leave()
		}
	}()
	synctest.Wait()
}

// TestWaitingForASlotIsNoFailure: a check's time does not run while it waits for a
// processor, however often it does, and runs as always when it waits for the target.
func TestWaitingForASlotIsNoFailure(t *testing.T) {
	const s, ms = time.Second, time.Millisecond
	config := newAuthority(t).issue()
	config.SessionTicketsDisabled = true // a pipe holds nothing that nobody reads
	quick := secured(config, answer("HTTP/1.1 200 OK\r\n\r\nok"))
	slow := func(d time.Duration) func(net.Conn) {
		return secured(config, afterRequest(later(d, func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\nok"); _ = c.Close() })))
	}
	gone := func(c net.Conn) { _, _ = c.Read(make([]byte, 4096)) }
	body := later(700*ms, answer("HTTP/1.1 200 OK\r\n\r\n"+strings.Repeat("x", 2*bodyWindow)+"UP"))
	for name, tc := range map[string]struct {
		server func(net.Conn)
		edit   func(*health.Check) // of a check with a timeout of 1 s
		times  int
		each   time.Duration
		want   finding
		within time.Duration // 0: whatever
	}{
		"no wait":                       {slow(900 * ms), overTLS(health.TLSConfig{InsecureSkipVerify: true}), 0, 0, passed, 900 * ms},
		"one long wait":                 {slow(300 * ms), overTLS(health.TLSConfig{InsecureSkipVerify: true}), 1, 800 * ms, passed, 1100 * ms},
		"several short ones":            {slow(900 * ms), overTLS(health.TLSConfig{InsecureSkipVerify: true}), 3, 240 * ms, passed, 0},
		"the target is silent":          {slow(time.Hour), overTLS(health.TLSConfig{InsecureSkipVerify: true}), 1, 800 * ms, failed(health.ResponseTimeout), 1800 * ms},
		"silent in the handshake":       {later(time.Hour, gone), overTLS(health.TLSConfig{InsecureSkipVerify: true}), 1, 800 * ms, failed(health.TLSHandshakeTimeout), 1800 * ms},
		"waiting for ever":              {quick, overTLS(health.TLSConfig{InsecureSkipVerify: true}), 1, time.Hour, undecided(health.SchedulingDelay), s},
		"the target closes":             {gone, overTLS(health.TLSConfig{InsecureSkipVerify: true}), 0, 0, failed(health.TLSHandshakeFailed), 0},
		"the target loses its patience": {later(500*ms, gone), overTLS(health.TLSConfig{InsecureSkipVerify: true}), 1, 800 * ms, undecided(health.SchedulingDelay), 800 * ms},
		"to match":                      {body, overHTTP(matching("UP$")), 1, 1600 * ms, passed, 0},
		"to match for ever":             {body, overHTTP(matching("UP$")), 1, time.Hour, undecided(health.SchedulingDelay), 1700 * ms},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				engine := newSockets(Options{Dial: overPipe(tc.server)}.withDefaults())
				engine.slots = newTurnstile(1, 1)
				occupy(t, engine.slots, tc.times, tc.each)
				edit := func(c *health.Check) {
					overHTTP()(c)
					tc.edit(c)
				}
				begin := time.Now()
				v := visitor("shop")
				v.start(s)
				got := engine.Prepare(check(t, netip.AddrPortFrom(documented, 443), edit, within(s)))(v, documented)
				v.stop()
				if (finding{got.Outcome, got.Reason, got.Code}) != tc.want {
					t.Errorf("got %s %s, want %s %s", got.Outcome, got.Reason, tc.want.outcome, tc.want.reason)
				}
				if took := time.Since(begin); tc.within > 0 && took != tc.within {
					t.Errorf("it took %s, want %s", took, tc.within)
				}
				time.Sleep(2 * time.Hour) // until the servers and the others have ended
				wantEmpty(t, engine.slots)
			})
		})
	}
}

// TestClosingBeforeAWaitIsAFailure: a target that ends the connection is not excused
// by processors that are busy from then on: there is nothing left to compute.
func TestClosingBeforeAWaitIsAFailure(t *testing.T) {
	cut := "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nUP"
	for name, tc := range map[string]struct {
		edits []func(*health.Check)
		says  string
		want  finding
	}{
		"in the handshake": {[]func(*health.Check){overTLS(health.TLSConfig{InsecureSkipVerify: true})}, "", failed(health.TLSHandshakeFailed)},
		"in the body":      {[]func(*health.Check){overHTTP(matching("UP"))}, cut, failed(health.ConnectionClosed)},
	} {
		for _, busy := range []time.Duration{0, 300 * time.Millisecond, time.Hour} {
			t.Run(name+", busy for "+busy.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var engine *sockets
					engine = newSockets(Options{Dial: overPipe(func(c net.Conn) {
						_, _ = c.Read(make([]byte, 4096))
						if tc.says != "" { // a pipe passes on that nothing was said
							_, _ = io.WriteString(c, tc.says)
						}
						occupy(t, engine.slots, 1, busy)
					})}.withDefaults())
					engine.slots = newTurnstile(1, 1)
					v := visitor("shop")
					v.start(time.Second)
					got := engine.Prepare(check(t, netip.AddrPortFrom(documented, 443), append(tc.edits, within(time.Second))...))(v, documented)
					v.stop()
					if (finding{got.Outcome, got.Reason, got.Code}) != tc.want {
						t.Errorf("got %s %s, want %s %s", got.Outcome, got.Reason, tc.want.outcome, tc.want.reason)
					}
					time.Sleep(2 * time.Hour) // until the others have ended
					wantEmpty(t, engine.slots)
				})
			})
		}
	}
}

// TestSilenceAfterAWaitCounts: the scheduler does not take the time that a check
// waited for a stall of its own.
func TestSilenceAfterAWaitCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t}
		engine := newSockets(Options{Dial: overPipe(func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })}.withDefaults())
		engine.slots = newTurnstile(1, 1)
		s := New(Options{Executor: engine, Observer: w})
		s.Ensure(shop, usual, few(1, health.Healthy, check(t, netip.AddrPortFrom(documented, 443), overTLS(health.TLSConfig{}), within(3*time.Second))))
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error)
		occupy(t, engine.slots, 1, 2500*time.Millisecond)
		go func() { ended <- s.Start(ctx) }()
		time.Sleep(6 * time.Second)
		synctest.Wait()
		if done := w.seen().done; len(done) != 1 || done[0].Reason != health.TLSHandshakeTimeout {
			t.Errorf("got %v, want a timeout of the target", done)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestEvictedWhileWaiting: a check that is cancelled while it waits for a processor
// ends at once.
func TestEvictedWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := newSockets(Options{Dial: overPipe(func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })}.withDefaults())
		engine.slots = newTurnstile(1, 1)
		occupy(t, engine.slots, 1, time.Hour)
		v := visitor("shop")
		v.start(time.Hour)
		defer v.stop()
		time.AfterFunc(time.Second, func() { v.end(context.Canceled) })
		begin := time.Now()
		got := engine.Prepare(check(t, netip.AddrPortFrom(documented, 443), overTLS(health.TLSConfig{})))(v, documented)
		if got.Outcome != health.Indeterminate || got.Reason != health.Canceled || time.Since(begin) != time.Second {
			t.Errorf("got %v after %s", got, time.Since(begin))
		}
		time.Sleep(2 * time.Hour)
		wantEmpty(t, engine.slots)
	})
}
