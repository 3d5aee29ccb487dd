// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package sliceplan_test

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"externalbackend.dev/operator/internal/sliceplan"
)

// groupKey identifies a group of slices of a backend.
type groupKey struct {
	family discoveryv1.AddressType
	ports  string
}

// bound is how many writes are enough, as the package states it.
type bound struct {
	// writes without compaction: one for each slice that is not as it should be,
	// and one for each slice full of endpoints that have no place yet.
	writes int
	// mayGo are slices that compaction may free: some of their endpoints stay in
	// their group, and others leave it.
	mayGo map[string]bool
}

func (m *machine) bound() *bound {
	u := &bound{mayGo: make(map[string]bool)}
	for _, slice := range m.cluster.list() {
		known := slices.ContainsFunc(m.in.Backends, func(b sliceplan.Backend) bool { return b.Owner.UID == sliceplan.OwnerUID(slice) })
		if !known && slice.DeletionTimestamp == nil {
			u.writes++
		}
	}
	for i := range m.in.Backends {
		if b := &m.in.Backends[i]; !b.Hold {
			m.boundOf(b, u)
		}
	}
	after := make(map[string]*discoveryv1.EndpointSlice)
	for _, slice := range m.heldAfter() {
		after[slice.Name] = slice
	}
	for _, before := range m.heldSlices() {
		if !equality.Semantic.DeepEqual(before, after[before.Name]) {
			u.writes++
		}
	}
	return u
}

func (m *machine) boundOf(b *sliceplan.Backend, u *bound) {
	homeless := make(map[string]*sliceplan.Endpoint)
	for i := range b.Endpoints {
		if e := &b.Endpoints[i]; slices.Contains(m.in.Service.Families, e.Family) {
			homeless[e.Address] = e
		}
	}
	wanted := maps.Clone(homeless)
	stays, shrunk := make(map[string]groupKey), make(map[groupKey]bool)
	moved := make(map[string]bool)
	for _, slice := range m.readFirst(b) {
		if label := slice.Labels[discoveryv1.LabelServiceName]; label != "" && label != m.in.Service.Name {
			u.writes++
			continue
		}
		key := m.groupOf(b, slice, wanted)
		stay, good := 0, m.metaIsGood(slice) && portText(slice.Ports) == key.ports
		for i := range slice.Endpoints {
			address := slice.Endpoints[i].Addresses[0]
			if e := wanted[address]; e == nil || e.Family != slice.AddressType || portText(b.PortSets[e.Ports]) != key.ports {
				good, shrunk[key], moved[address] = false, true, true
				continue
			}
			unread := slice.Labels[discoveryv1.LabelServiceName] == ""
			if homeless[address] == nil || unread && moved[address] || stay == m.in.MaxEndpoints {
				good, moved[address] = false, true
				continue
			}
			stay++
			good = good && endpointIsGood(&slice.Endpoints[i], homeless[address], b.Owner) &&
				notes(slice)[address] == noteOf(homeless[address])
			delete(homeless, address)
		}
		if !good || stay == 0 {
			u.writes++
		}
		if stay > 0 {
			stays[slice.Name] = key
		}
	}
	for name, key := range stays {
		u.mayGo[name] = shrunk[key]
	}
	additions := make(map[groupKey]int)
	for _, e := range homeless {
		additions[groupKey{e.Family, portText(b.PortSets[e.Ports])}]++
	}
	for _, n := range additions {
		u.writes += (n + m.in.MaxEndpoints - 1) / m.in.MaxEndpoints
	}
}

// groupOf says which ports a live slice goes on with: its own if an endpoint in
// it that does not terminate has them or none tells otherwise, else those that
// most of its endpoints have.
func (m *machine) groupOf(b *sliceplan.Backend, slice *discoveryv1.EndpointSlice, wanted map[string]*sliceplan.Endpoint) groupKey {
	own := portText(slice.Ports)
	for _, terminating := range []bool{false, true} {
		votes, most := make([]int, len(b.PortSets)), 0
		for i := range slice.Endpoints {
			e := wanted[slice.Endpoints[i].Addresses[0]]
			if e == nil || e.Family != slice.AddressType || e.Conditions.Terminating != terminating {
				continue
			}
			set := slices.IndexFunc(b.PortSets, func(ports []discoveryv1.EndpointPort) bool {
				return portText(ports) == portText(b.PortSets[e.Ports])
			})
			votes[set]++
			if most = max(most, votes[set]); portText(b.PortSets[set]) == own && !terminating {
				return groupKey{slice.AddressType, own}
			}
		}
		if set := slices.IndexFunc(b.PortSets, func(ports []discoveryv1.EndpointPort) bool { return portText(ports) == own }); set >= 0 && votes[set] == most && (most > 0 || terminating) {
			return groupKey{slice.AddressType, own}
		}
		if most > 0 {
			return groupKey{slice.AddressType, portText(b.PortSets[slices.Index(votes, most)])}
		}
	}
	return groupKey{slice.AddressType, portText(b.PortSets[0])}
}

