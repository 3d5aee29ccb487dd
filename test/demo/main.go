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
// leaves nothing behind, however it ends.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"externalbackend.dev/operator/test/cluster"
	"externalbackend.dev/operator/test/rack"
	"externalbackend.dev/operator/test/sandbox"
)

// options are the same outside and inside the namespaces.
type options struct {
	binDir    string // etcd, kube-apiserver, ..., kubectl and manager
	configDir string // kustomize folder with the CRD and the operator's RBAC
	userns    bool   // this user may make the other namespaces only inside a user namespace
	check     bool   // only find out whether this machine can run the demo
	keep      bool   // stay up when all is shown
}

func main() {
	rack.ServeIfHost(os.Args[1:])
	inside, args := sandbox.Inside(os.Args[1:])
	opts, err := parseOptions(args)
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(sandbox.ExitCannotRun)
	}
	if inside != nil {
		os.Exit(runInside(inside, opts))
	}
	os.Exit(runOutside(opts))
}

// runOutside checks what has been built, then runs the demo in a sandbox and
// returns its exit code.
func runOutside(opts options) int {
	if !opts.check {
		if problems := cluster.Missing(opts.binDir, opts.configDir, "demo"); len(problems) > 0 {
			fmt.Fprintf(os.Stderr, "demo: it cannot run here:\n  - %s\n", strings.Join(problems, "\n  - "))
			return sandbox.ExitCannotRun
		}
	}
	paths := []string{opts.configDir, filepath.Join(opts.binDir, cluster.OperatorBinary)}
	for _, name := range cluster.Binaries {
		paths = append(paths, filepath.Join(opts.binDir, name))
	}
	return sandbox.Run(sandbox.Options{
		Name: "demo", Paths: paths, Userns: opts.userns, Door: opts.keep,
		Args: []string{
			"--bin=" + opts.binDir, "--config=" + opts.configDir,
			fmt.Sprintf("--check=%t", opts.check), fmt.Sprintf("--keep=%t", opts.keep),
		},
	})
}

func parseOptions(args []string) (options, error) {
	var opts options
	flags := flag.NewFlagSet("demo", flag.ExitOnError)
	flags.StringVar(&opts.binDir, "bin", "bin", "folder with the control plane's binaries, kubectl and the operator (manager)")
	flags.StringVar(&opts.configDir, "config", "config/default", "kustomize folder that installs the operator")
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
