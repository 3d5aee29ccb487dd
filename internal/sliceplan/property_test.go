// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package sliceplan_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"pgregory.net/rapid"

	"externalbackend.dev/operator/internal/sliceplan"
)

// machine drives a cluster through random changes of what is wanted and random
// edits of what is there. After each one a plan is executed write by write.
type machine struct {
	cluster *cluster
	in      sliceplan.Input
	zones   []string // that new endpoints may have
	seconds int64    // on its clock
}

func TestAnySequenceOfChanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &machine{cluster: newCluster(), in: input(named("aa"), named("bb"), named("cc")), zones: []string{"a", "b"}}
		m.cluster.untouched = m.isHeld
		t.Repeat(map[string]func(*rapid.T){
			"add": m.add, "remove": m.remove, "replace": m.replace, "flip": m.flip, "hand over": m.handOver,
			"restate": m.restate, "postpone": m.postpone, "rename": m.rename, "rezone": m.rezone,
			"distribute": m.distribute, "cap": m.changeCap, "ports": m.changePorts, "override": m.changeOverride,
			"Service": m.changeService, "hold": m.hold, "dismiss": m.dismiss, "tamper": m.tamper,
			"": func(t *rapid.T) { m.settle(t) },
		})
	})
}

// flip expects the least of all plans: one update for each slice that holds a
// flipped endpoint, in place, whether there are hints or not.
func (m *machine) flip(t *rapid.T) {
	touched := make(map[string]bool)
	var want []sliceplan.Flip
	var flippedOnes []place
	for _, address := range someAddresses.Draw(t, "flip") {
		b, e, ok := m.wantedAt(address)
		if !ok {
			continue
		}
		backend := &m.in.Backends[b]
		backend.Endpoints = slices.Clone(backend.Endpoints)
		flipped := &backend.Endpoints[e]
		flipped.Conditions.Serving = !flipped.Conditions.Serving
		if !flipped.Conditions.Terminating {
			flipped.Conditions.Ready = !flipped.Conditions.Ready
		}
		flipped.Changed = m.now(t)
		flippedOnes = append(flippedOnes, place{b, e})
		if home, ok := m.homes(backend)[address]; ok {
			touched[home.slice] = true
			if !flipped.Conditions.Terminating {
				want = append(want, sliceplan.Flip{
					Owner: backend.Owner.UID, Address: address, Entry: flipped.Entry, Ready: flipped.Conditions.Ready,
				})
			}
		}
	}
	before := m.cluster.list()
	alone := m.flipsAlone(flippedOnes)
	plan := m.settle(t)
	if diff := gocmp.Diff(updatesByName(&plan), updatesByName(&alone)); diff != "" {
		t.Fatalf("a plan of nothing but the flips is another one (-whole +flips):\n%s", diff)
	}
	byAddress := func(x, y sliceplan.Flip) int { return cmp.Compare(x.Address, y.Address) }
	slices.SortFunc(want, byAddress)
	if got := slices.SortedFunc(slices.Values(plan.Flips), byAddress); !slices.Equal(got, want) {
		t.Fatalf("flips %v, want %v", got, want)
	}
	if len(plan.Update) != len(touched) || len(describe(plan)) != len(touched) {
		t.Fatalf("flips in slices %v: writes %v", touched, describe(plan))
	}
	for i, slice := range m.cluster.list() {
		if before[i].Name != slice.Name || !slices.Equal(addressesOf(before[i]), addressesOf(slice)) {
			t.Fatalf("endpoints moved: %s %v, before %s %v", slice.Name, addressesOf(slice), before[i].Name, addressesOf(before[i]))
		}
	}
}

// place is a wanted endpoint: the indices of its backend and its own.
type place struct{ backend, endpoint int }

// flipsAlone plans the flips with all else on hold, which a caller may do who
// knows that nothing else has changed, and looks at the slices of the Service only.
func (m *machine) flipsAlone(flips []place) sliceplan.Plan {
	in := m.in
	in.Existing = m.cluster.list()
	in.Backends = slices.Clone(m.in.Backends)
	for i := range in.Backends {
		if in.Backends[i].Hold {
			continue
		}
		in.Backends[i].Hold, in.Backends[i].Endpoints = true, nil
		for n, e := range m.in.Backends[i].Endpoints {
			if slices.Contains(flips, place{i, n}) {
				in.Backends[i].Endpoints = append(in.Backends[i].Endpoints, e)
			}
		}
	}
	plan := sliceplan.Compute(in)
	plan.Update = slices.DeleteFunc(plan.Update, func(s *discoveryv1.EndpointSlice) bool { return !m.reads(s) && !m.isHeld(s) })
	return plan
}

// updatesByName leaves out when drains end, which may be news without being
// written.
func updatesByName(plan *sliceplan.Plan) map[string]*discoveryv1.EndpointSlice {
	updates := make(map[string]*discoveryv1.EndpointSlice)
	for _, slice := range plan.Update {
		updates[slice.Name] = slice.DeepCopy()
		delete(updates[slice.Name].Annotations, sliceplan.StateAnnotation)
	}
	return updates
}

type home struct {
	slice string
	index int
}