// check counts the writes. Those of slices that differ in hints only come on
// top: that they were due is for checkHints and the cluster to tell.
func (u *bound) check(t tb, before []*discoveryv1.EndpointSlice, plan *sliceplan.Plan) {
	t.Helper()
	allowed := u.writes
	live := make(map[string]*discoveryv1.EndpointSlice, len(before))
	for _, slice := range before {
		live[slice.Name] = slice
	}
	for _, slice := range plan.Update {
		if equality.Semantic.DeepEqual(withoutHints(live[slice.Name]), withoutHints(slice)) {
			allowed++
		}
	}
	freed := 0
	for _, slice := range plan.Delete {
		if mayGo, stays := u.mayGo[slice.Name]; stays {
			freed++
			if !mayGo {
				t.Fatalf("%s is freed, but nothing was taken away: %v", slice.Name, describe(*plan))
			}
		}
	}
	if freed > 0 {
		allowed += 2*freed - 1
	}
	if writes := len(describe(*plan)); writes > allowed {
		t.Fatalf("%d writes, %d would do: %v", writes, allowed, describe(*plan))
	}
}

func (m *machine) slicesOf(b *sliceplan.Backend) []*discoveryv1.EndpointSlice {
	list := slices.DeleteFunc(m.cluster.list(), func(s *discoveryv1.EndpointSlice) bool {
		return s.DeletionTimestamp != nil || sliceplan.OwnerUID(s) != b.Owner.UID
	})
	slices.SortStableFunc(list, func(x, y *discoveryv1.EndpointSlice) int { return cmp.Compare(len(x.Name), len(y.Name)) })
	return list
}

// readFirst lists the slices that consumers read before those without label.
func (m *machine) readFirst(b *sliceplan.Backend) []*discoveryv1.EndpointSlice {
	list := m.slicesOf(b)
	slices.SortStableFunc(list, func(x, y *discoveryv1.EndpointSlice) int {
		return strings.Compare(y.Labels[discoveryv1.LabelServiceName], x.Labels[discoveryv1.LabelServiceName])
	})
	return list
}

// usableSlicesOf leaves out those that somebody gave to another Service.
func (m *machine) usableSlicesOf(b *sliceplan.Backend) []*discoveryv1.EndpointSlice {
	return slices.DeleteFunc(m.slicesOf(b), func(s *discoveryv1.EndpointSlice) bool { return !m.reads(s) })
}

// reads says whether nobody gave a slice to another Service.
func (m *machine) reads(s *discoveryv1.EndpointSlice) bool {
	label := s.Labels[discoveryv1.LabelServiceName]
	return label == "" || label == m.in.Service.Name
}

func (m *machine) metaIsGood(slice *discoveryv1.EndpointSlice) bool {
	labels := maps.Clone(m.in.Service.Labels)
	labels[discoveryv1.LabelServiceName] = m.in.Service.Name
	labels[discoveryv1.LabelManagedBy] = sliceplan.ManagedBy
	if m.in.Service.Headless {
		labels[corev1.IsHeadlessService] = ""
	}
	return maps.Equal(labels, slice.Labels) && len(slice.OwnerReferences) == 1 &&
		slice.Annotations[sliceplan.ServiceUIDAnnotation] == string(m.in.Service.UID)
}

// endpointIsGood leaves the hints of ready endpoints out.
func endpointIsGood(live *discoveryv1.Endpoint, want *sliceplan.Endpoint, o sliceplan.Owner) bool {
	good := discoveryv1.Endpoint{
		Addresses:  []string{want.Address},
		Conditions: conditions(want.Conditions),
		TargetRef: &corev1.ObjectReference{
			APIVersion: o.APIVersion, Kind: o.Kind, Namespace: "shop", Name: o.Name, UID: o.UID,
			FieldPath: "spec.targets{" + want.Entry + "}",
		},
	}
	if want.Hostname != "" {
		good.Hostname = &want.Hostname
	}
	if want.Zone != "" {
		good.Zone = &want.Zone
	}
	if want.Conditions.Ready {
		good.Hints = live.Hints
	}
	return equality.Semantic.DeepEqual(*live, good)
}
