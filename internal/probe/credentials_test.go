// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"externalbackend.dev/operator/internal/health"
)

var (
	token  = health.SecretKey{Namespace: "shop", Secret: "checks", Key: "token"}
	cookie = health.SecretKey{Namespace: "shop", Secret: "checks", Key: "cookie"}
)

func withCredentials(h *health.HTTPCheck) {
	h.Headers = []health.Header{{Name: "X-Plain", Value: "1"}, {Name: "Authorization", From: token}, {Name: "Cookie", From: cookie}}
}

// TestCredentialsAreSent as they are at the moment, by HTTP and by HTTPS.
func TestCredentialsAreSent(t *testing.T) {
	var current atomic.Value
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		want := current.Load().(string)
		if r.Header.Get("Authorization") != "Bearer "+want || r.Header.Get("Cookie") != "session="+want || r.Header.Get("X-Plain") != "1" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	plain, secure := httptest.NewServer(handler), httptest.NewTLSServer(handler)
	t.Cleanup(plain.Close)
	t.Cleanup(secure.Close)
	bundle := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}))
	for name, tt := range map[string]struct {
		server *httptest.Server
		edits  []func(*health.Check)
	}{
		"HTTP":  {plain, []func(*health.Check){overHTTP(withCredentials)}},
		"HTTPS": {secure, []func(*health.Check){overHTTP(withCredentials), overTLS(health.TLSConfig{CABundle: bundle, ServerName: "example.com"})}},
	} {
		t.Run(name, func(t *testing.T) {
			server := netip.MustParseAddrPort(tt.server.Listener.Addr().String())
			var known atomic.Value
			checked := check(t, server, tt.edits...)
			opts := Options{Dial: dialTo(t, server), Credentials: func(by *health.Check, from health.SecretKey, addr netip.Addr) (string, health.Reason) {
				if by != checked || addr != documented {
					t.Errorf("asked for %s, by %+v", addr, by)
				}
				return map[health.SecretKey]string{token: "Bearer ", cookie: "session="}[from] + known.Load().(string), ""
			}}
			run := newSockets(opts.withDefaults()).Prepare(checked)
			for _, step := range []struct {
				known, current string
				want           health.Reason
			}{{"one", "one", ""}, {"one", "two", health.UnexpectedStatus4xx}, {"two", "two", ""}} {
				known.Store(step.known)
				current.Store(step.current)
				if got := run(t.Context(), documented); got.Reason != step.want {
					t.Errorf("with %s in place of %s: %v", step.known, step.current, got)
				}
			}
		})
	}
}

// TestMissingCredentials are no evidence against the target, and nothing is sent to
// it.
func TestMissingCredentials(t *testing.T) {
	for _, reason := range []health.Reason{
		health.SecretUnread, health.SecretForbidden, health.SecretNotFound, health.SecretTypeMismatch,
		health.SecretKeyNotFound, health.InvalidSecretValue, health.AddressDenied,
	} {
		t.Run(string(reason), func(t *testing.T) {
			server := serve(t, func(net.Conn) { t.Error("a connection was made") })
			opts := Options{Dial: dialTo(t, server), Credentials: func(_ *health.Check, from health.SecretKey, _ netip.Addr) (string, health.Reason) {
				if from == token {
					return "Bearer confidential", ""
				}
				return "", reason
			}}
			got := execute(t, opts, documented, check(t, server, overHTTP(withCredentials)))
			if got.Outcome != health.Indeterminate || got.Reason != reason {
				t.Errorf("got %v", got)
			}
		})
	}
	if got := execute(t, Options{}, documented, check(t, netip.MustParseAddrPort("192.0.2.10:80"), overHTTP(withCredentials))); got.Reason != health.SecretUnread {
		t.Errorf("without credentials at all: %v", got)
	}
}

// TestCredentialsAreNotKept: neither a definition nor what is prepared of it says
// them, however it is printed.
func TestCredentialsAreNotKept(t *testing.T) {
	server := serve(t, answer("HTTP/1.1 200 OK\r\n\r\n"))
	opts := Options{Dial: dialTo(t, server), Credentials: func(*health.Check, health.SecretKey, netip.Addr) (string, health.Reason) { return "confidential", "" }}
	c := check(t, server, overHTTP(withCredentials))
	before := c.Digest()
	exchange := newHTTPExchange(c, "agent", newTurnstile(1, 1))
	if _, problem := exchange.with(func(health.SecretKey) (string, health.Reason) { return "confidential", "" }); problem != "" {
		t.Error(problem)
	}
	if got := execute(t, opts, documented, c); got.Outcome != health.Pass {
		t.Errorf("got %v", got)
	}
	if text := fmt.Sprintf("%+v %+v %+v %+v", c, c.HTTP, exchange, exchange.check); strings.Contains(text, "confidential") || c.Digest() != before {
		t.Errorf("the value is kept: %s", text)
	}
}