// homes finds where the wanted endpoints of a backend are: the first place in
// the order of names, one that the Service reads before all others.
func (m *machine) homes(b *sliceplan.Backend) map[string]home {
	found := make(map[string]home)
	list := m.slicesOf(b)
	slices.SortStableFunc(list, func(x, y *discoveryv1.EndpointSlice) int { return cmp.Compare(m.distance(x), m.distance(y)) })
	for _, slice := range list {
		if !b.Hold && m.distance(slice) > 0 {
			continue
		}
		for i := range slice.Endpoints {
			address := slice.Endpoints[i].Addresses[0]
			wanted := slices.ContainsFunc(b.Endpoints, func(e sliceplan.Endpoint) bool { return e.Address == address })
			if _, again := found[address]; wanted && !again {
				found[address] = home{slice.Name, i}
			}
		}
	}
	return found
}

// distance is 0 for slices that consumers of the Service read, 1 for those that
// nobody reads, and 2 for those of another.
func (m *machine) distance(s *discoveryv1.EndpointSlice) int {
	switch s.Labels[discoveryv1.LabelServiceName] {
	case m.in.Service.Name:
		return 0
	case "":
		return 1
	}
	return 2
}

func addressesOf(slice *discoveryv1.EndpointSlice) []string {
	var list []string
	for i := range slice.Endpoints {
		list = append(list, slice.Endpoints[i].Addresses...)
	}
	return list
}

// settle executes the plan and holds it against everything that has to be true
// of every plan.
func (m *machine) settle(t *rapid.T) sliceplan.Plan {
	m.watch()
	held, history, bound := m.heldAfter(), m.history(), m.bound()
	m.in.Existing = nil
	for _, name := range rapid.Permutation(m.cluster.names()).Draw(t, "order") {
		m.in.Existing = append(m.in.Existing, m.cluster.stored[name])
	}
	shuffled := describe(sliceplan.Compute(m.in))
	before := m.cluster.list()
	plan := m.cluster.settle(t, m.in)
	if diff := gocmp.Diff(describe(plan), shuffled); diff != "" {
		t.Fatalf("the plan depends on the order of the slices (-sorted +shuffled):\n%s", diff)
	}
	bound.check(t, before, &plan)
	history.check(t, &plan)
	m.checkPublished(t)
	m.checkHints(t)
	if after := m.heldSlices(); !equality.Semantic.DeepEqual(held, after) {
		t.Fatalf("slices of backends on hold (-want +got):\n%s", gocmp.Diff(held, after))
	}
	return plan
}

// watch expects that no write takes away what is there before and after all of
// them: an address, its readiness, its readiness on its ports (rule 43).
func (m *machine) watch() {
	before, after := m.cluster.published(m.in.Service.Name), make(map[string]bool)
	for i := range m.in.Backends {
		b := &m.in.Backends[i]
		for _, e := range b.Endpoints {
			if !b.Hold && slices.Contains(m.in.Service.Families, e.Family) {
				tell(after, e.Address, b.PortSets[e.Ports], e.Conditions.Ready)
			}
		}
	}
	m.cluster.afterWrite = func(t tb, write string) {
		now := m.cluster.published(m.in.Service.Name)
		for fact := range before {
			address, _, readiness := strings.Cut(fact, " ")
			if before[fact] && after[fact] && !now[fact] && !(readiness && before[address+" twice"]) {
				t.Fatalf("after %s, not true any more: %s", write, fact)
			}
		}
	}
}

// checkPublished reads the slices back: exactly what is wanted of backends that
// are not on hold, nothing twice, no slice above the cap.
func (m *machine) checkPublished(t *rapid.T) {
	want, got := make(map[string]string), make(map[string]string)
	for i := range m.in.Backends {
		b := &m.in.Backends[i]
		if b.Hold {
			continue
		}
		for _, e := range b.Endpoints {
			if slices.Contains(m.in.Service.Families, e.Family) {
				want[e.Address] = text(b, conditions(e.Conditions), e.Entry, e.Hostname, e.Zone, b.PortSets[e.Ports])
			}
		}
		for _, p := range sliceplan.ReadBack(m.usableSlicesOf(b), b.Owner.UID) {
			if got[p.Address] != "" {
				t.Fatalf("%s is published twice", p.Address)
			}
			got[p.Address] = text(b, p.Conditions, p.Entry, p.Hostname, p.Zone, p.Ports)
		}
		for _, slice := range m.usableSlicesOf(b) {
			if len(slice.Endpoints) > m.in.MaxEndpoints {
				t.Fatalf("%s has %d endpoints", slice.Name, len(slice.Endpoints))
			}
			if _, headless := slice.Labels[corev1.IsHeadlessService]; headless != m.in.Service.Headless || slice.Labels["app"] != m.in.Service.Labels["app"] {
				t.Fatalf("%s has labels %v", slice.Name, slice.Labels)
			}
		}
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Fatalf("published (-want +got):\n%s", diff)
	}
}

func text(b *sliceplan.Backend, c discoveryv1.EndpointConditions, entry, hostname, zone string, ports []discoveryv1.EndpointPort) string {
	return fmt.Sprint(b.Owner.UID, " ", entry, " ", *c.Ready, *c.Serving, *c.Terminating, " ", hostname, " ", zone, " ", portText(ports))
}
