// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"externalbackend.dev/operator/test/cluster"
)

// keepListenerFD is the number that the first of exec.Cmd.ExtraFiles gets.
const keepListenerFD = 3

// runOutside checks the machine, then runs the demo in namespaces of its own
// and returns its exit code. The demo dies with this process.
func runOutside(opts options) int {
	if err := extendPath(); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		return exitCannotRun
	}
	if problems := preflight(opts); len(problems) > 0 {
		fmt.Fprintf(os.Stderr, "demo: it cannot run here:\n  - %s\n", strings.Join(problems, "\n  - "))
		return exitCannotRun
	}
	cmd, err := insideCommand(opts)
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "demo: cannot make the namespaces it runs in: %v\n  %s\n", err, namespaceHint(opts.userns))
		return exitCannotRun
	}
	// The terminal's Ctrl-C reaches the demo by itself; a signal to this process
	// alone has to be passed on. Handling it also keeps this process alive
	// until the demo has said its last.
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		for range signals {
			_ = cmd.Process.Signal(syscall.SIGTERM) // it fails only when the demo has ended
		}
	}()
	_ = cmd.Wait() // the exit code says it all
	if status := cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signaled() {
		fmt.Fprintf(os.Stderr, "demo: ended by signal: %v\n", status.Signal())
		return exitFailed
	}
	return cmd.ProcessState.ExitCode()
}

func namespaceHint(userns bool) string {
	if !userns {
		return "root needs CAP_SYS_ADMIN for it: in a container, start that with --privileged, or try `bin/demo --userns`"
	}
	return "run it as root, or allow unprivileged user namespaces; in a container, start that with --privileged"
}

// insideCommand returns the command that runs this program as the first
// process of new namespaces.
func insideCommand(opts options) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	paths := []string{self, opts.configDir, filepath.Join(opts.binDir, operatorBinary)}
	for _, name := range cluster.Binaries {
		paths = append(paths, filepath.Join(opts.binDir, name))
	}
	state, err := stateMountPoint(paths...)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, roleInside,
		"--bin="+opts.binDir, "--config="+opts.configDir, "--state="+state,
		fmt.Sprintf("--userns=%t", opts.userns), fmt.Sprintf("--check=%t", opts.check), fmt.Sprintf("--keep=%t", opts.keep))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	// Nothing of the user's environment reaches the programs: no proxy, no KUBECONFIG.
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + state, "TERM=" + os.Getenv("TERM"), "NO_COLOR=" + os.Getenv("NO_COLOR")}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
		Pdeathsig:  syscall.SIGKILL, // and the kernel kills everything else in the PID namespace
	}
	if opts.userns {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	if opts.keep {
		// A socket belongs to the network namespace that it was made in, so
		// the demo can accept the user's connections from inside its own.
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		file, err := listener.(*net.TCPListener).File()
		if err != nil {
			return nil, err
		}
		cmd.ExtraFiles = []*os.File{file}
	}
	return cmd, nil
}

// stateMountPoint returns a folder that a tmpfs can be mounted over, in the
// demo's mount namespace only, without hiding any of the paths. A folder of
// our own would stay behind if the demo were killed.
func stateMountPoint(paths ...string) (string, error) {
	candidates := []string{"/run", "/dev/shm", "/mnt"}
	for _, dir := range candidates {
		if info, err := os.Stat(dir); err == nil && info.IsDir() && !hides(dir, paths) {
			return dir, nil
		}
	}
	return "", fmt.Errorf("no place for the state: each of %s is missing, or holds the project", strings.Join(candidates, ", "))
}

// hides says whether one of the paths, or what it is a link to, lies below dir.
func hides(dir string, paths []string) bool {
	for _, path := range paths {
		resolved, err := filepath.EvalSymlinks(path)
		if err != nil {
			resolved = path
		}
		for _, p := range []string{path, resolved} {
			if rel, err := filepath.Rel(dir, p); err == nil && rel != ".." && !strings.HasPrefix(rel, "../") {
				return true
			}
		}
	}
	return false
}

// enterNamespaces makes the new namespaces usable. It returns the process id
// that this process has outside.
func enterNamespaces(stateDir string) (outsidePID string, err error) {
	// /proc is still the outer one, so this link names the outer process id.
	if outsidePID, err = os.Readlink("/proc/self"); err != nil {
		return "", err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return "", fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return "", fmt.Errorf("mount /proc: %w", err)
	}
	if err := unix.Mount("tmpfs", stateDir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=700"); err != nil {
		return "", fmt.Errorf("mount a tmpfs on %s: %w", stateDir, err)
	}
	if err := unix.Sethostname([]byte("externalbackend-demo")); err != nil {
		return "", fmt.Errorf("set the host name: %w", err)
	}
	// The cheapest proof that the kernel has nftables and that we may use it.
	out, err := exec.Command("nft", "add table ip preflight; delete table ip preflight").CombinedOutput()
	if err != nil {
		return "", errors.Join(fmt.Errorf("this kernel does not let the demo use nftables: %w", err), errors.New(strings.TrimSpace(string(out))))
	}
	return outsidePID, nil
}
