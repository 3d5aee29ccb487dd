// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package targets

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const address = "192.0.2.10:8080"

func newNetwork(t *testing.T) *Network {
	t.Helper()
	n, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

func newTestHost(t *testing.T, n *Network, b Behaviour) *Host {
	t.Helper()
	h, err := n.Host(address)
	if err != nil {
		t.Fatal(err)
	}
	h.Set(b)
	return h
}

// client speaks HTTP over the network, one connection a request.
func client(n *Network, config *tls.Config) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: n.Dial, DisableKeepAlives: true, TLSClientConfig: config}}
}

func get(ctx context.Context, c *http.Client, url string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	return c.Do(request)
}

func TestAnswers(t *testing.T) {
	for name, tc := range map[string]struct {
		behaviour Behaviour
		status    int
		size      int64 // that is read of the body
	}{
		"Serve":       {Serve, 200, int64(len("served by " + address))},
		"ServerError": {ServerError, 500, 1},
		"Endless":     {Endless, 200, 1 << 20},
		"Drip":        {Drip, 200, 3},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNetwork(t)
			newTestHost(t, n, tc.behaviour)
			response, err := get(t.Context(), client(n, nil), "http://"+address)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			if response.StatusCode != tc.status {
				t.Errorf("status %d, want %d", response.StatusCode, tc.status)
			}
			if _, err := io.CopyN(io.Discard, response.Body, tc.size); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSilence(t *testing.T) {
	for name, behaviour := range map[string]Behaviour{"Hang": Hang, "Vanish": Vanish} {
		t.Run(name, func(t *testing.T) {
			n := newNetwork(t)
			newTestHost(t, n, behaviour)
			briefly, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			ctx := t.Context()
			if behaviour == Vanish {
				ctx = briefly
			}
			conn, err := n.Dial(ctx, "tcp", address)
			if connected := err == nil; connected != (behaviour == Hang) {
				t.Fatalf("dial: %v", err)
			}
			if conn != nil {
				defer conn.Close()
			}
			if _, err := get(briefly, client(n, nil), "http://"+address); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v, want no answer", err)
			}
		})
	}
}

func TestChangingBehaviourCutsConnections(t *testing.T) {
	n := newNetwork(t)
	h := newTestHost(t, n, Drip)
	response, err := get(t.Context(), client(n, nil), "http://"+address)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	h.Set(Serve)
	_, _ = io.Copy(io.Discard, response.Body) // comes to an end, in whatever way
	h.Set(Vanish)
	dialled := make(chan error)
	go func() {
		_, err := n.Dial(t.Context(), "tcp", address)
		dialled <- err
	}()
	h.Set(Refuse) // before or after the dial begins
	if err := <-dialled; !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("got %v, want a refusal", err)
	}
}

func TestRefusals(t *testing.T) {
	n := newNetwork(t)
	refused := func(address string) bool {
		conn, err := n.Dial(t.Context(), "tcp", address)
		if err == nil {
			_ = conn.Close()
		}
		return errors.Is(err, syscall.ECONNREFUSED)
	}
	h := newTestHost(t, n, Serve)
	h.FailNext(2)
	if got := []bool{refused(address), refused(address), refused(address)}; got[0] != true || got[1] != true || got[2] != false {
		t.Errorf("refused: %v, want the first two", got)
	}
	h.Set(Refuse)
	if !refused(address) || h.Attempts() != 4 || h.Failures() != 0 {
		t.Errorf("after %d attempts, %d failures to come: not refused", h.Attempts(), h.Failures())
	}
	if !refused("192.0.2.99:8080") {
		t.Error("an address without a host does not refuse")
	}
	n.AcceptAll(netip.MustParsePrefix("198.18.0.0/24"))
	if refused("198.18.0.7:1") || !refused("198.18.1.7:1") {
		t.Error("exactly the addresses of the prefix must accept")
	}
	n.Remove(address)
	h = newTestHost(t, n, Serve)
	if refused(address) || h.Attempts() != 1 {
		t.Error("a removed host is still there")
	}
}

func TestSecureHost(t *testing.T) {
	n := newNetwork(t)
	_, certificate, err := n.SecureHost(address, "pay.example.com")
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(certificate)) {
		t.Fatal("no certificate")
	}
	response, err := get(t.Context(), client(n, &tls.Config{RootCAs: pool, ServerName: "pay.example.com"}), "https://"+address)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if _, err := get(t.Context(), client(n, &tls.Config{ServerName: "pay.example.com"}), "https://"+address); err == nil {
		t.Error("the certificate is trusted without knowing it")
	}
}

func TestRecite(t *testing.T) {
	n := newNetwork(t)
	newTestHost(t, n, Serve).Recite("anything\r\nat all")
	conn, err := n.Dial(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "no HTTP"); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(conn); err != nil || string(got) != "anything\r\nat all" {
		t.Errorf("got %q, %v", got, err)
	}
}
