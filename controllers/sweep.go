// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/sliceplan"
)

// sweepInterval is the time between two sweeps. They read from the cache and
// cost no request while there are no orphans.
const sweepInterval = 5 * time.Minute

// sweepForever deletes orphans at the start and from time to time. It runs on
// the leader only.
func (r *ServiceReconciler) sweepForever(ctx context.Context) error {
	log := logf.FromContext(ctx).WithName("sweep")
	wait.UntilWithContext(ctx, func(ctx context.Context) {
		if err := r.sweep(logf.IntoContext(ctx, log)); err != nil {
			log.Error(err, "Failed to look for orphaned EndpointSlices, trying again", "after", sweepInterval)
		}
	}, sweepInterval)
	return nil
}

// sweep deletes the slices with our label whose ExternalBackend is gone, which
// the garbage collector leaves alone if somebody stripped their owner, and
// nothing else (rule 56).
func (r *ServiceReconciler) sweep(ctx context.Context) error {
	var list discoveryv1.EndpointSliceList
	if err := r.Client.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing EndpointSlices: %w", err)
	}
	var backends v1alpha1.ExternalBackendList
	if err := r.Client.List(ctx, &backends, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing ExternalBackends: %w", err)
	}
	owners := make(map[types.UID]bool, len(backends.Items))
	for i := range backends.Items {
		owners[backends.Items[i].UID] = true
	}
	var errs []error
	for i := range list.Items {
		if !owners[sliceplan.OwnerUID(&list.Items[i])] {
			errs = append(errs, r.sweepSlice(ctx, &list.Items[i]))
		}
	}
	return errors.Join(errs...)
}

func (r *ServiceReconciler) sweepSlice(ctx context.Context, slice *discoveryv1.EndpointSlice) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	orphan, err := r.orphaned(ctx, slice)
	if err != nil || !orphan {
		return err
	}
	switch err := r.delete(ctx, slice); {
	case apierrors.IsConflict(err):
		return nil // somebody has just changed it: the next sweep looks again
	case err != nil:
		return fmt.Errorf("deleting orphaned EndpointSlice %s/%s: %w", slice.Namespace, slice.Name, err)
	}
	logf.FromContext(ctx).Info("Deleted an EndpointSlice whose ExternalBackend is gone", "namespace", slice.Namespace, "endpointSlice", slice.Name)
	return nil
}

// orphaned says whether the ExternalBackend of a slice is gone. The cache may be
// behind, so that a live read decides.
func (r *ServiceReconciler) orphaned(ctx context.Context, slice *discoveryv1.EndpointSlice) (bool, error) {
	uid, name := sliceplan.OwnerUID(slice), ownerName(slice)
	if slice.DeletionTimestamp != nil {
		return false, nil
	}
	if name == "" || uid == "" {
		return true, nil
	}
	key := types.NamespacedName{Namespace: slice.Namespace, Name: name}
	var eb v1alpha1.ExternalBackend
	switch err := r.Live.Get(ctx, key, &eb); {
	case apierrors.IsNotFound(err):
		return true, nil
	case err != nil:
		return false, fmt.Errorf("reading ExternalBackend %s, the owner of EndpointSlice %s: %w", key, slice.Name, err)
	}
	return eb.UID != uid, nil
}
