// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"cmp"
	"context"
	"crypto/tls"
	"net/netip"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/config"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"externalbackend.dev/operator/controllers"
	"externalbackend.dev/operator/internal/discovery/dns"
	"externalbackend.dev/operator/internal/discovery/ec2"
	"externalbackend.dev/operator/internal/discovery/ec2/sdk"
	"externalbackend.dev/operator/internal/discovery/static"
	"externalbackend.dev/operator/internal/guard"
	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/internal/metrics"
	"externalbackend.dev/operator/internal/probe"
	"externalbackend.dev/operator/internal/sliceplan"
	"externalbackend.dev/operator/internal/translate"
	programs "externalbackend.dev/operator/test/cluster"
)

// operator is the product as cmd/manager wires it, with the network of the
// suite behind its dialer. It runs as the shipped ServiceAccount.
type operator struct {
	manager  ctrl.Manager
	requests *gate
	metrics  prometheus.Gatherer
	// metricsURL is empty unless the metrics are served.
	metricsURL string
	reach      *controllers.Reach
	asked      *subscriptions
	instances  *ec2.Discoverer[health.Subscriber]
	aws        *sdk.Connector
	recordAWS  func(service, operation, outcome string)

	cancel context.CancelFunc
	ended  chan error
}

type operatorOptions struct {
	leaderElection bool
	lease          time.Duration // how long it holds; the shipped time if zero
	serveMetrics   bool
	clock          clock.PassiveClock // of the reconciler; the real one if nil
	connection     *rest.Config       // as whom and where; the shipped ServiceAccount in the cluster of the suite if nil
	fault          fault              // what happens to its requests from the start; none if nil
	requirePolicy  bool
	namespaces     []string // to work in; all if empty
	deny           []guard.Network
	exempt         []netip.Prefix // from what the cluster's own networks deny
	denyDelay      time.Duration  // before new networks deny what is published, if that is a lot
	retention      time.Duration  // of what answers about names lack, at least; the shipped time if zero
	secretPeriod   time.Duration  // between two reads of a Secret, of checks or an AWSIdentity; the shipped time if zero
	maxQuestions   int            // about names, of a namespace; the shipped number if zero
	refresh        time.Duration  // between two listings of instances; a second if zero
	homeless       bool           // does not know its own namespace
	fenceNamespace string         // where it asks whether it is fenced; not at all if empty
	maxChecks      int            // of a namespace; the shipped number if zero
	// guard is what passes ask in the place of what is wired; that if nil.
	guard func(*controllers.Reach) controllers.Guard
}

// shared is the operator of the specs that need nothing special.
var shared *operator

// sharedOperator has one operator run from spec to spec.
func sharedOperator() *operator {
	GinkgoHelper()
	if shared == nil {
		shared = startOperator(operatorOptions{})
	}
	return shared
}

// stopSharedOperator makes room for a spec that starts operators of its own.
func stopSharedOperator() {
	GinkgoHelper()
	if shared != nil {
		shared.stop()
		shared = nil
	}
}

// ownOperator starts an operator for one spec.
func ownOperator(options operatorOptions) *operator {
	GinkgoHelper()
	stopSharedOperator()
	o := startOperator(options)
	DeferCleanup(o.stop)
	return o
}

