// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package sliceplan

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
)

// packer plans the slices of one backend.
type packer struct {
	*planner
	backend *Backend
	live    []*discoveryv1.EndpointSlice

	refs   map[string]*corev1.ObjectReference // by entry
	wanted map[string]int                     // address to index in backend.Endpoints
	marks  []mark                             // by index in backend.Endpoints
	// moved are live endpoints that leave their slice and are wanted elsewhere,
	// by index in backend.Endpoints.
	moved  map[int]*discoveryv1.Endpoint
	sets   []int          // by port set: the first that is equal
	setOf  map[string]int // by portsKey
	groups []group
	names  map[string]bool // taken
	number int             // from which a free name is looked for
}

// mark says what is known of a wanted endpoint.
type mark struct {
	// placed is true when a slice has it.
	placed bool
	// changed is true when its conditions change, or it is new.
	changed bool
}

// newPacker prepares look-ups, and reserves the names that cannot be used:
// those of all slices but misplaced ones, which are deleted first.
func newPacker(pl *planner, backend *Backend, live []*discoveryv1.EndpointSlice) *packer {
	p := &packer{planner: pl, backend: backend, live: live}
	p.wanted = make(map[string]int, len(backend.Endpoints))
	p.marks = make([]mark, len(backend.Endpoints))
	p.refs = make(map[string]*corev1.ObjectReference)
	for i := range backend.Endpoints {
		e := &backend.Endpoints[i]
		p.wanted[e.Address] = i
		if p.refs[e.Entry] == nil {
			p.refs[e.Entry] = p.reference(e.Entry)
		}
	}
	p.sets = make([]int, len(backend.PortSets))
	p.setOf = make(map[string]int, len(backend.PortSets))
	for i, ports := range backend.PortSets {
		key := portsKey(ports)
		if _, found := p.setOf[key]; !found {
			p.setOf[key] = i
		}
		p.sets[i] = p.setOf[key]
	}
	p.names = make(map[string]bool, len(pl.in.Existing))
	for _, slice := range pl.in.Existing {
		if slice.DeletionTimestamp != nil || !p.misplaced(slice) {
			p.names[slice.Name] = true
		}
	}
	// An endpoint stays rather where it is read: those without label are read
	// by nobody, and those of another Service not for this one.
	slices.SortStableFunc(live, func(a, b *discoveryv1.EndpointSlice) int {
		return cmp.Or(compareBool(!p.usable(a), !p.usable(b)), compareBool(!labelled(a), !labelled(b)))
	})
	return p
}

// usable says whether a live slice can go on serving this Service. One that
// has lost its service-name label altogether can: consumers ignore that edit.
func (p *packer) usable(slice *discoveryv1.EndpointSlice) bool {
	label := slice.Labels[discoveryv1.LabelServiceName]
	return slice.DeletionTimestamp == nil && (label == p.in.Service.Name || label == "")
}

// misplaced says whether somebody relabelled a slice that was written for this
// Service.
func (p *packer) misplaced(slice *discoveryv1.EndpointSlice) bool {
	label := slice.Labels[discoveryv1.LabelServiceName]
	return label != "" && label != p.in.Service.Name &&
		slice.Annotations[ServiceUIDAnnotation] == string(p.in.Service.UID)
}

// sift sorts the live slices into groups, with what stays in each.
func (p *packer) sift() {
	p.groups = make([]group, 0, len(p.in.Service.Families)*len(p.sets))
	for _, family := range p.in.Service.Families {
		for set := range p.sets {
			p.groups = append(p.groups, group{family: family, set: set})
		}
	}
	for _, slice := range p.live {
		switch g := p.groupOf(slice); {
		case slice.DeletionTimestamp != nil:
		case p.misplaced(slice):
			p.plan.Misplaced = append(p.plan.Misplaced, slice)
		case !p.usable(slice):
		case g == nil:
			p.plan.Delete = append(p.plan.Delete, slice)
		default:
			g.drafts = append(g.drafts, p.keep(slice, g))
		}
	}
}

