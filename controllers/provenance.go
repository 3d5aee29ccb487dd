// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"slices"

	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/utils/ptr"

	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/internal/sliceplan"
	"externalbackend.dev/operator/internal/target"
	"externalbackend.dev/operator/internal/translate"
)

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

// lastPriority is that of addresses that were published as out, and of which it
// is not known why: worse than what an SRV record can say.
const lastPriority = 1 << 16

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
	at, placed := p.provenanceBefore[t]
	srv := originOf(entry).srv || replaced && before.srv
	switch {
	case placed:
	case replaced && !before.srv:
		at.host = before.hostname
	case srv:
		at.blind = true
		if at.number = numberIn(e.Ports, entry); !ptr.Deref(e.Conditions.Ready, true) {
			at.priority = lastPriority
		}
	default:
		return
	}
	if p.note(t, entry, at); srv && at.number == 0 {
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

// hostBefore is the name that an address which leaves was asked for.
func (p *pass) hostBefore(t target.Target) string {
	if at, placed := p.provenanceBefore[t]; placed {
		return at.host
	}
	before, known := p.originsBefore[t.Entry]
	switch {
	case known && before.srv:
		return ""
	case known:
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
