// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"runtime/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/controllers"
	"externalbackend.dev/operator/internal/discovery/dns"
	"externalbackend.dev/operator/internal/discovery/ec2"
	"externalbackend.dev/operator/internal/discovery/ec2/sdk"
	"externalbackend.dev/operator/internal/discovery/static"
	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/internal/metrics"
	"externalbackend.dev/operator/internal/probe"
	"externalbackend.dev/operator/internal/sliceplan"
)

// What cmd/manager has by default: the requests that it sends in a second, and
// at once, and the Services that it works on at the same time.
const (
	apiQPS   = 100
	apiBurst = 200
	workers  = 64
)

// command tells the operator process what to do. Its answer is one line too.
type command struct {
	// Addresses get a verdict, one after the other, spread over Over.
	Addresses []netip.Addr  `json:"addresses,omitempty"`
	Healthy   bool          `json:"healthy,omitempty"`
	Over      time.Duration `json:"over,omitempty"`
	// Profile is a file that a CPU profile is written to until EndProfile.
	Profile    string `json:"profile,omitempty"`
	EndProfile bool   `json:"endProfile,omitempty"`
}

// answer is what a command came to.
type answer struct {
	// Known says when each verdict was known.
	Known []moment `json:"known,omitempty"`
	Error string   `json:"error,omitempty"`
}

// serveOperator is the operator as cmd/manager wires it with the settings that
// it has by default, but for its checks, which touch no network, and for
// commands that put verdicts in. It ends with its standard input.
func serveOperator(kubeconfig, nameServer string, commands io.Reader, answers io.Writer) error {
	ctrl.SetLogger(zap.New())
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	mgr, err := newManager(kubeconfig)
	if err != nil {
		return err
	}
	servers, err := dns.ParseServers([]string{nameServer})
	if err != nil {
		return err
	}
	source, err := wire(ctx, mgr, servers)
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	obeyed := make(chan error, 1)
	go func() { obeyed <- obey(source, commands, answers) }()
	select {
	case err := <-ended:
		return fmt.Errorf("the manager ended by itself: %w", err)
	case err := <-obeyed:
		cancel()
		return errors.Join(err, <-ended)
	}
}

func newManager(kubeconfig string) (ctrl.Manager, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return nil, err
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	config.QPS, config.Burst = apiQPS, apiBurst
	options := controllers.ManagerOptions(scheme)
	options.Metrics = metricsserver.Options{BindAddress: "0"}
	options.GracefulShutdownTimeout = new(10 * time.Second)
	return ctrl.NewManager(config, options)
}

func wire(ctx context.Context, mgr ctrl.Manager, nameServers []netip.AddrPort) (*injector, error) {
	var scheduler *probe.Scheduler
	recorder := metrics.New(prometheus.NewRegistry(), func() metrics.CheckerStats { return metrics.CheckerStats{} },
		func() metrics.ResolverStats { return metrics.ResolverStats{} }, func() []metrics.SourceStats { return nil })
	reach := &controllers.Reach{Discover: true, Clock: clock.RealClock{}}
	reconciler := &controllers.ServiceReconciler{
		Client:       mgr.GetClient(),
		Live:         mgr.GetAPIReader(),
		Literals:     static.Resolve,
		Guard:        reach,
		Credentials:  &controllers.Credentials{},
		Metrics:      recorder,
		Events:       mgr.GetEventRecorder("externalbackend-operator"),
		Clock:        clock.RealClock{},
		MaxEndpoints: sliceplan.DefaultMaxEndpoints,
		Reports:      rate.NewLimiter(apiQPS/4, apiBurst/4),
	}
	fleets := wireFleets(mgr, reconciler)
	scheduler = probe.New(probe.Options{Executor: passing{}, Guard: reach.Dial, Notify: reconciler.Wake})
	source := newInjector(scheduler, reconciler.Wake)
	names := dns.New(dns.Options[health.Subscriber]{
		Servers: nameServers, Changed: reconciler.Wake,
		Group: func(s health.Subscriber) string { return s.Namespace },
	})
	reconciler.Health, reconciler.Names, reach.Changed = source, names, reconciler.Revet
	return source, errors.Join(fleets(ctx), reach.SetupWithManager(ctx, mgr), mgr.Add(names), mgr.Add(scheduler), reconciler.SetupWithManager(ctx, mgr, workers))
}

// wireFleets has EC2 instances found by what the environment says is AWS. The
// function that it returns sets that up.
func wireFleets(mgr ctrl.Manager, reconciler *controllers.ServiceReconciler) func(context.Context) error {
	identities := &controllers.Identities{Discover: true, Clock: clock.RealClock{}, Changed: reconciler.Revisit}
	topology := &controllers.Topology{Discover: true, Clock: clock.RealClock{}, Changed: reconciler.Revisit}
	controller := &controllers.IdentityController{
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Identities: identities,
		Events: mgr.GetEventRecorder("externalbackend-operator"), Clock: clock.RealClock{},
	}
	instances := ec2.New(ec2.Options[health.Subscriber]{
		Connector: sdk.New(sdk.Options{}), Changed: reconciler.Wake, IdentityChanged: controller.Look,
	})
	controller.Instances = instances
	reconciler.Instances, reconciler.Identities, reconciler.Topology = instances, identities, topology
	return func(ctx context.Context) error {
		return errors.Join(mgr.Add(instances), identities.SetupWithManager(ctx, mgr), topology.SetupWithManager(ctx, mgr), controller.SetupWithManager(ctx, mgr))
	}
}

// obey carries out the commands, one a line, until there are no more.
func obey(source *injector, commands io.Reader, answers io.Writer) error {
	in, out := json.NewDecoder(bufio.NewReader(commands)), json.NewEncoder(answers)
	for {
		var c command
		if err := in.Decode(&c); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read a command: %w", err)
		}
		var a answer
		if err := c.profile(); err != nil {
			a.Error = err.Error()
		}
		a.Known = source.put(c.Addresses, c.Healthy, c.Over)
		if err := out.Encode(a); err != nil {
			return fmt.Errorf("answer a command: %w", err)
		}
	}
}

func (c command) profile() error {
	if c.EndProfile {
		pprof.StopCPUProfile()
	}
	if c.Profile == "" {
		return nil
	}
	file, err := os.Create(c.Profile)
	if err != nil {
		return err
	}
	return pprof.StartCPUProfile(file) // which the end of the process closes
}