func startOperator(options operatorOptions) *operator {
	GinkgoHelper()
	ctx, cancel := context.WithCancel(context.Background())
	o := &operator{requests: newGate(), cancel: cancel, ended: make(chan error, 1)}
	connection := options.connection
	if connection == nil {
		connection = rest.AnonymousClientConfig(cluster)
		connection.BearerToken = tokenFor(ctx, shipped.account.Namespace, shipped.account.Name)
	}
	connection.QPS, connection.Burst = 100, 200
	o.requests.cause(options.fault)
	connection.Wrap(audit.wrap)
	connection.Wrap(o.requests.wrap)
	settings := controllers.ManagerOptions(scheme, options.namespaces...)
	settings.Metrics = metricsserver.Options{BindAddress: "0"}
	settings.LeaderElection = options.leaderElection
	settings.LeaderElectionID = "controller.externalbackend.dev"
	settings.LeaderElectionNamespace = shipped.account.Namespace
	settings.LeaderElectionReleaseOnCancel = true
	settings.GracefulShutdownTimeout = new(10 * time.Second)
	// Names are registered for the whole process, and never given back.
	settings.Controller = config.Controller{SkipNameValidation: new(true)}
	if options.lease != 0 {
		settings.LeaseDuration = new(options.lease)
		settings.RenewDeadline, settings.RetryPeriod = new(options.lease*2/3), new(options.lease/6)
	}
	var registry interface {
		prometheus.Registerer
		prometheus.Gatherer
	} = prometheus.NewRegistry()
	if options.serveMetrics {
		address := freeAddress()
		o.metricsURL = "https://" + address + "/metrics"
		registry = ctrlmetrics.Registry
		settings.Metrics = metricsserver.Options{
			BindAddress: address, SecureServing: true, FilterProvider: filters.WithAuthenticationAndAuthorization,
		}
	}
	o.metrics = registry
	var err error
	o.manager, err = ctrl.NewManager(connection, settings)
	Expect(err).NotTo(HaveOccurred())
	var ticks clock.PassiveClock = clock.RealClock{}
	if options.clock != nil {
		ticks = options.clock
	}
	o.wire(ctx, &revocable{Registerer: registry}, ticks, options)
	go func() {
		err := o.manager.Start(ctx)
		o.aws.CloseIdle()
		o.ended <- err
	}()
	if options.serveMetrics {
		Eventually(func() error {
			conn, err := tls.Dial("tcp", settings.Metrics.BindAddress, &tls.Config{InsecureSkipVerify: true}) // self-made
			if err == nil {
				err = conn.Close()
			}
			return err
		}).Should(Succeed(), "the metrics are not served")
	}
	return o
}

// wire does what cmd/manager does.
func (o *operator) wire(ctx context.Context, registry *revocable, ticks clock.PassiveClock, options operatorOptions) {
	GinkgoHelper()
	var scheduler *probe.Scheduler
	var names *dns.Resolver[health.Subscriber]
	recorder := metrics.New(registry, func() metrics.CheckerStats {
		s := scheduler.Stats()
		return metrics.CheckerStats{InFlight: s.InFlight, Checks: s.Probes, Waiting: s.Waiting, Overdue: s.Lag, OldestResult: s.OldestResult}
	}, func() metrics.ResolverStats { return metrics.ResolverStats(names.Stats()) }, o.sources)
	context.AfterFunc(ctx, registry.revoke)
	reach := &controllers.Reach{Discover: len(options.namespaces) == 0, Delay: options.denyDelay, Clock: clock.RealClock{}}
	o.recordAWS, o.reach = recorder.AWSRequestDone, reach
	reach.Fixed.RequirePolicy, reach.Fixed.Networks, reach.Fixed.Exempt = options.requirePolicy, options.deny, options.exempt
	credentials := &controllers.Credentials{
		Live: o.manager.GetAPIReader(), Guard: reach, Period: options.secretPeriod,
		Limit: rate.NewLimiter(25, 50),
	}
	reconciler := &controllers.ServiceReconciler{
		Client:       o.manager.GetClient(),
		Live:         o.manager.GetAPIReader(),
		Literals:     static.Resolve,
		Guard:        reach,
		Credentials:  credentials,
		Metrics:      recorder,
		Events:       o.manager.GetEventRecorder("externalbackend-operator"),
		Clock:        ticks,
		MaxEndpoints: sliceplan.DefaultMaxEndpoints,
		Namespaces:   options.namespaces,
		Annotations:  translate.AnnotationRules{"example.com/*"},
		Reports:      rate.NewLimiter(25, 50),
	}
	names = dns.New(dns.Options[health.Subscriber]{
		Servers: []netip.AddrPort{nameServer.Addr()}, MinTTL: 100 * time.Millisecond, MinRetention: options.retention, Changed: reconciler.Wake,
		Group: func(sub health.Subscriber) string { return sub.Namespace }, MaxQuestions: options.maxQuestions,
	})
	reconciler.Names = names
	o.wireAWS(ctx, reconciler, options)
	Expect(o.manager.Add(names)).To(Succeed())
	scheduler = probe.New(probe.Options{
		Guard: reach.Dial, Credentials: credentials.Value, Notify: reconciler.Wake, Observer: observer{recorder}, Dial: network.Dial,
		MaxChecksPerNamespace: options.maxChecks,
	})
	o.asked = newSubscriptions(scheduler)
	reconciler.Health, reach.Changed, credentials.Changed = o.asked, reconciler.Revet, reconciler.Wake
	if options.guard != nil {
		reconciler.Guard = options.guard(reach)
	}
	Expect(reach.SetupWithManager(ctx, o.manager)).To(Succeed())
	Expect(credentials.SetupWithManager(ctx, o.manager)).To(Succeed())
	Expect(o.manager.Add(scheduler)).To(Succeed())
	Expect(o.manager.Add(&controllers.FenceCheck{
		Client: o.manager.GetClient(), Namespace: options.fenceNamespace, Found: recorder.SetFenced, Clock: clock.RealClock{},
	})).To(Succeed())
	Expect(reconciler.SetupWithManager(ctx, o.manager, 8)).To(Succeed())
}

