// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"syscall"
	"time"

	"externalbackend.dev/operator/test/cluster"
)

// hostPort is the port that every external host serves HTTP on. The port and
// the addresses must match manifests/payments.yaml.
const hostPort = "8080"

// host is an external HTTP host: a network namespace with addresses of its own
// and a server process in it.
type host struct {
	name     string
	ip4, ip6 netip.Addr

	ns     *netns
	server *cluster.Process
}

func newHosts() []*host {
	hosts := make([]*host, 0, 4)
	for i, name := range []string{"rack-a", "rack-b", "rack-c", "rack-d"} {
		hosts = append(hosts, &host{
			name: name,
			ip4:  netip.MustParseAddr(fmt.Sprintf("192.0.2.%d", 11+i)),
			ip6:  netip.MustParseAddr(fmt.Sprintf("2001:db8::%d", 11+i)),
		})
	}
	return hosts
}

func (h *host) addresses() []netip.Addr { return []netip.Addr{h.ip4, h.ip6} }

// start starts the host's server and waits until it answers at both addresses.
func (h *host) start(ctx context.Context, logDir string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	err = h.ns.do(func() (err error) {
		h.server, err = cluster.StartProcess(h.name, logDir, self, roleHost, h.name)
		return err
	})
	if err != nil {
		return err
	}
	client := newHTTPClient()
	for _, addr := range h.addresses() {
		for {
			if _, err = fetch(ctx, client, addr, hostPort); err == nil {
				break
			}
			select {
			case <-h.server.Done():
				return h.server.ExitError()
			case <-ctx.Done():
				return fmt.Errorf("%s does not answer at %s: %w", h.name, addr, errors.Join(err, context.Cause(ctx)))
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
	return nil
}

// kill ends the server as a crash does. The host itself lives on, so its kernel
// refuses connections.
func (h *host) kill() error {
	h.server.Kill()
	return nil
}

// hang stops the server's process: the kernel still accepts connections, and
// nothing answers.
func (h *host) hang() error { return h.server.Signal(syscall.SIGSTOP) }

// resume lets a hung server go on.
func (h *host) resume() error { return h.server.Signal(syscall.SIGCONT) }

// unplug takes the host off the network: packets to it get no answer at all.
func (h *host) unplug() error { return ip("link set " + h.name + " down") }

// plug connects an unplugged host again.
func (h *host) plug() error { return ip("link set " + h.name + " up") }

// serveHost is the server process of the host with the name in args. It returns
// an exit code.
func serveHost(args []string) int {
	if len(args) != 1 {
		fmt.Fprintln(os.Stderr, "demo: usage: demo host NAME")
		return exitCannotRun
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, args[0]) })
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	server := &http.Server{Addr: net.JoinHostPort("", hostPort), Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	fmt.Fprintln(os.Stderr, server.ListenAndServe())
	return exitFailed
}
