// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/guard"
	"externalbackend.dev/operator/internal/sliceplan"
)

// What lives in the networks of a cluster, as denials say it.
const (
	inServices  = "Services of this cluster"
	inPods      = "Pods of this cluster"
	isNode      = "a Node of this cluster"
	isAPIServer = "the API server of this cluster"
)

// networks lists the networks of the cluster, sorted.
func (r *Reach) networks(ctx context.Context) ([]guard.Network, error) {
	var cidrs networkingv1.ServiceCIDRList
	var nodes corev1.NodeList
	var apiServer discoveryv1.EndpointSliceList
	cluster, own := r.caches[0], r.caches[1]
	if err := cluster.List(ctx, &cidrs, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing ServiceCIDRs: %w", err)
	}
	if err := cluster.List(ctx, &nodes, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing Nodes: %w", err)
	}
	if err := own.List(ctx, &apiServer, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing the addresses of the API server: %w", err)
	}
	found := make(networkSet)
	for i := range cidrs.Items {
		for _, cidr := range cidrs.Items[i].Spec.CIDRs {
			found.add(cidr, inServices)
		}
	}
	for i := range apiServer.Items {
		if sliceplan.OwnerUID(&apiServer.Items[i]) != "" || apiServer.Items[i].Labels[discoveryv1.LabelManagedBy] == sliceplan.ManagedBy {
			continue // whatever it is, it is not the API server's
		}
		for _, e := range apiServer.Items[i].Endpoints {
			for _, address := range e.Addresses {
				found.add(address, isAPIServer)
			}
		}
	}
	for i := range nodes.Items {
		node := &nodes.Items[i]
		for _, address := range node.Status.Addresses {
			found.add(address.Address, isNode)
		}
		for _, cidr := range append([]string{node.Spec.PodCIDR}, node.Spec.PodCIDRs...) {
			found.add(cidr, inPods)
		}
	}
	return found.sorted(), nil
}

// networkSet holds networks with what lives in them.
type networkSet map[netip.Prefix]string

// add adds a network or an address. Names of hosts are neither.
func (s networkSet) add(text, why string) {
	prefix, err := netip.ParsePrefix(text)
	if addr, addrErr := netip.ParseAddr(text); addrErr == nil {
		prefix, err = addr.Prefix(addr.BitLen())
	}
	if err != nil {
		return
	}
	if _, again := s[prefix.Masked()]; !again {
		s[prefix.Masked()] = why
	}
}

func (s networkSet) sorted() []guard.Network {
	networks := make([]guard.Network, 0, len(s))
	for prefix, why := range s {
		networks = append(networks, guard.Network{Prefix: prefix, Why: why, Discovered: true})
	}
	slices.SortFunc(networks, func(a, b guard.Network) int {
		return cmp.Or(a.Prefix.Addr().Compare(b.Prefix.Addr()), cmp.Compare(a.Prefix.Bits(), b.Prefix.Bits()))
	})
	return networks
}

// withoutLoad keeps of a Node what networks and placeOf read: it is told anew every few
// minutes, and there are many.
func withoutLoad(o any) (any, error) {
	if node, ok := o.(*corev1.Node); ok {
		node.ManagedFields, node.Annotations = nil, nil
		maps.DeleteFunc(node.Labels, func(key, _ string) bool { return key != labelZoneID && key != corev1.LabelTopologyZone })
		node.Spec = corev1.NodeSpec{PodCIDR: node.Spec.PodCIDR, PodCIDRs: node.Spec.PodCIDRs, ProviderID: node.Spec.ProviderID}
		node.Status = corev1.NodeStatus{Addresses: node.Status.Addresses}
	}
	return o, nil
}

// sameReach says whether an update changes nothing of what may be targeted.
func sameReach(before, now any) bool {
	switch now := now.(type) {
	case *corev1.Node:
		old, ok := before.(*corev1.Node)
		return ok && equality.Semantic.DeepEqual(old.Spec, now.Spec) && equality.Semantic.DeepEqual(old.Status.Addresses, now.Status.Addresses)
	case *corev1.Namespace:
		old, ok := before.(*corev1.Namespace)
		return ok && maps.Equal(old.Labels, now.Labels)
	case *v1alpha1.ExternalBackendPolicy:
		old, ok := before.(*v1alpha1.ExternalBackendPolicy)
		return ok && equality.Semantic.DeepEqual(old.Spec, now.Spec)
	case *v1alpha1.AWSIdentity:
		old, ok := before.(*v1alpha1.AWSIdentity)
		return ok && old.UID == now.UID && equality.Semantic.DeepEqual(old.Spec, now.Spec)
	case *networkingv1.ServiceCIDR:
		old, ok := before.(*networkingv1.ServiceCIDR)
		return ok && slices.Equal(old.Spec.CIDRs, now.Spec.CIDRs)
	case *discoveryv1.EndpointSlice:
		old, ok := before.(*discoveryv1.EndpointSlice)
		return ok && equality.Semantic.DeepEqual(old.Endpoints, now.Endpoints)
	}
	return false
}

// listPublished lists the addresses in our slices, some maybe repeatedly. Who is
// being deleted tells nothing: nobody corrects the status any more.
func listPublished(ctx context.Context, cache client.Reader) ([]publishedAddress, error) {
	var backends v1alpha1.ExternalBackendList
	if err := cache.List(ctx, &backends, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing ExternalBackends: %w", err)
	}
	pending := make(map[types.UID]time.Time)
	for i := range backends.Items {
		eb := &backends.Items[i]
		told := meta.FindStatusCondition(eb.Status.Conditions, v1alpha1.ConditionDenyPending)
		if eb.DeletionTimestamp == nil && told != nil && told.Status == metav1.ConditionTrue {
			pending[eb.UID] = told.LastTransitionTime.Time
		}
	}
	var list discoveryv1.EndpointSliceList
	if err := cache.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing EndpointSlices: %w", err)
	}
	var published []publishedAddress
	for i := range list.Items {
		since := pending[sliceplan.OwnerUID(&list.Items[i])]
		for _, e := range list.Items[i].Endpoints {
			for _, address := range e.Addresses {
				if addr, err := netip.ParseAddr(address); err == nil {
					published = append(published, publishedAddress{addr, since})
				}
			}
		}
	}
	return published, nil
}
