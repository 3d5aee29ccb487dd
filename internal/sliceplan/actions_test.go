// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package sliceplan_test

import (
	"cmp"
	"maps"
	"slices"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"externalbackend.dev/operator/internal/sliceplan"
)

var pool = append(sequence(0, 14), "2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8::4", "2001:db8::5")

var someAddresses = rapid.SliceOfNDistinct(rapid.SampledFrom(pool), 1, 8, rapid.ID)

// everyState is what the operator publishes, the last two for Services that
// want addresses that are not ready.
var everyState = []sliceplan.Conditions{
	{Ready: true, Serving: true},
	{},
	{Serving: true, Terminating: true},
	{Terminating: true},
	{Ready: true},
	{Ready: true, Serving: true, Terminating: true},
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

// modify changes some of the wanted endpoints.
func (m *machine) modify(t *rapid.T, change func(*sliceplan.Endpoint)) {
	for _, address := range someAddresses.Draw(t, "addresses") {
		if b, e, ok := m.wantedAt(address); ok {
			m.in.Backends[b].Endpoints = slices.Clone(m.in.Backends[b].Endpoints)
			change(&m.in.Backends[b].Endpoints[e])
		}
	}
}

func (m *machine) backend(t *rapid.T) *sliceplan.Backend {
	return &m.in.Backends[rapid.IntRange(0, len(m.in.Backends)-1).Draw(t, "backend")]
}

// now is a time that is later each time, or not known.
func (m *machine) now(t *rapid.T) time.Time {
	m.seconds++
	if rapid.IntRange(0, 4).Draw(t, "known") == 0 {
		return time.Time{}
	}
	return time.Unix(1800000000+m.seconds, 0).In(time.FixedZone("east", 3600))
}

func (m *machine) drop(address string) {
	if b, e, ok := m.wantedAt(address); ok {
		m.in.Backends[b].Endpoints = slices.Delete(slices.Clone(m.in.Backends[b].Endpoints), e, e+1)
	}
}

func (m *machine) want(t *rapid.T, address string) {
	m.drop(address)
	b := m.backend(t)
	b.Gone = maps.Clone(b.Gone)
	delete(b.Gone, address)
	e := endpoints(address + rapid.SampledFrom([]string{"", "/spare"}).Draw(t, "entry"))[0]
	e.Ports = rapid.IntRange(0, len(b.PortSets)-1).Draw(t, "ports")
	e.Hostname = rapid.SampledFrom([]string{"", e.Entry}).Draw(t, "hostname")
	e.Zone = rapid.SampledFrom(m.zones).Draw(t, "zone")
	m.state(t, &e)
	b.Endpoints = append(slices.Clone(b.Endpoints), e)
	slices.SortFunc(b.Endpoints, func(x, y sliceplan.Endpoint) int { return cmp.Compare(x.Address, y.Address) })
}

func (m *machine) state(t *rapid.T, e *sliceplan.Endpoint) {
	e.Conditions = rapid.SampledFrom(everyState).Draw(t, "state")
	e.Changed, e.DrainUntil = m.now(t), time.Time{}
	if e.Conditions.Terminating {
		e.DrainUntil = m.now(t)
	}
	e.Disabled = rapid.IntRange(0, 3).Draw(t, "disabled") == 0
	e.ByState, e.Priority = e.Conditions.Terminating && rapid.Bool().Draw(t, "by state"), rapid.SampledFrom([]int{0, 0, 10}).Draw(t, "priority")
}

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

func (m *machine) restate(t *rapid.T) {
	m.modify(t, func(e *sliceplan.Endpoint) { m.state(t, e) })
}

// postpone changes only what never causes a write.
func (m *machine) postpone(t *rapid.T) {
	m.modify(t, func(e *sliceplan.Endpoint) {
		e.Changed = m.now(t)
		if e.Conditions.Terminating {
			e.DrainUntil = m.now(t)
		}
	})
	if plan := m.settle(t); !plan.Empty() {
		t.Fatalf("written for another deadline: %v", describe(plan))
	}
}

func (m *machine) rename(t *rapid.T) {
	m.modify(t, func(e *sliceplan.Endpoint) {
		e.Hostname = rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "hostname")
	})
}

