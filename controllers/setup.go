// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/sliceplan"
	"externalbackend.dev/operator/internal/translate"
)

// reconcileTimeout bounds one pass, so that an API server that does not answer
// never holds a worker for good.
const reconcileTimeout = 30*time.Second + takeOutTime

type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// SetupWithManager registers the controller, its watches and its indexes. They
// end with ctx.
func (r *ServiceReconciler) SetupWithManager(ctx context.Context, mgr ctrl.Manager, workers int) error {
	foreign, err := NewForeignCache(ctx, mgr, r.Namespaces...)
	if err != nil {
		return fmt.Errorf("making the cache of EndpointSlices of others: %w", err)
	}
	if err := mgr.Add(standing{foreign}); err != nil {
		return fmt.Errorf("adding the cache of EndpointSlices of others: %w", err)
	}
	if err := mgr.Add(manager.RunnableFunc(r.sweepForever)); err != nil {
		return fmt.Errorf("adding the sweep: %w", err)
	}
	r.retries = newRetries()
	r.makeQueues(ctx)
	if err := mgr.Add(manager.RunnableFunc(r.searchForever)); err != nil {
		return fmt.Errorf("adding the search for leftovers: %w", err)
	}
	if err := mgr.Add(manager.RunnableFunc(r.reportForever)); err != nil {
		return fmt.Errorf("adding the reporters: %w", err)
	}
	if err := mgr.Add(manager.RunnableFunc(r.writeServicesForever)); err != nil {
		return fmt.Errorf("adding the writers of Services: %w", err)
	}
	r.Foreign = foreign
	r.caches = []cache.Cache{mgr.GetCache(), foreign}
	// A standby that takes over knows the Services, as it does what is indexed.
	if _, err := mgr.GetCache().GetInformer(ctx, &corev1.Service{}, cache.BlockUntilSynced(false)); err != nil {
		return fmt.Errorf("making the cache of Services: %w", err)
	}
	indexer := mgr.GetFieldIndexer()
	if err := indexer.IndexField(ctx, &v1alpha1.ExternalBackend{}, indexService, func(o client.Object) []string {
		return []string{translate.ServiceName(o.(*v1alpha1.ExternalBackend))}
	}); err != nil {
		return fmt.Errorf("indexing ExternalBackends by Service: %w", err)
	}
	if err := indexSlices(ctx, indexer); err != nil {
		return err
	}
	if err := indexer.IndexField(ctx, &discoveryv1.EndpointSlice{}, indexOwner, func(o client.Object) []string {
		return []string{string(sliceplan.OwnerUID(o.(*discoveryv1.EndpointSlice)))}
	}); err != nil {
		return fmt.Errorf("indexing EndpointSlices by owner: %w", err)
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named("externalbackend").
		Watches(&v1alpha1.ExternalBackend{}, handler.Funcs{
			CreateFunc: func(_ context.Context, e event.CreateEvent, q queue) { r.add(q, backendRequest(e.Object)) },
			UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) {
				// An edit of spec.service.name concerns both Services.
				r.add(q, backendRequest(e.ObjectOld))
				r.add(q, backendRequest(e.ObjectNew))
				r.memory.drop(backendRequest(e.ObjectNew).NamespacedName) // which goes by the generation
			},
			DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) {
				r.add(q, backendRequest(e.Object))
				// It may have been moved to this Service without having been seen
				// there: what is kept for it is kept under the other.
				if key, ok := r.known.service(subscriberOf(e.Object.(*v1alpha1.ExternalBackend))); ok {
					r.add(q, reconcile.Request{NamespacedName: key})
				}
				for _, key := range r.servicesWithSlicesOf(ctx, e.Object) {
					r.add(q, reconcile.Request{NamespacedName: key})
				}
			},
		}, builder.WithPredicates(matters())).
		Watches(&corev1.Service{}, handler.EnqueueRequestsFromMapFunc(r.serviceRequest)).
		WatchesRawSource(source.Kind(foreign, &discoveryv1.EndpointSlice{},
			handler.TypedEnqueueRequestsFromMapFunc(r.foreignRequest), whoseChanged())).
		Watches(&discoveryv1.EndpointSlice{}, r.sliceHandler()).
		WatchesRawSource(source.Func(r.wake.start)).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: workers,
			ReconciliationTimeout:   reconcileTimeout,
			RateLimiter:             r.retries,
		}).
		Complete(r)
}

// CachesSynced says whether the caches hold everything, on the leader and on a
// replica that stands by. It waits for that until ctx is done.
func (r *ServiceReconciler) CachesSynced(ctx context.Context) bool {
	return !slices.ContainsFunc(r.caches, func(c cache.Cache) bool { return !c.WaitForCacheSync(ctx) })
}

func indexSlices(ctx context.Context, indexer client.FieldIndexer) error {
	if err := indexer.IndexField(ctx, &discoveryv1.EndpointSlice{}, indexService, func(o client.Object) []string {
		return []string{o.GetLabels()[discoveryv1.LabelServiceName]}
	}); err != nil {
		return fmt.Errorf("indexing EndpointSlices by Service: %w", err)
	}
	return nil
}

