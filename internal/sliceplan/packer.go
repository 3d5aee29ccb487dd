// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package sliceplan

import (
	"cmp"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
)

// packer plans the slices of one backend.
type packer struct {
	in      *Input
	backend *Backend
	plan    *Plan
	all     []*packer // of the plan, this one among them
	// shrink collects updates that add no endpoint.
	shrink []*discoveryv1.EndpointSlice

	labels map[string]string
	refs   map[string]*corev1.ObjectReference // by entry
	wanted map[string]int                     // address to index in backend.Endpoints
	placed []bool
	names  map[string]bool // taken
	number int             // from which a free name is looked for
}

// draft is what becomes of one live slice.
type draft struct {
	live *discoveryv1.EndpointSlice
	// kept is nil as long as every endpoint of live stays as it is.
	kept []discoveryv1.Endpoint
	// count of endpoints that the slice will have.
	count int
	// dirty is true when the slice must be written anyway.
	dirty bool
	added bool
	// gives is true when an endpoint goes that another backend takes over. Then
	// nothing is added, so that the slice is written after all that are added to.
	gives bool
}

func (p *packer) pack(live []*discoveryv1.EndpointSlice, all []*packer) {
	p.all = all
	for _, family := range p.in.Service.Families {
		p.number = 0
		var drafts []*draft
		for _, slice := range live {
			if p.usable(slice) && slice.AddressType == family {
				drafts = append(drafts, p.keep(slice))
			}
		}
		p.place(family, drafts)
		for _, d := range drafts {
			p.emit(d)
		}
	}
	for _, slice := range live {
		switch {
		case slice.DeletionTimestamp != nil:
		case p.misplaced(slice):
			p.plan.Misplaced = append(p.plan.Misplaced, slice)
		case p.usable(slice) && !slices.Contains(p.in.Service.Families, slice.AddressType):
			p.plan.Delete = append(p.plan.Delete, slice)
		}
	}
}

// newPacker prepares look-ups, and reserves the names that cannot be used:
// those of all slices but misplaced ones, which are deleted first.
func newPacker(in *Input, backend *Backend, plan *Plan) *packer {
	p := &packer{in: in, backend: backend, plan: plan}
	p.labels = p.wantedLabels()
	p.wanted = make(map[string]int, len(backend.Endpoints))
	p.placed = make([]bool, len(backend.Endpoints))
	p.refs = make(map[string]*corev1.ObjectReference)
	for i := range backend.Endpoints {
		e := &backend.Endpoints[i]
		p.wanted[e.Address] = i
		if p.refs[e.Entry] == nil {
			p.refs[e.Entry] = p.reference(e.Entry)
		}
	}
	p.names = make(map[string]bool, len(in.Existing))
	for _, slice := range in.Existing {
		if slice.DeletionTimestamp != nil || !p.misplaced(slice) {
			p.names[slice.Name] = true
		}
	}
	return p
}

// hold changes nothing but the conditions of endpoints that are there already.
func (p *packer) hold(live []*discoveryv1.EndpointSlice) {
	for _, slice := range live {
		if slice.DeletionTimestamp != nil {
			continue
		}
		var changed *discoveryv1.EndpointSlice
		for i := range slice.Endpoints {
			endpoint := &slice.Endpoints[i]
			want := p.claim(endpoint, slice.AddressType, 0)
			if want == nil || sameConditions(endpoint, want) {
				continue
			}
			if changed == nil {
				changed = slice.DeepCopy()
			}
			p.flip(endpoint, want)
			changed.Endpoints[i].Conditions = conditions(want)
		}
		if changed != nil {
			p.plan.Update = append(p.plan.Update, changed)
		}
	}
}