// rezone gives every endpoint a zone, or some of them none.
func (m *machine) rezone(t *rapid.T) {
	m.zones = rapid.SampledFrom([][]string{{"a", "b"}, {"a"}, {"", "a"}, {""}}).Draw(t, "zones")
	for i := range m.in.Backends {
		b := &m.in.Backends[i]
		b.Endpoints = slices.Clone(b.Endpoints)
		for e := range b.Endpoints {
			b.Endpoints[e].Zone = rapid.SampledFrom(m.zones).Draw(t, "zone")
		}
	}
}

func (m *machine) distribute(t *rapid.T) {
	m.in.Service.TrafficDistribution = rapid.SampledFrom([]*string{nil, new("PreferClose"), new("PreferSameZone"), new("Later")}).Draw(t, "distribution")
}

func (m *machine) changeCap(t *rapid.T) {
	m.in.MaxEndpoints = rapid.IntRange(1, 5).Draw(t, "max")
}

// changePorts draws sets that may be equal, and who has which.
func (m *machine) changePorts(t *rapid.T) {
	b := m.backend(t)
	b.PortSets = nil
	for _, number := range rapid.SliceOfN(rapid.Int32Range(8080, 8083), 1, 3).Draw(t, "ports") {
		b.PortSets = append(b.PortSets, portSets(port("http", number))...)
	}
	m.override(t, b)
}

// override gives the endpoints of each entry ports of their own.
func (m *machine) override(t *rapid.T, b *sliceplan.Backend) {
	sets := rapid.IntRange(0, len(b.PortSets)-1)
	of := map[string]int{"rack": sets.Draw(t, "rack"), "spare": sets.Draw(t, "spare")}
	b.Endpoints = slices.Clone(b.Endpoints)
	for i := range b.Endpoints {
		b.Endpoints[i].Ports = of[b.Endpoints[i].Entry]
	}
}

func (m *machine) changeOverride(t *rapid.T) { m.override(t, m.backend(t)) }

func (m *machine) changeService(t *rapid.T) {
	s := &m.in.Service
	s.Labels = map[string]string{"app": rapid.SampledFrom([]string{"a", "b"}).Draw(t, "app")}
	s.Headless = rapid.Bool().Draw(t, "headless")
	s.UID = rapid.SampledFrom([]types.UID{"svc-1", "svc-2"}).Draw(t, "uid")
	s.Families = rapid.SampledFrom([][]discoveryv1.AddressType{{ipv4}, {ipv6}, {ipv4, ipv6}, {ipv6, ipv4}}).Draw(t, "families")
}

func (m *machine) hold(t *rapid.T) {
	b := m.backend(t)
	b.Hold = !b.Hold
	b.Gone = nil
}

// dismiss has a backend on hold let go of addresses, which others may want.
func (m *machine) dismiss(t *rapid.T) {
	b := m.backend(t)
	if !b.Hold {
		return
	}
	b.Gone = maps.Clone(b.Gone)
	if b.Gone == nil {
		b.Gone = make(map[string]bool)
	}
	for _, address := range someAddresses.Draw(t, "addresses") {
		b.Endpoints = slices.DeleteFunc(slices.Clone(b.Endpoints), func(e sliceplan.Endpoint) bool { return e.Address == address })
		b.Gone[address] = true
		if rapid.Bool().Draw(t, "taken over") {
			m.want(t, address)
		}
	}
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
		"strip":  func(s *discoveryv1.EndpointSlice) { s.Labels, s.OwnerReferences = nil, nil },
		"disown": func(s *discoveryv1.EndpointSlice) { s.OwnerReferences, s.Endpoints[0].TargetRef = nil, nil },
		"forget": func(s *discoveryv1.EndpointSlice) { s.Annotations = nil },
		"garble": func(s *discoveryv1.EndpointSlice) {
			s.Annotations = map[string]string{sliceplan.ServiceUIDAnnotation: "svc-1", sliceplan.StateAnnotation: "[]"}
		},
		"unset":   func(s *discoveryv1.EndpointSlice) { s.Endpoints[0].Conditions = discoveryv1.EndpointConditions{} },
		"hint":    func(s *discoveryv1.EndpointSlice) { s.Endpoints[0].Hints = &discoveryv1.EndpointHints{} },
		"mislead": func(s *discoveryv1.EndpointSlice) { s.Endpoints[0].Hints = zoneHint("c") },
		"rezone":  func(s *discoveryv1.EndpointSlice) { s.Endpoints[0].Zone = new("c") },
		"reroute": func(s *discoveryv1.EndpointSlice) { s.Ports = other.DeepCopy().Ports },
		"unport":  func(s *discoveryv1.EndpointSlice) { s.Ports = nil },
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
