// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package sliceplan_test

import (
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	discoveryv1 "k8s.io/api/discovery/v1"

	"externalbackend.dev/operator/internal/sliceplan"
)

// withSets is a backend whose endpoints have the ports of their entry: of "a",
// "b" and "c" one of these numbers each.
func withSets(numbers []int32, items ...string) sliceplan.Backend {
	b := backend(items...)
	b.PortSets = nil
	for _, number := range numbers {
		b.PortSets = append(b.PortSets, portSets(port("http", number))...)
	}
	for i := range b.Endpoints {
		b.Endpoints[i].Ports = strings.Index("abc", b.Endpoints[i].Entry)
	}
	return b
}

// describePorts writes down the slices there are, as "number: port endpoints".
func (c *cluster) describePorts() []string {
	var list []string
	for _, slice := range c.list() {
		list = append(list, strings.TrimPrefix(slice.Name, v4Slice)+": "+portText(slice.Ports)+contents(slice))
	}
	return list
}

// TestGroups changes what the endpoints of slices of at most 3 are.
func TestGroups(t *testing.T) {
	type backends = sliceplan.Backend
	ports := func(numbers ...int32) []int32 { return numbers }
	for _, tt := range []struct {
		name          string
		before, after backends
		writes        []string
		want          []string
	}{{
		name:   "each port set has slices of its own",
		after:  withSets(ports(80, 90), "10.0.0.1/a", "10.0.0.2/b", "10.0.0.3/a"),
		writes: []string{"create 0: 10.0.0.1/a 10.0.0.3/a", "create 1: 10.0.0.2/b"},
		want:   []string{"0: http/TCP/80 10.0.0.1/a 10.0.0.3/a", "1: http/TCP/90 10.0.0.2/b"},
	}, {
		name:   "sets that are equal are one",
		after:  withSets(ports(80, 80), "10.0.0.1/a", "10.0.0.2/b"),
		writes: []string{"create 0: 10.0.0.1/a 10.0.0.2/b"},
		want:   []string{"0: http/TCP/80 10.0.0.1/a 10.0.0.2/b"},
	}, {
		name:   "rule 43: an override moves the endpoints of its entry, which are added first",
		before: withSets(ports(80, 80), "10.0.0.1/a", "10.0.0.2/b", "10.0.0.3/b"),
		after:  withSets(ports(80, 90), "10.0.0.1/a", "10.0.0.2/b", "10.0.0.3/b"),
		writes: []string{"create 1: 10.0.0.2/b 10.0.0.3/b", "update 0: 10.0.0.1/a"},
		want:   []string{"0: http/TCP/80 10.0.0.1/a", "1: http/TCP/90 10.0.0.2/b 10.0.0.3/b"},
	}, {
		name:   "rule 43: and an override that goes moves them back",
		before: withSets(ports(80, 90), "10.0.0.1/a", "10.0.0.2/b"),
		after:  withSets(ports(80, 80), "10.0.0.1/a", "10.0.0.2/b"),
		writes: []string{"update 1: 10.0.0.2/b"},
		want:   []string{"0: http/TCP/80 10.0.0.1/a", "1: http/TCP/80 10.0.0.2/b"},
	}, {
		name:   "rule 17: a slice whose endpoints all have the override takes it in place",
		before: withSets(ports(80, 80), "10.0.0.1/b", "10.0.0.2/b", "10.0.0.3/b", "10.0.0.4/a"),
		after:  withSets(ports(80, 90), "10.0.0.1/b", "10.0.0.2/b", "10.0.0.3/b", "10.0.0.4/a"),
		writes: []string{"update 0: 10.0.0.1/b 10.0.0.2/b 10.0.0.3/b"},
		want:   []string{"0: http/TCP/90 10.0.0.1/b 10.0.0.2/b 10.0.0.3/b", "1: http/TCP/80 10.0.0.4/a"},
	}, {
		name:   "rule 17: all sets change, each in place",
		before: withSets(ports(80, 90), "10.0.0.1/a", "10.0.0.2/b"),
		after:  withSets(ports(81, 91), "10.0.0.1/a", "10.0.0.2/b"),
		writes: []string{"update 0: 10.0.0.1/a", "update 1: 10.0.0.2/b"},
		want:   []string{"0: http/TCP/81 10.0.0.1/a", "1: http/TCP/91 10.0.0.2/b"},
	}, {
		name:   "rule 17: two sets change places",
		before: withSets(ports(80, 90), "10.0.0.1/a", "10.0.0.2/b"),
		after:  withSets(ports(90, 80), "10.0.0.1/a", "10.0.0.2/b"),
		writes: []string{"update 0: 10.0.0.1/a", "update 1: 10.0.0.2/b"},
		want:   []string{"0: http/TCP/90 10.0.0.1/a", "1: http/TCP/80 10.0.0.2/b"},
	}, {
		name:   "ports that nobody has any more: the majority decides",
		before: withSets(ports(80, 80), "10.0.0.1/a", "10.0.0.2/b", "10.0.0.3/b"),
		after:  withSets(ports(81, 91), "10.0.0.1/a", "10.0.0.2/b", "10.0.0.3/b"),
		writes: []string{"create 1: 10.0.0.1/a", "update 0: 10.0.0.2/b 10.0.0.3/b"},
		want:   []string{"0: http/TCP/91 10.0.0.2/b 10.0.0.3/b", "1: http/TCP/81 10.0.0.1/a"},
	}, {
		name:   "as many of each: the first decides",
		before: withSets(ports(80, 80), "10.0.0.1/b", "10.0.0.2/a"),
		after:  withSets(ports(81, 91), "10.0.0.1/b", "10.0.0.2/a"),
		writes: []string{"create 1: 10.0.0.1/b", "update 0: 10.0.0.2/a"},
		want:   []string{"0: http/TCP/81 10.0.0.2/a", "1: http/TCP/91 10.0.0.1/b"},
	}, {
		name:   "what goes has no say",
		before: withSets(ports(80, 80), "10.0.0.1/a", "10.0.0.2/a", "10.0.0.3/b"),
		after:  withSets(ports(81, 91), "10.0.0.3/b"),
		writes: []string{"update 0: 10.0.0.3/b"},
		want:   []string{"0: http/TCP/91 10.0.0.3/b"},
	}, {
		name:   "an exchange of all addresses and ports is one update",
		before: withSets(ports(80), "10.0.0.1/a", "10.0.0.2/a"),
		after:  withSets(ports(81), "10.0.0.8/a", "10.0.0.9/a"),
		writes: []string{"update 0: 10.0.0.8/a 10.0.0.9/a"},
		want:   []string{"0: http/TCP/81 10.0.0.8/a 10.0.0.9/a"},
	}, {
		name:   "what comes to a set joins the slice that has it",
		before: withSets(ports(80, 90), "10.0.0.1/a", "10.0.0.2/a", "10.0.0.3/b"),
		after:  withSets(ports(80, 90), "10.0.0.1/a", "10.0.0.2/b", "10.0.0.3/b"),
		writes: []string{"update 1: 10.0.0.3/b 10.0.0.2/b", "update 0: 10.0.0.1/a"},
		want:   []string{"0: http/TCP/80 10.0.0.1/a", "1: http/TCP/90 10.0.0.3/b 10.0.0.2/b"},
	}, {
		name:   "no endpoint and no port set",
		before: withSets(ports(80), "10.0.0.1/a"),
		after:  withSets(nil),
		writes: []string{"delete 0"},
	}} {
		t.Run(tt.name, func(t *testing.T) {
			c := newCluster()
			if tt.before.PortSets != nil {
				c.settle(t, input(tt.before))
			}
			ready := c.published("payments")
			c.afterWrite = func(t tb, write string) {
				now := c.published("payments")
				for _, e := range tt.after.Endpoints {
					if fact := e.Address + " ready"; ready[fact] && !now[fact] {
						t.Errorf("after %s, not true any more: %s", write, fact)
					}
				}
			}
			plan := c.settle(t, input(tt.after))
			if diff := gocmp.Diff(tt.writes, trimNames(describe(plan)), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
			if diff := gocmp.Diff(tt.want, c.describePorts(), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("slices (-want +got):\n%s", diff)
			}
		})
	}
}

// Rule 17: while some endpoints drain on the ports of before, the slices take
// the new ones in place, and those endpoints move.
func TestDrainingEndpointsKeepTheirPorts(t *testing.T) {
	c := newCluster()
	items := []string{"10.0.0.1/a", "10.0.0.2/a", "10.0.0.3/b", "10.0.0.4/a"}
	c.settle(t, input(withSets([]int32{80, 80}, items...)))
	after := withSets([]int32{81, 80}, items...)
	after.Endpoints[2].Conditions = sliceplan.Conditions{Serving: true, Terminating: true}
	want := []string{"create 2: 10.0.0.3!/b", "update 0: 10.0.0.1/a 10.0.0.2/a", "update 1: 10.0.0.4/a"}
	if diff := gocmp.Diff(want, trimNames(describe(c.settle(t, input(after))))); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	want = []string{"0: http/TCP/81 10.0.0.1/a 10.0.0.2/a", "1: http/TCP/81 10.0.0.4/a", "2: http/TCP/80 10.0.0.3!/b"}
	if diff := gocmp.Diff(want, c.describePorts()); diff != "" {
		t.Errorf("slices (-want +got):\n%s", diff)
	}
	tie := withSets([]int32{81, 80}, "10.0.0.1/a", "10.0.0.2/b")
	for i := range tie.Endpoints {
		tie.Endpoints[i].Conditions = sliceplan.Conditions{Terminating: true}
	}
	alone := newCluster()
	alone.settle(t, input(withSets([]int32{80, 80}, "10.0.0.1/a", "10.0.0.2/b")))
	alone.settle(t, input(tie))
	want = []string{"0: http/TCP/80 10.0.0.2!/b", "1: http/TCP/81 10.0.0.1!/a"}
	if diff := gocmp.Diff(want, alone.describePorts()); diff != "" {
		t.Errorf("slices where all drain (-want +got):\n%s", diff)
	}
	onlyDraining := withSets([]int32{81, 80}, items[2])
	onlyDraining.Endpoints[0].Conditions = sliceplan.Conditions{Terminating: true}
	want = []string{"update 2: 10.0.0.3!/b", "delete 0", "delete 1"}
	if diff := gocmp.Diff(want, trimNames(describe(c.settle(t, input(onlyDraining))))); diff != "" {
		t.Errorf("plan when only that is left (-want +got):\n%s", diff)
	}
}

// TestGroupsOfFamilies: ports change in each family for itself.
func TestGroupsOfFamilies(t *testing.T) {
	c := newCluster()
	items := []string{"10.0.0.1/a", "10.0.0.2/a", "2001:db8::1/a", "2001:db8::2/a"}
	c.settle(t, input(withSets([]int32{80}, items...)))
	after := withSets([]int32{81, 91}, items...)
	after.Endpoints[2].Ports, after.Endpoints[3].Ports = 1, 1
	c.settle(t, input(after))
	want := []string{"0: http/TCP/81 10.0.0.1/a 10.0.0.2/a", v6Slice + "0: http/TCP/91 2001:db8::1/a 2001:db8::2/a"}
	if diff := gocmp.Diff(want, c.describePorts()); diff != "" {
		t.Errorf("slices (-want +got):\n%s", diff)
	}
}

// TestUnreadCopyIsNotEnough: an endpoint leaves a slice that consumers read, and
// is in one already that they do not read, for want of its label.
func TestUnreadCopyIsNotEnough(t *testing.T) {
	c := newCluster()
	c.settle(t, input(withSets([]int32{80, 80}, "10.0.0.1/a", "10.0.0.2/b")))
	in := input(withSets([]int32{80, 90}, "10.0.0.1/a", "10.0.0.2/b"))
	unread := c.stored[v4Slice+"0"].DeepCopy()
	unread.Name, unread.UID = v4Slice+"1", ""
	unread.Endpoints, unread.Ports = unread.Endpoints[1:], in.Backends[0].PortSets[1]
	delete(unread.Labels, discoveryv1.LabelServiceName)
	c.put(unread.DeepCopy())
	watchAll(c, in)
	want := []string{"update 1: 10.0.0.2/b", "update 0: 10.0.0.1/a"}
	if diff := gocmp.Diff(want, trimNames(describe(c.settle(t, in)))); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
}

// TestFlipOfAMovedEndpoint: it was published, so its readiness is news.
func TestFlipOfAMovedEndpoint(t *testing.T) {
	c := newCluster()
	c.settle(t, input(withSets([]int32{80, 80}, "10.0.0.1/a", "10.0.0.2/b")))
	plan := c.settle(t, input(withSets([]int32{80, 90}, "10.0.0.1/a", "10.0.0.2!/b")))
	want := []sliceplan.Flip{{Owner: plan.Create[0].OwnerReferences[0].UID, Address: "10.0.0.2", Entry: "b"}}
	if diff := gocmp.Diff(want, plan.Flips); diff != "" {
		t.Errorf("flips (-want +got):\n%s", diff)
	}
}

// TestEditedPortsOfOneSlice: repaired to what its endpoints have, also if they
// were edited to those of others.
func TestEditedPortsOfOneSlice(t *testing.T) {
	c := newCluster()
	in := input(withSets([]int32{80, 90}, "10.0.0.1/a", "10.0.0.2/a", "10.0.0.3/b"))
	c.settle(t, in)
	before := c.describePorts()
	for _, number := range []int32{1, 90} {
		c.edit(v4Slice+"0", func(s *discoveryv1.EndpointSlice) { *s.Ports[0].Port = number })
		if diff := gocmp.Diff([]string{"update 0: 10.0.0.1/a 10.0.0.2/a"}, trimNames(describe(c.settle(t, in)))); diff != "" {
			t.Errorf("plan (-want +got):\n%s", diff)
		}
		if diff := gocmp.Diff(before, c.describePorts()); diff != "" {
			t.Errorf("slices (-want +got):\n%s", diff)
		}
	}
}
