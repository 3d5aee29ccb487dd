// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package sliceplan

import (
	"cmp"
	"slices"

	discoveryv1 "k8s.io/api/discovery/v1"
)

// group is the slices of one family and port set.
type group struct {
	family discoveryv1.AddressType
	set    int // index in Backend.PortSets
	drafts []*draft
	// shrunk is true when the plan takes endpoints away from the group.
	shrunk bool
}

// draft is what becomes of one live slice, or of a new one.
type draft struct {
	live *discoveryv1.EndpointSlice // nil: it is new
	// kept is nil as long as every endpoint of live stays as it is.
	kept []discoveryv1.Endpoint
	// count of endpoints that the slice will have.
	count int
	// dirty is true when the slice must be written anyway.
	dirty bool
	added bool
	// gives is true when an endpoint goes that another slice takes over. Then
	// nothing is added, so that the slice is written after all that are added to.
	gives bool
}

// belongs says whether a wanted endpoint has the family and ports of a group.
func (p *packer) belongs(i int, g *group) bool {
	e := &p.backend.Endpoints[i]
	return e.Family == g.family && p.sets[e.Ports] == g.set
}

// groupOf finds the group of a live slice, or nil if there is none for its
// family.
func (p *packer) groupOf(slice *discoveryv1.EndpointSlice) *group {
	family := slices.Index(p.in.Service.Families, slice.AddressType)
	if family < 0 || len(p.sets) == 0 {
		return nil
	}
	of := p.groups[family*len(p.sets):][:len(p.sets)]
	same, known := p.setOf[portsKey(slice.Ports)]
	if known && p.stays(slice, &of[same]) {
		return &of[same]
	}
	votes, terminating := p.votes(slice)
	if len(votes) == 0 {
		votes = terminating
	}
	first, most := 0, 0
	for set, n := range votes {
		if n > most || n == most && set < first {
			first, most = set, n
		}
	}
	if known && votes[same] == most {
		return &of[same]
	}
	return &of[first]
}

// stays says whether an endpoint of the slice that does not terminate has the
// ports of the group.
func (p *packer) stays(slice *discoveryv1.EndpointSlice, g *group) bool {
	return slices.ContainsFunc(slice.Endpoints, func(e discoveryv1.Endpoint) bool {
		i, ok := p.wantedIndex(&e)
		return ok && p.belongs(i, g) && !p.backend.Endpoints[i].Conditions.Terminating
	})
}

// votes counts how many of the wanted endpoints of a slice have which port set.
func (p *packer) votes(slice *discoveryv1.EndpointSlice) (active, terminating map[int]int) {
	active, terminating = make(map[int]int), make(map[int]int)
	for i := range slice.Endpoints {
		if n, ok := p.wantedIndex(&slice.Endpoints[i]); ok && p.backend.Endpoints[n].Family == slice.AddressType {
			e := &p.backend.Endpoints[n]
			if e.Conditions.Terminating {
				terminating[p.sets[e.Ports]]++
			} else {
				active[p.sets[e.Ports]]++
			}
		}
	}
	return active, terminating
}

func (p *packer) wantedIndex(live *discoveryv1.Endpoint) (int, bool) {
	if len(live.Addresses) == 0 {
		return 0, false
	}
	i, ok := p.wanted[live.Addresses[0]]
	return i, ok
}

// place finds room for the endpoints of a group that no slice has yet: in
// slices that are written anyway, fullest first; then in whole new slices; and
// for the rest in the one other slice that it fills best, or a new one.
func (p *packer) place(g *group, unplaced []int) {
	if len(unplaced) == 0 {
		return
	}
	rest := make([]discoveryv1.Endpoint, len(unplaced))
	for n, i := range unplaced {
		p.settle(i, p.moved[i])
		rest[n] = p.endpoint(&p.backend.Endpoints[i])
	}
	byRoom := slices.SortedStableFunc(slices.Values(g.drafts), func(a, b *draft) int { return cmp.Compare(b.count, a.count) })
	for _, d := range byRoom {
		if room := min(p.in.MaxEndpoints-d.count, len(rest)); d.dirty && !d.gives && room > 0 {
			d.add(rest[:room]...)
			rest = rest[room:]
		}
	}
	for len(rest) >= p.in.MaxEndpoints {
		g.create(rest[:p.in.MaxEndpoints])
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
	g.create(rest)
}

// unplaced lists, by group, the wanted endpoints that no slice has yet.
func (p *packer) unplaced() [][]int {
	lists := make([][]int, len(p.groups))
	for i := range p.backend.Endpoints {
		e := &p.backend.Endpoints[i]
		if family := slices.Index(p.in.Service.Families, e.Family); family >= 0 && !p.marks[i].placed {
			g := family*len(p.sets) + p.sets[e.Ports]
			lists[g] = append(lists[g], i)
		}
	}
	return lists
}

func (g *group) create(endpoints []discoveryv1.Endpoint) {
	d := &draft{kept: make([]discoveryv1.Endpoint, 0, len(endpoints))}
	d.add(endpoints...)
	g.drafts = append(g.drafts, d)
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

// endpoints begins the copy, if that has not happened yet, with all live ones.
func (d *draft) endpoints() []discoveryv1.Endpoint {
	if d.kept == nil {
		d.copyBefore(len(d.live.Endpoints))
	}
	return d.kept
}

func (d *draft) add(endpoints ...discoveryv1.Endpoint) {
	d.kept = append(d.endpoints(), endpoints...)
	d.count += len(endpoints)
	d.dirty, d.added = true, true
}
