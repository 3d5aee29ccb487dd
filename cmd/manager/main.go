// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

// Command manager is the operator: it reads its flags, wires the packages
// together and runs until it is told to stop. As "manager check", with the same
// flags, it looks at the installation instead and ends.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"

	// The image has no certificates of its own: checks over TLS verify against
	// these where the system has none.
	_ "golang.org/x/crypto/x509roots/fallback"
	"golang.org/x/time/rate"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/controllers"
	"externalbackend.dev/operator/internal/discovery/dns"
	"externalbackend.dev/operator/internal/discovery/static"
	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/internal/metrics"
	"externalbackend.dev/operator/internal/probe"
)

func main() {
	arguments := os.Args[1:]
	checking := len(arguments) > 0 && arguments[0] == "check"
	if checking {
		arguments = arguments[1:]
	}
	options, err := parseFlags(arguments, os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "manager:", err)
		os.Exit(2)
	}
	if options.version {
		fmt.Println(thisBuild())
		return
	}
	if err := limitMemory(); err != nil {
		fmt.Fprintln(os.Stderr, "manager:", err)
		os.Exit(2)
	}
	ctrl.SetLogger(zap.New(zap.UseFlagOptions(&options.log)))
	if checking {
		fine, err := check(ctrl.SetupSignalHandler(), options, checkPatience, os.Stdout)
		if err != nil {
			fmt.Fprintln(os.Stderr, "manager:", err)
		}
		if !fine {
			os.Exit(1)
		}
		return
	}
	if err := run(ctrl.SetupSignalHandler(), options); err != nil {
		ctrl.Log.Error(err, "Failed to run the operator")
		os.Exit(1)
	}
}

// run blocks until the context is done, the leader lease is lost or something
// fails. It never touches a published slice on its way out.
func run(ctx context.Context, options options) error {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return fmt.Errorf("registering API types: %w", err)
		}
	}
	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("finding the API server (set --kubeconfig outside a cluster): %w", err)
	}
	config.QPS, config.Burst = options.apiQPS, options.apiBurst
	mgr, err := ctrl.NewManager(config, options.manager(scheme))
	if err != nil {
		return fmt.Errorf("creating the manager: %w", err)
	}
	if err := wire(ctx, mgr, options); err != nil {
		return err
	}
	ctrl.Log.Info("Starting the operator", "version", thisBuild().version, "revision", thisBuild().revision)
	return mgr.Start(ctx)
}

// wire connects the packages with each other and with the manager.
func wire(ctx context.Context, mgr ctrl.Manager, options options) error {
	var scheduler *probe.Scheduler
	var names *dns.Resolver[health.Subscriber]
	var fleets *fleets
	recorder := metrics.New(ctrlmetrics.Registry, func() metrics.CheckerStats { return checkerStats(scheduler) },
		func() metrics.ResolverStats { return metrics.ResolverStats(names.Stats()) }, func() []metrics.SourceStats { return fleets.sources() })
	metrics.RegisterBuild(ctrlmetrics.Registry, thisBuild().version, thisBuild().revision)
	reach := options.reach.reach()
	credentials := &controllers.Credentials{
		Live: mgr.GetAPIReader(), Guard: reach,
		Limit: rate.NewLimiter(rate.Limit(options.apiQPS/4), max(options.apiBurst/4, 1)),
	}
	reconciler := &controllers.ServiceReconciler{
		Client:       mgr.GetClient(),
		Live:         mgr.GetAPIReader(),
		Literals:     static.Resolve,
		Guard:        reach,
		Credentials:  credentials,
		Metrics:      recorder,
		Events:       mgr.GetEventRecorder("externalbackend-operator"),
		Clock:        clock.RealClock{},
		MaxEndpoints: options.maxEndpoints,
		Namespaces:   options.reach.namespaces,
		Annotations:  options.serviceAnnotations,
		// A quarter of the requests at most is for statuses: slices come first.
		Reports: rate.NewLimiter(rate.Limit(options.apiQPS/4), max(options.apiBurst/4, 1)),
	}
	scheduler = probe.New(probe.Options{
		Guard:       reach.Dial,
		Credentials: credentials.Value,
		Notify:      reconciler.Wake,
		Observer:    observer{recorder},
		MaxInFlight: maxInFlight(options.maxChecksInFlight), MaxChecksPerNamespace: options.maxChecksPerNamespace,
		MaxChecks: maxChecks(),
		Version:   thisBuild().version,
	})
	reconciler.Health, reach.Changed, credentials.Changed = scheduler, reconciler.Revet, reconciler.Wake
	names = options.names.resolver(reconciler.Wake, recorder)
	reconciler.Names = names
	if err := mgr.Add(names); err != nil {
		return fmt.Errorf("adding the resolver of names: %w", err)
	}
	fleets = options.fleets(mgr, reconciler, recorder)
	if err := fleets.setup(ctx, mgr); err != nil {
		return err
	}
	if err := reach.SetupWithManager(ctx, mgr); err != nil {
		return fmt.Errorf("setting up the guard: %w", err)
	}
	if err := credentials.SetupWithManager(ctx, mgr); err != nil {
		return fmt.Errorf("setting up the credentials of checks: %w", err)
	}
	if err := mgr.Add(scheduler); err != nil {
		return fmt.Errorf("adding the checker: %w", err)
	}
	if err := mgr.Add(&controllers.FenceCheck{
		Client: mgr.GetClient(), Namespace: options.fenceNamespace(inClusterNamespace), Found: recorder.SetFenced, Clock: clock.RealClock{},
	}); err != nil {
		return fmt.Errorf("adding the check of the fence: %w", err)
	}
	if err := reconciler.SetupWithManager(ctx, mgr, options.workers); err != nil {
		return fmt.Errorf("setting up the controller: %w", err)
	}
	if err := mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return fmt.Errorf("adding the health endpoint: %w", err)
	}
	if err := mgr.AddReadyzCheck("caches", cachesSynced(reconciler, reach)); err != nil {
		return fmt.Errorf("adding the ready endpoint: %w", err)
	}
	return nil
}
