// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package sliceplan_test

import (
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"pgregory.net/rapid"

	"externalbackend.dev/operator/internal/sliceplan"
)

// zoned is a backend like named; each item may end in "@zone".
func zoned(name string, items ...string) sliceplan.Backend {
	addresses, zones := make([]string, len(items)), make([]string, len(items))
	for i, item := range items {
		addresses[i], zones[i], _ = strings.Cut(item, "@")
	}
	b := named(name, addresses...)
	for i := range b.Endpoints {
		b.Endpoints[i].Zone = zones[i]
	}
	return b
}

// hints writes down the hints that there are, by address.
func (c *cluster) hints() map[string]string {
	hints := make(map[string]string)
	for _, slice := range c.list() {
		for _, e := range slice.Endpoints {
			if e.Hints == nil {
				continue
			}
			for _, z := range e.Hints.ForZones {
				hints[e.Addresses[0]] += z.Name
			}
			for _, n := range e.Hints.ForNodes {
				hints[e.Addresses[0]] += "node " + n.Name
			}
		}
	}
	return hints
}

// Rule 40: each step changes something and names the slices that are written
// for it, and the hints that there are then.
func TestHints(t *testing.T) {
	type hints = map[string]string
	c, in := newCluster(), input(zoned("aa", "10.0.0.1@a", "10.0.0.2@b", "10.0.0.3@a", "10.0.0.4@b"), zoned("bb", "10.0.1.1@a"))
	aa, bb := &in.Backends[0].Endpoints, &in.Backends[1].Endpoints
	const aa0, aa1, bb0 = "aa-aaaaaaaa-ipv4-0", "aa-aaaaaaaa-ipv4-1", "bb-bbbbbbbb-ipv4-0"
	all := hints{"10.0.0.1": "a", "10.0.0.2": "b", "10.0.0.3": "a", "10.0.0.4": "b", "10.0.1.1": "a"}
	but := func(address, zone string) hints {
		some := hints{address: zone}
		for a, z := range all {
			if a != address {
				some[a] = z
			}
		}
		if zone == "" {
			delete(some, address)
		}
		return some
	}
	for _, step := range []struct {
		name   string
		change func()
		writes []string
		want   hints
	}{
		{"not asked for", func() {}, []string{aa0, aa1, bb0}, hints{}},
		{"asked for", func() { in.Service.TrafficDistribution = new("PreferClose") }, []string{aa0, aa1, bb0}, all},
		{"by its newer name", func() { in.Service.TrafficDistribution = new("PreferSameZone") }, nil, all},
		{"of nodes, which there are none of", func() { in.Service.TrafficDistribution = new("PreferSameNode") }, nil, all},
		{"a flip is one write", func() { (*aa)[3].Conditions = sliceplan.Conditions{} }, []string{aa1}, but("10.0.0.4", "")},
		{"and so is the way back", func() { (*aa)[3].Conditions = sliceplan.Conditions{Ready: true, Serving: true} }, []string{aa1}, all},
		{"published though not ready", func() { (*aa)[3].Conditions = sliceplan.Conditions{Ready: true} }, []string{aa1}, all},
		{"another zone", func() { (*bb)[0].Zone = "b" }, []string{bb0}, but("10.0.1.1", "b")},
		{"and back", func() { (*bb)[0].Zone = "a" }, []string{bb0}, all},
		{"one without a zone takes the hints of all", func() { (*bb)[0].Zone = "" }, []string{bb0, aa0, aa1}, hints{}},
		{"even if it is not ready", func() { (*bb)[0].Conditions = sliceplan.Conditions{} }, []string{bb0}, hints{}},
		{"but not once it drains", func() { (*bb)[0].Conditions = sliceplan.Conditions{Serving: true, Terminating: true} }, []string{bb0, aa0, aa1}, but("10.0.1.1", "")},
		{"unless it is published as ready for all that", func() { (*bb)[0].Conditions.Ready = true }, []string{bb0, aa0, aa1}, hints{}},
		{"it goes", func() { *bb = nil }, []string{bb0, aa0, aa1}, but("10.0.1.1", "")},
		{"a kind of distribution that is not known", func() { in.Service.TrafficDistribution = new("PreferFar") }, []string{aa0, aa1}, hints{}},
		{"asked for again", func() { in.Service.TrafficDistribution = new("PreferClose") }, []string{aa0, aa1}, but("10.0.1.1", "")},
		{"not asked for any more", func() { in.Service.TrafficDistribution = nil }, []string{aa0, aa1}, hints{}},
	} {
		step.change()
		plan := c.settle(t, in)
		writes := append(append(namesOf(plan.Create), namesOf(plan.Update)...), namesOf(plan.Delete)...)
		if diff := gocmp.Diff(step.writes, writes, cmpopts.SortSlices(strings.Compare), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: writes (-want +got):\n%s", step.name, diff)
		}
		if diff := gocmp.Diff(step.want, c.hints()); diff != "" {
			t.Errorf("%s: hints (-want +got):\n%s", step.name, diff)
		}
	}
}

// TestHintsComeLast: what tells of health does not wait for them.
func TestHintsComeLast(t *testing.T) {
	c, in := newCluster(), input(zoned("aa", "10.0.0.1@a"), zoned("bb", "10.0.1.1@a", "10.0.1.2@a"))
	c.settle(t, in)
	in.Service.TrafficDistribution = new("PreferClose")
	in.Backends[1] = zoned("bb", "10.0.1.1!@a", "10.0.1.2@a")
	want := []string{"update bb-bbbbbbbb-ipv4-0: 10.0.1.1! 10.0.1.2", "update aa-aaaaaaaa-ipv4-0: 10.0.0.1"}
	if diff := gocmp.Diff(want, describe(c.settle(t, in))); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
}

