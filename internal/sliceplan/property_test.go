// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package sliceplan_test

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"externalbackend.dev/operator/internal/sliceplan"
)

// machine drives a cluster through random changes of what is wanted and random
// edits of what is there. After each one a plan is executed write by write.
type machine struct {
	cluster *cluster
	in      sliceplan.Input
}

var pool = append(sequence(0, 14), "2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8::4", "2001:db8::5")

func TestAnySequenceOfChanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &machine{cluster: newCluster(), in: input(named("aa"), named("bb"), named("cc"))}
		m.cluster.untouched = m.isHeld
		t.Repeat(map[string]func(*rapid.T){
			"add": m.add, "remove": m.remove, "replace": m.replace, "flip": m.flip, "hand over": m.handOver,
			"cap": m.changeCap, "ports": m.changePorts, "Service": m.changeService, "hold": m.hold, "tamper": m.tamper,
			"": m.reconcile,
		})
	})
}

// wantedAt finds an address: the index of the backend and of the endpoint.
func (m *machine) wantedAt(address string) (b, e int, ok bool) {
	for b := range m.in.Backends {
		for e := range m.in.Backends[b].Endpoints {
			if m.in.Backends[b].Endpoints[e].Address == address {
				return b, e, true
			}
		}
	}
	return 0, 0, false
}

func (m *machine) drop(address string) {
	if b, e, ok := m.wantedAt(address); ok {
		m.in.Backends[b].Endpoints = slices.Delete(slices.Clone(m.in.Backends[b].Endpoints), e, e+1)
	}
}

func (m *machine) want(t *rapid.T, address string) {
	m.drop(address)
	b := &m.in.Backends[rapid.IntRange(0, len(m.in.Backends)-1).Draw(t, "backend")]
	item := address + rapid.SampledFrom([]string{"", "!", "/spare", "!/spare"}).Draw(t, "state")
	b.Endpoints = append(slices.Clone(b.Endpoints), endpoints(item)...)
	slices.SortFunc(b.Endpoints, func(x, y sliceplan.Endpoint) int { return cmp.Compare(x.Address, y.Address) })
}

var someAddresses = rapid.SliceOfNDistinct(rapid.SampledFrom(pool), 1, 8, rapid.ID)

func (m *machine) add(t *rapid.T) {
	for _, address := range someAddresses.Draw(t, "add") {
		if _, _, ok := m.wantedAt(address); !ok {
			m.want(t, address)
		}
	}
}

func (m *machine) remove(t *rapid.T) {
	for _, address := range someAddresses.Draw(t, "remove") {
		m.drop(address)
	}
}

func (m *machine) replace(t *rapid.T) {
	m.remove(t)
	m.add(t)
}

func (m *machine) handOver(t *rapid.T) {
	for _, address := range someAddresses.Draw(t, "addresses") {
		m.want(t, address)
	}
}

