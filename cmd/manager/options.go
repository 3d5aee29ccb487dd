// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/config"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"externalbackend.dev/operator/controllers"
	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/internal/metrics"
	"externalbackend.dev/operator/internal/probe"
	"externalbackend.dev/operator/internal/sliceplan"
)

// +kubebuilder:rbac:groups=authentication.k8s.io,resources=tokenreviews,verbs=create
// +kubebuilder:rbac:groups=authorization.k8s.io,resources=subjectaccessreviews,verbs=create

// leaderElectionID names the Lease, in the operator's own namespace.
const leaderElectionID = "controller.externalbackend.dev"

// gracePeriod bounds how long running passes may take to end.
const gracePeriod = 10 * time.Second

type options struct {
	metricsAddress          string
	metricsCertDir          string
	probeAddress            string
	leaderElect             bool
	leaderElectionNamespace string
	workers                 int
	serviceAnnotations      []string
	maxEndpoints            int
	maxChecksInFlight       int
	maxChecksPerNamespace   int
	reach                   reachOptions
	names                   nameOptions
	aws                     awsOptions
	apiQPS                  float32
	apiBurst                int
	version                 bool
	log                     zap.Options
}

func parseFlags(args []string, output io.Writer) (options, error) {
	var o options
	var qps float64
	flags := flag.NewFlagSet("manager", flag.ContinueOnError)
	flags.SetOutput(output)
	config.RegisterFlags(flags)
	flags.StringVar(&o.metricsAddress, "metrics-bind-address", ":8443", "address of the HTTPS metrics endpoint, which authenticates and authorizes every request; 0 switches it off")
	flags.StringVar(&o.metricsCertDir, "metrics-cert-dir", "", "folder with tls.crt and tls.key for the metrics endpoint; without it a self-signed certificate is made at every start")
	flags.StringVar(&o.probeAddress, "health-probe-bind-address", ":8081", "address of /healthz and /readyz; 0 switches it off")
	flags.BoolVar(&o.leaderElect, "leader-elect", false, "run as one of several replicas of which one is active")
	flags.StringVar(&o.leaderElectionNamespace, "leader-election-namespace", "", "namespace of the Lease; needed outside a cluster only")
	flags.IntVar(&o.workers, "concurrent-services", 64, "number of Services that are worked on at the same time; one that waits for a write of its own that hangs holds up no other")
	flags.IntVar(&o.maxEndpoints, "max-endpoints-per-slice", sliceplan.DefaultMaxEndpoints, "endpoints in one EndpointSlice, 1 to 1000")
	flags.Func("managed-service-annotations", "keys of annotations that spec.service.template of an ExternalBackend may set, separated by commas; prefixes end in * (default none)", func(list string) error {
		o.serviceAnnotations = nil
		for key := range strings.SplitSeq(list, ",") {
			if key = strings.TrimSpace(key); key != "" {
				o.serviceAnnotations = append(o.serviceAnnotations, key)
			}
		}
		return nil
	})
	flags.IntVar(&o.maxChecksInFlight, "max-checks-in-flight", 0, "health checks that run at the same time; 0 means the least of 4096, half of the file descriptor limit, and what a quarter of the memory limit holds at 128 KiB each")
	flags.IntVar(&o.maxChecksPerNamespace, "max-checks-per-namespace", probe.DefaultMaxChecksPerNamespace, "health checks that the ExternalBackends of a namespace may have; addresses beyond stay as they are, unchecked")
	o.reach.register(flags)
	o.names.register(flags)
	o.aws.register(flags)
	flags.Float64Var(&qps, "kube-api-qps", 100, "requests per second to the API server")
	flags.IntVar(&o.apiBurst, "kube-api-burst", 200, "burst of requests to the API server")
	flags.BoolVar(&o.version, "version", false, "print the version and end")
	o.log.BindFlags(flags)
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	o.apiQPS = float32(qps)
	return o, errors.Join(
		rejectArguments(flags.Args()),
		inRange("max-endpoints-per-slice", o.maxEndpoints, 1, sliceplan.HardMaxEndpoints),
		inRange("concurrent-services", o.workers, 1, 1000),
		inRange("max-checks-in-flight", o.maxChecksInFlight, 0, 1_000_000),
		inRange("max-checks-per-namespace", o.maxChecksPerNamespace, 1, 10_000_000),
		inRange("kube-api-burst", o.apiBurst, 1, 100_000),
		inRange("kube-api-qps", int(qps), 1, 100_000),
		o.reach.check(),
		o.names.check(),
		o.aws.check(),
	)
}

