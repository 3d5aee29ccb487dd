// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"maps"
	"net/netip"
	"slices"

	discoveryv1 "k8s.io/api/discovery/v1"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/discovery/ec2"
	"externalbackend.dev/operator/internal/guard"
	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/internal/sliceplan"
	"externalbackend.dev/operator/internal/target"
	"externalbackend.dev/operator/internal/translate"
)

// lineage is where the addresses of an ExternalBackend come from.
type lineage struct {
	// origins are those of its entries, as it is specified.
	origins map[string]origin
	// zoned are its entries that say which zone they are in; nil: none.
	zoned map[string]bool
	// former are those of published addresses that come from another origin than
	// their entry has now.
	former map[target.Target]origin
	// provenance is what is known of addresses beyond their entries.
	provenance map[target.Target]provenance
}

// origin is what an entry has its addresses from: a name, instances, or if neither is
// set, the entry itself.
type origin struct {
	hostname string
	srv      bool
	source   ec2.Source
}

func originOf(e *translate.Entry) origin {
	switch {
	case e.FQDN != nil:
		return origin{hostname: e.FQDN.Hostname, srv: e.FQDN.Resolution == v1alpha1.ResolutionSRV}
	case e.EC2 != nil:
		return origin{source: sourceOf(e)}
	}
	return origin{}
}

// trace finds the published addresses whose entry is gone or has been edited, for
// as long as they are published, whatever becomes of writes.
func (p *pass) trace() {
	p.origins = make(map[string]origin, len(p.entries))
	for name, e := range p.entries {
		p.origins[name] = originOf(e)
		if e.Zone != "" {
			if p.zoned == nil {
				p.zoned = make(map[string]bool)
			}
			p.zoned[name] = true
		}
	}
	if len(p.lineageBefore.former) == 0 && maps.Equal(p.lineageBefore.origins, p.origins) {
		return
	}
	p.former = make(map[target.Target]origin)
	for i := range p.published {
		addr, err := netip.ParseAddr(p.published[i].Address)
		if err != nil {
			continue
		}
		t := target.Target{Addr: addr, Entry: p.published[i].Entry}
		from, known := p.lineageBefore.former[t]
		if !known {
			from, known = p.lineageBefore.origins[t.Entry]
		}
		if now, there := p.origins[t.Entry]; known && (!there || now != from) {
			p.former[t] = from
		}
	}
}

// cameByDenied says whether an address was brought by a name, as a host or of an
// entry, that must not be targeted any more.
func (p *pass) cameByDenied(scope *guard.Scope, t target.Target, host string) bool {
	return slices.ContainsFunc([]string{host, p.former[t].hostname}, func(name string) bool {
		return name != "" && scope.Hostname(name) != nil
	})
}

// provenance is what is known of an address beyond what its entry says: from an SRV
// record, or from before.
type provenance struct {
	host     string // that it is asked for
	priority int
	number   uint16 // of its port; 0: what ports says, as far as it is known
	ports    int    // as an index in translate.Backend.PortSets
	// blind is true if it is not known what it is to be asked for.
	blind bool
}

// note records what is known of an address.
func (p *pass) note(t target.Target, entry *translate.Entry, at provenance) {
	if p.provenance == nil {
		p.provenance = make(map[target.Target]provenance)
	}
	if at.ports = entry.Ports; at.number != 0 {
		at.ports = p.backend.SRVPorts(entry, at.number)
	}
	p.provenance[t] = at
}

// noteInherited has an address that no answer has named yet served and checked as
// it was before: on the same ports, in the same tier, and under the same name.
func (p *pass) noteInherited(t target.Target, entry *translate.Entry, e *sliceplan.Published, before origin, replaced bool) {
	at, placed := p.lineageBefore.provenance[t]
	srv := originOf(entry).srv || replaced && before.srv
	switch {
	case placed:
	case replaced && !before.srv:
		at.host = before.hostname
	case srv:
		at.blind, at.number, at.priority = true, numberIn(e.Ports, entry), e.Priority
	default:
		return
	}
	if p.note(t, entry, at); srv && (at.number == 0 || !originOf(entry).srv) {
		at.ports = p.backend.PortSet(e.Ports)
		p.provenance[t] = at
	}
	p.ending = p.ending || at.blind // it is not checked as others are
}

// numberIn is the number of the port that SRV records of an entry say, as it is
// published; 0 if that cannot be told.
func numberIn(ports []discoveryv1.EndpointPort, entry *translate.Entry) uint16 {
	if entry.FQDN.Port == nil {
		return 0
	}
	named := func(p discoveryv1.EndpointPort) bool {
		return p.Name != nil && *p.Name == *entry.FQDN.Port || len(ports) == 1
	}
	if i := slices.IndexFunc(ports, named); i >= 0 && ports[i].Port != nil && *ports[i].Port > 0 && *ports[i].Port < 1<<16 {
		return uint16(*ports[i].Port)
	}
	return 0
}

// hostOf returns the name that a target is asked for by default. What drains goes
// on being asked for the name that it came with.
func (p *pass) hostOf(t target.Target) string {
	if at, placed := p.provenance[t]; placed {
		return at.host
	}
	if host, drains := p.hosts[t.Addr]; drains && !p.serves(t.Addr) {
		return host
	}
	if entry := p.entries[t.Entry]; entry != nil {
		return entry.Host()
	}
	return ""
}

// hostLeaving returns the name that an address which leaves is asked for: that of
// hosts if it drains already.
func (p *pass) hostLeaving(t target.Target, hosts map[netip.Addr]string) string {
	if host, drains := hosts[t.Addr]; drains {
		return host
	}
	return p.hostBefore(t)
}

// hostBefore is the name that an address which leaves was asked for.
func (p *pass) hostBefore(t target.Target) string {
	if at, placed := p.lineageBefore.provenance[t]; placed {
		return at.host
	}
	before, replaced := p.former[t]
	switch {
	case replaced && before.srv:
		return ""
	case replaced:
		return before.hostname
	case p.entries[t.Entry] != nil:
		return p.entries[t.Entry].Host()
	}
	return ""
}

// isBlind says whether a target cannot be checked since it is not known for which
// name it is to be asked.
func (p *pass) isBlind(t target.Target) bool {
	return p.provenance[t].blind && slices.ContainsFunc(p.checksOf(t), func(c *health.Check) bool {
		return c.WithHostname("host.invalid") != c
	})
}

// tierOf returns the tier of a target.
func (p *pass) tierOf(t target.Target) int {
	return p.entries[t.Entry].Tier + p.provenance[t].priority
}
