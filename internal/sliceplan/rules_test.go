// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package sliceplan_test

import (
	"strconv"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"externalbackend.dev/operator/internal/sliceplan"
)

// inZone puts endpoints into a zone; empty: none.
func inZone(zone string, b sliceplan.Backend) sliceplan.Backend {
	for i := range b.Endpoints {
		b.Endpoints[i].Zone = zone
	}
	return b
}

// neighbour is another ExternalBackend of the Service.
func neighbour(items ...string) sliceplan.Backend {
	b := backend(items...)
	b.Owner = owner("other", "bbbbbbbb-0000-4000-8000-000000000000")
	return b
}

func distributed(in sliceplan.Input, distribution string) sliceplan.Input {
	in.Service.TrafficDistribution = &distribution
	return in
}

// zonesIn writes down the zone of every endpoint of the cluster, by address.
func zonesIn(c *cluster) map[string]string {
	found := make(map[string]string)
	for _, slice := range c.list() {
		for _, e := range slice.Endpoints {
			if found[e.Addresses[0]] = "-"; e.Zone != nil {
				found[e.Addresses[0]] = *e.Zone
			}
		}
	}
	return found
}

// hintsIn writes down the hints of every endpoint of the cluster, by address.
func hintsIn(c *cluster) map[string]string {
	found := make(map[string]string)
	for _, slice := range c.list() {
		for _, e := range slice.Endpoints {
			var names []string
			if e.Hints != nil {
				for _, zone := range e.Hints.ForZones {
					names = append(names, zone.Name)
				}
				for _, node := range e.Hints.ForNodes {
					names = append(names, "node "+node.Name)
				}
			}
			found[e.Addresses[0]] = strings.Join(names, " ")
		}
	}
	return found
}

