// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package rack

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"externalbackend.dev/operator/test/cluster"
	"externalbackend.dev/operator/test/sandbox"
	"externalbackend.dev/operator/test/traffic"
)

// Ports that every host serves: HTTP and UDP. Which one was asked is part of
// the answer.
var Ports = []uint16{8080, 9090}

// firstAnswer is how long one of the first requests to a new host may take: the
// kernel repeats a packet that came before the link was up only after 1 s.
const firstAnswer = 200 * time.Millisecond

// Host is an external host: a network namespace with addresses of its own and a
// server process in it. It can fail in the ways that hosts do.
type Host struct {
	Name     string
	IP4, IP6 netip.Addr

	ns     *sandbox.Netns
	server *cluster.Process
}

// NewHosts returns four hosts, which are not set up yet.
func NewHosts() []*Host {
	hosts := make([]*Host, 0, 4)
	for i, name := range []string{"rack-a", "rack-b", "rack-c", "rack-d"} {
		hosts = append(hosts, &Host{
			Name: name,
			IP4:  netip.MustParseAddr(fmt.Sprintf("192.0.2.%d", 11+i)),
			IP6:  netip.MustParseAddr(fmt.Sprintf("2001:db8::%d", 11+i)),
		})
	}
	return hosts
}

// Addresses returns the host's addresses: IPv4, then IPv6.
func (h *Host) Addresses() []netip.Addr { return []netip.Addr{h.IP4, h.IP6} }

// Netns returns the host's network namespace, nil before SetUp.
func (h *Host) Netns() *sandbox.Netns { return h.ns }

// SetUp puts the host on the network and starts its server.
func (h *Host) SetUp(ctx context.Context, logDir string) (err error) {
	if h.ns, err = setUpHost(h.Name, h.IP4, h.IP6); err != nil {
		return err
	}
	return h.Start(ctx, logDir)
}

// Start starts the host's server and waits until it answers at both addresses.
func (h *Host) Start(ctx context.Context, logDir string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	err = h.ns.Do(func() (err error) {
		h.server, err = cluster.StartProcess(h.Name, logDir, self, hostArgument, h.Name)
		return err
	})
	if err != nil {
		return err
	}
	client := traffic.NewClient(nil)
	client.Timeout = firstAnswer
	for _, addr := range h.Addresses() {
		for {
			if _, err = traffic.Fetch(ctx, client, netip.AddrPortFrom(addr, Ports[0])); err == nil {
				break
			}
			select {
			case <-h.server.Done():
				return h.server.ExitError()
			case <-ctx.Done():
				return fmt.Errorf("%s does not answer at %s: %w", h.Name, addr, errors.Join(err, context.Cause(ctx)))
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
	return nil
}

// Kill ends the server as a crash does. The host itself lives on, so its kernel
// refuses connections.
func (h *Host) Kill() error {
	h.server.Kill()
	return nil
}

// Hang stops the server's process: the kernel still accepts connections, and
// nothing answers.
func (h *Host) Hang() error { return h.server.Signal(syscall.SIGSTOP) }

// Resume lets a hung server go on.
func (h *Host) Resume() error { return h.server.Signal(syscall.SIGCONT) }

// Unplug takes the host off the network: packets to it get no answer at all.
func (h *Host) Unplug() error { return sandbox.IP("link set " + h.Name + " down") }

// Plug connects an unplugged host again.
func (h *Host) Plug() error { return sandbox.IP("link set " + h.Name + " up") }

// Reject makes the host's packet filter reject all new TCP connections, with an
// ICMP message instead of a reset. Established ones go on.
func (h *Host) Reject() error {
	return h.filter("add table inet filter; add chain inet filter input { type filter hook input priority 0; }; " +
		"add rule inet filter input tcp flags & (syn|ack) == syn reject with icmpx admin-prohibited")
}

// Accept ends what Reject began.
func (h *Host) Accept() error { return h.filter("delete table inet filter") }

// Sicken makes the server fail its health checks while it goes on serving, and
// Cure undoes it.
func (h *Host) Sicken() error { return h.server.Signal(sicken) }

// Cure makes the server pass its health checks again.
func (h *Host) Cure() error { return h.server.Signal(cure) }

func (h *Host) filter(commands string) error {
	return h.ns.Do(func() error {
		if out, err := exec.Command("nft", commands).CombinedOutput(); err != nil {
			return fmt.Errorf("nft %s in %s: %w: %s", commands, h.Name, err, strings.TrimSpace(string(out)))
		}
		return nil
	})
}

// Mend makes the host as good as new, whatever was done to it.
func (h *Host) Mend(ctx context.Context, logDir string) error {
	select {
	case <-h.server.Done():
	default:
		h.server.Kill() // hung or sick, perhaps
	}
	return errors.Join(h.filter("add table inet filter; delete table inet filter"), h.Plug(), h.Start(ctx, logDir))
}
