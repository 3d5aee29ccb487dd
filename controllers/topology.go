// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"maps"
	"path"
	"strings"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
)

// labelZoneID is the label of Nodes with the id of their Availability Zone, which is
// the same in every account.
const labelZoneID = "topology.k8s.aws/zone-id"

// Topology knows which EC2 instances are Nodes of this cluster, and which zones its
// Nodes say they are in.
type Topology struct {
	// Discover is false if the operator reads nothing that does not lie in
	// namespaces: then nothing is known of Nodes.
	Discover bool
	Clock    clock.Clock
	// Changed is called after something of it has changed, which concerns all
	// namespaces.
	Changed func(changed func(namespace string) bool)

	nodes   cache.Cache
	dirty   chan struct{}
	current atomic.Pointer[topology]
}

// topology is what the Nodes say. It does not change.
type topology struct {
	instances map[string]bool
	zones     map[string]string // by zone id
}

// isNode and zone say what is known; nothing is of nil.
func (t *topology) isNode(instance string) bool { return t != nil && t.instances[instance] }

func (t *topology) zone(id string) string {
	if t == nil {
		return ""
	}
	return t.zones[id]
}

// noTopology is that of an operator that reads no Nodes.
var noTopology = &topology{}

// load returns what is known; nil as long as that is nothing.
func (t *Topology) load() *topology {
	if !t.Discover {
		return noTopology
	}
	return t.current.Load()
}

// SetupWithManager has Nodes watched.
func (t *Topology) SetupWithManager(ctx context.Context, mgr ctrl.Manager) error {
	if !t.Discover {
		return nil
	}
	t.dirty, t.nodes = make(chan struct{}, 1), mgr.GetCache()
	informer, err := t.nodes.GetInformer(ctx, &corev1.Node{}, cache.BlockUntilSynced(false))
	if err == nil {
		_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
			AddFunc: func(any) { mark(t.dirty) }, DeleteFunc: func(any) { mark(t.dirty) },
			UpdateFunc: func(before, now any) {
				if placeOf(before) != placeOf(now) {
					mark(t.dirty)
				}
			},
		})
	}
	if err != nil {
		return fmt.Errorf("watching Nodes: %w", err)
	}
	return mgr.Add(t)
}

// NeedLeaderElection says that a standby knows the Nodes as well.
func (t *Topology) NeedLeaderElection() bool { return false }

// Start keeps the topology current until ctx is done.
func (t *Topology) Start(ctx context.Context) error {
	keepCurrent(ctx, t.Clock, []cache.Cache{t.nodes}, t.dirty, t.refresh)
	return nil
}

// refresh reads the Nodes anew, and returns the time after which to try again; zero:
// when one changes.
func (t *Topology) refresh(ctx context.Context) time.Duration {
	var list corev1.NodeList
	if err := t.nodes.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		logf.FromContext(ctx).Error(err, "Failed to list Nodes, going on with what was known of their zones", "after", vetRetry)
		return vetRetry
	}
	now := &topology{instances: make(map[string]bool), zones: make(map[string]string)}
	for i := range list.Items {
		at := placeOf(&list.Items[i])
		if at.instance != "" {
			now.instances[at.instance] = true
		}
		if zone, again := now.zones[at.zoneID]; at.zoneID != "" && at.zone != "" && (!again || at.zone < zone) {
			now.zones[at.zoneID] = at.zone
		}
	}
	before := t.current.Load()
	if before != nil && maps.Equal(before.instances, now.instances) && maps.Equal(before.zones, now.zones) {
		return 0
	}
	t.current.Store(now)
	if t.Changed != nil {
		t.Changed(func(string) bool { return true })
	}
	return 0
}

// nodePlace is where a Node is.
type nodePlace struct{ instance, zoneID, zone string }

func placeOf(o any) nodePlace {
	node, ok := o.(*corev1.Node)
	if !ok {
		return nodePlace{}
	}
	at := nodePlace{zoneID: node.Labels[labelZoneID], zone: node.Labels[corev1.LabelTopologyZone]}
	if strings.HasPrefix(node.Spec.ProviderID, "aws://") {
		at.instance = path.Base(node.Spec.ProviderID)
	}
	return at
}
