// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package sliceplan_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"externalbackend.dev/operator/internal/sliceplan"
)

func (m *machine) isHeld(slice *discoveryv1.EndpointSlice) bool {
	return slices.ContainsFunc(m.in.Backends, func(b sliceplan.Backend) bool {
		return b.Hold && b.Owner.UID == sliceplan.OwnerUID(slice)
	})
}

// heldSlices are those of backends on hold, without their versions, hints and
// what is written along with other changes.
func (m *machine) heldSlices() []*discoveryv1.EndpointSlice {
	var held []*discoveryv1.EndpointSlice
	for _, slice := range m.cluster.list() {
		if m.isHeld(slice) {
			held = append(held, withoutHints(slice))
		}
	}
	return held
}

func withoutHints(slice *discoveryv1.EndpointSlice) *discoveryv1.EndpointSlice {
	slice = withoutRiders(slice)
	slice.ResourceVersion = ""
	for i := range slice.Endpoints {
		slice.Endpoints[i].Hints = nil
	}
	return slice
}

// withoutRiders is a copy without the annotations that are never a reason for a
// write: of the recorded states, all but deadlines is left.
func withoutRiders(slice *discoveryv1.EndpointSlice) *discoveryv1.EndpointSlice {
	noted := notes(slice)
	slice = slice.DeepCopy()
	delete(slice.Annotations, corev1.EndpointsLastChangeTriggerTime)
	recordNotes(slice, noted)
	return slice
}

// notes are what a slice tells of addresses beyond conditions and deadlines.
func notes(slice *discoveryv1.EndpointSlice) map[string]string {
	noted := make(map[string]string)
	for _, p := range readBack(slice) {
		note(noted, &sliceplan.Endpoint{Address: p.Address, Disabled: p.Disabled, ByState: p.ByState, Priority: p.Priority})
	}
	return noted
}

// noteOf is that of an endpoint; empty if there is nothing to tell.
func noteOf(e *sliceplan.Endpoint) string {
	if !e.Disabled && !e.ByState && e.Priority == 0 {
		return ""
	}
	return fmt.Sprint(e.Address, e.Disabled, e.ByState, e.Priority)
}

func note(noted map[string]string, e *sliceplan.Endpoint) {
	if delete(noted, e.Address); noteOf(e) != "" {
		noted[e.Address] = noteOf(e)
	}
}

func recordNotes(slice *discoveryv1.EndpointSlice, noted map[string]string) {
	delete(slice.Annotations, sliceplan.StateAnnotation)
	if len(noted) > 0 {
		if slice.Annotations == nil {
			slice.Annotations = make(map[string]string)
		}
		slice.Annotations[sliceplan.StateAnnotation] = strings.Join(slices.Sorted(maps.Values(noted)), " ")
	}
}

// heldAfter is what a plan may make of heldSlices: the conditions of wanted
// endpoints are brought up to date, with notes, and those that are
// gone are taken away.
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
	return slices.DeleteFunc(held, func(slice *discoveryv1.EndpointSlice) bool {
		uid := sliceplan.OwnerUID(slice)
		b := &m.in.Backends[slices.IndexFunc(m.in.Backends, func(b sliceplan.Backend) bool { return b.Owner.UID == uid })]
		return slice.DeletionTimestamp == nil && m.dismissed(b, slice)
	})
}

// dismissed notes in a slice of a backend on hold what is to be, and takes
// away what is gone. It says whether nothing is left.
func (m *machine) dismissed(b *sliceplan.Backend, slice *discoveryv1.EndpointSlice) bool {
	noted := notes(m.cluster.stored[slice.Name])
	for _, e := range b.Endpoints {
		delete(noted, e.Address)
		if slices.ContainsFunc(slice.Endpoints, func(live discoveryv1.Endpoint) bool { return live.Addresses[0] == e.Address }) {
			note(noted, &e)
		}
	}
	before := len(slice.Endpoints)
	slice.Endpoints = slices.DeleteFunc(slice.Endpoints, func(live discoveryv1.Endpoint) bool {
		if b.Gone[live.Addresses[0]] {
			delete(noted, live.Addresses[0])
		}
		return b.Gone[live.Addresses[0]]
	})
	if len(slice.Endpoints) < before {
		o := b.Owner
		slice.OwnerReferences = []metav1.OwnerReference{{APIVersion: o.APIVersion, Kind: o.Kind, Name: o.Name, UID: o.UID, Controller: new(true)}}
	}
	recordNotes(slice, noted)
	return before > 0 && len(slice.Endpoints) == 0
}

func conditions(c sliceplan.Conditions) discoveryv1.EndpointConditions {
	return discoveryv1.EndpointConditions{Ready: new(c.Ready), Serving: new(c.Serving), Terminating: new(c.Terminating)}
}

func zoneHint(zone string) *discoveryv1.EndpointHints {
	return &discoveryv1.EndpointHints{ForZones: []discoveryv1.ForZone{{Name: zone}}}
}