func expectSame(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// Rule 39.
func TestRule39Zones(t *testing.T) {
	c := newCluster()
	b := inZone("eu-west-1a", backend("10.0.0.1", "10.0.0.2"))
	b.Endpoints[1].Zone = ""
	c.settle(t, input(b))
	expectSame(t, "zones", zonesIn(c), map[string]string{"10.0.0.1": "eu-west-1a", "10.0.0.2": "-"})

	b.Endpoints[0].Zone, b.Endpoints[1].Zone = "", "eu-west-1b"
	if plan := c.settle(t, input(b)); len(plan.Update) != 1 || len(plan.Create)+len(plan.Delete) > 0 {
		t.Errorf("an edit of zones takes %v", describe(plan))
	}
	expectSame(t, "zones after an edit", zonesIn(c), map[string]string{"10.0.0.1": "-", "10.0.0.2": "eu-west-1b"})
}

// Rules 40, 41: an endpoint is for its own zone, said once.
func TestRule40Hints(t *testing.T) {
	first := inZone("a", backend("10.0.0.1", "10.0.0.2", "10.0.0.3!", "2001:db8::1"))
	second := inZone("b", neighbour("10.0.1.1"))
	hinted := map[string]string{"10.0.0.1": "a", "10.0.0.2": "a", "10.0.0.3": "", "2001:db8::1": "a", "10.0.1.1": "b"}
	bare := map[string]string{"10.0.0.1": "", "10.0.0.2": "", "10.0.0.3": "", "2001:db8::1": "", "10.0.1.1": ""}
	wanted := distributed(input(first, second), corev1.ServiceTrafficDistributionPreferClose)

	t.Run("none unless the Service asks for them", func(t *testing.T) {
		c := newCluster()
		c.settle(t, input(first, second))
		expectSame(t, "hints", hintsIn(c), bare)
	})
	t.Run("on every ready endpoint of every ExternalBackend, and removed with the wish", func(t *testing.T) {
		c := newCluster()
		c.settle(t, wanted)
		expectSame(t, "hints", hintsIn(c), hinted)
		plan := c.settle(t, input(first, second))
		expectSame(t, "hints without a distribution", hintsIn(c), bare)
		if len(plan.Update) != 3 {
			t.Errorf("the removal takes %v, want one update of each slice", describe(plan))
		}
		c.settle(t, wanted)
		expectSame(t, "hints, asked for once more", hintsIn(c), hinted)
	})
	t.Run("on none if one endpoint has no zone, ready or not, whoever has it", func(t *testing.T) {
		for _, homeless := range []string{"10.0.1.1", "10.0.1.1!"} {
			c := newCluster()
			c.settle(t, wanted)
			c.settle(t, distributed(input(first, neighbour(homeless)), corev1.ServiceTrafficDistributionPreferClose))
			expectSame(t, "hints beside "+homeless, hintsIn(c), bare)
		}
	})
	t.Run("are repaired", func(t *testing.T) {
		c := newCluster()
		c.settle(t, wanted)
		for _, name := range c.names() {
			c.edit(name, func(s *discoveryv1.EndpointSlice) {
				s.Endpoints[0].Hints = &discoveryv1.EndpointHints{ForZones: []discoveryv1.ForZone{{Name: "a"}, {Name: "a"}, {Name: "z"}}}
			})
		}
		c.settle(t, wanted)
		expectSame(t, "hints", hintsIn(c), hinted)
	})
	t.Run("of other slices stay as they are when an endpoint flips", func(t *testing.T) {
		c := newCluster()
		c.settle(t, wanted)
		flipped := distributed(input(inZone("a", backend("10.0.0.1!", "10.0.0.2", "10.0.0.3!", "2001:db8::1")), second), corev1.ServiceTrafficDistributionPreferClose)
		if plan := c.settle(t, flipped); len(plan.Update) != 1 || len(plan.Create)+len(plan.Delete) > 0 {
			t.Errorf("a flip takes %v", describe(plan))
		}
	})
}

// Rules 16, 17: a slice has the ports of its endpoints and of no others.
func TestRule17PortsOfEntries(t *testing.T) {
	c := newCluster()
	b := backend("10.0.0.1", "10.0.0.2/cage", "10.0.0.3")
	b.PortSets = append(b.PortSets, []discoveryv1.EndpointPort{port("http", 8081), port("admin", 9090)})
	b.Endpoints[1].Ports = 1
	ports := func() map[string]string {
		found := make(map[string]string)
		for _, slice := range c.list() {
			var list []string
			for _, p := range slice.Ports {
				list = append(list, *p.Name+" "+strconv.Itoa(int(*p.Port)))
			}
			for _, e := range slice.Endpoints {
				found[e.Addresses[0]] += strings.Join(list, ", ")
			}
		}
		return found
	}
	c.settle(t, input(b))
	expectSame(t, "ports", ports(), map[string]string{
		"10.0.0.1": "http 8080, admin 9090", "10.0.0.2": "http 8081, admin 9090", "10.0.0.3": "http 8080, admin 9090",
	})

	b.PortSets[1][0] = port("http", 8082)
	if plan := c.settle(t, input(b)); len(plan.Update) != 1 || len(plan.Create)+len(plan.Delete) > 0 {
		t.Errorf("a change of one entry's port takes %v", describe(plan))
	}
	expectSame(t, "ports after a change", ports(), map[string]string{
		"10.0.0.1": "http 8080, admin 9090", "10.0.0.2": "http 8082, admin 9090", "10.0.0.3": "http 8080, admin 9090",
	})
}

// Rule 47: what is in front of a difference is no part of the cache either.
func TestRule47UnchangedEndpointsAreCopied(t *testing.T) {
	c, in := newCluster(), input(backend("10.0.0.1", "10.0.0.2", "10.0.0.3"))
	c.settle(t, in)
	in.Backends[0].Endpoints = endpoints("10.0.0.1", "10.0.0.2", "10.0.0.3!")
	in.Existing = c.list()
	copied := deepCopy(in)
	plan := sliceplan.Compute(in)
	if len(plan.Update) != 1 {
		t.Fatalf("got %v, want an update", describe(plan))
	}
	scribble(plan.Update[0])
	if diff := gocmp.Diff(copied, in); diff != "" {
		t.Errorf("writing to the plan changed the input (-before +after):\n%s", diff)
	}
}

// TestRule29NameAndAddresses: one takes the place of the other by a new slice
// that is there before the old ones go, and another name comes in place.
func TestRule29NameAndAddresses(t *testing.T) {
	addresses := input(backend("10.0.0.1", "2001:db8::1"))
	named := func(name string) sliceplan.Input {
		in := input(backend(name))
		in.Service.Headless = true
		in.Service.Families = append(in.Service.Families, discoveryv1.AddressTypeFQDN)
		in.Backends[0].Endpoints[0].Family = discoveryv1.AddressTypeFQDN
		return in
	}
	addresses.Service.Headless = true
	c := newCluster()
	for _, step := range []struct {
		in   sliceplan.Input
		want []string
	}{
		{addresses, []string{"create eb-aaaaaaaa-ipv4-0: 10.0.0.1", "create eb-aaaaaaaa-ipv6-0: 2001:db8::1"}},
		{named("db.example.com"), []string{"create eb-aaaaaaaa-fqdn-0: db.example.com", "delete eb-aaaaaaaa-ipv4-0", "delete eb-aaaaaaaa-ipv6-0"}},
		{named("www.example.com"), []string{"update eb-aaaaaaaa-fqdn-0: www.example.com"}},
		{addresses, []string{"create eb-aaaaaaaa-ipv4-0: 10.0.0.1", "create eb-aaaaaaaa-ipv6-0: 2001:db8::1", "delete eb-aaaaaaaa-fqdn-0"}},
	} {
		plan := c.settle(t, step.in)
		if diff := gocmp.Diff(step.want, describe(plan)); diff != "" {
			t.Errorf("writes (-want +got):\n%s", diff)
		}
	}
}