// TestEditedHintsAreRepaired, where there should be some, others or none.
func TestEditedHintsAreRepaired(t *testing.T) {
	c, in := newCluster(), input(zoned("eb", "10.0.0.1@a", "10.0.0.2!@a"))
	in.Service.TrafficDistribution = new("PreferClose")
	c.settle(t, in)
	name := c.names()[0]
	for edit, change := range map[string]func(*discoveryv1.EndpointSlice){
		"removed": func(s *discoveryv1.EndpointSlice) { s.Endpoints[0].Hints = nil },
		"emptied": func(s *discoveryv1.EndpointSlice) { s.Endpoints[0].Hints = &discoveryv1.EndpointHints{} },
		"changed": func(s *discoveryv1.EndpointSlice) { s.Endpoints[0].Hints = zoneHint("b") },
		"one more": func(s *discoveryv1.EndpointSlice) {
			s.Endpoints[0].Hints.ForZones = append(s.Endpoints[0].Hints.ForZones, discoveryv1.ForZone{Name: "b"})
		},
		"node": func(s *discoveryv1.EndpointSlice) {
			s.Endpoints[0].Hints.ForNodes = []discoveryv1.ForNode{{Name: "node"}}
		},
		"not ready":   func(s *discoveryv1.EndpointSlice) { s.Endpoints[1].Hints = zoneHint("a") },
		"not a hint":  func(s *discoveryv1.EndpointSlice) { s.Endpoints[1].Hints = &discoveryv1.EndpointHints{} },
		"zone":        func(s *discoveryv1.EndpointSlice) { s.Endpoints[0].Zone = new("b") },
		"zone is off": func(s *discoveryv1.EndpointSlice) { s.Endpoints[0].Zone = nil },
	} {
		c.edit(name, change)
		if plan := c.settle(t, in); len(plan.Update) != 1 {
			t.Errorf("%s: got %v, want one update", edit, describe(plan))
		}
		if diff := gocmp.Diff(map[string]string{"10.0.0.1": "a"}, c.hints()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", edit, diff)
		}
	}
}

// TestHintsOfBackendsOnHold follow those of the others, as long as the Service
// is known.
func TestHintsOfBackendsOnHold(t *testing.T) {
	c, in := newCluster(), input(zoned("aa", "10.0.0.1@a", "10.0.0.2@b"), zoned("bb", "10.0.1.1@a"))
	in.Service.TrafficDistribution = new("PreferClose")
	c.settle(t, in)
	all := c.hints()
	if len(all) != 3 {
		t.Fatalf("hints are %v", all)
	}
	unknown := input(zoned("aa"), zoned("bb"))
	unknown.Backends[0].Hold, unknown.Backends[1].Hold = true, true
	unknown.Service = sliceplan.Service{Namespace: "shop", Name: "payments"}
	if plan := c.settle(t, unknown); !plan.Empty() {
		t.Errorf("written for a Service that is not known: %v", describe(plan))
	}
	in.Backends[0].Hold = true
	in.Backends[0].Endpoints = nil
	in.Backends[1].Endpoints[0].Zone = ""
	if plan := c.settle(t, in); len(plan.Update) != 2 || len(c.hints()) > 0 {
		t.Errorf("writes %v, hints %v", describe(plan), c.hints())
	}
	in.Backends[1].Endpoints[0].Zone = "a"
	c.settle(t, in)
	if diff := gocmp.Diff(all, c.hints()); diff != "" {
		t.Errorf("hints (-want +got):\n%s", diff)
	}
	in.Backends[0] = zoned("aa", "10.0.0.1!@a")
	in.Backends[0].Hold = true
	if plan := c.settle(t, in); len(plan.Update) != 1 {
		t.Errorf("a flip: writes %v", describe(plan))
	}
	delete(all, "10.0.0.1")
	if diff := gocmp.Diff(all, c.hints()); diff != "" {
		t.Errorf("hints after a flip (-want +got):\n%s", diff)
	}
}

// checkHints expects hints on all ready endpoints of the Service or on none
// (rule 40), and none on those that are not ready.
func (m *machine) checkHints(t *rapid.T) {
	use := m.in.Service.TrafficDistribution
	hints := use != nil && *use != "Later"
	for i := range m.in.Backends {
		for _, slice := range m.usableSlicesOf(&m.in.Backends[i]) {
			for _, e := range slice.Endpoints {
				c := e.Conditions
				gone := c.Ready != nil && !*c.Ready && c.Terminating != nil && *c.Terminating
				hints = hints && (gone || e.Zone != nil)
			}
		}
	}
	for i := range m.in.Backends {
		b := &m.in.Backends[i]
		for _, slice := range m.usableSlicesOf(b) {
			for _, e := range slice.Endpoints {
				var want *discoveryv1.EndpointHints
				ready := e.Conditions.Ready != nil && *e.Conditions.Ready
				if hints && ready {
					want = zoneHint(*e.Zone)
				}
				if hints && !ready && b.Hold {
					continue
				}
				if !equality.Semantic.DeepEqual(want, e.Hints) {
					t.Fatalf("%s in %s: hints %v, want %v", e.Addresses[0], slice.Name, e.Hints, want)
				}
			}
		}
	}
}
