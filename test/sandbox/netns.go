// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package sandbox

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// Netns is a network namespace. It exists as long as this program does,
// whether or not a process is in it.
type Netns struct {
	fd int // nobody closes it, and no collection of garbage does
}

// NewNetns makes a network namespace, with its loopback up.
func NewNetns() (*Netns, error) {
	ns := &Netns{}
	err := onThreadOfItsOwn(func() (err error) {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("make a network namespace: %w", err)
		}
		if ns.fd, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
			return fmt.Errorf("open the network namespace: %w", err)
		}
		return IP("link set lo up")
	})
	return ns, err
}

// Do calls f on a thread that is in the namespace; processes that f starts are
// in it too, and so are sockets that f makes.
func (n *Netns) Do(f func() error) error {
	return onThreadOfItsOwn(func() error {
		if err := unix.Setns(n.fd, unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter the network namespace: %w", err)
		}
		return f()
	})
}

// DialContext connects from within the namespace to a literal address. It has
// the signature of net.Dialer.DialContext.
func (n *Netns) DialContext(ctx context.Context, network, address string) (conn net.Conn, err error) {
	err = n.Do(func() (err error) {
		// A literal address is dialled by the calling goroutine itself.
		conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

// WithHostname calls f on a thread that has a host name of its own, as a Pod
// does; processes that f starts have it too.
func WithHostname(name string, f func() error) error {
	return onThreadOfItsOwn(func() error {
		if err := unix.Unshare(unix.CLONE_NEWUTS); err != nil {
			return fmt.Errorf("make a UTS namespace: %w", err)
		}
		if err := unix.Sethostname([]byte(name)); err != nil {
			return fmt.Errorf("set the host name %s: %w", name, err)
		}
		return f()
	})
}

// WithReadOnlyFiles calls f on a thread that can write to no file system; nor can
// processes that f starts, but to what they mount themselves.
func WithReadOnlyFiles(f func() error) error {
	return onThreadOfItsOwn(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
			return fmt.Errorf("make a mount namespace: %w", err)
		}
		if err := makeReadOnly(); err != nil {
			return err
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

// IP runs commands of the program ip, in the calling thread's network namespace.
func IP(commands ...string) error {
	for _, command := range commands {
		out, err := exec.Command("ip", strings.Fields(command)...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("ip %s: %w: %s", command, err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}