func rejectArguments(args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("unexpected argument %q: all settings are flags, see --help", args[0])
	}
	return nil
}

func inRange(name string, value, low, high int) error {
	if value < low || value > high {
		return fmt.Errorf("--%s is %d: it must be between %d and %d", name, value, low, high)
	}
	return nil
}

func (o *options) manager(scheme *runtime.Scheme) ctrl.Options {
	options := controllers.ManagerOptions(scheme, o.reach.namespaces...)
	options.Metrics = metricsserver.Options{
		BindAddress:    o.metricsAddress,
		SecureServing:  true,
		FilterProvider: filters.WithAuthenticationAndAuthorization,
		CertDir:        o.metricsCertDir,
		TLSOpts:        []func(*tls.Config){withoutHTTP2},
	}
	options.HealthProbeBindAddress = o.probeAddress
	options.LeaderElection = o.leaderElect
	options.LeaderElectionID = leaderElectionID
	options.LeaderElectionNamespace = o.leaderElectionNamespace
	// main returns at once when Start does, so nothing runs after the release,
	// and a successor need not wait for the Lease to run out.
	options.LeaderElectionReleaseOnCancel = true
	options.GracefulShutdownTimeout = new(gracePeriod)
	return options
}

// inClusterNamespace is the file that tells a Pod its namespace.
const inClusterNamespace = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// fenceNamespace returns a namespace in which the operator may create
// EndpointSlices: one of those that it works in, or its own; "" if that is unknown.
func (o *options) fenceNamespace(file string) string {
	if len(o.reach.namespaces) > 0 {
		return o.reach.namespaces[0]
	}
	return o.ownNamespace(file)
}

// ownNamespace returns the namespace that the operator runs in; "" if that is
// unknown.
func (o *options) ownNamespace(file string) string {
	if o.leaderElectionNamespace != "" {
		return o.leaderElectionNamespace
	}
	text, err := os.ReadFile(file) //nolint:gosec // the file of the Pod, and that of a test
	if err != nil {
		return "" // outside a cluster
	}
	return strings.TrimSpace(string(text))
}

// withoutHTTP2 keeps the server clear of stream-reset floods (CVE-2023-44487).
func withoutHTTP2(c *tls.Config) { c.NextProtos = []string{"http/1.1"} }

// cachesSynced is ready once the caches hold everything, and it is known what may
// be targeted.
func cachesSynced(reconciler *controllers.ServiceReconciler, reach *controllers.Reach) healthz.Checker {
	return func(request *http.Request) error {
		ctx, cancel := context.WithTimeout(request.Context(), time.Second)
		defer cancel()
		if !reconciler.CachesSynced(ctx) {
			return errors.New("the caches are not synced yet")
		}
		if !reach.Known() {
			return errors.New("it is not known yet what may be targeted")
		}
		return nil
	}
}

// observer hands what the checker does to the metrics.
type observer struct{ metrics *metrics.Metrics }

// CheckDone implements probe.Observer.
func (o observer) CheckDone(kind health.Kind, result health.Result, lag time.Duration) {
	o.metrics.CheckDone(kind.String(), result.Outcome.String(), string(result.Reason),
		result.Outcome != health.Indeterminate, result.Latency, lag)
}

// VerdictChanged implements probe.Observer.
func (o observer) VerdictChanged(_ health.Subscriber, _ netip.Addr, _, to health.Verdict) {
	o.metrics.VerdictChanged(to.String())
}

func checkerStats(scheduler *probe.Scheduler) metrics.CheckerStats {
	s := scheduler.Stats()
	return metrics.CheckerStats{InFlight: s.InFlight, Checks: s.Probes, Waiting: s.Waiting, Overdue: s.Lag, OldestResult: s.OldestResult}
}
