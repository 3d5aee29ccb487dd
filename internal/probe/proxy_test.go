// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"net"
	"strings"
	"testing"

	"externalbackend.dev/operator/internal/health"
)

// TestNoProxy has the environment name a proxy, which would reach what the
// operator refuses to connect to.
func TestNoProxy(t *testing.T) {
	proxy := serve(t, func(conn net.Conn) {
		t.Error("the proxy was connected to")
		_ = conn.Close()
	})
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"} {
		t.Setenv(name, "http://"+proxy.String())
		t.Setenv(strings.ToLower(name), "http://"+proxy.String())
	}
	t.Setenv("NO_PROXY", "")
	t.Setenv("no_proxy", "")
	ca := newAuthority(t)
	ok := answer("HTTP/1.1 200 OK\r\n\r\n")
	plain, secure := serve(t, ok), serve(t, secured(ca.issue(), ok))
	named := func(h *health.HTTPCheck) { h.Host = "app.example" }
	wantFinding(t, plain, check(t, plain, overHTTP(named)), passed)
	wantFinding(t, secure, check(t, secure, overHTTP(named), overTLS(health.TLSConfig{CABundle: ca.bundle()})), passed)
	// The same with the dialer that the operator has.
	if got := execute(t, Options{}, plain.Addr(), check(t, plain, overHTTP(named))); got.Outcome != health.Pass {
		t.Errorf("got %v", got)
	}
}
