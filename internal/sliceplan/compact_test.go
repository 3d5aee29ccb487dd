// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package sliceplan_test

import (
	"fmt"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"externalbackend.dev/operator/internal/sliceplan"
)

// TestCompaction starts from slices with so many endpoints each, takes some
// away, and says how many each has after that.
func TestCompaction(t *testing.T) {
	for _, tt := range []struct {
		name          string
		live          []int // endpoints by slice
		gone          []int // of them, the last ones
		flipped       []int // of them, the first ones
		added         int
		updates, want []int // slices that are written, endpoints by slice
	}{{
		name: "a flip moves nothing",
		live: []int{1, 1, 10}, flipped: []int{1, 1, 0}, updates: []int{0, 1}, want: []int{1, 1, 10},
	}, {
		name: "nor does an addition",
		live: []int{1, 1, 9}, added: 1, updates: []int{2}, want: []int{1, 1, 10},
	}, {
		name: "a slice that is written anyway takes in one that fits",
		live: []int{10, 1}, gone: []int{1, 0}, updates: []int{0}, want: []int{10, 0},
	}, {
		name: "one that does not fit stays",
		live: []int{10, 2}, gone: []int{1, 0}, updates: []int{0}, want: []int{9, 2},
	}, {
		name: "one slice freed for one written does not pay",
		live: []int{9, 5, 5}, gone: []int{9, 0, 0}, want: []int{0, 5, 5},
	}, {
		name: "two slices freed for one written do, and the first name stays",
		live: []int{9, 3, 3, 3}, gone: []int{9, 0, 0, 0}, updates: []int{1}, want: []int{0, 9, 0, 0},
	}, {
		name: "the emptiest go, and they go where there is most room",
		live: []int{9, 2, 7, 1, 9}, gone: []int{9, 0, 0, 0, 0}, updates: []int{2}, want: []int{0, 0, 10, 0, 9},
	}, {
		name: "an even shrinking frees as many as there is room for, in the writes that it takes anyway",
		live: []int{10, 10, 10, 10, 10}, gone: []int{4, 4, 4, 4, 4}, updates: []int{0, 1, 2}, want: []int{10, 10, 10, 0, 0},
	}, {
		name: "the fullest of those that are written anyway are filled first",
		live: []int{10, 10, 10, 2}, gone: []int{3, 1, 1, 0}, updates: []int{0, 1, 2}, want: []int{7, 10, 10, 0},
	}, {
		name: "of two alike, the one that is written anyway stays",
		live: []int{5, 6}, gone: []int{0, 1}, updates: []int{1}, want: []int{0, 10},
	}, {
		name: "a slice that is written but the emptiest does not go to one that is not",
		live: []int{6, 6}, gone: []int{2, 0}, updates: []int{0}, want: []int{4, 6},
	}, {
		name: "what is added takes its room first",
		live: []int{10, 2}, gone: []int{2, 0}, added: 1, updates: []int{0}, want: []int{9, 2},
	}, {
		name: "what was flipped as well moves as it should be",
		live: []int{10, 2}, gone: []int{2, 0}, flipped: []int{0, 1}, updates: []int{0}, want: []int{10, 0},
	}} {
		t.Run(tt.name, func(t *testing.T) {
			c := newCluster()
			before, after := backend(), backend()
			var updates []string
			for n, count := range tt.live {
				all := endpoints(sequence(100*n, 100*n+count)...)
				before.Endpoints = append(before.Endpoints, all...)
				in := input(before)
				in.MaxEndpoints = count
				c.seed(t, in, all)
				if n < len(tt.gone) {
					all = all[:len(all)-tt.gone[n]]
				}
				all = slices.Clone(all)
				for i := range all {
					if n < len(tt.flipped) && i < tt.flipped[n] {
						all[i].Conditions = sliceplan.Conditions{}
					}
				}
				after.Endpoints = append(after.Endpoints, all...)
			}
			for _, n := range tt.updates {
				updates = append(updates, fmt.Sprint(v4Slice, n))
			}
			after.Endpoints = append(after.Endpoints, endpoints(sequence(2000, 2000+tt.added)...)...)
			in := input(after)
			in.MaxEndpoints = 10
			watchAll(c, in)
			plan := c.settle(t, in)
			if diff := gocmp.Diff(updates, namesOf(plan.Update), cmpopts.EquateEmpty(), cmpopts.SortSlices(func(a, b string) bool { return a < b })); diff != "" {
				t.Errorf("updates (-want +got):\n%s", diff)
			}
			got := make([]int, len(tt.live))
			for n := range got {
				if slice := c.stored[fmt.Sprint(v4Slice, n)]; slice != nil {
					got[n] = len(slice.Endpoints)
				}
			}
			if diff := gocmp.Diff(tt.want, got); diff != "" || len(plan.Create) > 0 {
				t.Errorf("%d created, endpoints by slice (-want +got):\n%s", len(plan.Create), diff)
			}
		})
	}
}

