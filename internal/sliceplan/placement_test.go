// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package sliceplan_test

import (
	"strconv"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"externalbackend.dev/operator/internal/sliceplan"
)

// TestPlacement starts from slices of at most 3 endpoints that the tables name
// directly, and changes what is wanted. The first IPv4 slice is -0, and so on.
func TestPlacement(t *testing.T) {
	type list = []string
	for _, tt := range []struct {
		name   string
		live   []list // by slice
		max    int    // default 3
		wanted list
		want   list
	}{{
		name:   "the first endpoints fill slices in their order",
		wanted: list{"10.0.0.1", "10.0.0.2!", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.7"},
		want: list{
			"create 0: 10.0.0.1 10.0.0.2! 10.0.0.3", "create 1: 10.0.0.4 10.0.0.5 10.0.0.6",
			"create 2: 10.0.0.7",
		},
	}, {
		name:   "rule 44: nothing changed, nothing is written",
		live:   []list{{"10.0.0.1", "10.0.0.2!"}, {"10.0.0.3"}},
		wanted: list{"10.0.0.1", "10.0.0.2!", "10.0.0.3"},
	}, {
		name:   "rule 44: another order is no change",
		live:   []list{{"10.0.0.1", "10.0.0.2!"}, {"10.0.0.3"}},
		wanted: list{"10.0.0.3", "10.0.0.2!", "10.0.0.1"},
	}, {
		name:   "rule 35: a flip is one update in place",
		live:   []list{{"10.0.0.1", "10.0.0.2", "10.0.0.3"}, {"10.0.0.4"}},
		wanted: list{"10.0.0.1", "10.0.0.2!", "10.0.0.3", "10.0.0.4"},
		want:   list{"update 0: 10.0.0.1 10.0.0.2! 10.0.0.3"},
	}, {
		name:   "rule 35: flips of a slice share an update",
		live:   []list{{"10.0.0.1", "10.0.0.2!", "10.0.0.3"}, {"10.0.0.4"}, {"10.0.0.5", "10.0.0.6"}},
		wanted: list{"10.0.0.1!", "10.0.0.2", "10.0.0.3!", "10.0.0.4", "10.0.0.5!", "10.0.0.6"},
		want:   list{"update 0: 10.0.0.1! 10.0.0.2 10.0.0.3!", "update 2: 10.0.0.5! 10.0.0.6"},
	}, {
		name:   "an address that is now of another entry stays in place",
		live:   []list{{"10.0.0.1", "10.0.0.2", "10.0.0.3"}},
		wanted: list{"10.0.0.1", "10.0.0.2/spare", "10.0.0.3"},
		want:   list{"update 0: 10.0.0.1 10.0.0.2/spare 10.0.0.3"},
	}, {
		name:   "a removal leaves the others in their order",
		live:   []list{{"10.0.0.1", "10.0.0.2", "10.0.0.3"}, {"10.0.0.4", "10.0.0.5"}},
		wanted: list{"10.0.0.1", "10.0.0.3", "10.0.0.4", "10.0.0.5"},
		want:   list{"update 0: 10.0.0.1 10.0.0.3"},
	}, {
		name:   "slices are not merged for the sake of it",
		live:   []list{{"10.0.0.1"}, {"10.0.0.4"}, {"10.0.0.7"}},
		wanted: list{"10.0.0.1", "10.0.0.4", "10.0.0.7"},
	}, {
		name:   "a slice goes with its last endpoint",
		live:   []list{{"10.0.0.1"}, {"10.0.0.4"}},
		wanted: list{"10.0.0.4"},
		want:   list{"delete 0"},
	}, {
		name: "no endpoint, no slice",
		live: []list{{"10.0.0.1"}, {"10.0.0.4", "10.0.0.5"}},
		want: list{"delete 0", "delete 1"},
	}, {
		name:   "a replaced address takes the place in the slice that is written anyway",
		live:   []list{{"10.0.0.1", "10.0.0.2", "10.0.0.3"}, {"10.0.0.4"}},
		wanted: list{"10.0.0.1", "10.0.0.3", "10.0.0.4", "10.0.0.9"},
		want:   list{"update 0: 10.0.0.1 10.0.0.3 10.0.0.9"},
	}, {
		name:   "all addresses replaced: the slice is used again",
		live:   []list{{"10.0.0.1", "10.0.0.2"}},
		wanted: list{"10.0.0.8", "10.0.0.9"},
		want:   list{"update 0: 10.0.0.8 10.0.0.9"},
	}, {
		name:   "an addition rides on the fullest slice that is written anyway",
		live:   []list{{"10.0.0.1"}, {"10.0.0.4", "10.0.0.5"}, {"10.0.0.7", "10.0.0.8"}},
		wanted: list{"10.0.0.1!", "10.0.0.4!", "10.0.0.5", "10.0.0.7", "10.0.0.8", "10.0.0.9"},
		want:   list{"update 1: 10.0.0.4! 10.0.0.5 10.0.0.9", "update 0: 10.0.0.1!"},
	}, {
		name:   "a lone addition goes to the slice that it fills best",
		live:   []list{{"10.0.0.1"}, {"10.0.0.4", "10.0.0.5"}, {"10.0.0.6", "10.0.0.7", "10.0.0.8"}},
		wanted: list{"10.0.0.1", "10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.7", "10.0.0.8", "10.0.0.9"},
		want:   list{"update 1: 10.0.0.4 10.0.0.5 10.0.0.9"},
	}, {
		name:   "additions are not spread: one write",
		live:   []list{{"10.0.0.1", "10.0.0.2"}, {"10.0.0.4", "10.0.0.5"}},
		wanted: list{"10.0.0.1", "10.0.0.2", "10.0.0.4", "10.0.0.5", "10.0.0.8", "10.0.0.9"},
		want:   list{"create 2: 10.0.0.8 10.0.0.9"},
	}, {
		name:   "many additions make whole slices, the rest fills one",
		live:   []list{{"10.0.0.1", "10.0.0.2"}, {"10.0.0.4"}},
		wanted: list{"10.0.0.1", "10.0.0.2", "10.0.0.4", "10.0.1.1", "10.0.1.2", "10.0.1.3", "10.0.1.4", "10.0.1.5"},
		want:   list{"create 2: 10.0.1.1 10.0.1.2 10.0.1.3", "update 1: 10.0.0.4 10.0.1.4 10.0.1.5"},
	}, {
		name:   "what overflows a slice that is written anyway goes on as usual",
		live:   []list{{"10.0.0.1", "10.0.0.2"}},
		wanted: list{"10.0.0.1!", "10.0.0.2", "10.0.0.7", "10.0.0.8", "10.0.0.9"},
		want:   list{"create 1: 10.0.0.8 10.0.0.9", "update 0: 10.0.0.1! 10.0.0.2 10.0.0.7"},
	}, {
		name:   "rules 42 and 43: a lowered cap splits, adding first",
		live:   []list{{"10.0.0.1", "10.0.0.2", "10.0.0.3"}, {"10.0.0.4", "10.0.0.5"}},
		max:    2,
		wanted: list{"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"},
		want:   list{"create 2: 10.0.0.3", "update 0: 10.0.0.1 10.0.0.2"},
	}, {
		name:   "a raised cap writes nothing",
		live:   []list{{"10.0.0.1", "10.0.0.2", "10.0.0.3"}, {"10.0.0.4", "10.0.0.5"}},
		max:    10,
		wanted: list{"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"},
	}, {
		name:   "the lowest free name is taken",
		live:   []list{{"10.0.0.1", "10.0.0.2", "10.0.0.3"}, nil, {"10.0.0.7", "10.0.0.8", "10.0.0.9"}},
		wanted: list{"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.7", "10.0.0.8", "10.0.0.9", "10.0.1.1"},
		want:   list{"create 1: 10.0.1.1"},
	}} {
		t.Run(tt.name, func(t *testing.T) {
			c := newCluster()
			seedSlices(t, c, tt.live)
			in := input(backend(tt.wanted...))
			if tt.max > 0 {
				in.MaxEndpoints = tt.max
			}
			plan := c.settle(t, in)
			if diff := gocmp.Diff(tt.want, trimNames(describe(plan)), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
}

// seedSlices makes one IPv4 slice of each list, numbered by its index.
func seedSlices(t *testing.T, c *cluster, lists [][]string) {
	t.Helper()
	for n, list := range lists {
		if len(list) == 0 {
			continue
		}
		made := sliceplan.Compute(input(backend(list...))).Create
		if len(made) != 1 {
			t.Fatalf("%v does not fit in one slice", list)
		}
		made[0].Name = v4Slice + strconv.Itoa(n)
		if err := c.create(made[0]); err != nil {
			t.Fatal(err)
		}
	}
}

func trimNames(writes []string) []string {
	for i := range writes {
		writes[i] = strings.Replace(writes[i], v4Slice, "", 1)
	}
	return writes
}

// Rule 42.
func TestThousandAndOneEndpoints(t *testing.T) {
	for _, tt := range []struct{ max, slices int }{{sliceplan.DefaultMaxEndpoints, 11}, {sliceplan.HardMaxEndpoints, 2}, {1, 1001}} {
		c, in := newCluster(), input(backend(sequence(0, 1001)...))
		in.MaxEndpoints = tt.max
		plan := c.settle(t, in)
		if len(plan.Create) != tt.slices || len(describe(plan)) != tt.slices {
			t.Errorf("at most %d in a slice: %d creates of %d writes, want %d", tt.max, len(plan.Create), len(describe(plan)), tt.slices)
		}
		total := 0
		for _, slice := range c.list() {
			total += len(slice.Endpoints)
			if len(slice.Endpoints) > tt.max {
				t.Errorf("%s has %d endpoints", slice.Name, len(slice.Endpoints))
			}
		}
		if total != 1001 {
			t.Errorf("%d endpoints", total)
		}
	}
}

// Rules 7, 26, 27: slices are of the families that the Service has.
func TestFamilies(t *testing.T) {
	c, in := newCluster(), input(backend("10.0.0.1", "2001:db8::1", "10.0.0.2", "2001:db8::2"))
	const (
		create4 = "create eb-aaaaaaaa-ipv4-0: 10.0.0.1 10.0.0.2"
		create6 = "create eb-aaaaaaaa-ipv6-0: 2001:db8::1 2001:db8::2"
		delete4 = "delete eb-aaaaaaaa-ipv4-0"
		delete6 = "delete eb-aaaaaaaa-ipv6-0"
	)
	for _, step := range []struct {
		name     string
		families []discoveryv1.AddressType
		want     []string
	}{
		{"rule 26: only IPv4", []discoveryv1.AddressType{ipv4}, []string{create4}},
		{"IPv6 is added", []discoveryv1.AddressType{ipv4, ipv6}, []string{create6}},
		{"the order of families does not matter", []discoveryv1.AddressType{ipv6, ipv4}, nil},
		{"rule 27: IPv4 is dropped", []discoveryv1.AddressType{ipv6}, []string{delete4}},
		{"rule 7: the other family", []discoveryv1.AddressType{ipv4}, []string{create4, delete6}},
		{"none", nil, []string{delete4}},
	} {
		in.Service.Families = step.families
		if diff := gocmp.Diff(step.want, describe(c.settle(t, in)), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
	}
}

// Rules 16, 17, 18: a change of ports is one update of each slice, in place.
func TestPorts(t *testing.T) {
	c, in := newCluster(), input(backend(sequence(0, 4)...))
	c.settle(t, in)
	withProtocol := port("http", 8081)
	withProtocol.AppProtocol = new("kubernetes.io/h2c")
	udp := port("dns", 53)
	udp.Protocol = new(corev1.ProtocolUDP)
	for _, step := range []struct {
		name  string
		ports []discoveryv1.EndpointPort
	}{
		{"a number", []discoveryv1.EndpointPort{port("http", 8081), port("admin", 9090)}},
		{"a name", []discoveryv1.EndpointPort{port("web", 8081), port("admin", 9090)}},
		{"an appProtocol", []discoveryv1.EndpointPort{withProtocol, port("admin", 9090)}},
		{"the order", []discoveryv1.EndpointPort{port("admin", 9090), withProtocol}},
		{"one more", []discoveryv1.EndpointPort{port("admin", 9090), withProtocol, udp}},
		{"one unnamed", []discoveryv1.EndpointPort{port("", 8080)}},
		{"none, as of a headless Service", nil},
	} {
		in.Backends[0].PortSets = portSets(step.ports...)
		plan := c.settle(t, in)
		want := []string{"update eb-aaaaaaaa-ipv4-0: 10.0.0.1 10.0.0.2 10.0.0.3", "update eb-aaaaaaaa-ipv4-1: 10.0.0.4"}
		if diff := gocmp.Diff(want, describe(plan)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
		for _, slice := range c.list() {
			if diff := gocmp.Diff(step.ports, slice.Ports, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s: ports of %s (-want +got):\n%s", step.name, slice.Name, diff)
			}
		}
		if len(plan.Flips) > 0 {
			t.Errorf("%s: flips %v", step.name, plan.Flips)
		}
	}
}
