// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// The network is one Ethernet segment: a bridge, on which the node has its
// addresses, and a cable to each external host. All addresses are from the
// ranges for documentation (RFC 5737, RFC 3849).
const (
	segment    = "rack"
	prefixLen4 = "/24"
	prefixLen6 = "/64"
)

var nodeIPs = []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}

// setUpNode configures this network namespace as the node's.
func setUpNode() error {
	return ip(
		"link set lo up",
		"link add "+segment+" type bridge",
		"address add "+nodeIPs[0].String()+prefixLen4+" dev "+segment,
		"address add "+nodeIPs[1].String()+prefixLen6+" dev "+segment+" nodad",
		"link set "+segment+" up",
		// Nobody is at the other end, but a route is what lets a connection to
		// a ClusterIP get as far as kube-proxy's rules.
		"-4 route add default dev "+segment,
		"-6 route add default dev "+segment,
	)
}

// setUpHost makes the network namespace of a host and plugs its cable in.
func setUpHost(name string, ip4, ip6 netip.Addr) (*netns, error) {
	ns, err := newNetns()
	if err != nil {
		return nil, fmt.Errorf("make a network namespace for %s: %w", name, err)
	}
	err = ns.do(func() error {
		return ip(
			"link set lo up",
			"link add eth0 type veth peer name "+name+" netns 1", // process 1 is this program
			"address add "+ip4.String()+prefixLen4+" dev eth0",
			"address add "+ip6.String()+prefixLen6+" dev eth0 nodad",
			"link set eth0 up",
		)
	})
	if err != nil {
		return nil, fmt.Errorf("set up the network of %s: %w", name, err)
	}
	return ns, ip("link set " + name + " master " + segment + " up")
}

// ip runs commands of the program ip, in the calling thread's network namespace.
func ip(commands ...string) error {
	for _, command := range commands {
		out, err := exec.Command("ip", strings.Fields(command)...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("ip %s: %w: %s", command, err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}

// netns is a network namespace. It exists as long as this program does,
// whether or not a process is in it.
type netns struct{ file *os.File }

func newNetns() (*netns, error) {
	ns := &netns{}
	err := onThreadOfItsOwn(func() (err error) {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return err
		}
		ns.file, err = os.Open("/proc/thread-self/ns/net")
		return err
	})
	return ns, err
}

// do calls f on a thread that is in the namespace; processes that f starts are
// in it too.
func (n *netns) do(f func() error) error {
	return onThreadOfItsOwn(func() error {
		if err := unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter the network namespace: %w", err)
		}
		return f()
	})
}

// onThreadOfItsOwn calls f on a thread that ends afterwards, so that f may move
// it to another namespace.
func onThreadOfItsOwn(f func() error) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the runtime ends the thread with the goroutine
		result <- f()
	}()
	return <-result
}
