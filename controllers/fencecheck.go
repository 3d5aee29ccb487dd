// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/sliceplan"
)

const (
	// fenceTimeout bounds one question.
	fenceTimeout = 10 * time.Second
	// fenceRetry is the time after which it is asked again, if nobody answered or
	// nothing fences the account: that may just be coming into force.
	fenceRetry = time.Minute
	// fencePeriod is the time after which it is asked again otherwise.
	fencePeriod = time.Hour
	// fencedOff is an address that no target can have, and that the API server
	// itself takes: the WireServer of Azure.
	fencedOff = "168.63.129.16"
)

// FenceCheck finds out whether config/admission/endpointslice_fence.yaml is about
// the account that the operator runs as: when it becomes active and again and
// again, by asking the API server to pretend (dry run) to create an EndpointSlice
// that the fence must refuse.
type FenceCheck struct {
	Client client.Writer
	// Namespace is where the operator may create EndpointSlices, such as its own.
	// Nothing is asked if it is empty.
	Namespace string
	// Found is told each answer, if there is one.
	Found func(fenced bool)
	Clock clock.Clock

	// unfenced counts the answers since the last one that it is fenced.
	unfenced int
}

// NeedLeaderElection says that the one is asked about who writes.
func (f *FenceCheck) NeedLeaderElection() bool { return true }

// Start asks until ctx is done.
func (f *FenceCheck) Start(ctx context.Context) error {
	if f.Namespace == "" {
		logf.FromContext(ctx).Info("Not looking whether the fence of EndpointSlices is in force: the operator's own namespace is unknown outside a cluster (set --leader-election-namespace)")
		return nil
	}
	for {
		again := f.ask(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-f.Clock.After(again):
		}
	}
}

var errUnfenced = errors.New("the API server would let this account write an EndpointSlice with the address of a metadata service")

// ask returns when to ask again.
func (f *FenceCheck) ask(ctx context.Context) time.Duration {
	log := logf.FromContext(ctx).WithValues("namespace", f.Namespace)
	asking, cancel := context.WithTimeout(ctx, fenceTimeout)
	defer cancel()
	err := f.Client.Create(asking, f.trial(), client.DryRunAll)
	status := apierrors.APIStatus(nil)
	switch {
	case err == nil:
		f.Found(false)
		// Said once, and not of a fence that is applied together with the operator.
		if f.unfenced++; f.unfenced == 2 {
			log.Error(errUnfenced, "The fence of EndpointSlices is not in force for the account that the operator runs as: apply config/admission, with spec.paramRef of its bindings naming that account")
		}
		return fenceRetry
	case apierrors.IsForbidden(err) && strings.Contains(err.Error(), "ValidatingAdmissionPolicy") && strings.Contains(err.Error(), "endpointslice-fence"):
		f.Found(true)
		f.unfenced = 0
		log.V(1).Info("The fence of EndpointSlices is in force")
		return fencePeriod
	case errors.As(err, &status) && status.Status().Code < 500 && !apierrors.IsTooManyRequests(err) && !apierrors.IsUnauthorized(err):
		log.Info("Cannot tell whether the fence of EndpointSlices is in force: something else has refused what it should have refused", "answer", err.Error())
		return fencePeriod
	default:
		log.V(1).Info("Cannot tell yet whether the fence of EndpointSlices is in force, asking again", "after", fenceRetry, "answer", fmt.Sprint(err))
		return fenceRetry
	}
}

// trial is an EndpointSlice of no Service in which nothing is wrong but the
// address.
func (f *FenceCheck) trial() *discoveryv1.EndpointSlice {
	return &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: f.Namespace, GenerateName: "fence-check-",
			Labels: map[string]string{discoveryv1.LabelManagedBy: sliceplan.ManagedBy},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: v1alpha1.GroupVersion.String(), Kind: "ExternalBackend", Name: "fence-check",
				UID: "00000000-0000-0000-0000-000000000000", Controller: new(true),
			}},
		},
		AddressType: discoveryv1.AddressTypeIPv4,
		Endpoints:   []discoveryv1.Endpoint{{Addresses: []string{fencedOff}}},
	}
}
