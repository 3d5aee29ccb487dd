// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/guard"
)

// +kubebuilder:rbac:groups="",resources=nodes;namespaces,verbs=list;watch
// +kubebuilder:rbac:groups=networking.k8s.io,resources=servicecidrs,verbs=list;watch
// +kubebuilder:rbac:groups=externalbackend.dev,resources=externalbackendpolicies,verbs=list;watch

// Reach knows what may be targeted in each namespace: it keeps a guard.Matcher
// current with the networks of the cluster and with its ExternalBackendPolicies.
type Reach struct {
	// Fixed is what the flags of the operator say.
	Fixed guard.Config
	// Discover is false if the operator reads nothing that does not lie in
	// namespaces: then Fixed is all there is.
	Discover bool
	// Delay is how long published addresses are spared that lie in networks
	// which have become the cluster's own, if they are suspiciously many.
	Delay time.Duration
	Clock clock.Clock
	// Changed is called after something else may be targeted than before, with what
	// tells in which namespaces.
	Changed func(changed func(namespace string) bool)

	caches []cache.Cache
	dirty  chan struct{}
	// found are the networks of the cluster, unless moved says that they may have
	// changed since.
	found     []guard.Network
	moved     atomic.Bool
	staging   staging
	selection selections
	problems  map[string]string // of policies, that were logged
	current   atomic.Pointer[vetted]
}

// vetted is what may be targeted, in namespaces that are known; all are if the
// map is nil.
type vetted struct {
	matcher    *guard.Matcher
	namespaces map[string][]string
}

// Scope returns what may be targeted in a namespace; nil as long as that is not
// known.
func (r *Reach) Scope(namespace string) *guard.Scope { return r.current.Load().scope(namespace) }

// scope is nil while nothing is known.
func (v *vetted) scope(namespace string) *guard.Scope {
	if v == nil {
		return nil
	}
	if _, known := v.namespaces[namespace]; !known && v.namespaces != nil {
		return nil
	}
	return v.matcher.Scope(namespace)
}

// Known says whether it is known what may be targeted. Nothing is done before.
func (r *Reach) Known() bool { return r.current.Load() != nil }

// errUnknown is why nothing is dialled for namespaces that are not known yet.
var errUnknown = errors.New("it is not known yet what may be targeted in the namespace")

// Dial returns an error if none of the namespaces may have a connection made to
// an address and port. What is spared because its denial is staged is not dialled.
func (r *Reach) Dial(namespaces []string, to netip.AddrPort) error {
	err := errUnknown
	for _, namespace := range namespaces {
		scope := r.Scope(namespace)
		if scope == nil {
			continue
		}
		if err = scope.Dial(to); err == nil {
			return nil
		}
	}
	return err
}

func isStaged(err error) bool {
	denied, ok := errors.AsType[*guard.DeniedError](err)
	return ok && denied.Staged
}

// SetupWithManager has everything watched that decides what may be targeted.
func (r *Reach) SetupWithManager(ctx context.Context, mgr ctrl.Manager) error {
	r.dirty = make(chan struct{}, 1)
	r.staging.exempt = r.Fixed.Exempt
	if r.Discover {
		apiServer, err := newAPIServerCache(mgr)
		if err != nil {
			return fmt.Errorf("making the cache of the API server's addresses: %w", err)
		}
		if err := mgr.Add(standing{apiServer}); err != nil {
			return fmt.Errorf("adding the cache of the API server's addresses: %w", err)
		}
		r.caches = []cache.Cache{mgr.GetCache(), apiServer}
		for _, watched := range []struct {
			in      cache.Cache
			kind    client.Object
			network bool
		}{
			{mgr.GetCache(), &corev1.Node{}, true},
			{mgr.GetCache(), &corev1.Namespace{}, false},
			{mgr.GetCache(), &networkingv1.ServiceCIDR{}, true},
			{mgr.GetCache(), &v1alpha1.ExternalBackendPolicy{}, false},
			{apiServer, &discoveryv1.EndpointSlice{}, true},
		} {
			informer, err := watched.in.GetInformer(ctx, watched.kind, cache.BlockUntilSynced(false))
			if err == nil {
				_, err = informer.AddEventHandler(r.handler(watched.network))
			}
			if err != nil {
				return fmt.Errorf("watching %T: %w", watched.kind, err)
			}
		}
	}
	if err := mgr.Add(r); err != nil {
		return fmt.Errorf("adding what keeps the guard current: %w", err)
	}
	return nil
}

