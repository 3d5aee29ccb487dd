// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package sliceplan_test

import (
	"cmp"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"externalbackend.dev/operator/internal/sliceplan"
)

func (m *machine) isHeld(slice *discoveryv1.EndpointSlice) bool {
	return slices.ContainsFunc(m.in.Backends, func(b sliceplan.Backend) bool {
		return b.Hold && b.Owner.UID == sliceplan.OwnerUID(slice)
	})
}

// heldSlices are those of backends on hold, without their versions.
func (m *machine) heldSlices() []*discoveryv1.EndpointSlice {
	var held []*discoveryv1.EndpointSlice
	for _, slice := range m.cluster.list() {
		if m.isHeld(slice) {
			slice = slice.DeepCopy()
			slice.ResourceVersion = ""
			held = append(held, slice)
		}
	}
	return held
}

// heldAfter is what a plan may make of heldSlices: the conditions of wanted
// endpoints are brought up to date, nothing else.
func (m *machine) heldAfter() []*discoveryv1.EndpointSlice {
	held := m.heldSlices()
	for i := range m.in.Backends {
		b := &m.in.Backends[i]
		homes := m.homes(b)
		for _, e := range b.Endpoints {
			at, ok := homes[e.Address]
			if n := slices.IndexFunc(held, func(s *discoveryv1.EndpointSlice) bool { return s.Name == at.slice }); ok && n >= 0 {
				held[n].Endpoints[at.index].Conditions = conditions(e.Conditions)
			}
		}
	}
	return held
}

func conditions(c sliceplan.Conditions) discoveryv1.EndpointConditions {
	return discoveryv1.EndpointConditions{Ready: new(c.Ready), Serving: new(c.Serving), Terminating: new(c.Terminating)}
}

// budget is how many writes are enough: one for each slice that is not as it
// should be, and one for each slice full of endpoints that have no place yet.
func (m *machine) budget() int {
	budget := 0
	for _, slice := range m.cluster.list() {
		known := slices.ContainsFunc(m.in.Backends, func(b sliceplan.Backend) bool { return b.Owner.UID == sliceplan.OwnerUID(slice) })
		if !known && slice.DeletionTimestamp == nil {
			budget++
		}
	}
	for i := range m.in.Backends {
		if b := &m.in.Backends[i]; !b.Hold {
			budget += m.budgetOf(b)
		}
	}
	after := m.heldAfter()
	for i, before := range m.heldSlices() {
		if !equality.Semantic.DeepEqual(before, after[i]) {
			budget++
		}
	}
	return budget
}

func (m *machine) budgetOf(b *sliceplan.Backend) int {
	budget := 0
	homeless := make(map[string]*sliceplan.Endpoint)
	for i := range b.Endpoints {
		if e := &b.Endpoints[i]; slices.Contains(m.in.Service.Families, e.Family) {
			homeless[e.Address] = e
		}
	}
	for _, slice := range m.slicesOf(b) {
		if label := slice.Labels[discoveryv1.LabelServiceName]; label != "" && label != m.in.Service.Name {
			budget++
			continue
		}
		stay := 0
		good := m.metaIsGood(slice, b)
		for i := range slice.Endpoints {
			address := slice.Endpoints[i].Addresses[0]
			e := homeless[address]
			if e == nil || stay == m.in.MaxEndpoints {
				good = false
				continue
			}
			stay++
			good = good && endpointIsGood(&slice.Endpoints[i], e, b.Owner)
			delete(homeless, address)
		}
		if !good || stay == 0 {
			budget++
		}
	}
	additions := make(map[discoveryv1.AddressType]int)
	for _, e := range homeless {
		additions[e.Family]++
	}
	for _, n := range additions {
		budget += (n + m.in.MaxEndpoints - 1) / m.in.MaxEndpoints
	}
	return budget
}

func (m *machine) slicesOf(b *sliceplan.Backend) []*discoveryv1.EndpointSlice {
	list := slices.DeleteFunc(m.cluster.list(), func(s *discoveryv1.EndpointSlice) bool {
		return s.DeletionTimestamp != nil || sliceplan.OwnerUID(s) != b.Owner.UID
	})
	slices.SortStableFunc(list, func(x, y *discoveryv1.EndpointSlice) int { return cmp.Compare(len(x.Name), len(y.Name)) })
	return list
}

func (m *machine) metaIsGood(slice *discoveryv1.EndpointSlice, b *sliceplan.Backend) bool {
	labels := maps.Clone(m.in.Service.Labels)
	labels[discoveryv1.LabelServiceName] = m.in.Service.Name
	labels[discoveryv1.LabelManagedBy] = sliceplan.ManagedBy
	if m.in.Service.Headless {
		labels[corev1.IsHeadlessService] = ""
	}
	return maps.Equal(labels, slice.Labels) && len(slice.OwnerReferences) == 1 &&
		slice.Annotations[sliceplan.ServiceUIDAnnotation] == string(m.in.Service.UID) &&
		equality.Semantic.DeepEqual(b.PortSets[0], slice.Ports)
}

func endpointIsGood(live *discoveryv1.Endpoint, want *sliceplan.Endpoint, o sliceplan.Owner) bool {
	return equality.Semantic.DeepEqual(*live, discoveryv1.Endpoint{
		Addresses:  []string{want.Address},
		Conditions: conditions(want.Conditions),
		TargetRef: &corev1.ObjectReference{
			APIVersion: o.APIVersion, Kind: o.Kind, Namespace: "shop", Name: o.Name, UID: o.UID,
			FieldPath: "spec.targets{" + want.Entry + "}",
		},
	})
}
