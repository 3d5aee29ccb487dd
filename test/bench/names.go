// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/nameserver"
)

const (
	// besideNames is the number of endpoints of the Service that flips beside
	// names.
	besideNames = 1000
	// namesEach is how many names an ExternalBackend has: as many as it can.
	namesEach = 100
	// maxNames is bounded by the Services' addresses in the control plane.
	maxNames = 10000
	// Blocks of addresses that no size of Services takes.
	besideBlock, namesBlock = 100, 101
	// namesPrefix begins the namespaces with names.
	namesPrefix = "names-"
)

// nameFlips are flips of one Service beside the names of others.
type nameFlips struct {
	*flips
	// Names is how many names there were, for which no name server answers.
	Names int
	// Queries reached the name server in a second.
	Queries float64
	// Core is the share of one that the operator used, flips and all.
	Core float64
}

// measureNames takes the flips of single addresses: without names, beside names
// that were answered for once and are no more, and without names again.
func (c *controlPlane) measureNames(ctx context.Context, o options, r *results, say func(string, ...any)) error {
	mine, err := c.oursLane(ctx, "beside-names", besideBlock, besideNames)
	if err != nil {
		return err
	}
	one := contest{lanes: []*lane{mine}}
	for _, turn := range []struct {
		names   int
		prepare func(context.Context, int) error
	}{{0, nil}, {o.names, c.addNames}, {0, c.removeNames}} {
		if turn.prepare != nil {
			say("%d names: setting up", turn.names)
			if err := turn.prepare(ctx, o.names); err != nil {
				return err
			}
		}
		say("%d endpoints beside %d names: one flip, %d times", besideNames, turn.names, o.samples&^1)
		spent, err := meter(mine.side, 0)
		if err != nil {
			return err
		}
		asked, began := c.nameServer.Total(), now()
		measured, err := one.run(ctx, kind{name: kindOne, atOnce: 1, rounds: o.samples &^ 1})
		if err != nil {
			return err
		}
		used, err := spent()
		if err != nil {
			return err
		}
		took := now().since(began).Seconds()
		f := nameFlips{measured[0], turn.names, float64(c.nameServer.Total()-asked) / took, used.Seconds() / took}
		r.Names = append(r.Names, f)
		say("  p50 %s ms, p99 %s ms, %.1f queries/s, %.1f %% of a core", millis(f.p50()), millis(f.p99()), f.Queries, 100*f.Core)
	}
	return nil
}

// addNames has the names published, one address each, and returns when the name
// server is silent, and the first ExternalBackend says so.
func (c *controlPlane) addNames(ctx context.Context, count int) error {
	for i, addresses := range slices.Collect(slices.Chunk(addressBlock(namesBlock, count), namesEach)) {
		namespace := fmt.Sprintf("%s%d", namesPrefix, i)
		eb := nameBackend(namespace, len(addresses))
		for n, address := range addresses {
			name := eb.Spec.Targets[n].FQDN.Hostname
			c.nameServer.Set(name, "A", nameserver.Records(fmt.Sprintf("%s 30 A %s", name, address)), nameserver.Silence())
		}
		if err := createNamespace(ctx, c.kube, namespace); err != nil {
			return err
		}
		if err := createService(ctx, c.kube, namespace, nil); err != nil {
			return err
		}
		if err := c.client.Create(ctx, eb); err != nil {
			return err
		}
	}
	return poll(ctx, "the names are not published, or their name server's silence is not told", func(ctx context.Context) (bool, error) {
		var list v1alpha1.ExternalBackendList
		if err := c.client.List(ctx, &list); err != nil {
			return false, err
		}
		return silenced(list.Items), nil
	})
}

// nameBackend has names of its own, whose addresses are hardly ever checked.
func nameBackend(namespace string, count int) *v1alpha1.ExternalBackend {
	eb := &v1alpha1.ExternalBackend{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "names"}}
	eb.Spec.Service.Name = serviceName
	eb.Spec.HealthCheck.Interval = v1alpha1.Duration(calm.String())
	for n := range count {
		eb.Spec.Targets = append(eb.Spec.Targets, v1alpha1.Target{
			Name: fmt.Sprintf("name-%d", n),
			FQDN: &v1alpha1.FQDNTarget{Hostname: fmt.Sprintf("n%d.%s.example", n, namespace)},
		})
	}
	return eb
}

func hasNames(namespace string) bool { return strings.HasPrefix(namespace, namesPrefix) }

// silenced says whether all names are served, though one at least is not answered
// for any more.
func silenced(list []v1alpha1.ExternalBackend) bool {
	stale := false
	for i := range list {
		eb := &list[i]
		if !hasNames(eb.Namespace) {
			continue
		}
		if int(eb.Status.Targets.Healthy) < len(eb.Spec.Targets) {
			return false
		}
		stale = stale || meta.IsStatusConditionTrue(eb.Status.Conditions, v1alpha1.ConditionStale)
	}
	return stale
}

// removeNames deletes what addNames made, but for the Services, and returns when
// the operator has cleaned up.
func (c *controlPlane) removeNames(ctx context.Context, count int) error {
	for i := range (count + namesEach - 1) / namesEach {
		namespace := client.InNamespace(fmt.Sprintf("%s%d", namesPrefix, i))
		if err := c.client.DeleteAllOf(ctx, &v1alpha1.ExternalBackend{}, namespace); err != nil {
			return err
		}
	}
	return poll(ctx, "the slices of names are still there", func(ctx context.Context) (bool, error) {
		list, err := c.kube.DiscoveryV1().EndpointSlices(metav1.NamespaceAll).List(ctx, metav1.ListOptions{})
		if err != nil {
			return false, err
		}
		for i := range list.Items {
			if hasNames(list.Items[i].Namespace) {
				return false, nil
			}
		}
		return true, nil
	})
}

// poll asks once a second until it is so.
func poll(ctx context.Context, otherwise string, so func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, setupTimeout, fmt.Errorf("after %s %s", setupTimeout, otherwise))
	defer cancel()
	for {
		if done, err := so(ctx); done || err != nil {
			return err
		}
		if err := sleep(ctx, time.Second); err != nil {
			return err
		}
	}
}
