// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/translate"
)

// +kubebuilder:rbac:groups=externalbackend.dev,resources=awsidentities,verbs=list;watch

// Identities knows the AWSIdentities and the namespaces that each of them allows.
type Identities struct {
	// Discover is false if the operator reads nothing that does not lie in
	// namespaces: then there are no identities.
	Discover bool
	Clock    clock.Clock
	// Changed is called after the book says something else than before, with what
	// tells of which namespaces.
	Changed func(changed func(namespace string) bool)

	// revised is called for each identity that may be another one than before.
	revised   func(name string)
	cache     cache.Cache
	dirty     chan struct{}
	selection selections
	current   atomic.Pointer[IdentityBook]
}

// Book returns what is known of the identities, the same pointer as long as nothing
// changes that matters; nil until anything is known.
func (i *Identities) Book() *IdentityBook { return i.current.Load() }

// SetupWithManager has everything watched that decides who may use which identity.
func (i *Identities) SetupWithManager(ctx context.Context, mgr ctrl.Manager) error {
	i.dirty = make(chan struct{}, 1)
	if i.Discover {
		i.cache = mgr.GetCache()
		for _, kind := range []client.Object{&v1alpha1.AWSIdentity{}, &corev1.Namespace{}} {
			informer, err := i.cache.GetInformer(ctx, kind, cache.BlockUntilSynced(false))
			if err == nil {
				_, err = informer.AddEventHandler(i.handler())
			}
			if err != nil {
				return fmt.Errorf("watching %T: %w", kind, err)
			}
		}
	}
	if err := mgr.Add(i); err != nil {
		return fmt.Errorf("adding what keeps the AWSIdentities current: %w", err)
	}
	return nil
}

// handler wakes Start when something has changed that matters.
func (i *Identities) handler() toolscache.ResourceEventHandler {
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { mark(i.dirty) },
		DeleteFunc: func(any) { mark(i.dirty) },
		UpdateFunc: func(before, now any) {
			if !sameReach(before, now) {
				mark(i.dirty)
			}
		},
	}
}

// NeedLeaderElection says that a standby knows the identities as well.
func (i *Identities) NeedLeaderElection() bool { return false }

// Start keeps the book current until ctx is done.
func (i *Identities) Start(ctx context.Context) error {
	if !i.Discover {
		i.current.Store(&IdentityBook{})
		return nil
	}
	keepCurrent(ctx, i.Clock, []cache.Cache{i.cache}, i.dirty, func(ctx context.Context) time.Duration {
		if err := i.refresh(ctx); err != nil {
			logf.FromContext(ctx).Error(err, "Failed to find out which AWSIdentities there are, going on with what was known", "after", vetRetry)
			return vetRetry
		}
		return 0
	})
	return nil
}

// refresh reads everything anew.
func (i *Identities) refresh(ctx context.Context) error {
	now, err := i.read(ctx)
	if err != nil {
		return err
	}
	before := i.current.Load()
	if before != nil && before.same(now) && before.sameForAll(now) {
		return nil
	}
	i.current.Store(now)
	others := before == nil || !before.same(now)
	if others {
		i.tell(before)
		i.tell(now)
	}
	if i.Changed != nil {
		i.Changed(func(namespace string) bool { return others || !before.sameFor(now, namespace) })
	}
	return nil
}

func (i *Identities) tell(book *IdentityBook) {
	if book == nil || i.revised == nil {
		return
	}
	for name := range book.known {
		i.revised(name)
	}
}

// read lists the identities and the namespaces.
func (i *Identities) read(ctx context.Context) (*IdentityBook, error) {
	var list v1alpha1.AWSIdentityList
	var namespaces corev1.NamespaceList
	if err := i.cache.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing AWSIdentities: %w", err)
	}
	if err := i.cache.List(ctx, &namespaces, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing Namespaces: %w", err)
	}
	slices.SortFunc(list.Items, func(a, b v1alpha1.AWSIdentity) int { return cmp.Compare(a.Name, b.Name) })
	book := &IdentityBook{Readable: true, known: make(map[string]*KnownIdentity, len(list.Items))}
	selectors := make([]namedSelector, len(list.Items))
	cluster := clusterUID(namespaces.Items)
	for n := range list.Items {
		known := know(&list.Items[n], cluster)
		book.known[known.Name] = known
		selectors[n] = namedSelector{known.Name, "none", labels.Nothing()} // which is spelled like one for all
		if known.Selector != nil {
			selectors[n] = namedSelector{known.Name, "of " + known.Selector.String(), known.Selector}
		}
	}
	book.allowed = i.selection.update(selectors, namespaces.Items)
	for _, known := range book.known {
		known.allowed = book.allowed
	}
	return book, nil
}

var errNoCluster = errors.New("spec.role: cannot be assumed, since the cluster has no namespace " + metav1.NamespaceSystem + ", whose UID its external ID is made from")

// know says what an identity means in a cluster.
func know(identity *v1alpha1.AWSIdentity, cluster string) *KnownIdentity {
	k := &KnownIdentity{uid: identity.UID, spec: &identity.Spec}
	k.AWSIdentity, k.Invalid = translate.Identity(identity)
	if k.RoleARN == "" {
		return k
	}
	if k.ExternalID = translate.ExternalID(cluster, identity.Name); k.ExternalID == "" {
		k.Invalid = errors.Join(k.Invalid, errNoCluster)
	}
	return k
}

// clusterUID is the UID of the cluster's namespace kube-system, which is there for
// as long as the cluster is; empty if it is not known.
func clusterUID(namespaces []corev1.Namespace) string {
	for i := range namespaces {
		if namespaces[i].Name == metav1.NamespaceSystem {
			return string(namespaces[i].UID)
		}
	}
	return ""
}
