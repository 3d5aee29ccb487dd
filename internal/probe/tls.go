// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/netip"
	"time"

	"externalbackend.dev/operator/internal/health"
)

// tlsProfile is how one check speaks TLS.
type tlsProfile struct {
	config  *tls.Config
	slots   *turnstile
	timeout time.Duration
}

// newTLSProfile compiles the TLS part of a check. It fails on a CA bundle
// without a usable certificate.
func newTLSProfile(check *health.Check, slots *turnstile) (*tlsProfile, error) {
	config := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		ServerName:         check.TLS.ServerName,
		InsecureSkipVerify: check.TLS.InsecureSkipVerify, //nolint:gosec // only if the user asks for it
	}
	if check.Kind == health.HTTP {
		config.NextProtos = []string{"http/1.1"}
		if config.ServerName == "" {
			config.ServerName = hostname(check.HTTP.Host)
		}
	}
	if config.ServerName == "" {
		config.ServerName = check.Hostname()
	}
	if check.TLS.CABundle != "" {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM([]byte(check.TLS.CABundle)) {
			return nil, errors.New("the CA bundle contains no PEM certificate")
		}
	}
	return &tlsProfile{config: config, slots: slots, timeout: check.Timing.Timeout}, nil
}

// hostname returns a Host header's name or address, without a port.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	if n := len(host); n > 2 && host[0] == '[' && host[n-1] == ']' {
		return host[1 : n-1]
	}
	return host
}

// secure makes a conversation take place over TLS. Without one, the check is
// the handshake.
func (t *tlsProfile) secure(talk conversation) conversation {
	return func(ctx context.Context, conn net.Conn, addr netip.Addr) finding {
		config := t.config
		if config.ServerName == "" {
			config = config.Clone()
			config.ServerName = addr.WithZone("").String()
		}
		paced := &pacedConn{Conn: conn, slots: t.slots, namespaces: visitOf(ctx).namespaces}
		session := tls.Client(paced, config)
		paced.begin()
		// Without cancellation, because that would cost a goroutine; ctx
		// interrupts conn already.
		err := session.HandshakeContext(context.WithoutCancel(ctx))
		paced.end()
		if err != nil {
			f := classifyTLS(ctx, err)
			if f.reason.IsTimeout() && paced.waited > t.timeout/stallShare {
				return undecided(health.SchedulingDelay)
			}
			return f
		}
		if talk == nil {
			return passed
		}
		return talk(ctx, session, addr)
	}
}

// pacedConn bounds how many handshakes compute at the same time: a handshake
// needs ten times the CPU of the rest of a check, and many at once would make
// all of them late. It gives its slot back while it waits for the peer, so that
// silent peers do not hold up others.
type pacedConn struct {
	net.Conn
	slots      *turnstile
	namespaces []string // that want the check
	pacing     bool
	waited     time.Duration // for slots
}

func (c *pacedConn) begin() {
	c.pacing = true
	c.enter()
}

func (c *pacedConn) end() {
	c.slots.leave()
	c.pacing = false
}

func (c *pacedConn) enter() { c.waited += c.slots.enter(c.namespaces...) }

func (c *pacedConn) Read(b []byte) (int, error) {
	if !c.pacing {
		return c.Conn.Read(b)
	}
	c.slots.leave()
	defer c.enter()
	return c.Conn.Read(b)
}
