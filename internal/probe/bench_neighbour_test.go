// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package probe

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"externalbackend.dev/operator/internal/health"
)

const (
	// settling is for how long the neighbour is there before it is measured,
	// and measured for how long that is done then.
	settling = 3 * time.Second
	measured = 10 * time.Second
)

// street is an Observer that tells the checks of two namespaces apart by their
// kinds.
type street struct {
	hostile   health.Kind // of the neighbour's checks
	mu        sync.Mutex
	counting  bool
	lags      []time.Duration
	delays    []time.Duration // from when a check was due to its result
	failed    int
	undecided int
	neighbour int
}

func (s *street) CheckDone(kind health.Kind, r health.Result, lag time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !s.counting:
	case kind == s.hostile:
		s.neighbour++
	case r.Outcome == health.Fail:
		s.failed++
	case r.Outcome == health.Indeterminate:
		s.undecided++
	default:
		s.lags = append(s.lags, lag)
		s.delays = append(s.delays, lag+r.Latency)
	}
}

func (*street) VerdictChanged(health.Subscriber, netip.Addr, health.Verdict, health.Verdict) {}

func (s *street) count(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counting = on
}

// measure has the checks made, and counts them when they have settled after what is
// done before.
func (s *street) measure(b *testing.B, checks *Scheduler, before func()) {
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error)
	go func() { ended <- checks.Start(ctx) }()
	for b.Loop() {
		before()
		time.Sleep(settling)
		s.count(true)
		time.Sleep(measured)
		s.count(false)
	}
	cancel()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
	s.report(b)
}

// BenchmarkNeighbour measures the checks of a namespace with 100 targets that
// answer over HTTP, every second, while a neighbour does what it can to be in
// their way: 10,000 targets, every second too. One operation takes 13 s.
func BenchmarkNeighbour(b *testing.B) {
	plain := hanging(time.Second)
	overTLS := func(c *health.Check) {
		plain(c)
		c.TLS = &health.TLSConfig{InsecureSkipVerify: true}
	}
	for _, tc := range []struct {
		name  string
		check *health.Check
		reach string // the server that the neighbour's checks lead to; empty: nowhere
	}{
		{"none", nil, ""},
		{"hangs connecting", tcp(80, plain), ""},
		{"hangs in TLS", tcp(80, overTLS), "mute"},
		{"answers", tcp(80, plain), "mute"},
		{"answers over TLS", tcp(80, overTLS), "tls"},
	} {
		b.Run(tc.name, func(b *testing.B) {
			lane, server, next := &street{hostile: health.TCP}, serveElsewhere(b, "http"), netip.AddrPort{}
			if tc.reach != "" {
				next = serveElsewhere(b, tc.reach)
			}
			list := few(100, health.Healthy, check(b, netip.AddrPortFrom(documented, 80), overHTTP(), plain))
			direct := (&net.Dialer{KeepAlive: -1}).DialContext
			s := New(Options{Observer: lane, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
				switch to := netip.MustParseAddrPort(address).Addr(); {
				case slices.ContainsFunc(list, func(t health.Target) bool { return t.Addr == to }):
					return direct(ctx, network, server.String())
				case next.IsValid():
					return direct(ctx, network, next.String())
				}
				<-ctx.Done()
				return nil, ctx.Err()
			}})
			s.Ensure(shop, usual, list)
			if tc.check != nil {
				s.Ensure(flood, health.Thresholds{Healthy: 20, Unhealthy: 20}, targets(10000, health.Healthy, tc.check))
			}
			lane.measure(b, s, func() {})
		})
	}
}

// BenchmarkNeighbours measures the same for a namespace that comes when others
// have had all slots that they can get, with checks that hang for an hour. Its
// 120 targets take half a second to answer, so that it needs 60 slots at a time:
// fewer than its fair share, but more than are free where many are in its way.
// One operation takes 21 s.
func BenchmarkNeighbours(b *testing.B) {
	const siege = 8 * time.Second // until the slots are taken, and for a while
	for _, hostile := range []int{0, 1, 5, 10, 50} {
		b.Run(strconv.Itoa(hostile), func(b *testing.B) {
			lane, server := &street{hostile: health.TCP}, serveElsewhere(b, "http")
			list := few(120, health.Healthy, check(b, netip.AddrPortFrom(documented, 80), overHTTP(), hanging(time.Second)))
			direct := (&net.Dialer{KeepAlive: -1}).DialContext
			s := New(Options{MaxInFlight: 4096, Observer: lane, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
				to := netip.MustParseAddrPort(address).Addr()
				if slices.ContainsFunc(list, func(t health.Target) bool { return t.Addr == to }) {
					time.Sleep(500 * time.Millisecond)
					return direct(ctx, network, server.String())
				}
				<-ctx.Done()
				return nil, ctx.Err()
			}})
			for i := range hostile {
				n := 6000 / hostile
				s.Ensure(health.Subscriber{Namespace: fmt.Sprintf("flood-%d", i)}, usual,
					targets(6000, health.Unknown, tcp(80, hanging(time.Hour)))[n*i:n*(i+1)])
			}
			lane.measure(b, s, func() {
				s.Forget(shop)
				time.Sleep(siege)
				s.Ensure(shop, usual, list)
			})
		})
	}
}

func (s *street) report(b *testing.B) {
	slices.Sort(s.lags)
	slices.Sort(s.delays)
	for name, times := range map[string][]time.Duration{"lag": s.lags, "result": s.delays} {
		for percent, suffix := range map[int]string{50: "-p50-ms", 99: "-p99-ms"} {
			if len(times) > 0 {
				b.ReportMetric(float64(times[len(times)*percent/100].Microseconds())/1000, name+suffix)
			}
		}
	}
	seconds := measured.Seconds() * float64(b.N)
	b.ReportMetric(float64(len(s.lags))/seconds, "passed/s")
	b.ReportMetric(float64(s.failed)/seconds, "failed/s")
	b.ReportMetric(float64(s.undecided)/seconds, "undecided/s")
	b.ReportMetric(float64(s.neighbour)/seconds, "neighbour/s")
	b.ReportMetric(0, "ns/op")
}
