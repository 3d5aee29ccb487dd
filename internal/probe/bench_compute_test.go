// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package probe

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"externalbackend.dev/operator/internal/health"
)

// BenchmarkNeighboursThatCompute measures a namespace with 50 targets whose checks are
// TLS handshakes, every second, beside a neighbour whose checks compute for as long as
// checks can: certificates that may all have signed each other, and bodies that are
// matched with the worst pattern. One operation takes 13 s.
func BenchmarkNeighboursThatCompute(b *testing.B) {
	plain := hanging(time.Second)
	long := hanging(10 * time.Second)
	for _, tc := range []struct {
		name  string
		check *health.Check
		reach string
	}{
		{"none", nil, ""},
		{"chains", check(b, netip.AddrPortFrom(documented, 80), overHTTP(), overTLS(health.TLSConfig{ServerName: "app.example"}), long), "chain"},
		{"patterns", check(b, netip.AddrPortFrom(documented, 80), overHTTP(matching("(?:a?){100}a{100}x")), long), "body"},
	} {
		b.Run(tc.name, func(b *testing.B) {
			lane, server, next := &street{hostile: health.HTTP}, serveElsewhere(b, "tls"), netip.AddrPort{}
			if tc.reach != "" {
				next = serveElsewhere(b, tc.reach)
			}
			list := few(50, health.Healthy, check(b, netip.AddrPortFrom(documented, 443), overTLS(health.TLSConfig{InsecureSkipVerify: true}), plain))
			direct := (&net.Dialer{KeepAlive: -1}).DialContext
			s := New(Options{Observer: lane, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
				to := netip.MustParseAddrPort(address).Addr()
				if slices.ContainsFunc(list, func(t health.Target) bool { return t.Addr == to }) {
					return direct(ctx, network, server.String())
				}
				return direct(ctx, network, next.String())
			}})
			s.Ensure(shop, usual, list)
			if tc.check != nil {
				s.Ensure(flood, health.Thresholds{Healthy: 20, Unhealthy: 20}, targets(500, health.Healthy, tc.check))
			}
			lane.measure(b, s, func() {})
		})
	}
}
