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
	// Entry that it came from; empty if somebody removed the reference.
	Entry      string
	Conditions discoveryv1.EndpointConditions
	// Ports of the slice. They are shared with it.
	Ports []discoveryv1.EndpointPort
	// DrainUntil is when it goes; zero unless it drains and says so.
	DrainUntil time.Time
}

// ReadBack lists what the slices of one owner publish, in their order. It is
// how a restarted operator learns what it did before.
func ReadBack(slices []*discoveryv1.EndpointSlice, owner types.UID) []Published {
	var list []Published
	for _, slice := range slices {
		if OwnerUID(slice) != owner || slice.DeletionTimestamp != nil {
			continue
		}
		states := statesOf(slice)
		for i := range slice.Endpoints {
			e := &slice.Endpoints[i]
			if len(e.Addresses) == 0 {
				continue
			}
			list = append(list, Published{
				Address: e.Addresses[0], Entry: entryOf(e), Conditions: e.Conditions,
				Ports: slice.Ports, DrainUntil: states[e.Addresses[0]].DrainUntil,
			})
		}
	}
	return list
}

// endpointState is what StateAnnotation says about one endpoint.
type endpointState struct {
	DrainUntil time.Time `json:"drainUntil,omitzero"`
}

// statesOf reads the annotation. One that cannot be read says nothing.
func statesOf(slice *discoveryv1.EndpointSlice) map[string]endpointState {
	text := slice.Annotations[StateAnnotation]
	if text == "" {
		return nil
	}
	var states map[string]endpointState
	if json.Unmarshal([]byte(text), &states) != nil {
		return nil
	}
	return states
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
