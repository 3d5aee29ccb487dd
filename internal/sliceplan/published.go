// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package sliceplan

import (
	"encoding/json"
	"strings"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Published is one endpoint as slices tell it.
type Published struct {
	// Address as it is written; its consumers read no other one (rule 20).
	Address string
	// Service that the slice is labelled for; empty if it has lost the label.
	Service string
	// Family that the slice is of.
	Family discoveryv1.AddressType
	// Entry that it came from; empty if somebody removed the reference.
	Entry string
	// Hostname and Zone; empty if it has none.
	Hostname, Zone string
	Conditions     discoveryv1.EndpointConditions
	// Ports of the slice. They are shared with it.
	Ports []discoveryv1.EndpointPort
	// DrainUntil is when it goes; zero unless it drains and says so.
	DrainUntil time.Time
	// Disabled is true when it is known to be out on purpose.
	Disabled bool
	// ByState and Priority are what Endpoint had.
	ByState  bool
	Priority int
}

// ReadBack lists what the slices of one owner publish, in the order of their
// names. It is how a restarted operator learns what it did before. An address
// is listed as often as it is published, which is more than once only while it
// moves or if somebody edited the slices; the first one counts.
func ReadBack(list []*discoveryv1.EndpointSlice, owner types.UID) []Published {
	total := 0
	var of []*discoveryv1.EndpointSlice
	for _, slice := range list {
		if slice.DeletionTimestamp == nil && OwnerUID(slice) == owner {
			of = append(of, slice)
			total += len(slice.Endpoints)
		}
	}
	sortByName(of)
	published := make([]Published, 0, total)
	for _, slice := range of {
		states := statesOf(slice)
		for i := range slice.Endpoints {
			e := &slice.Endpoints[i]
			if len(e.Addresses) == 0 {
				continue
			}
			state := states[e.Addresses[0]]
			published = append(published, Published{
				Address: e.Addresses[0], Service: slice.Labels[discoveryv1.LabelServiceName], Family: slice.AddressType,
				Entry: entryOf(e), Conditions: e.Conditions, Hostname: text(e.Hostname), Zone: text(e.Zone),
				Ports: slice.Ports, DrainUntil: state.DrainUntil, Disabled: state.Disabled, ByState: state.ByState, Priority: state.Priority,
			})
		}
	}
	return published
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// endpointState is what StateAnnotation says about one endpoint.
type endpointState struct {
	DrainUntil time.Time `json:"drainUntil,omitzero"`
	Disabled   bool      `json:"disabled,omitempty"`
	ByState    bool      `json:"byState,omitempty"`
	Priority   int       `json:"priority,omitempty"`
}

// stateOf leaves out a deadline that JSON has no way to say.
func stateOf(e *Endpoint) endpointState {
	state := endpointState{Disabled: e.Disabled, ByState: e.ByState, Priority: e.Priority}
	if until := e.DrainUntil.UTC(); !until.IsZero() && until.Year() < 10000 {
		state.DrainUntil = until
	}
	return state
}

func (s endpointState) isEmpty() bool {
	return s.DrainUntil.IsZero() && s == endpointState{DrainUntil: s.DrainUntil}
}

// tells says whether a state says the same of an endpoint as it is to be, but for
// the deadline, which causes no write.
func (s endpointState) tells(e *Endpoint) bool {
	s.DrainUntil = time.Time{}
	return s == endpointState{Disabled: e.Disabled, ByState: e.ByState, Priority: e.Priority}
}

// statesOf reads the annotation. What cannot be read of it says nothing.
func statesOf(slice *discoveryv1.EndpointSlice) map[string]endpointState {
	var raw map[string]json.RawMessage
	text := slice.Annotations[StateAnnotation]
	if text == "" {
		return nil
	}
	if json.Unmarshal([]byte(text), &raw) != nil {
		raw = nil // not even a part of it
	}
	states := make(map[string]endpointState, len(raw))
	for address, text := range raw {
		var state endpointState
		if json.Unmarshal(text, &state) == nil && !state.isEmpty() {
			states[address] = state
		}
	}
	return states
}

// stateText writes the annotation: empty if there is nothing to say.
func stateText(states map[string]endpointState) string {
	if len(states) == 0 {
		return ""
	}
	text, err := json.Marshal(states)
	if err != nil {
		return ""
	}
	return string(text)
}

// entryOf undoes what reference writes.
func entryOf(e *discoveryv1.Endpoint) string {
	if e.TargetRef == nil {
		return ""
	}
	entry, ok := strings.CutPrefix(e.TargetRef.FieldPath, "spec.targets{")
	if !ok {
		return ""
	}
	return strings.TrimSuffix(entry, "}")
}