// flip records a change of published readiness.
func (p *packer) flip(live *discoveryv1.Endpoint, want *Endpoint) {
	if readyOf(live) != want.Conditions.Ready {
		p.plan.Flips = append(p.plan.Flips, Flip{
			Owner: p.backend.Owner.UID, Address: want.Address, Entry: want.Entry, Ready: want.Conditions.Ready,
		})
	}
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

// keep goes over the endpoints of a live slice: those that are wanted stay
// where they are, with their conditions brought up to date in place (rule 35).
func (p *packer) keep(slice *discoveryv1.EndpointSlice) *draft {
	d := &draft{live: slice, dirty: !p.sameMeta(slice) || !samePorts(slice.Ports, p.backend.PortSets[0])}
	for i := range slice.Endpoints {
		endpoint := &slice.Endpoints[i]
		want := p.claim(endpoint, slice.AddressType, d.count)
		if want == nil {
			d.copyBefore(i)
			d.gives = d.gives || p.takenOver(endpoint)
			continue
		}
		d.count++
		if p.sameEndpoint(endpoint, want) {
			if d.kept != nil {
				d.kept = append(d.kept, *endpoint.DeepCopy())
			}
			continue
		}
		p.flip(endpoint, want)
		d.copyBefore(i)
		d.kept = append(d.kept, p.endpoint(want))
	}
	return d
}

// claim takes the wanted endpoint for a live one, or returns nil if the live
// one has to go from its slice. Consumers read the first address only (rule 20).
func (p *packer) claim(endpoint *discoveryv1.Endpoint, family discoveryv1.AddressType, count int) *Endpoint {
	if len(endpoint.Addresses) == 0 || count >= p.in.MaxEndpoints {
		return nil
	}
	i, ok := p.wanted[endpoint.Addresses[0]]
	if !ok || p.placed[i] || p.backend.Endpoints[i].Family != family {
		return nil
	}
	p.placed[i] = true
	return &p.backend.Endpoints[i]
}

// takenOver says whether another backend publishes the endpoint from now on.
func (p *packer) takenOver(endpoint *discoveryv1.Endpoint) bool {
	return slices.ContainsFunc(p.all, func(other *packer) bool {
		return other != p && slices.ContainsFunc(endpoint.Addresses, func(a string) bool { return has(other.wanted, a) })
	})
}

// copyBefore begins the copy of the endpoints with the first n live ones, at
// the first difference.
func (d *draft) copyBefore(n int) {
	d.dirty = true
	if d.kept != nil {
		return
	}
	d.kept = make([]discoveryv1.Endpoint, n, len(d.live.Endpoints)+1)
	for i := range n {
		d.live.Endpoints[i].DeepCopyInto(&d.kept[i])
	}
}

func (d *draft) add(endpoints ...discoveryv1.Endpoint) {
	if d.kept == nil {
		d.copyBefore(len(d.live.Endpoints))
	}
	d.kept = append(d.kept, endpoints...)
	d.count += len(endpoints)
	d.dirty, d.added = true, true
}

// place finds room for the endpoints of a family that no slice has yet: in
// slices that are written anyway, fullest first; then in whole new slices; and
// for the rest in the one other slice that it fills best, or a new one.
func (p *packer) place(family discoveryv1.AddressType, drafts []*draft) {
	rest := p.unplaced(family)
	byRoom := slices.SortedStableFunc(slices.Values(drafts), func(a, b *draft) int { return cmp.Compare(b.count, a.count) })
	for _, d := range byRoom {
		if room := min(p.in.MaxEndpoints-d.count, len(rest)); d.dirty && !d.gives && room > 0 {
			d.add(rest[:room]...)
			rest = rest[room:]
		}
	}
	for len(rest) >= p.in.MaxEndpoints {
		p.create(family, rest[:p.in.MaxEndpoints])
		rest = rest[p.in.MaxEndpoints:]
	}
	if len(rest) == 0 {
		return
	}
	for _, d := range byRoom {
		if !d.dirty && p.in.MaxEndpoints-d.count >= len(rest) {
			d.add(rest...)
			return
		}
	}
	p.create(family, rest)
}

func (p *packer) unplaced(family discoveryv1.AddressType) []discoveryv1.Endpoint {
	var rest []discoveryv1.Endpoint
	for i := range p.backend.Endpoints {
		if e := &p.backend.Endpoints[i]; !p.placed[i] && e.Family == family {
			p.placed[i] = true
			rest = append(rest, p.endpoint(e))
		}
	}
	return rest
}

// emit turns a draft into a write, if there is one to do.
func (p *packer) emit(d *draft) {
	switch {
	case d.count == 0:
		p.plan.Delete = append(p.plan.Delete, d.live)
	case d.dirty:
		slice := d.live.DeepCopy()
		if d.kept != nil {
			slice.Endpoints = d.kept
		}
		p.stamp(slice)
		if d.added {
			p.plan.Update = append(p.plan.Update, slice)
		} else {
			p.shrink = append(p.shrink, slice)
		}
	}
}

func (p *packer) create(family discoveryv1.AddressType, endpoints []discoveryv1.Endpoint) {
	slice := &discoveryv1.EndpointSlice{AddressType: family, Endpoints: slices.Clone(endpoints)}
	slice.Namespace = p.in.Service.Namespace
	slice.Name = p.freeName(family)
	p.stamp(slice)
	p.plan.Create = append(p.plan.Create, slice)
}

// stamp sets everything of a slice but its endpoints.
func (p *packer) stamp(slice *discoveryv1.EndpointSlice) {
	slice.Labels = maps.Clone(p.labels)
	if slice.Annotations == nil {
		slice.Annotations = make(map[string]string, 1)
	}
	slice.Annotations[ServiceUIDAnnotation] = string(p.in.Service.UID)
	slice.OwnerReferences = p.ownerReferences()
	slice.Ports = clonePorts(p.backend.PortSets[0])
}
