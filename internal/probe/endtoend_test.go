// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"externalbackend.dev/operator/internal/health"
)

// TestEndToEnd follows a real server through an outage, with nothing injected
// but the address.
func TestEndToEnd(t *testing.T) {
	var down atomic.Bool
	server := serve(t, afterRequest(func(conn net.Conn) {
		text := "HTTP/1.1 200 OK\r\n\r\n"
		if down.Load() {
			text = "HTTP/1.1 503 Service Unavailable\r\n\r\n"
		}
		_, _ = conn.Write([]byte(text))
		_ = conn.Close()
	}))
	news := make(chan health.Subscriber)
	ctx, cancel := context.WithCancel(t.Context())
	s := New(Options{Dial: dialTo(t, server), Notify: func(sub health.Subscriber) {
		select {
		case news <- sub:
		case <-ctx.Done():
		}
	}})
	ended := make(chan error)
	go func() { ended <- s.Start(ctx) }()
	quick := func(c *health.Check) {
		overHTTP()(c)
		c.Timing = health.Timing{Interval: 20 * time.Millisecond, Timeout: 20 * time.Millisecond}
	}
	// Room for a slow machine: timeouts of 20 ms do not decide here, because a
	// single pass between them makes the target Healthy or keeps it so.
	s.Ensure(shop, health.Thresholds{Healthy: 1, Unhealthy: 20}, []health.Target{{Addr: documented, Checks: []*health.Check{check(t, server, quick)}}})
	await := func(want health.Verdict) health.Status {
		for {
			if sub := <-news; sub != shop {
				t.Errorf("notified %v", sub)
			}
			if got := s.Statuses(shop, nil)[0]; got.Verdict == want {
				return got
			}
		}
	}
	await(health.Healthy)
	down.Store(true)
	if got := await(health.Unhealthy); got.Since.IsZero() || !got.Fresh || got.Reason == "" {
		t.Errorf("the outage shows as %+v", got)
	}
	down.Store(false)
	await(health.Healthy)
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
