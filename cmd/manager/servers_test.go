// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// TestServers attacks the operator's own two servers as a neighbour in the
// cluster could.
func TestServers(t *testing.T) {
	metrics := freeAddress(t)
	probes := startWithoutAPIServer(t, "--metrics-bind-address="+metrics)
	config := tls.Config{InsecureSkipVerify: true} // its certificate is self-made
	for {                                          // it listens about when the other one does
		conn, err := tls.Dial("tcp", metrics, &config)
		if err == nil {
			_ = conn.Close()
			break
		}
		select {
		case <-t.Context().Done():
			t.Fatal(err)
		case <-time.After(10 * time.Millisecond):
		}
	}

	t.Run("HTTP/2 is not negotiated", func(t *testing.T) {
		both := config.Clone()
		both.NextProtos = []string{"h2", "http/1.1"}
		conn, err := tls.Dial("tcp", metrics, both)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if got := conn.ConnectionState().NegotiatedProtocol; got != "http/1.1" {
			t.Errorf("negotiated %q", got)
		}
		only := config.Clone()
		only.NextProtos = []string{"h2"}
		if conn, err := tls.Dial("tcp", metrics, only); err == nil {
			t.Errorf("a client that has HTTP/2 only gets %q", conn.ConnectionState().NegotiatedProtocol)
			_ = conn.Close()
		}
	})

	t.Run("HTTP/2 is not spoken unasked", func(t *testing.T) {
		plain, err := new(net.Dialer).DialContext(t.Context(), "tcp", probes)
		if err != nil {
			t.Fatal(err)
		}
		wantHTTP1(t, plain)
		secure, err := tls.Dial("tcp", metrics, &config)
		if err != nil {
			t.Fatal(err)
		}
		wantHTTP1(t, secure)
	})

	t.Run("old TLS is refused", func(t *testing.T) {
		old := config.Clone()
		old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
		if conn, err := tls.Dial("tcp", metrics, old); err == nil {
			t.Errorf("TLS version %x is spoken", conn.ConnectionState().Version)
			_ = conn.Close()
		}
	})

	t.Run("nothing is told to strangers", func(t *testing.T) {
		client := http.Client{Transport: &http.Transport{TLSClientConfig: &config, DisableKeepAlives: true}}
		for url, want := range map[string]int{
			"https://" + metrics + "/metrics":           http.StatusUnauthorized,
			"https://" + metrics + "/debug/pprof/":      http.StatusNotFound,
			"https://" + metrics + "/debug/pprof/heap":  http.StatusNotFound,
			"http://" + probes + "/metrics":             http.StatusNotFound,
			"http://" + probes + "/debug/pprof/":        http.StatusNotFound,
			"http://" + probes + "/debug/pprof/cmdline": http.StatusNotFound,
			"http://" + probes + "/debug/vars":          http.StatusNotFound,
		} {
			response, err := client.Get(url)
			if err != nil {
				t.Errorf("%s: %v", url, err)
				continue
			}
			_ = response.Body.Close()
			if response.StatusCode != want {
				t.Errorf("%s answers %d, want %d", url, response.StatusCode, want)
			}
		}
	})
}

// wantHTTP1 opens a connection as HTTP/2 begins, and wants an answer of HTTP/1
// that refuses it.
func wantHTTP1(t *testing.T, conn net.Conn) {
	t.Helper()
	defer conn.Close()
	if _, err := io.WriteString(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("no answer of HTTP/1: %v", err)
	}
	_ = response.Body.Close()
	if response.ProtoMajor != 1 || response.StatusCode < 400 {
		t.Errorf("answered %s %s", response.Proto, response.Status)
	}
}
