// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"testing"
	"time"

	"externalbackend.dev/operator/internal/health"
)

// authority signs certificates for tests.
type authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB) *authority {
	a := &authority{t: t}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.key = a.newKey()
	a.cert = a.sign(template, template, a.key, a.key)
	return a
}

func (a *authority) newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	return key
}

func (a *authority) sign(template, parent *x509.Certificate, subject, signer *ecdsa.PrivateKey) *x509.Certificate {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, subject.Public(), signer)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert
}

// bundle returns the authority as a CA bundle.
func (a *authority) bundle() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}))
}

// issue returns the configuration of a server with a certificate for
// app.example and the documented address, edited.
func (a *authority) issue(edits ...func(*x509.Certificate)) *tls.Config {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: []string{"app.example"}, IPAddresses: []net.IP{documented.AsSlice()},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, edit := range edits {
		edit(template)
	}
	key := a.newKey()
	cert := a.sign(template, a.cert, key, a.key)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}}
}

// chain returns the configuration of a server that sends, with its certificate, a
// number of others that may have signed it by their name, and have not: whoever
// verifies it computes a signature for each.
func (a *authority) chain(length int) *tls.Config {
	config := a.issue()
	for i := range length {
		key, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
		if err != nil {
			a.t.Fatal(err)
		}
		template := &x509.Certificate{
			SerialNumber: big.NewInt(int64(i + 10)), Subject: a.cert.Subject, NotBefore: a.cert.NotBefore, NotAfter: a.cert.NotAfter,
			IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		}
		config.Certificates[0].Certificate = append(config.Certificates[0].Certificate, a.sign(template, template, key, key).Raw)
	}
	return config
}

// secured serves over TLS.
func secured(config *tls.Config, handle func(net.Conn)) func(net.Conn) {
	return func(conn net.Conn) { handle(tls.Server(conn, config)) }
}

func TestTLS(t *testing.T) {
	ca, stranger := newAuthority(t), newAuthority(t)
	ok := answer("HTTP/1.1 200 OK\r\n\r\nok")
	good := secured(ca.issue(), ok)
	trusted := health.TLSConfig{CABundle: ca.bundle()}
	host := func(name string) func(*health.HTTPCheck) { return func(h *health.HTTPCheck) { h.Host = name } }
	for name, tc := range map[string]struct {
		server func(net.Conn)
		config health.TLSConfig
		edit   func(*health.HTTPCheck)
		want   finding
	}{
		"custom CA, the address is the name": {good, trusted, host(""), passed},
		"custom CA, the Host is the name":    {good, trusted, host("app.example"), passed},
		"a port is not part of the name":     {good, trusted, host("app.example:8443"), passed},
		"the Host is an address":             {good, trusted, host("192.0.2.10:8443"), passed},
		"the server name beats the Host":     {good, health.TLSConfig{CABundle: ca.bundle(), ServerName: "app.example"}, host("else.example"), passed},
		"another name":                       {good, trusted, host("else.example"), failed(health.CertificateNameMismatch)},
		"another address":                    {secured(ca.issue(func(c *x509.Certificate) { c.IPAddresses = nil }), ok), trusted, host(""), failed(health.CertificateNameMismatch)},
		"the system does not know the CA":    {good, health.TLSConfig{}, host("app.example"), failed(health.CertificateUntrusted)},
		"another CA":                         {secured(stranger.issue(), ok), trusted, host("app.example"), failed(health.CertificateUntrusted)},
		"expired":                            {secured(ca.issue(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }), ok), trusted, host("app.example"), failed(health.CertificateExpired)},
		"not valid yet":                      {secured(ca.issue(func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }), ok), trusted, host("app.example"), failed(health.CertificateExpired)},
		"for clients only":                   {secured(ca.issue(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }), ok), trusted, host("app.example"), failed(health.CertificateInvalid)},
		"anything goes if the user says so":  {secured(stranger.issue(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }), ok), health.TLSConfig{InsecureSkipVerify: true}, host("else.example"), passed},
		"a status over TLS":                  {secured(ca.issue(), answer("HTTP/1.1 500 Oops\r\n\r\n")), trusted, host("app.example"), unexpected(500)},
		"no TLS":                             {func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n"); silent(c) }, trusted, host(""), failed(health.TLSHandshakeFailed)},
		"old TLS":                            {secured(&tls.Config{Certificates: ca.issue().Certificates, MaxVersion: tls.VersionTLS11}, ok), trusted, host(""), failed(health.TLSHandshakeFailed)},
		"closing in the handshake":           {func(c net.Conn) { _, _ = c.Read(make([]byte, 4096)); _ = c.Close() }, trusted, host(""), failed(health.TLSHandshakeFailed)},
		"a bundle without certificates":      {good, health.TLSConfig{CABundle: "-----BEGIN NOTHING-----"}, host(""), undecided(health.InvalidCABundle)},
	} {
		t.Run(name, func(t *testing.T) {
			server := serve(t, tc.server)
			c := check(t, server, overHTTP(tc.edit), overTLS(tc.config))
			got := execute(t, Options{Dial: dialTo(t, server)}, documented, c)
			if (finding{got.Outcome, got.Reason, got.Code}) != tc.want {
				t.Errorf("got %s %s, want %s %s", got.Outcome, got.Reason, tc.want.outcome, tc.want.reason)
			}
		})
	}
}

func TestTCPOverTLS(t *testing.T) {
	ca := newAuthority(t)
	good := serve(t, secured(ca.issue(), silent))
	wantFinding(t, good, check(t, good, overTLS(health.TLSConfig{CABundle: ca.bundle()})), passed)
	wantFinding(t, good, check(t, good, overTLS(health.TLSConfig{})), failed(health.CertificateUntrusted))
	mute := serve(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
	wantFinding(t, mute, check(t, mute, overTLS(health.TLSConfig{}), within(soon)), failed(health.TLSHandshakeTimeout))
}

// TestSilentPeersHoldNoHandshakeSlot has one slot and peers that never answer.
func TestSilentPeersHoldNoHandshakeSlot(t *testing.T) {
	ca := newAuthority(t)
	arrived := make(chan struct{})
	mute := serve(t, func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 1))
		arrived <- struct{}{}
		_, _ = io.Copy(io.Discard, conn)
	})
	good := serve(t, secured(ca.issue(), silent))
	engine := newSockets(Options{}.withDefaults())
	engine.slots = newTurnstile(1, 1)

	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan health.Result)
	stuck := engine.Prepare(check(t, mute, overTLS(health.TLSConfig{InsecureSkipVerify: true})))
	for range 3 {
		go func() { ended <- stuck(ctx, mute.Addr()) }()
		<-arrived
	}
	config := health.TLSConfig{CABundle: ca.bundle(), ServerName: "app.example"}
	if got := engine.Prepare(check(t, good, overTLS(config)))(ctx, good.Addr()); got.Outcome != health.Pass {
		t.Errorf("got %v", got)
	}
	cancel()
	for range 3 {
		if got := <-ended; got.Reason != health.Canceled {
			t.Errorf("got %v", got)
		}
	}
	if engine.slots.free != 1 {
		t.Errorf("%d slots are free, want the only one to have been given back", engine.slots.free)
	}
}
