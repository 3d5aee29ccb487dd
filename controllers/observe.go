// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/guard"
	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/internal/sliceplan"
	"externalbackend.dev/operator/internal/status"
	"externalbackend.dev/operator/internal/translate"
)

// Names of the indexes of the cache.
const (
	indexService = "service" // ExternalBackends and slices by Service name
	indexOwner   = "owner"   // slices by UID of their ExternalBackend
)

// world is what the API server holds that concerns one Service. Objects are
// shared with the cache and must not be changed.
type world struct {
	key types.NamespacedName
	// scope is what may be targeted in the namespace.
	scope *guard.Scope
	// identities and topology are what is known of AWSIdentities and Nodes; nil:
	// nothing yet.
	identities *IdentityBook
	topology   *topology
	// service is nil if it does not exist.
	service *corev1.Service
	// backends refer to the Service and are not being deleted; oldest first.
	backends []*v1alpha1.ExternalBackend
	// slices are ours: owned by one of backends wherever they are labelled
	// for, or labelled for this Service and left over.
	slices []*discoveryv1.EndpointSlice
	// others are the slices on the Service that do not have our label.
	others []discoveryv1.EndpointSlice
	// foreign slices are on the Service and not ours.
	foreign []status.ForeignSlice
	// managed holds what keeps the Service of an ExternalBackend with management
	// Managed from being as specified.
	managed map[types.UID]*translate.Problem
	// restoring is true while a managed Service is not as specified and it is not
	// known yet what comes of the attempt to write it. The service is what it is
	// going to be, and the slices stay as they are but for health.
	restoring bool
	// retrying is true if that attempt has failed and another one is to follow.
	retrying bool
	// former are the Services that managed ones of backends take the place of.
	former []former
	// wake is the time after which the Service is to be looked at again; zero:
	// when something happens.
	wake time.Duration
}

// fleets says whether some targets are EC2 instances.
func (w *world) fleets() bool {
	return slices.ContainsFunc(w.backends, func(eb *v1alpha1.ExternalBackend) bool {
		return slices.ContainsFunc(eb.Spec.Targets, func(t v1alpha1.Target) bool { return t.EC2 != nil })
	})
}

// again asks for another pass after d at the latest.
func (w *world) again(d time.Duration) {
	if d = max(d, time.Millisecond); w.wake == 0 || d < w.wake {
		w.wake = d
	}
}

// observe reads the world from the cache, completed by what this process has
// just written and by what the cache cannot see.
func (r *ServiceReconciler) observe(ctx context.Context, key types.NamespacedName, scope *guard.Scope, claimed *claimed) (*world, error) {
	w, backends := &world{key: key, scope: scope}, claimed.backends
	if claimed.absent > 0 {
		w.again(absenceDelay)
	}
	var err error
	var behind time.Duration
	if w.service, behind, err = r.newestService(ctx, key); err != nil {
		return nil, err
	}
	if behind > 0 {
		w.again(behind) // if the cache still tells otherwise then, it is right
	}
	owners := make(map[types.UID]bool, len(backends))
	for _, eb := range backends {
		latest, left := r.known.latest(eb, r.Clock.Now())
		if left > 0 {
			w.again(left) // if the cache still tells otherwise then, it is right
		}
		w.backends = append(w.backends, latest)
		owners[eb.UID] = true
	}
	if len(backends) > 0 {
		if w.others, err = r.others(ctx, key); err != nil {
			return nil, err
		}
	}
	if w.slices, err = r.ownSlices(ctx, w, owners); err != nil {
		return nil, err
	}
	if err := r.findFormer(ctx, w); err != nil {
		return nil, err
	}
	r.foreignSlices(w, owners)
	return w, nil
}

func getService(ctx context.Context, reader client.Reader, key types.NamespacedName) (*corev1.Service, error) {
	var svc corev1.Service
	switch err := reader.Get(ctx, key, &svc); {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading Service %s: %w", key, err)
	}
	return &svc, nil
}

func (r *ServiceReconciler) liveService(ctx context.Context, key types.NamespacedName) (*corev1.Service, error) {
	return getService(ctx, r.Live, key)
}

