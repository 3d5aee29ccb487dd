// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package sliceplan

import (
	"maps"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
)

// emit turns a draft into a write, if there is one to do.
func (p *packer) emit(d *draft, g *group) {
	switch {
	case d.live == nil:
		slice := &discoveryv1.EndpointSlice{AddressType: g.family, Endpoints: d.kept}
		slice.Namespace = p.in.Service.Namespace
		slice.Name = p.freeName(g.family)
		p.stamp(slice, g)
		p.plan.Create = append(p.plan.Create, slice)
	case d.count == 0:
		p.plan.Delete = append(p.plan.Delete, d.live)
	case !d.dirty:
		p.unchanged = append(p.unchanged, d.live)
	default:
		slice := &discoveryv1.EndpointSlice{TypeMeta: d.live.TypeMeta, AddressType: g.family, Endpoints: d.endpoints()}
		d.live.ObjectMeta.DeepCopyInto(&slice.ObjectMeta)
		p.stamp(slice, g)
		if d.added {
			p.plan.Update = append(p.plan.Update, slice)
		} else {
			p.shrink = append(p.shrink, slice)
		}
	}
}

// stamp sets everything of a slice but its endpoints.
func (p *packer) stamp(slice *discoveryv1.EndpointSlice, g *group) {
	slice.Labels = maps.Clone(p.labels)
	slice.OwnerReferences = p.ownerReferences()
	slice.Ports = clonePorts(p.backend.PortSets[g.set])
	annotate(slice, ServiceUIDAnnotation, string(p.in.Service.UID))
	p.stampEndpoints(slice)
}

// stampEndpoints sets the annotations that follow from the endpoints of a slice
// that is written: when what it tells came about, and what conditions cannot
// say.
func (p *packer) stampEndpoints(slice *discoveryv1.EndpointSlice) {
	var recorded map[string]endpointState
	if p.backend.Hold {
		recorded = statesOf(slice)
	}
	states := make(map[string]endpointState)
	var changed time.Time
	for i := range slice.Endpoints {
		if len(slice.Endpoints[i].Addresses) == 0 {
			continue
		}
		address := slice.Endpoints[i].Addresses[0]
		n, ok := p.wanted[address]
		if state, before := recorded[address]; before && !ok {
			states[address] = state
		}
		if !ok {
			continue
		}
		e := &p.backend.Endpoints[n]
		if state := stateOf(e); !state.isEmpty() {
			states[e.Address] = state
		}
		if p.marks[n].changed && !e.Changed.IsZero() && (changed.IsZero() || e.Changed.Before(changed)) {
			changed = e.Changed
		}
	}
	trigger := ""
	if !changed.IsZero() {
		trigger = changed.UTC().Format(time.RFC3339Nano)
	}
	annotate(slice, corev1.EndpointsLastChangeTriggerTime, trigger)
	annotate(slice, StateAnnotation, stateText(states))
}

// annotate sets an annotation, or removes it if the value is empty.
func annotate(slice *discoveryv1.EndpointSlice, key, value string) {
	if value == "" {
		delete(slice.Annotations, key)
		return
	}
	if slice.Annotations == nil {
		slice.Annotations = make(map[string]string)
	}
	slice.Annotations[key] = value
}