// seed stores one more slice that has just these endpoints.
func (c *cluster) seed(t tb, in sliceplan.Input, list []sliceplan.Endpoint) {
	t.Helper()
	in.Backends[0].Endpoints, in.Existing, in.MaxEndpoints = list, nil, len(list)
	made := sliceplan.Compute(in).Create
	if len(made) != 1 {
		t.Fatalf("%d slices for %d endpoints", len(made), len(list))
	}
	made[0].Name = fmt.Sprint(v4Slice, len(c.stored))
	if err := c.create(made[0]); err != nil {
		t.Fatalf("%v", err)
	}
}

// watchAll expects every endpoint that stays to be there after each write.
func watchAll(c *cluster, in sliceplan.Input) {
	before := c.published("payments")
	c.afterWrite = func(t tb, write string) {
		now := c.published("payments")
		for _, b := range in.Backends {
			for _, e := range b.Endpoints {
				if before[e.Address] && !now[e.Address] {
					t.Errorf("after %s, %s is missing", write, e.Address)
				}
			}
		}
	}
}

// TestCompactionOfOneGroup: a group that loses nothing is left alone.
func TestCompactionOfOneGroup(t *testing.T) {
	c := newCluster()
	items := []string{"10.0.0.1/a", "10.0.0.2/a", "10.0.0.3/a", "10.0.1.1/b", "10.0.1.2/b", "10.0.1.3/b"}
	in := input(withSets([]int32{80, 90}, items...))
	in.MaxEndpoints = 2
	c.settle(t, in)
	after := input(withSets([]int32{80, 90}, slices.Delete(slices.Clone(items), 1, 2)...))
	want := []string{"update 0: 10.0.0.1/a 10.0.0.3/a", "delete 1"}
	if diff := gocmp.Diff(want, trimNames(describe(c.settle(t, after)))); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
}

// TestCompactionAfterAnOverride: what changes its group is taken away from the
// one that it was in.
func TestCompactionAfterAnOverride(t *testing.T) {
	c := newCluster()
	before := withSets([]int32{80, 80}, "10.0.0.1/a", "10.0.0.2/b", "10.0.0.3/a", "10.0.0.4/a", "10.0.0.5/a", "10.0.0.6/a")
	for _, list := range [][]sliceplan.Endpoint{before.Endpoints[:2], before.Endpoints[2:4], before.Endpoints[4:]} {
		c.seed(t, input(before), list)
	}
	after := input(withSets([]int32{80, 90}, "10.0.0.1/a", "10.0.0.2/b", "10.0.0.3/a", "10.0.0.4/a", "10.0.0.5/a", "10.0.0.6/a"))
	after.MaxEndpoints = 5
	watchAll(c, after)
	want := []string{
		"create 3: 10.0.0.2/b", "update 1: 10.0.0.3/a 10.0.0.4/a 10.0.0.1/a 10.0.0.5/a 10.0.0.6/a", "delete 0", "delete 2",
	}
	if diff := gocmp.Diff(want, trimNames(describe(c.settle(t, after)))); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
}

// TestCompactionAcrossBackends: what one gives to another is there throughout,
// and so is what its slices are freed of.
func TestCompactionAcrossBackends(t *testing.T) {
	c := newCluster()
	before := input(named("aa", sequence(0, 5)...), named("bb", "10.0.9.1"))
	before.MaxEndpoints = 2
	c.settle(t, before)
	after := input(named("aa", sequence(1, 5)...), named("bb", "10.0.9.1", "10.0.0.1"))
	after.MaxEndpoints = 5
	watchAll(c, after)
	plan := c.settle(t, after)
	want := []string{
		"update aa-aaaaaaaa-ipv4-1: 10.0.0.3 10.0.0.4 10.0.0.5 10.0.0.2", "update bb-bbbbbbbb-ipv4-0: 10.0.9.1 10.0.0.1",
		"delete aa-aaaaaaaa-ipv4-0", "delete aa-aaaaaaaa-ipv4-2",
	}
	if diff := gocmp.Diff(want, describe(plan)); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
}
