// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/sliceplan"
	"externalbackend.dev/operator/internal/translate"
)

// ManagerOptions are those of a manager that the controller can be set up with.
// Its cache holds what the controller needs: of the EndpointSlices only our own,
// and no managed fields. With namespaces it reads nothing outside of these.
func ManagerOptions(scheme *runtime.Scheme, namespaces ...string) ctrl.Options {
	options := ctrl.Options{
		Scheme: scheme,
		Cache: cache.Options{
			DefaultTransform: cache.TransformStripManagedFields(),
			ByObject: map[client.Object]cache.ByObject{
				&discoveryv1.EndpointSlice{}: {
					Label: labels.SelectorFromSet(labels.Set{discoveryv1.LabelManagedBy: sliceplan.ManagedBy}),
				},
				&corev1.Node{}: {Transform: withoutLoad},
			},
			DefaultNamespaces: only(namespaces), NewInformer: newInformer,
		},
	}
	options.MapperProvider = restMapper
	return options
}

// only has a cache read some namespaces; all if there are none.
func only(namespaces []string) map[string]cache.Config {
	configs := make(map[string]cache.Config, len(namespaces))
	for _, namespace := range namespaces {
		configs[namespace] = cache.Config{}
	}
	return configs
}

// standing is a cache that is kept by a standby, too.
type standing struct{ cache.Cache }

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (standing) NeedLeaderElection() bool { return false }

// restMapper knows the kinds that the controller reads and writes. Since it need
// not ask the API server for them, an operator can be started while that is away
// or does not know ExternalBackends yet, and waits.
func restMapper[HTTPClient any](*rest.Config, HTTPClient) (meta.RESTMapper, error) {
	mapper := meta.NewDefaultRESTMapper(nil)
	add := func(scope meta.RESTScope, kinds ...schema.GroupVersionKind) {
		for _, kind := range kinds {
			mapper.Add(kind, scope)
			// A cache of some namespaces asks whether lists are in namespaces.
			mapper.Add(kind.GroupVersion().WithKind(kind.Kind+"List"), scope)
		}
	}
	add(meta.RESTScopeNamespace,
		v1alpha1.GroupVersion.WithKind(translate.Kind),
		corev1.SchemeGroupVersion.WithKind("Secret"),
		corev1.SchemeGroupVersion.WithKind("Service"),
		discoveryv1.SchemeGroupVersion.WithKind("EndpointSlice"),
	)
	add(meta.RESTScopeRoot,
		v1alpha1.GroupVersion.WithKind("AWSIdentity"),
		v1alpha1.GroupVersion.WithKind("ExternalBackendPolicy"),
		corev1.SchemeGroupVersion.WithKind("Namespace"),
		corev1.SchemeGroupVersion.WithKind("Node"),
		networkingv1.SchemeGroupVersion.WithKind("ServiceCIDR"),
	)
	return mapper, nil
}

// newInformer makes an informer that reads everything anew after the API server
// was away.
func newInformer(source toolscache.ListerWatcher, kind runtime.Object, resync time.Duration, indexers toolscache.Indexers) toolscache.SharedIndexInformer {
	return toolscache.NewSharedIndexInformer(rereading{source}, kind, resync, indexers)
}

// rereading ends a watch for good that the API server was not there to resume.
// It may have been restored from a backup meanwhile. A watch that goes on from a
// version which has not been reached again is told nothing, not even that.
type rereading struct{ toolscache.ListerWatcher }

// ListWithContext implements toolscache.ListerWithContext.
func (r rereading) ListWithContext(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
	return toolscache.ToListerWithContext(r.ListerWatcher).ListWithContext(ctx, options)
}

// WatchWithContext implements toolscache.WatcherWithContext. Informers try to
// resume a watch after one error alone, that a connection was refused.
func (r rereading) WatchWithContext(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
	w, err := toolscache.ToWatcherWithContext(r.ListerWatcher).WatchWithContext(ctx, options)
	if utilnet.IsConnectionRefused(err) {
		return nil, errors.New(err.Error())
	}
	return w, err
}
