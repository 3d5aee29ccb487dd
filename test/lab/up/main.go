// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

// Command up starts the lab of package lab and keeps it up until it is
// interrupted, for a developer to work with. It leaves nothing behind, however
// it ends.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"externalbackend.dev/operator/test/cluster"
	"externalbackend.dev/operator/test/lab"
	"externalbackend.dev/operator/test/rack"
	"externalbackend.dev/operator/test/sandbox"
)

const (
	startBound = 2 * time.Minute
	logLines   = 15 // shown of each log when it does not start
)

type options struct {
	binDir, kustomization string
	userns                bool
	check                 bool // only find out whether this machine can run the lab
	proxyMode             string
	ec2                   bool
}

func main() {
	rack.ServeIfHost(os.Args[1:])
	box, args := sandbox.Inside(os.Args[1:])
	opts, err := parseOptions(args)
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		os.Exit(sandbox.ExitCannotRun)
	}
	if box != nil {
		os.Exit(runInside(box, opts))
	}
	if problems := lab.Missing(opts.binDir, opts.kustomization, "lab"); len(problems) > 0 && !opts.check {
		fmt.Fprintf(os.Stderr, "lab: it cannot start:\n  - %s\n", strings.Join(problems, "\n  - "))
		os.Exit(sandbox.ExitCannotRun)
	}
	outside := lab.SandboxOptions("lab", opts.binDir, opts.kustomization)
	outside.Userns, outside.Door, outside.Args = opts.userns, true, os.Args[1:]
	os.Exit(sandbox.Run(outside))
}

func parseOptions(args []string) (options, error) {
	var opts options
	flags := flag.NewFlagSet("lab", flag.ExitOnError)
	flags.StringVar(&opts.binDir, "bin", "bin", "folder with the control plane's binaries, coredns, kubectl and the operator (manager)")
	flags.StringVar(&opts.kustomization, "config", "config/default", "kustomize folder that installs the operator")
	flags.BoolVar(&opts.userns, "userns", os.Geteuid() != 0, "make a user namespace too; default: whether the user is not root")
	flags.BoolVar(&opts.check, "check", false, "only check whether this machine can run the lab; the binaries need not be there yet")
	flags.StringVar(&opts.proxyMode, "proxy-mode", string(cluster.NFTables), "kube-proxy's mode: nftables or iptables")
	flags.BoolVar(&opts.ec2, "ec2", false, "run moto, too, which answers in place of AWS, with an EC2 instance for each external host")
	if err := flags.Parse(args); err != nil {
		return opts, err
	}
	if flags.NArg() > 0 {
		return opts, fmt.Errorf("unexpected argument %q: there are only flags, see --help", flags.Arg(0))
	}
	if mode := cluster.ProxyMode(opts.proxyMode); mode != cluster.NFTables && mode != cluster.IPTables {
		return opts, fmt.Errorf("--proxy-mode is %q: it must be %s or %s", mode, cluster.NFTables, cluster.IPTables)
	}
	for _, dir := range []*string{&opts.binDir, &opts.kustomization} {
		abs, err := filepath.Abs(*dir)
		if err != nil {
			return opts, err
		}
		*dir = abs
	}
	return opts, nil
}

// runInside starts the lab and waits for the user to end it.
func runInside(box *sandbox.Sandbox, opts options) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := box.Enter(); err != nil {
		return sandbox.ExitCannotRun
	}
	if opts.check {
		return sandbox.ExitPassed
	}
	began := time.Now()
	tell := func(format string, args ...any) {
		fmt.Printf("%5.1f s  %s\n", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
	}
	l, err := start(ctx, box, opts, tell)
	if err == nil {
		err = explain(box, opts, l)
	}
	if ctx.Err() != nil {
		return sandbox.ExitInterrupted
	}
	if err != nil {
		for _, program := range append([]string{"kube-apiserver"}, l.Programs()...) {
			if tail, err := cluster.LogTail(l.LogDir(), program, logLines); err == nil {
				fmt.Fprintf(os.Stderr, "The end of the log of %s:\n  %s\n", program, strings.Join(tail, "\n  "))
			}
		}
		fmt.Fprintln(os.Stderr, "lab:", err)
		return sandbox.ExitFailed
	}
	<-ctx.Done()
	return sandbox.ExitPassed
}

func start(ctx context.Context, box *sandbox.Sandbox, opts options, tell func(string, ...any)) (*lab.Lab, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, startBound, errors.New("it took too long"))
	defer cancel()
	l, err := lab.Start(ctx, lab.Config{BinDir: opts.binDir, Kustomization: opts.kustomization, StateDir: box.StateDir, Tell: tell})
	if err != nil {
		return l, err
	}
	if opts.ec2 {
		if err := launch(ctx, l, tell); err != nil {
			return l, err
		}
	}
	return l, l.Cluster.SetProxyMode(ctx, cluster.ProxyMode(opts.proxyMode))
}

// sampleTags are the tags that the sample of an ExternalBackend selects.
var sampleTags = map[string]string{"app": "fleet", "stage": "production"}

// launch starts moto with an instance for each external host.
func launch(ctx context.Context, l *lab.Lab, tell func(string, ...any)) error {
	if err := l.AWS.StartMoto(ctx); err != nil {
		return err
	}
	fleet, err := l.AWS.NewFleet(ctx)
	if err != nil {
		return err
	}
	for _, h := range l.Hosts {
		id, err := fleet.Run(ctx, h, sampleTags)
		if err != nil {
			return err
		}
		tell("EC2 instance %s is %s, in %s, with the tags %v", id, h.Name, lab.MotoRegion, sampleTags)
	}
	return nil
}

// explain says how to use the lab from another shell.
func explain(box *sandbox.Sandbox, opts options, l *lab.Lab) error {
	// The socket was made outside, so it listens there; what it accepts is
	// carried to the API server inside.
	door, err := box.Door()
	if err != nil {
		return err
	}
	kubeconfig := filepath.Join(box.StateDir, "outside.kubeconfig")
	if err := l.Cluster.WriteKubeconfig(kubeconfig, door.Addr().String(), l.Cluster.AdminToken()); err != nil {
		return err
	}
	go sandbox.Forward(door, cluster.APIServerAddress)
	fmt.Printf("\nThe lab stays up until Ctrl-C. From another shell of the same user:\n"+
		"  export KUBECONFIG=%s\n  %s get nodes,leases -A\n", box.FromOutside(kubeconfig), filepath.Join(opts.binDir, "kubectl"))
	fmt.Printf("\nLogs are in %s.\n", box.FromOutside(l.LogDir()))
	fmt.Printf("CoreDNS answers at %s. To be in a network namespace, put before your command:\n", rack.NodeIPs[0])
	fmt.Printf("  %-8s %s\n  %-8s %s\n", "node", box.EnterCommand(nil), "client", box.EnterCommand(l.Client))
	for _, h := range l.Hosts {
		fmt.Printf("  %-8s %s\n", h.Name, box.EnterCommand(h.Netns()))
	}
	if opts.ec2 {
		fmt.Printf("\nTo ask moto, or change what there is:\n  export %s\n  %s aws ec2 describe-instances\n",
			strings.Join(append(l.AWS.Environment(lab.MotoRegion), "AWS_DEFAULT_REGION="+lab.MotoRegion), " "), box.EnterCommand(nil))
	}
	return nil
}
