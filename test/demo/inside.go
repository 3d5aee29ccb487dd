// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"externalbackend.dev/operator/test/cluster"
	"externalbackend.dev/operator/test/rack"
	"externalbackend.dev/operator/test/sandbox"
)

// What manifests/payments.yaml names.
const (
	namespace   = "shop"
	serviceName = "payments"
	servicePort = 80
	portName    = "http"
)

//go:embed manifests/payments.yaml
var sample string

const (
	runBound       = 2 * time.Minute  // of the whole demo; it takes about 45 s
	operatorBound  = 30 * time.Second // from its start until it is ready
	operatorHealth = "127.0.0.1:8081"
	logLines       = 30 // shown of a log when something went wrong
)

var errInterrupted = errors.New("interrupted")

// demo is everything that runs inside the namespaces.
type demo struct {
	box      *sandbox.Sandbox
	opts     options
	screen   *screen
	hosts    []*rack.Host
	cluster  *cluster.Cluster
	operator *cluster.Process
	// operatorKubeconfig holds a token of the operator's ServiceAccount.
	operatorKubeconfig string
	clusterIPs         []netip.AddrPort
	board              *board
	ledger             *ledger

	fail context.CancelCauseFunc // ends the demo
}

// runInside runs the demo as the first process of its namespaces and returns
// an exit code. When it returns, the kernel ends all other processes.
func runInside(box *sandbox.Sandbox, opts options) int {
	if err := box.Enter(); err != nil {
		return sandbox.ExitCannotRun
	}
	err := rack.SetUpNode()
	if err != nil {
		fmt.Fprintf(os.Stderr, "demo: cannot set up the node's network: %v\n", err)
		return sandbox.ExitCannotRun
	}
	if opts.check {
		return sandbox.ExitPassed
	}
	signals, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, fail := context.WithCancelCause(context.Background())
	defer context.AfterFunc(signals, func() { fail(errInterrupted) })()

	d := &demo{box: box, opts: opts, screen: newScreen(), hosts: rack.NewHosts(), board: newBoard(), ledger: &ledger{}, fail: fail}
	bounded, cancel := context.WithTimeoutCause(ctx, runBound, fmt.Errorf("the demo did not end within %v", runBound))
	defer cancel()
	err = d.run(bounded)
	if cause := context.Cause(bounded); err != nil && cause != nil {
		err = cause // why it was ended says more than what it was doing
	}
	code := d.conclude(err)
	if opts.keep && code != sandbox.ExitInterrupted && d.cluster != nil {
		if err := d.hold(ctx); err != nil {
			d.screen.event(red, "%v", err)
			return sandbox.ExitFailed
		}
	}
	return code
}

// run sets everything up and plays the scenario.
func (d *demo) run(ctx context.Context) error {
	d.screen.heading("Set-up: a real Kubernetes control plane and kube-proxy, the operator, and four HTTP hosts outside the cluster")
	for _, step := range []func(context.Context) error{d.startHosts, d.startCluster, d.install, d.applySample} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return d.play(ctx)
}

func (d *demo) startHosts(ctx context.Context) error {
	if err := os.MkdirAll(d.logDir(), 0o700); err != nil {
		return err
	}
	for _, h := range d.hosts {
		if err := h.SetUp(ctx, d.logDir()); err != nil {
			return err
		}
		d.screen.event(plain, "external host %s serves HTTP at %s and %s, port %d", h.Name, h.IP4, h.IP6, rack.Ports[0])
	}
	return nil
}

func (d *demo) startCluster(ctx context.Context) (err error) {
	d.cluster, err = cluster.Start(ctx, cluster.Config{
		BinDir: d.opts.binDir, StateDir: d.box.StateDir, LogDir: d.logDir(), NodeName: "node-1", NodeIPs: rack.NodeIPs,
	})
	if err != nil {
		return err
	}
	for _, p := range d.cluster.Processes() {
		d.guard(p)
	}
	version, err := d.cluster.Clientset().Discovery().ServerVersion()
	if err != nil {
		return err
	}
	d.screen.event(plain, "Kubernetes %s runs: etcd, kube-apiserver, kube-controller-manager, kube-proxy (nftables) on node %s", version, rack.NodeIPs[0])
	return nil
}

// guard ends the demo if the process ends by itself.
func (d *demo) guard(p *cluster.Process) {
	go func() {
		<-p.Done()
		if err := p.ExitError(); err != nil {
			d.fail(err)
		}
	}()
}

