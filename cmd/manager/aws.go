// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"flag"
	"fmt"
	"time"

	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"

	"externalbackend.dev/operator/controllers"
	"externalbackend.dev/operator/internal/discovery/ec2"
	"externalbackend.dev/operator/internal/discovery/ec2/sdk"
	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/internal/metrics"
)

// Bounds of the time between two listings of instances.
const (
	leastRefresh = 10 * time.Second
	mostRefresh  = 10 * time.Minute
)

// awsOptions say how AWS is asked.
type awsOptions struct {
	refresh time.Duration
}

func (o *awsOptions) register(flags *flag.FlagSet) {
	flags.DurationVar(&o.refresh, "ec2-refresh-interval", ec2.DefaultRefresh, "time between two listings of the EC2 instances of an AWSIdentity and region, each up to a tenth longer")
}

func (o *awsOptions) check() error {
	return between("ec2-refresh-interval", o.refresh, leastRefresh, mostRefresh)
}

// fleets find EC2 instances.
type fleets struct {
	identities *controllers.Identities
	controller *controllers.IdentityController
	topology   *controllers.Topology
	instances  *ec2.Discoverer[health.Subscriber]
}

// fleets returns what finds EC2 instances for a reconciler.
func (o *options) fleets(mgr ctrl.Manager, reconciler *controllers.ServiceReconciler, recorder *metrics.Metrics) *fleets {
	discover := len(o.reach.namespaces) == 0
	identities := &controllers.Identities{Discover: discover, Clock: clock.RealClock{}, Changed: reconciler.Revisit}
	topology := &controllers.Topology{Discover: discover, Clock: clock.RealClock{}, Changed: reconciler.Revisit}
	controller := &controllers.IdentityController{
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Identities: identities,
		Events: mgr.GetEventRecorder("externalbackend-operator"), Clock: clock.RealClock{},
		Namespace: o.ownNamespace(inClusterNamespace),
	}
	instances := ec2.New(ec2.Options[health.Subscriber]{
		Connector: sdk.New(sdk.Options{Observe: func(service, operation, outcome string, _ time.Duration) {
			recorder.AWSRequestDone(service, operation, outcome)
		}}),
		Refresh: o.aws.refresh, Changed: reconciler.Wake, IdentityChanged: controller.Look,
	})
	controller.Instances = instances
	reconciler.Instances, reconciler.Identities, reconciler.Topology = instances, identities, topology
	return &fleets{identities, controller, topology, instances}
}

func (f *fleets) setup(ctx context.Context, mgr ctrl.Manager) error {
	if err := mgr.Add(f.instances); err != nil {
		return fmt.Errorf("adding the discovery of EC2 instances: %w", err)
	}
	if err := f.identities.SetupWithManager(ctx, mgr); err != nil {
		return fmt.Errorf("setting up the AWSIdentities: %w", err)
	}
	if err := f.topology.SetupWithManager(ctx, mgr); err != nil {
		return fmt.Errorf("setting up the topology of the cluster: %w", err)
	}
	if err := f.controller.SetupWithManager(ctx, mgr); err != nil {
		return fmt.Errorf("setting up the controller of AWSIdentities: %w", err)
	}
	return nil
}

// sources are the figures of all regions that are listed.
func (f *fleets) sources() []metrics.SourceStats {
	var list []metrics.SourceStats
	for _, s := range f.instances.Sources() {
		list = append(list, metrics.SourceStats{Identity: s.Identity, Region: s.Region, Instances: s.Instances, Listed: s.Listed})
	}
	return list
}
