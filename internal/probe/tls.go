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

	"externalbackend.dev/operator/internal/health"
)

// maxHandshake bounds what a target sends in a handshake, in bytes: certificates
// mostly, of which usual chains have 3 to 6 KiB, and names of authorities.
const maxHandshake = 24 << 10

var errLongHandshake = errors.New("the TLS handshake is too long")

// tlsProfile is how one check speaks TLS.
type tlsProfile struct {
	config *tls.Config
	slots  *turnstile
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
	return &tlsProfile{config: config, slots: slots}, nil
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
		turns := &pacer{gate: t.slots, visit: visitOf(ctx)}
		paced := &pacedConn{Conn: conn, turns: turns, left: maxHandshake}
		if err := turns.enter(); err != nil {
			return classifyTLS(ctx, err)
		}
		session := tls.Client(paced, config)
		// Without cancellation, because that would cost a goroutine; ctx
		// interrupts conn already.
		err := session.HandshakeContext(context.WithoutCancel(ctx))
		turns.leave()
		paced.over = true
		if err != nil {
			return classifyTLS(ctx, err)
		}
		if talk == nil {
			return passed
		}
		return talk(ctx, session, addr)
	}
}

// pacedConn bounds how many handshakes compute at the same time: a handshake
// needs ten times the CPU of the rest of a check, and many at once would make
// all of them late.
type pacedConn struct {
	net.Conn
	turns *pacer
	left  int  // bytes of the handshake
	over  bool // the handshake
}

// Read implements net.Conn.
func (c *pacedConn) Read(b []byte) (int, error) {
	if c.over {
		return c.Conn.Read(b)
	}
	if c.left == 0 {
		return 0, errLongHandshake
	}
	n, err := c.turns.read(c.Conn, b[:min(len(b), c.left)])
	c.left -= n
	return n, err
}
