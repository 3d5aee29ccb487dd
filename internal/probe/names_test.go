// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"bytes"
	"context"
	"crypto/x509"
	"net"
	"net/netip"
	"strings"
	"testing"

	"externalbackend.dev/operator/internal/health"
)

// TestTargetsAreAskedForByTheirName: the name of a target is the Host by default,
// with the port as an address would have it.
func TestTargetsAreAskedForByTheirName(t *testing.T) {
	custom := overHTTP(func(h *health.HTTPCheck) { h.Host = "custom.example" })
	for name, tc := range map[string]struct {
		port uint16
		edit func(*health.Check)
		want string
	}{
		"its own":             {8080, overHTTP(), "db.example:8080"},
		"the default port":    {80, overHTTP(), "db.example"},
		"what the check says": {8080, custom, "custom.example"},
	} {
		t.Run(name, func(t *testing.T) {
			var sent bytes.Buffer
			dial := func(context.Context, string, string) (net.Conn, error) {
				return &canned{Reader: strings.NewReader("HTTP/1.1 200 OK\r\n\r\n"), Writer: &sent}, nil
			}
			c := check(t, netip.AddrPortFrom(documented, tc.port), tc.edit).WithHostname("db.example")
			if got := execute(t, Options{Dial: dial}, documented, c); got.Outcome != health.Pass {
				t.Errorf("got %v", got)
			}
			if want := "\r\nHost: " + tc.want + "\r\n"; !strings.Contains(sent.String(), want) {
				t.Errorf("sent\n%swant %q", sent.String(), want)
			}
		})
	}
}

// TestCertificatesAreForTheNameOfTheTarget by default, and that name is asked for.
func TestCertificatesAreForTheNameOfTheTarget(t *testing.T) {
	ca := newAuthority(t)
	nameOnly := ca.issue(func(c *x509.Certificate) { c.IPAddresses = nil })
	server := serve(t, secured(nameOnly, answer("HTTP/1.1 200 OK\r\n\r\nok")))
	trusted := health.TLSConfig{CABundle: ca.bundle()}
	for name, tc := range map[string]struct {
		hostname string
		edits    []func(*health.Check)
		want     finding
	}{
		"over HTTP":            {"app.example", []func(*health.Check){overHTTP(), overTLS(trusted)}, passed},
		"without HTTP":         {"app.example", []func(*health.Check){overTLS(trusted)}, passed},
		"another one":          {"else.example", []func(*health.Check){overHTTP(), overTLS(trusted)}, failed(health.CertificateNameMismatch)},
		"none":                 {"", []func(*health.Check){overHTTP(), overTLS(trusted)}, failed(health.CertificateNameMismatch)},
		"the server name wins": {"else.example", []func(*health.Check){overHTTP(), overTLS(health.TLSConfig{CABundle: ca.bundle(), ServerName: "app.example"})}, passed},
		"the Host wins":        {"else.example", []func(*health.Check){overHTTP(func(h *health.HTTPCheck) { h.Host = "app.example" }), overTLS(trusted)}, passed},
	} {
		t.Run(name, func(t *testing.T) {
			c := check(t, server, tc.edits...).WithHostname(tc.hostname)
			got := execute(t, Options{Dial: dialTo(t, server)}, documented, c)
			if (finding{got.Outcome, got.Reason, got.Code}) != tc.want {
				t.Errorf("got %s %s, want %s %s", got.Outcome, got.Reason, tc.want.outcome, tc.want.reason)
			}
		})
	}
}