// wireAWS does what cmd/manager does about EC2 instances.
func (o *operator) wireAWS(ctx context.Context, reconciler *controllers.ServiceReconciler, options operatorOptions) {
	GinkgoHelper()
	discover := len(options.namespaces) == 0
	identities := &controllers.Identities{Discover: discover, Clock: clock.RealClock{}, Changed: reconciler.Revisit}
	topology := &controllers.Topology{Discover: discover, Clock: clock.RealClock{}, Changed: reconciler.Revisit}
	controller := &controllers.IdentityController{
		Client: o.manager.GetClient(), Live: o.manager.GetAPIReader(), Identities: identities,
		Events: o.manager.GetEventRecorder("externalbackend-operator"), Clock: clock.RealClock{},
		Namespace: shipped.account.Namespace, Period: options.secretPeriod,
	}
	if options.homeless {
		controller.Namespace = ""
	}
	o.aws = sdk.New(sdk.Options{Observe: func(service, operation, outcome string, _ time.Duration) { o.recordAWS(service, operation, outcome) }})
	o.instances = ec2.New(ec2.Options[health.Subscriber]{
		Connector: o.aws,
		Refresh:   cmp.Or(options.refresh, time.Second), Changed: reconciler.Wake, IdentityChanged: controller.Look,
	})
	controller.Instances = o.instances
	reconciler.Instances, reconciler.Identities, reconciler.Topology = o.instances, identities, topology
	Expect(o.manager.Add(o.instances)).To(Succeed())
	Expect(identities.SetupWithManager(ctx, o.manager)).To(Succeed())
	Expect(topology.SetupWithManager(ctx, o.manager)).To(Succeed())
	Expect(controller.SetupWithManager(ctx, o.manager)).To(Succeed())
}

// sources are the figures of all regions that are listed.
func (o *operator) sources() []metrics.SourceStats {
	var list []metrics.SourceStats
	for _, s := range o.instances.Sources() {
		list = append(list, metrics.SourceStats{Identity: s.Identity, Region: s.Region, Instances: s.Instances, Listed: s.Listed})
	}
	return list
}

// stop ends the operator as a signal does, and returns when it has ended.
func (o *operator) stop() {
	GinkgoHelper()
	o.cancel()
	defer o.requests.release() // what an operator leaves behind that has lost its lease
	if o.ended == nil {
		return
	}
	Eventually(o.ended).Should(Receive(BeNil()), "the operator did not stop cleanly")
	o.ended = nil
}

// series returns the values of a metric for the ExternalBackend of that name,
// by the value of one label.
func (o *operator) series(metric, namespace, name, by string) map[string]float64 {
	GinkgoHelper()
	families, err := o.metrics.Gather()
	Expect(err).NotTo(HaveOccurred())
	values := map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			labels := map[string]string{}
			for _, pair := range m.GetLabel() {
				labels[pair.GetName()] = pair.GetValue()
			}
			if family.GetName() == metric && labels["namespace"] == namespace && labels["name"] == name {
				values[labels[by]] = m.GetGauge().GetValue()
			}
		}
	}
	return values
}

// freeAddress returns an address on which nothing listens.
func freeAddress() string {
	GinkgoHelper()
	address, err := programs.FreeAddress()
	Expect(err).NotTo(HaveOccurred())
	return address
}

// revocable remembers what was registered, so that the next operator of the
// process can register the same.
type revocable struct {
	prometheus.Registerer
	collectors []prometheus.Collector
}

func (r *revocable) MustRegister(collectors ...prometheus.Collector) {
	r.Registerer.MustRegister(collectors...)
	r.collectors = append(r.collectors, collectors...)
}

func (r *revocable) revoke() {
	for _, c := range r.collectors {
		r.Unregister(c)
	}
}

type observer struct{ metrics *metrics.Metrics }

func (o observer) CheckDone(kind health.Kind, result health.Result, lag time.Duration) {
	o.metrics.CheckDone(kind.String(), result.Outcome.String(), string(result.Reason),
		result.Outcome != health.Indeterminate, result.Latency, lag)
}

func (o observer) VerdictChanged(_ health.Subscriber, _ netip.Addr, _, to health.Verdict) {
	o.metrics.VerdictChanged(to.String())
}
