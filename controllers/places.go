// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"net/netip"

	discoveryv1 "k8s.io/api/discovery/v1"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/discovery/dns"
	"externalbackend.dev/operator/internal/target"
	"externalbackend.dev/operator/internal/translate"
)

// srvPlace is what an SRV record says of the addresses of its host.
type srvPlace struct {
	host     string
	priority int
}

// place records what an SRV record says of an address. The first one holds. Where
// nothing can be published anew, an address keeps the ports that it has.
func (p *pass) place(addr netip.Addr, entry *translate.Entry, s dns.Service) {
	if _, placed := p.places[addr]; placed {
		return
	}
	if p.places == nil {
		p.places = make(map[netip.Addr]srvPlace)
	}
	p.places[addr] = srvPlace{host: s.Host, priority: int(s.Priority)}
	if p.backend.Publishable {
		p.kept[addr] = p.backend.SRVPorts(entry, s.Port)
	}
}

// keepPorts leaves an address that no record has named yet the ports that it is
// published with, if those come from a record.
func (p *pass) keepPorts(addr netip.Addr, entry *translate.Entry, ports []discoveryv1.EndpointPort) {
	if _, kept := p.kept[addr]; !kept && entry.FQDN.Resolution == v1alpha1.ResolutionSRV {
		p.kept[addr] = p.backend.PortSet(ports)
	}
}

// hostOf returns the name that a target is asked for by default. What drains goes
// on being asked for the name that it came with.
func (p *pass) hostOf(t target.Target) string {
	if placed, ok := p.places[t.Addr]; ok {
		return placed.host
	}
	if entry := p.entries[t.Entry]; entry != nil {
		return entry.Host()
	}
	return p.namesBefore[t.Entry]
}

// tierOf returns the tier of a target.
func (p *pass) tierOf(t target.Target) int {
	return p.entries[t.Entry].Tier + p.places[t.Addr].priority
}
