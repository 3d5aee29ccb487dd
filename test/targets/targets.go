// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

// Package targets stands in for the hosts outside a cluster: listeners on the
// loopback interface that can be made to fail in every way that real hosts do,
// and a dialer that reaches them by addresses of the documentation ranges,
// which Kubernetes accepts in EndpointSlices where it refuses loopback ones.
package targets

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
)

// Network maps addresses to hosts. An address without a host refuses
// connections. It is safe for concurrent use.
type Network struct {
	mu      sync.Mutex
	hosts   map[netip.AddrPort]*Host
	instant []netip.Prefix
	refuser *refuser
}

// New returns a network without hosts.
func New() (*Network, error) {
	refuser, err := newRefuser()
	if err != nil {
		return nil, err
	}
	return &Network{hosts: make(map[netip.AddrPort]*Host), refuser: refuser}, nil
}

// Host returns the host that serves an address and port such as
// "192.0.2.10:8080" or "[2001:db8::10]:8080". A new one behaves as Serve.
func (n *Network) Host(address string) (*Host, error) { return n.host(address, nil) }

// SecureHost returns a new host that speaks TLS with a certificate for DNS
// names, and that certificate in PEM form, which nobody else has signed.
func (n *Network) SecureHost(address string, names ...string) (h *Host, certificate string, err error) {
	config, certificate, err := selfSigned(names)
	if err != nil {
		return nil, "", err
	}
	h, err = n.host(address, config)
	return h, certificate, err
}

func (n *Network) host(address string, config *tls.Config) (*Host, error) {
	key, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, fmt.Errorf("a host needs an address and a port: %w", err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if h := n.hosts[key]; h != nil {
		return h, nil
	}
	h, err := newHost(key, config)
	if err != nil {
		return nil, err
	}
	n.hosts[key] = h
	return h, nil
}

// Remove ends the host at an address, if there is one, and returns when nothing
// of it is running any more.
func (n *Network) Remove(address string) {
	key, err := netip.ParseAddrPort(address)
	if err != nil {
		return // no host can have it
	}
	n.mu.Lock()
	h := n.hosts[key]
	delete(n.hosts, key)
	n.mu.Unlock()
	if h != nil {
		h.close()
	}
}

// AcceptAll makes every address of a prefix, on every port, take connections
// at once without any socket: thousands of targets that cost nothing.
func (n *Network) AcceptAll(prefix netip.Prefix) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.instant = append(n.instant, prefix)
}

// Dial connects to the host that has the address. It has the signature of
// net.Dialer.DialContext.
func (n *Network) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	key, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	host, instant := n.hosts[key], n.accepts(key.Addr())
	n.mu.Unlock()
	switch {
	case host != nil:
		return host.dial(ctx, network, n.refuser)
	case instant:
		near, far := net.Pipe()
		return near, far.Close()
	default:
		return n.refuser.dial(ctx, network)
	}
}

func (n *Network) accepts(addr netip.Addr) bool {
	for _, prefix := range n.instant {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// Close ends all hosts and returns when nothing of them is running any more.
func (n *Network) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, h := range n.hosts {
		h.close()
	}
	clear(n.hosts)
	return n.refuser.Close()
}

// refuser is a port of the loopback interface that is taken and on which
// nothing listens, so that the kernel refuses every connection to it.
type refuser struct {
	fd      int
	address string
}

func newRefuser() (*refuser, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		return nil, fmt.Errorf("making a socket that refuses connections: %w", err)
	}
	r := &refuser{fd: fd}
	err = syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	if err == nil {
		var bound syscall.Sockaddr
		if bound, err = syscall.Getsockname(fd); err == nil {
			r.address = fmt.Sprintf("127.0.0.1:%d", bound.(*syscall.SockaddrInet4).Port)
			return r, nil
		}
	}
	_ = r.Close()
	return nil, fmt.Errorf("binding a socket that refuses connections: %w", err)
}

func (r *refuser) dial(ctx context.Context, network string) (net.Conn, error) {
	var dialer net.Dialer
	return dialer.DialContext(ctx, network, r.address)
}

func (r *refuser) Close() error { return syscall.Close(r.fd) }