// flip expects the least of all plans: one update for each slice that holds a
// flipped endpoint, in place.
func (m *machine) flip(t *rapid.T) {
	touched := make(map[string]bool)
	var want []sliceplan.Flip
	for _, address := range someAddresses.Draw(t, "flip") {
		b, e, ok := m.wantedAt(address)
		if !ok {
			continue
		}
		m.in.Backends[b].Endpoints = slices.Clone(m.in.Backends[b].Endpoints)
		flipped := &m.in.Backends[b].Endpoints[e]
		flipped.Conditions.Ready = !flipped.Conditions.Ready
		flipped.Conditions.Serving = flipped.Conditions.Ready
		if home, ok := m.homes(&m.in.Backends[b])[address]; ok {
			touched[home.slice] = true
			want = append(want, sliceplan.Flip{
				Owner: m.in.Backends[b].Owner.UID, Address: address, Entry: flipped.Entry, Ready: flipped.Conditions.Ready,
			})
		}
	}
	before := m.cluster.list()
	plan := m.settle(t)
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

type home struct {
	slice string
	index int
}

// homes finds where the wanted endpoints of a backend are: the first place in
// the order of names.
func (m *machine) homes(b *sliceplan.Backend) map[string]home {
	found := make(map[string]home)
	for _, slice := range m.slicesOf(b) {
		if !b.Hold && slice.Labels[discoveryv1.LabelServiceName] != m.in.Service.Name {
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

func addressesOf(slice *discoveryv1.EndpointSlice) []string {
	var list []string
	for i := range slice.Endpoints {
		list = append(list, slice.Endpoints[i].Addresses...)
	}
	return list
}

func (m *machine) changeCap(t *rapid.T) {
	m.in.MaxEndpoints = rapid.IntRange(1, 5).Draw(t, "max")
}

func (m *machine) changePorts(t *rapid.T) {
	b := &m.in.Backends[rapid.IntRange(0, len(m.in.Backends)-1).Draw(t, "backend")]
	b.PortSets = portSets(port("http", rapid.Int32Range(8080, 8082).Draw(t, "port")))
}

func (m *machine) changeService(t *rapid.T) {
	s := &m.in.Service
	s.Labels = map[string]string{"app": rapid.SampledFrom([]string{"a", "b"}).Draw(t, "app")}
	s.Headless = rapid.Bool().Draw(t, "headless")
	s.UID = rapid.SampledFrom([]types.UID{"svc-1", "svc-2"}).Draw(t, "uid")
	s.Families = rapid.SampledFrom([][]discoveryv1.AddressType{{ipv4}, {ipv6}, {ipv4, ipv6}, {ipv6, ipv4}}).Draw(t, "families")
}

func (m *machine) hold(t *rapid.T) {
	b := &m.in.Backends[rapid.IntRange(0, len(m.in.Backends)-1).Draw(t, "backend")]
	b.Hold = !b.Hold
}

// tamper edits a slice as users and other controllers might.
func (m *machine) tamper(t *rapid.T) {
	if len(m.cluster.stored) == 0 {
		return
	}
	name := rapid.SampledFrom(m.cluster.names())
	slice, other := m.cluster.stored[name.Draw(t, "slice")], m.cluster.stored[name.Draw(t, "other")]
	edits := map[string]func(*discoveryv1.EndpointSlice){
		"relabel": func(s *discoveryv1.EndpointSlice) {
			s.Labels = map[string]string{discoveryv1.LabelServiceName: "other"}
		},
		"strip":   func(s *discoveryv1.EndpointSlice) { s.Labels, s.OwnerReferences = nil, nil },
		"disown":  func(s *discoveryv1.EndpointSlice) { s.OwnerReferences, s.Endpoints[0].TargetRef = nil, nil },
		"forget":  func(s *discoveryv1.EndpointSlice) { s.Annotations = nil },
		"unset":   func(s *discoveryv1.EndpointSlice) { s.Endpoints[0].Conditions = discoveryv1.EndpointConditions{} },
		"hint":    func(s *discoveryv1.EndpointSlice) { s.Endpoints[0].Hints = &discoveryv1.EndpointHints{} },
		"shorten": func(s *discoveryv1.EndpointSlice) { s.Endpoints = s.Endpoints[1:] },
		"two in one": func(s *discoveryv1.EndpointSlice) {
			s.Endpoints[0].Addresses = append(s.Endpoints[0].Addresses, addressesOf(s)...)
		},
		"second copy": func(s *discoveryv1.EndpointSlice) { s.Endpoints = append(s.Endpoints, s.Endpoints[0]) },
		"copy": func(s *discoveryv1.EndpointSlice) {
			if other.AddressType == s.AddressType {
				s.Endpoints = append(s.Endpoints, other.DeepCopy().Endpoints...)
			}
		},
		"terminate": func(s *discoveryv1.EndpointSlice) { s.DeletionTimestamp = new(metav1.Unix(1, 0)) },
		"delete":    nil,
	}
	edit := rapid.SampledFrom(slices.Sorted(maps.Keys(edits))).Draw(t, "edit")
	if edit == "delete" || slice.DeletionTimestamp != nil || len(slice.Endpoints) == 0 {
		delete(m.cluster.stored, slice.Name)
		return
	}
	m.cluster.edit(slice.Name, edits[edit])
}

func (m *machine) reconcile(t *rapid.T) { m.settle(t) }

// settle executes the plan and holds it against everything that has to be true
// of every plan.
func (m *machine) settle(t *rapid.T) sliceplan.Plan {
	wanted := m.wanted()
	held := m.heldAfter()
	stays := m.cluster.published(m.in.Service.Name)
	maps.DeleteFunc(stays, func(address string, _ bool) bool { _, ok := wanted[address]; return !ok })
	m.cluster.afterWrite = func(t tb, write string) { // rule 43
		now := m.cluster.published(m.in.Service.Name)
		for address := range stays {
			if _, ok := now[address]; !ok {
				t.Fatalf("after %s, %s is missing", write, address)
			}
		}
	}
	budget := m.budget()
	m.in.Existing = nil
	for _, name := range rapid.Permutation(m.cluster.names()).Draw(t, "order") {
		m.in.Existing = append(m.in.Existing, m.cluster.stored[name])
	}
	shuffled := describe(sliceplan.Compute(m.in))
	plan := m.cluster.settle(t, m.in)
	if diff := gocmp.Diff(describe(plan), shuffled); diff != "" {
		t.Fatalf("the plan depends on the order of the slices (-sorted +shuffled):\n%s", diff)
	}
	if writes := len(describe(plan)); writes > budget {
		t.Fatalf("%d writes, %d would do: %v", writes, budget, describe(plan))
	}
	m.checkPublished(t, wanted)
	if after := m.heldSlices(); !reflect.DeepEqual(held, after) {
		t.Fatalf("slices of backends on hold (-want +got):\n%s", gocmp.Diff(held, after))
	}
	return plan
}

// wanted is the text of every endpoint that should be published by backends
// that are not on hold.
func (m *machine) wanted() map[string]string {
	wanted := make(map[string]string)
	for _, b := range m.in.Backends {
		for _, e := range b.Endpoints {
			if !b.Hold && slices.Contains(m.in.Service.Families, e.Family) {
				wanted[e.Address] = fmt.Sprint(b.Owner.UID, " ", e.Entry, " ", e.Conditions, " ", *b.PortSets[0][0].Port)
			}
		}
	}
	return wanted
}

// checkPublished reads the slices of the Service back: exactly what is wanted,
// nothing twice, no slice above the cap.
func (m *machine) checkPublished(t *rapid.T, wanted map[string]string) {
	got := make(map[string]string)
	for _, slice := range m.cluster.list() {
		if m.isHeld(slice) || slice.DeletionTimestamp != nil || slice.Labels[discoveryv1.LabelServiceName] != m.in.Service.Name {
			continue
		}
		if len(slice.Endpoints) > m.in.MaxEndpoints {
			t.Fatalf("%s has %d endpoints", slice.Name, len(slice.Endpoints))
		}
		if _, headless := slice.Labels[corev1.IsHeadlessService]; headless != m.in.Service.Headless || slice.Labels["app"] != m.in.Service.Labels["app"] {
			t.Fatalf("%s has labels %v", slice.Name, slice.Labels)
		}
		for i := range slice.Endpoints {
			e := &slice.Endpoints[i]
			if got[e.Addresses[0]] != "" {
				t.Fatalf("%s is published twice", e.Addresses[0])
			}
			entry := e.TargetRef.FieldPath[len("spec.targets{") : len(e.TargetRef.FieldPath)-1]
			c := sliceplan.Conditions{Ready: *e.Conditions.Ready, Serving: *e.Conditions.Serving, Terminating: *e.Conditions.Terminating}
			got[e.Addresses[0]] = fmt.Sprint(e.TargetRef.UID, " ", entry, " ", c, " ", *slice.Ports[0].Port)
		}
	}
	if diff := gocmp.Diff(wanted, got); diff != "" {
		t.Fatalf("published (-want +got):\n%s", diff)
	}
}
