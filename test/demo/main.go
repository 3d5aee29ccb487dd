// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

// Command demo shows the operator at work and proves what it shows: a real
// Kubernetes control plane, a real kube-proxy and the operator in a network
// namespace of their own, external HTTP hosts in theirs, and a client that
// connects to the Service all the while hosts are killed, hung, unplugged and
// brought back.
//
// It exits with 0 only if everything was seen to hold, with 1 if something did
// not, with 2 if it cannot run here, and with 130 if it was interrupted. It
// leaves nothing behind, however it ends: all processes are in a PID namespace
// that dies with it, and all files are on a tmpfs in a mount namespace.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// Exit codes.
const (
	exitPassed      = 0
	exitFailed      = 1
	exitCannotRun   = 2
	exitInterrupted = 130
)

// The roles that the program starts itself in, by first argument.
const (
	roleInside = "inside" // everything, as the first process of the namespaces
	roleHost   = "host"   // one external HTTP host
)

func init() {
	// The main goroutine stays on the main thread. Outside, that thread's life
	// is what the parent-death signal hangs on. Inside, its network namespace
	// is the one that others see as this process's, so goroutines that enter
	// another namespace must not run on it.
	runtime.LockOSThread()
}

// options are the same outside and inside the namespaces.
type options struct {
	binDir    string // etcd, kube-apiserver, ..., kubectl and manager
	configDir string // kustomize folder with the CRD and the operator's RBAC
	stateDir  string // inside: where the tmpfs is mounted
	userns    bool   // this user may make the other namespaces only inside a user namespace
	check     bool   // only find out whether this machine can run the demo
	keep      bool   // stay up when all is shown
}

func main() {
	role, args := "", os.Args[1:]
	if len(args) > 0 && (args[0] == roleInside || args[0] == roleHost) {
		role, args = args[0], args[1:]
	}
	if role == roleHost {
		os.Exit(serveHost(args))
	}
	opts, err := parseOptions(args)
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(exitCannotRun)
	}
	if role == roleInside {
		os.Exit(runInside(opts))
	}
	os.Exit(runOutside(opts))
}

func parseOptions(args []string) (options, error) {
	var opts options
	flags := flag.NewFlagSet("demo", flag.ExitOnError)
	flags.StringVar(&opts.binDir, "bin", "bin", "folder with the control plane's binaries, kubectl and the operator (manager)")
	flags.StringVar(&opts.configDir, "config", "config/default", "kustomize folder that installs the operator")
	flags.StringVar(&opts.stateDir, "state", "", "for the program's own use")
	flags.BoolVar(&opts.userns, "userns", os.Geteuid() != 0, "make a user namespace too; default: whether the user is not root")
	flags.BoolVar(&opts.check, "check", false, "only check whether this machine can run the demo; the binaries need not be there yet")
	flags.BoolVar(&opts.keep, "keep", os.Getenv("KEEP") != "" && os.Getenv("KEEP") != "0",
		"stay up afterwards and print how to connect; default: whether KEEP is set in the environment")
	if err := flags.Parse(args); err != nil {
		return opts, err
	}
	if flags.NArg() > 0 {
		return opts, fmt.Errorf("unexpected argument %q: there are only flags, see --help", flags.Arg(0))
	}
	for _, dir := range []*string{&opts.binDir, &opts.configDir} {
		abs, err := filepath.Abs(*dir)
		if err != nil {
			return opts, err
		}
		*dir = abs
	}
	return opts, nil
}