func labelled(slice *discoveryv1.EndpointSlice) bool {
	return slice.Labels[discoveryv1.LabelServiceName] != ""
}

// keep goes over the endpoints of a live slice: those that are wanted stay
// where they are, brought up to date in place (rule 35).
func (p *packer) keep(slice *discoveryv1.EndpointSlice, g *group) *draft {
	d := &draft{live: slice, dirty: !p.sameMeta(slice) || !samePorts(slice.Ports, p.backend.PortSets[g.set])}
	states := statesOf(slice)
	for i := range slice.Endpoints {
		live := &slice.Endpoints[i]
		want := p.claim(live, d, g)
		switch {
		case want == nil:
			d.copyBefore(i)
			continue
		case !states[want.Address].tells(want) || !p.sameEndpoint(live, want):
			d.copyBefore(i)
			d.kept = append(d.kept, p.endpoint(want))
		case d.kept != nil:
			d.kept = append(d.kept, *live.DeepCopy())
		}
		d.count++
	}
	return d
}

// claim takes the wanted endpoint for a live one, or returns nil if the live
// one has to go from its slice. Consumers read the first address only (rule 20).
func (p *packer) claim(live *discoveryv1.Endpoint, d *draft, g *group) *Endpoint {
	if len(live.Addresses) == 0 {
		return nil
	}
	i, ok := p.wanted[live.Addresses[0]]
	switch {
	case !ok:
		g.shrunk = true
		d.gives = p.takenOver(live) || d.gives
		return nil
	case p.marks[i].placed, p.moved[i] != nil && !labelled(d.live):
		return nil
	case !p.belongs(i, g):
		g.shrunk = true
		fallthrough
	case d.count >= p.in.MaxEndpoints:
		d.gives = true
		p.moves(i, live)
		return nil
	}
	p.settle(i, live)
	return &p.backend.Endpoints[i]
}

// takenOver says whether another backend publishes the endpoint from now on.
func (p *packer) takenOver(live *discoveryv1.Endpoint) bool {
	taken := false
	for _, other := range p.packers {
		if other == p || other.backend.Hold {
			continue
		}
		for _, address := range live.Addresses {
			if i, ok := other.wanted[address]; ok {
				other.moves(i, live)
				taken = true
			}
		}
	}
	return taken
}

// moves notes that a wanted endpoint is to be found elsewhere from now on.
func (p *packer) moves(i int, live *discoveryv1.Endpoint) {
	if p.moved == nil {
		p.moved = make(map[int]*discoveryv1.Endpoint)
	}
	if p.moved[i] == nil {
		p.moved[i] = live
	}
}

// settle notes that a wanted endpoint has its place, and what is new about it
// to those who read it as live until now. live is nil if nobody does.
func (p *packer) settle(i int, live *discoveryv1.Endpoint) {
	want := &p.backend.Endpoints[i]
	p.marks[i] = mark{placed: true, changed: live == nil || !sameConditions(live, want)}
	if live != nil && readyOf(live) != want.Conditions.Ready {
		p.plan.Flips = append(p.plan.Flips, Flip{
			Owner: p.backend.Owner.UID, Address: want.Address, Entry: want.Entry, Ready: want.Conditions.Ready,
			Draining: want.Conditions.Terminating && !want.Conditions.Ready,
		})
	}
}

// pack finds a place for every endpoint that has none, and turns the drafts
// into writes.
func (p *packer) pack() {
	if len(p.groups) == 0 {
		return
	}
	unplaced := p.unplaced()
	for i := range p.groups {
		g := &p.groups[i]
		if g.set == 0 {
			p.number = 0
		}
		p.place(g, unplaced[i])
		g.compact(p.in.MaxEndpoints)
		for _, d := range g.drafts {
			p.emit(d, g)
		}
	}
}
