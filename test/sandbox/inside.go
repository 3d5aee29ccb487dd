// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package sandbox

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Inside returns the sandbox and the program's own arguments if args, those of
// this process after its name, are of one that Run started; else nil and args.
func Inside(args []string) (*Sandbox, []string) {
	if len(args) < 2 || args[0] != insideArgument {
		return nil, args
	}
	s := &Sandbox{}
	if err := json.Unmarshal([]byte(args[1]), s); err != nil {
		return nil, args // typed by hand
	}
	return s, args[2:]
}

// Enter makes the new namespaces usable and configures the loopback. When it
// fails it says so to the user.
func (s *Sandbox) Enter() error {
	err := s.enter()
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: cannot use the namespaces it made: %v\n  %s\n", s.Name, err, hint(s.Userns, s.Containers))
	}
	return err
}

func (s *Sandbox) enter() (err error) {
	// /proc is still the outer one, so this link names the outer process id.
	if s.outsidePID, err = os.Readlink("/proc/self"); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if s.Containers { // which write wherever they like
		if err := makeReadOnly(); err != nil {
			return err
		}
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	if err := unix.Mount("tmpfs", s.StateDir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=700"); err != nil {
		return fmt.Errorf("mount a tmpfs on %s: %w", s.StateDir, err)
	}
	if err := unix.Sethostname([]byte("externalbackend-" + s.Name)); err != nil {
		return fmt.Errorf("set the host name: %w", err)
	}
	if s.Containers {
		if err := s.enterForContainers(); err != nil {
			return err
		}
	}
	// The cheapest proof that the kernel has nftables and that we may use it.
	out, err := exec.Command("nft", "add table ip preflight; delete table ip preflight").CombinedOutput()
	if err != nil {
		return fmt.Errorf("this kernel does not let it use nftables: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return IP("link set lo up")
}

// FromOutside returns the path that a file in here has outside, for the same user.
func (s *Sandbox) FromOutside(path string) string {
	return filepath.Join("/proc", s.outsidePID, "root", path)
}

// EnterCommand returns the command that, outside and for the same user, runs
// another one in the network namespace: nil is that of the sandbox itself.
func (s *Sandbox) EnterCommand(ns *Netns) string {
	command := "nsenter -t " + s.outsidePID
	if s.Userns {
		command += " -U --preserve-credentials"
	}
	if ns == nil {
		return command + " -n"
	}
	return fmt.Sprintf("%s --net=/proc/%s/fd/%d", command, s.outsidePID, ns.fd)
}

// Door returns the listener on the loopback outside. Options.Door must be set.
func (s *Sandbox) Door() (net.Listener, error) {
	listener, err := net.FileListener(os.NewFile(doorFD, "door"))
	if err != nil {
		return nil, fmt.Errorf("listen on the loopback outside: %w", err)
	}
	return listener, nil
}

// Forward carries every accepted connection to the address inside until the
// listener is closed.
func Forward(listener net.Listener, address string) {
	for {
		outside, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer outside.Close()
			inside, err := net.Dial("tcp", address)
			if err != nil {
				return
			}
			defer inside.Close()
			go func() {
				_, _ = io.Copy(inside, outside)
				_ = inside.(*net.TCPConn).CloseWrite()
			}()
			_, _ = io.Copy(outside, inside)
		}()
	}
}