// newAPIServerCache makes a cache of the slice that the API server writes of its
// own addresses. Others on its Service may be anybody's.
func newAPIServerCache(mgr ctrl.Manager) (cache.Cache, error) {
	return cache.New(mgr.GetConfig(), cache.Options{
		HTTPClient: mgr.GetHTTPClient(), Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(),
		DefaultLabelSelector: labels.SelectorFromSet(labels.Set{discoveryv1.LabelServiceName: "kubernetes"}),
		DefaultFieldSelector: fields.SelectorFromSet(fields.Set{"metadata.namespace": metav1.NamespaceDefault, "metadata.name": "kubernetes"}),
		DefaultTransform:     cache.TransformStripManagedFields(),
		NewInformer:          newInformer,
	})
}

// handler wakes Start when something has changed that matters, to the networks of
// the cluster or otherwise.
func (r *Reach) handler(network bool) toolscache.ResourceEventHandler {
	changed := func() {
		if network {
			r.moved.Store(true)
		}
		mark(r.dirty)
	}
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { changed() },
		DeleteFunc: func(any) { changed() },
		UpdateFunc: func(before, now any) {
			if !sameReach(before, now) {
				changed()
			}
		},
	}
}

// NeedLeaderElection says that a standby knows what may be targeted as well.
func (r *Reach) NeedLeaderElection() bool { return false }

// Start keeps the guard current until ctx is done.
func (r *Reach) Start(ctx context.Context) error {
	keepCurrent(ctx, r.Clock, r.caches, r.dirty, func(ctx context.Context) time.Duration {
		next, err := r.refresh(ctx)
		if err != nil {
			logf.FromContext(ctx).Error(err, "Failed to find out what may be targeted, going on with what was known", "after", vetRetry)
			return vetRetry
		}
		return next
	})
	return nil
}

// refresh compiles what may be targeted anew, and returns the time after which
// that changes by itself; zero: never.
func (r *Reach) refresh(ctx context.Context) (time.Duration, error) {
	config, next, err := r.config(ctx)
	if err != nil {
		return 0, err
	}
	before, compiled := r.current.Load(), new(guard.Matcher)
	if before != nil {
		compiled = before.matcher
	}
	matcher, err := compiled.Recompile(config)
	if err != nil {
		return 0, fmt.Errorf("compiling what may be targeted: %w", err)
	}
	now := &vetted{matcher, config.Namespaces}
	r.current.Store(now)
	if r.Changed != nil {
		r.Changed(func(namespace string) bool { return before.scope(namespace) != now.scope(namespace) })
	}
	return next, nil
}

func (r *Reach) config(ctx context.Context) (guard.Config, time.Duration, error) {
	config := r.Fixed
	if !r.Discover {
		return config, 0, nil
	}
	var err error
	if r.moved.Swap(false) || r.found == nil {
		if r.found, err = r.networks(ctx); err != nil {
			r.moved.Store(true)
			return config, 0, err
		}
	}
	published := func() ([]publishedAddress, error) { return listPublished(ctx, r.caches[0]) }
	networks, next, err := r.staging.stage(r.found, published, r.Delay, r.Clock.Now())
	if err != nil {
		return config, 0, err
	}
	config.Networks = append(slices.Clip(config.Networks), networks...)
	config.Policies, config.Namespaces, err = r.policies(ctx)
	return config, next, err
}