func portText(ports []discoveryv1.EndpointPort) string {
	list := ""
	for _, p := range ports {
		list += *p.Name + "/" + string(*p.Protocol) + "/" + strconv.Itoa(int(*p.Port)) + " "
	}
	return list
}

// history is what the slices told before a plan.
type history struct {
	m *machine
	// told are the conditions of addresses by owner; those of all backends that
	// are not on hold stand under "".
	told map[types.UID]map[string]discoveryv1.EndpointConditions
	// twice is true when an address stood in several places, so that it is not
	// defined what its conditions were.
	twice bool
	// drains are deadlines by slice and address, and notes what else was told.
	drains map[string]map[string]time.Time
	notes  map[string]map[string]string
}

func (m *machine) history() *history {
	h := &history{
		m: m, told: make(map[types.UID]map[string]discoveryv1.EndpointConditions),
		drains: make(map[string]map[string]time.Time), notes: make(map[string]map[string]string),
	}
	for i := range m.in.Backends {
		b := &m.in.Backends[i]
		of, list := types.UID(""), m.usableSlicesOf(b)
		if b.Hold {
			of, list = b.Owner.UID, m.slicesOf(b)
		}
		for _, slice := range list {
			h.drains[slice.Name], h.notes[slice.Name] = drainsOf(slice), notes(slice)
			if !b.Hold && !slices.Contains(m.in.Service.Families, slice.AddressType) {
				continue
			}
			for i := range slice.Endpoints {
				for _, address := range slice.Endpoints[i].Addresses {
					h.tell(of, address, slice.Endpoints[i].Conditions)
					if b.Hold && b.Gone[address] && m.reads(slice) {
						h.tell("", address, slice.Endpoints[i].Conditions)
					}
				}
			}
		}
	}
	return h
}

func (h *history) tell(of types.UID, address string, c discoveryv1.EndpointConditions) {
	if h.told[of] == nil {
		h.told[of] = make(map[string]discoveryv1.EndpointConditions)
	}
	_, again := h.told[of][address]
	h.twice = h.twice || again
	h.told[of][address] = c
}

func readBack(slice *discoveryv1.EndpointSlice) []sliceplan.Published {
	return sliceplan.ReadBack([]*discoveryv1.EndpointSlice{slice}, sliceplan.OwnerUID(slice))
}

func drainsOf(slice *discoveryv1.EndpointSlice) map[string]time.Time {
	drains := make(map[string]time.Time)
	for _, p := range readBack(slice) {
		if !p.DrainUntil.IsZero() {
			drains[p.Address] = p.DrainUntil.UTC()
		}
	}
	return drains
}

// check looks at what rides on the writes of a plan.
func (h *history) check(t *rapid.T, plan *sliceplan.Plan) {
	for _, slice := range slices.Concat(plan.Create, plan.Update) {
		b := &h.m.in.Backends[slices.IndexFunc(h.m.in.Backends, func(b sliceplan.Backend) bool {
			return b.Owner.UID == sliceplan.OwnerUID(slice)
		})]
		drains, noted, trigger := make(map[string]time.Time), make(map[string]string), time.Time{}
		for _, live := range slice.Endpoints {
			address := live.Addresses[0]
			i := slices.IndexFunc(b.Endpoints, func(e sliceplan.Endpoint) bool { return e.Address == address })
			if i < 0 {
				if until := h.drains[slice.Name][address]; !until.IsZero() {
					drains[address] = until
				}
				if told := h.notes[slice.Name][address]; told != "" {
					noted[address] = told
				}
				continue
			}
			e := b.Endpoints[i]
			if !e.DrainUntil.IsZero() {
				drains[address] = e.DrainUntil.UTC()
			}
			note(noted, &e)
			if h.changed(b, e) && !e.Changed.IsZero() && (trigger.IsZero() || e.Changed.Before(trigger)) {
				trigger = e.Changed
			}
		}
		if diff := gocmp.Diff(drains, drainsOf(slice)); diff != "" {
			t.Fatalf("deadlines in %s (-want +got):\n%s", slice.Name, diff)
		}
		if diff := gocmp.Diff(noted, notes(slice)); diff != "" {
			t.Fatalf("notes in %s (-want +got):\n%s", slice.Name, diff)
		}
		if _, ok := slice.Annotations[sliceplan.StateAnnotation]; ok != (len(drains)+len(noted) > 0) {
			t.Fatalf("%s has annotations %v", slice.Name, slice.Annotations)
		}
		want := ""
		if !trigger.IsZero() {
			want = trigger.UTC().Format(time.RFC3339Nano)
		}
		if got := slice.Annotations[corev1.EndpointsLastChangeTriggerTime]; got != want && !h.twice {
			t.Fatalf("%s: last change %q, want %q", slice.Name, got, want)
		}
	}
}

// changed says whether an endpoint is new or has other conditions.
func (h *history) changed(b *sliceplan.Backend, e sliceplan.Endpoint) bool {
	of := types.UID("")
	if b.Hold {
		of = b.Owner.UID
	}
	told, ok := h.told[of][e.Address]
	return !ok || !equality.Semantic.DeepEqual(told, conditions(e.Conditions))
}
