// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"slices"
	"time"

	"golang.org/x/time/rate"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/internal/sliceplan"
	"externalbackend.dev/operator/internal/translate"
)

// +kubebuilder:rbac:groups=externalbackend.dev,resources=externalbackends,verbs=get;list;watch
// +kubebuilder:rbac:groups=externalbackend.dev,resources=externalbackends/status,verbs=patch
// +kubebuilder:rbac:groups="",resources=services,verbs=get;list;watch;create;update;delete
// +kubebuilder:rbac:groups=discovery.k8s.io,resources=endpointslices,verbs=get;list;watch;create;update;delete
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create

// scopeDelay is the time after which a pass is tried again that came before it was
// known what may be targeted in its namespace.
const scopeDelay = 100 * time.Millisecond

// ServiceReconciler plans all ExternalBackends of one Service together, since
// duplicate addresses, families, ports and labels concern them all.
type ServiceReconciler struct {
	// Client reads from the cache and writes.
	Client client.Client
	// Live reads from the API server, for what a cache cannot know.
	Live client.Reader
	// Foreign reads from a cache made by NewForeignCache.
	Foreign client.Reader

	Health   HealthSource
	Literals LiteralResolver
	Names    Names
	Guard    Guard
	// Instances finds EC2 instances, with what Identities says, and Topology tells
	// where they are.
	Instances  Instances
	Identities IdentitySource
	Topology   *Topology
	// Credentials of the checks.
	Credentials *Credentials
	Metrics     Metrics
	Events      events.EventRecorder
	Clock       clock.PassiveClock

	// Namespaces to work in; empty: all.
	Namespaces []string
	// MaxEndpoints in a slice, 1 to sliceplan.HardMaxEndpoints.
	MaxEndpoints int
	// Annotations that templates of managed Services may have.
	Annotations translate.AnnotationRules
	// Reports limits the patches of statuses, so that they never use up what the
	// slices need of the API server. A long one counts as several. It must not be nil.
	Reports *rate.Limiter

	known    knownBackends
	written  writtenSlices
	seen     seenSlices
	searched searches
	windows  windows
	races    races
	late     keptByService[[]*overdue] // slices that were left with what is denied
	memory   keptByService[*recollection]
	caches   []cache.Cache
	reports  workqueue.TypedInterface[health.Subscriber]
	wake     wakeup
	retries  *retries // nil unless SetupWithManager was called

	writtenServices writtenServices
	due             queue // Services to be written
	dueRetries      *retries
}

// Reconcile brings the slices of one Service and the status of its
// ExternalBackends up to date. It waits for nothing outside the cluster.
func (r *ServiceReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	result, err := r.pass(ctx, req)
	if r.retries != nil {
		r.retries.failed(req, err)
	}
	return result, err
}

func (r *ServiceReconciler) pass(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	began := r.Clock.Now()
	if wait := r.windows.wait(req.NamespacedName, began); wait > 0 {
		return ctrl.Result{RequeueAfter: wait}, nil
	}
	claimed, err := r.claim(ctx, req.NamespacedName)
	if err != nil {
		return ctrl.Result{}, err
	}
	if claimed == nil {
		return ctrl.Result{RequeueAfter: claimDelay}, nil
	}
	defer r.known.release(claimed.subscribers)
	// Not before: whoever is known by now is looked at again when it changes.
	scope := r.Guard.Scope(req.Namespace)
	if scope == nil {
		return ctrl.Result{RequeueAfter: scopeDelay}, nil
	}
	identities, topology := r.Identities.Book(), r.Topology.load()
	w, err := r.observe(ctx, req.NamespacedName, scope, claimed)
	if err != nil {
		return ctrl.Result{}, err
	}
	w.identities, w.topology = identities, topology
	r.manage(w)
	passes := r.recall(w)
	if passes == nil {
		passes = r.resolve(w)
	}
	r.forgetGone(ctx, w, passes)

	plan := sliceplan.Compute(r.planInput(w, passes))
	r.keepFormer(w, passes, &plan)
	if current, err := r.confirmService(ctx, w); err != nil {
		return ctrl.Result{}, err
	} else if !current {
		return ctrl.Result{RequeueAfter: time.Second}, nil
	}
	done := r.apply(ctx, w, passes, &plan)
	r.remember(w, passes, &plan, done)
	w.goOn(done)
	return r.report(w, passes, done, began)
}

// resolve finds out everything about the ExternalBackends of a Service: who
// serves which address, and how each is.
func (r *ServiceReconciler) resolve(w *world) []*pass {
	passes := r.translate(w)
	r.discover(w, passes)
	r.awaitFirstChecks(w, passes)
	yield(w, passes)
	arbitrate(passes)
	r.drain(w, passes)
	r.check(w.scope, passes)
	r.rank(w, passes)
	r.passThrough(w, passes)
	return passes
}

// confirmService reads the Service itself before slices are bound to another
// one of the same name, so that a lagging cache cannot bind them to a Service
// that is already gone (rule 50).
func (r *ServiceReconciler) confirmService(ctx context.Context, w *world) (bool, error) {
	rebinds := func(s *discoveryv1.EndpointSlice) bool {
		recorded, of := s.Annotations[sliceplan.ServiceUIDAnnotation], s.Labels[discoveryv1.LabelServiceName]
		return recorded != "" && recorded != string(w.service.UID) && (of == "" || of == w.key.Name)
	}
	if w.service == nil || !slices.ContainsFunc(w.slices, rebinds) {
		return true, nil
	}
	live, err := r.liveService(ctx, w.key)
	return err == nil && live != nil && live.UID == w.service.UID, err
}
