// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/discovery"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/internal/installation"
)

const (
	// checkTimeout bounds the whole check, and requestTimeout each request of it.
	checkTimeout   = 2 * time.Minute
	requestTimeout = 10 * time.Second
	// checkPatience is two lease durations: a replica may just be taking over.
	checkPatience = 30 * time.Second
)

// check says what there is to say about the installation, a finding a line, and
// whether the operator can work. A replica has patience to become active.
func check(ctx context.Context, options options, patience time.Duration, output io.Writer) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	config, err := ctrl.GetConfig()
	if err != nil {
		return false, fmt.Errorf("finding the API server (set --kubeconfig outside a cluster): %w", err)
	}
	namespace := options.ownNamespace(inClusterNamespace)
	if options.leaderElect && namespace == "" {
		return false, errors.New("--leader-election-namespace: name the namespace of the Lease, which is known in a Pod alone")
	}
	config.QPS, config.Burst, config.Timeout = options.apiQPS, options.apiBurst, requestTimeout
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return false, fmt.Errorf("registering API types: %w", err)
	}
	asking, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return false, fmt.Errorf("making a client for discovery: %w", err)
	}
	cluster, err := client.New(config, client.Options{Scheme: scheme, Mapper: knownKinds()})
	if err != nil {
		return false, fmt.Errorf("making a client: %w", err)
	}
	o := installation.Options{
		Client: cluster, Discovery: asking, Clock: clock.RealClock{}, Patience: patience,
		Namespace: namespace, Namespaces: options.reach.namespaces,
		Metrics: options.metricsAddress != "0",
	}
	if options.leaderElect {
		o.Lease = leaderElectionID
	}
	fine := true
	for _, finding := range installation.Check(ctx, o) {
		fmt.Fprintln(output, finding)
		fine = fine && finding.OK
	}
	return fine, nil
}

// knownKinds maps the kinds that the check needs. Finding them out would take
// another answer of the API server, before there is anything to say about it.
func knownKinds() meta.RESTMapper {
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(coordinationv1.SchemeGroupVersion.WithKind("Lease"), meta.RESTScopeNamespace)
	mapper.Add(authenticationv1.SchemeGroupVersion.WithKind("SelfSubjectReview"), meta.RESTScopeRoot)
	mapper.Add(authorizationv1.SchemeGroupVersion.WithKind("SelfSubjectAccessReview"), meta.RESTScopeRoot)
	return mapper
}