// install installs what the project ships, but for the Deployment, and starts
// the operator as a process with the shipped ServiceAccount's rights.
func (d *demo) install(ctx context.Context) error {
	in, err := d.cluster.Install(ctx, d.opts.configDir)
	if err != nil {
		return err
	}
	d.screen.command("kubectl apply --server-side -k config/default   # the operator's CRD, service account and RBAC", "", in.Output)
	if d.operatorKubeconfig, err = d.cluster.ServiceAccountKubeconfig(ctx, in.Namespace, in.ServiceAccount, cluster.OperatorBinary); err != nil {
		return err
	}
	if err := d.startOperator(ctx); err != nil {
		return err
	}
	d.screen.event(plain, "the operator runs as service account %s/%s", in.Namespace, in.ServiceAccount)
	return nil
}

// startOperator starts the operator and waits until it says that it is ready.
func (d *demo) startOperator(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, operatorBound)
	defer cancel()
	d.operator, err = d.cluster.StartOperator(ctx, cluster.OperatorBinary, d.operatorKubeconfig, operatorHealth, "--leader-elect=false")
	if err != nil {
		return failf(cluster.OperatorBinary, "the operator does not become ready: %w", err)
	}
	d.guard(d.operator)
	return nil
}

// restartOperator stops the operator as a roll-out does, and starts it again.
func (d *demo) restartOperator(ctx context.Context) error {
	if err := d.operator.Stop(); err != nil {
		return failf(cluster.OperatorBinary, "the operator does not end cleanly when told to (SIGTERM): %w", err)
	}
	if err := d.startOperator(ctx); err != nil {
		return err
	}
	d.screen.event(plain, "the operator ended cleanly and runs again")
	return nil
}

// applySample applies the sample and waits until all hosts are in service.
func (d *demo) applySample(ctx context.Context) error {
	if err := d.board.watch(ctx, d.cluster.Clientset(), namespace); err != nil {
		return err
	}
	began, all := time.Now(), allAddresses(d.hosts)
	out, err := d.cluster.Kubectl(ctx, strings.NewReader(sample), "apply", "-f", "-")
	if err != nil {
		return err
	}
	_, shown, _ := strings.Cut(sample, "Apache-2.0\n") // without the licence
	d.screen.command("kubectl apply -f payments.yaml", shown, out)
	ready, err := within(ctx, returnBound, func(ctx context.Context) (time.Time, error) {
		return d.board.wait(ctx, all, healthy)
	})
	if err != nil {
		return failf(cluster.OperatorBinary, "the hosts' addresses are not all published as ready: %w", err)
	}
	_, err = within(ctx, returnBound, func(ctx context.Context) (time.Time, error) { return d.rules().Wait(ctx, all, true) })
	if err != nil {
		return failf("kube-proxy", "kube-proxy does not lead to all published addresses: %w", err)
	}
	d.screen.event(green, "all %d addresses are checked and published as ready, %s after the apply", len(all), between(began, ready))
	if err := d.show(ctx, "get", "externalbackends,endpointslices", "-n", namespace); err != nil {
		return err
	}
	service, err := d.cluster.Clientset().CoreV1().Services(namespace).Get(ctx, serviceName, metav1.GetOptions{})
	if err != nil {
		return err
	}
	for _, clusterIP := range service.Spec.ClusterIPs {
		addr, err := netip.ParseAddr(clusterIP)
		if err != nil {
			return fmt.Errorf("cluster IP of service %s/%s: %w", namespace, serviceName, err)
		}
		d.clusterIPs = append(d.clusterIPs, netip.AddrPortFrom(addr, servicePort))
	}
	return nil
}

// show runs a kubectl command and shows what it prints.
func (d *demo) show(ctx context.Context, args ...string) error {
	out, err := d.cluster.Kubectl(ctx, nil, args...)
	if err != nil {
		return err
	}
	d.screen.command("kubectl "+strings.Join(args, " "), "", out)
	return nil
}

func (d *demo) rules() cluster.ProxyRules {
	return cluster.ProxyRules{
		Mode:        d.cluster.ProxyMode(),
		ServicePort: cluster.ServicePort{Namespace: namespace, Service: serviceName, Protocol: "tcp", Port: portName},
	}
}

func (d *demo) logDir() string { return filepath.Join(d.box.StateDir, "logs") }