// ownSlices finds the slices of the Service: by their label, by their owner,
// and those whose managed-by label somebody removed, which the cache then
// takes for deleted.
func (r *ServiceReconciler) ownSlices(ctx context.Context, w *world, owners map[types.UID]bool) ([]*discoveryv1.EndpointSlice, error) {
	found := make(map[string]*discoveryv1.EndpointSlice)
	list := func(index, value string) error {
		var cached discoveryv1.EndpointSliceList
		if err := r.Client.List(ctx, &cached, client.InNamespace(w.key.Namespace),
			client.MatchingFields{index: value}, client.UnsafeDisableDeepCopy); err != nil {
			return fmt.Errorf("listing EndpointSlices of Service %s: %w", w.key, err)
		}
		for i := range cached.Items {
			found[cached.Items[i].Name] = &cached.Items[i]
		}
		return nil
	}
	if err := list(indexService, w.key.Name); err != nil {
		return nil, err
	}
	for _, eb := range w.backends {
		if err := list(indexOwner, string(eb.UID)); err != nil {
			return nil, err
		}
	}
	if left := r.written.overlay(w.key, found, r.Clock.Now()); left > 0 {
		w.again(left) // if the cache still tells otherwise then, it is right
	}
	if err := r.recoverMissing(ctx, w.key, owners, r.expectedSlices(w, owners), found); err != nil {
		return nil, err
	}
	var own []*discoveryv1.EndpointSlice
	gone := make(map[health.Subscriber]bool)
	for _, slice := range found {
		left, err := r.leftOver(ctx, w, slice, owners, gone)
		if err != nil {
			return nil, err
		}
		if left || owners[sliceplan.OwnerUID(slice)] {
			own = append(own, slice)
		}
	}
	sortByName(own)
	r.seen.set(w.key, own)
	return own, nil
}

func sortByName(list []*discoveryv1.EndpointSlice) {
	slices.SortFunc(list, func(a, b *discoveryv1.EndpointSlice) int { return strings.Compare(a.Name, b.Name) })
}

// recoverMissing looks for slices that are out of the cache's sight for want of
// the managed-by label, and still ours (rule 5).
func (r *ServiceReconciler) recoverMissing(ctx context.Context, key types.NamespacedName, owners map[types.UID]bool,
	expected map[string]types.UID, found map[string]*discoveryv1.EndpointSlice,
) error {
	for name, owner := range expected {
		if _, cached := found[name]; cached || owner != "" && !owners[owner] {
			continue
		}
		var live discoveryv1.EndpointSlice
		err := r.Live.Get(ctx, types.NamespacedName{Namespace: key.Namespace, Name: name}, &live)
		switch {
		case err != nil && !apierrors.IsNotFound(err):
			return fmt.Errorf("reading EndpointSlice %s/%s: %w", key.Namespace, name, err)
		case err == nil && owners[sliceplan.OwnerUID(&live)]:
			found[name] = &live
		}
	}
	return nil
}

// leftOver says whether a slice that no ExternalBackend of this Service owns
// may go: its owner is gone, or serves another Service and has not just got that
// in the place of this one. That the owner is gone is confirmed by a live read,
// since the cache may be behind, once for all of its slices.
func (r *ServiceReconciler) leftOver(ctx context.Context, w *world, slice *discoveryv1.EndpointSlice,
	owners map[types.UID]bool, gone map[health.Subscriber]bool,
) (bool, error) {
	uid, name := sliceplan.OwnerUID(slice), ownerName(slice)
	owner := health.Subscriber{Namespace: slice.Namespace, Name: name, UID: string(uid)}
	if owners[uid] || slice.DeletionTimestamp != nil {
		return false, nil
	}
	if name == "" || gone[owner] {
		return true, nil
	}
	key := types.NamespacedName{Namespace: slice.Namespace, Name: name}
	var eb v1alpha1.ExternalBackend
	served := func() bool {
		return eb.UID == uid && eb.DeletionTimestamp == nil &&
			(translate.ServiceName(&eb) == slice.Labels[discoveryv1.LabelServiceName] || isFormer(w.service, &eb))
	}
	if err := r.Client.Get(ctx, key, &eb); err == nil && eb.UID == uid {
		return !served(), nil
	}
	switch err := r.Live.Get(ctx, key, &eb); {
	case apierrors.IsNotFound(err), err == nil && eb.UID != uid:
		gone[owner] = true
		return true, nil
	case err != nil:
		return false, fmt.Errorf("reading ExternalBackend %s, the owner of EndpointSlice %s: %w", key, slice.Name, err)
	}
	return !served(), nil
}

// ownerName returns the name of the ExternalBackend that a slice belongs to.
func ownerName(slice *discoveryv1.EndpointSlice) string {
	if ref := metav1.GetControllerOfNoCopy(slice); ref != nil {
		if ref.Kind != translate.Kind || !strings.HasPrefix(ref.APIVersion, v1alpha1.GroupVersion.Group+"/") {
			return ""
		}
		return ref.Name
	}
	for i := range slice.Endpoints {
		if ref := slice.Endpoints[i].TargetRef; ref != nil {
			return ref.Name
		}
	}
	return ""
}