func backendRequest(o client.Object) reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{
		Namespace: o.GetNamespace(), Name: translate.ServiceName(o.(*v1alpha1.ExternalBackend)),
	}}
}

// servicesWithSlicesOf returns the Services that have slices of an
// ExternalBackend, as far as the cache knows: a former one may.
func (r *ServiceReconciler) servicesWithSlicesOf(ctx context.Context, eb client.Object) []types.NamespacedName {
	var list discoveryv1.EndpointSliceList
	if err := r.Client.List(ctx, &list, client.InNamespace(eb.GetNamespace()),
		client.MatchingFields{indexOwner: string(eb.GetUID())}, client.UnsafeDisableDeepCopy); err != nil {
		return nil // the sweep finds them
	}
	services := make([]types.NamespacedName, len(list.Items))
	for i := range list.Items {
		services[i] = serviceOf(&list.Items[i])
	}
	return services
}

// matters passes updates of more than the status or the metadata of an
// ExternalBackend. Where watches were down, one may stand for a deletion and a
// creation, and after etcd was restored, for an edit with the same generation:
// specs are not compared for each status, since they may be long.
func matters() predicate.Predicate {
	return predicate.Funcs{
		UpdateFunc: func(e event.UpdateEvent) bool {
			before, now := e.ObjectOld.(*v1alpha1.ExternalBackend), e.ObjectNew.(*v1alpha1.ExternalBackend)
			return before.UID != now.UID || before.Generation != now.Generation ||
				(before.DeletionTimestamp == nil) != (now.DeletionTimestamp == nil) || newer(before, now) ||
				equality.Semantic.DeepEqual(before.Status, now.Status) && !equality.Semantic.DeepEqual(before.Spec, now.Spec)
		},
	}
}

// add queues a Service for something other than a changed verdict, which does
// not wait for the window.
func (r *ServiceReconciler) add(q queue, request reconcile.Request) {
	r.windows.open(request.NamespacedName)
	q.Add(request)
}

// serviceRequest wakes for the Services that an ExternalBackend refers to or has
// made.
func (r *ServiceReconciler) serviceRequest(ctx context.Context, o client.Object) []reconcile.Request {
	key := client.ObjectKeyFromObject(o)
	r.writtenServices.seen(o.(*corev1.Service))
	if translate.OwnerOf(o.(*corev1.Service)) == nil && !r.refersTo(ctx, key) {
		r.searched.forget(key, false)
		r.writtenServices.forget(key)
		return nil
	}
	r.windows.open(key)
	return []reconcile.Request{{NamespacedName: key}}
}

func (r *ServiceReconciler) refersTo(ctx context.Context, service types.NamespacedName) bool {
	var list v1alpha1.ExternalBackendList
	err := r.Client.List(ctx, &list, client.InNamespace(service.Namespace),
		client.MatchingFields{indexService: service.Name}, client.UnsafeDisableDeepCopy, client.Limit(1))
	return err != nil || len(list.Items) > 0
}

// foreignRequest wakes for the Service that a slice of somebody else is on.
func (r *ServiceReconciler) foreignRequest(ctx context.Context, slice *discoveryv1.EndpointSlice) []reconcile.Request {
	key := serviceOf(slice)
	if key.Name == "" || !r.refersTo(ctx, key) {
		return nil
	}
	r.windows.open(key)
	return []reconcile.Request{{NamespacedName: key}}
}

// sliceHandler wakes for the Service that a slice is labelled for, and for
// those that its owner and its former label name. Our own writes are no news.
func (r *ServiceReconciler) sliceHandler() handler.EventHandler {
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue) {
			if !r.written.seen(e.Object.(*discoveryv1.EndpointSlice)) {
				r.addSlice(ctx, e.Object, q)
			}
		},
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) {
			if !r.written.seen(e.ObjectNew.(*discoveryv1.EndpointSlice)) {
				r.addSlice(ctx, e.ObjectOld, q)
				r.addSlice(ctx, e.ObjectNew, q)
			}
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) {
			if !r.written.seenDeleted(e.Object.(*discoveryv1.EndpointSlice)) {
				r.addSlice(ctx, e.Object, q)
			}
		},
	}
}

func (r *ServiceReconciler) addSlice(ctx context.Context, o client.Object, q queue) {
	slice := o.(*discoveryv1.EndpointSlice)
	key := serviceOf(slice)
	if key.Name != "" {
		r.addEdited(q, reconcile.Request{NamespacedName: key})
	}
	ref := metav1.GetControllerOfNoCopy(slice)
	if ref == nil {
		return
	}
	var eb v1alpha1.ExternalBackend
	if err := r.Client.Get(ctx, types.NamespacedName{Namespace: slice.Namespace, Name: ref.Name}, &eb); err != nil || eb.UID != ref.UID {
		return
	}
	if request := backendRequest(&eb); request.NamespacedName != key {
		r.addEdited(q, request)
	}
}

// addEdited is add for an edit of a slice.
func (r *ServiceReconciler) addEdited(q queue, request reconcile.Request) {
	r.windows.edited(request.NamespacedName, r.Clock.Now())
	q.Add(request)
}
