// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package rack

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"externalbackend.dev/operator/test/sandbox"
	"externalbackend.dev/operator/test/traffic"
)

// hostArgument as first argument makes a program the server of the host that
// the second one names.
const hostArgument = "external-host"

// What tells a server to fail its health checks, and to pass them again.
const (
	sicken = syscall.SIGUSR1
	cure   = syscall.SIGUSR2
)

// ServeIfHost serves an external host, and never returns, if args, those of this
// process after its name, are of a server that Host.Start started. Programs
// with hosts must call it first.
func ServeIfHost(args []string) {
	if len(args) != 2 || args[0] != hostArgument {
		return
	}
	fmt.Fprintln(os.Stderr, serve(args[1]))
	os.Exit(sandbox.ExitFailed)
}

// serve serves all ports and returns the first error.
func serve(name string) error {
	sick := followHealth()
	failed := make(chan error)
	for _, port := range Ports {
		answer := traffic.Answer{Host: name, Port: port}.String()
		mux := http.NewServeMux()
		mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer) })
		mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
			if sick.Load() {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		})
		address := net.JoinHostPort("", strconv.Itoa(int(port)))
		server := &http.Server{Addr: address, Handler: mux, ReadHeaderTimeout: 5 * time.Second}
		go func() { failed <- server.ListenAndServe() }()
		go func() { failed <- serveUDP(address, answer) }()
	}
	return <-failed
}

// followHealth returns whether the last signal has made the server sick.
func followHealth() *atomic.Bool {
	var sick atomic.Bool
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, sicken, cure)
	go func() {
		for s := range signals {
			sick.Store(s == sicken)
		}
	}()
	return &sick
}

// serveUDP answers every datagram.
func serveUDP(address, answer string) error {
	conn, err := net.ListenPacket("udp", address)
	if err != nil {
		return err
	}
	buffer := make([]byte, 1)
	for {
		_, from, err := conn.ReadFrom(buffer)
		if err != nil {
			return err
		}
		if _, err := conn.WriteTo([]byte(answer), from); err != nil {
			return err
		}
	}
}
