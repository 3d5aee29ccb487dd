// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

// Package target is the model of what lies outside the cluster: canonical
// addresses, the entries they come from, and who serves an address that is
// wanted more than once.
package target

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Target is one address of one entry of an ExternalBackend.
type Target struct {
	// Addr is canonical, as ParseAddr returns it.
	Addr netip.Addr
	// Entry is the name of the entry of spec.targets.
	Entry string
}

// ErrZone says that an address carries a zone, which has no meaning outside
// the machine that wrote it.
var ErrZone = errors.New("an address with a zone cannot be reached from other machines: leave out everything from '%'")

// ParseAddr turns the text of an address into its one canonical form: IPv4
// for IPv4-mapped IPv6, no zone (rule 21).
func ParseAddr(text string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("%q is not an IPv4 or IPv6 address", text)
	}
	if addr.Zone() != "" {
		return netip.Addr{}, fmt.Errorf("%q: %w", text, ErrZone)
	}
	return addr.Unmap(), nil
}

// Owner identifies an ExternalBackend and its rank among those of a Service.
type Owner struct {
	Name    string
	UID     string
	Created time.Time
}

// Compare ranks owners: the oldest first, then by name, then by UID. The
// order is total, so every replica of the operator ranks alike.
func (o Owner) Compare(other Owner) int {
	return cmp.Or(
		o.Created.Compare(other.Created),
		cmp.Compare(o.Name, other.Name),
		cmp.Compare(o.UID, other.UID),
	)
}

// Port is a port of the Service and where the targets serve it.
type Port struct {
	// Name and Protocol identify the Service port.
	Name, Protocol string
	// Number is the port on the targets.
	Number int32
}

// Claim is what one ExternalBackend wants to serve: every target on every
// port. Targets are in the order of the spec.
type Claim struct {
	Owner Owner
	// Ports of the targets, but for those of entries in EntryPorts.
	Ports []Port
	// EntryPorts are the ports of entries that have their own.
	EntryPorts map[string][]Port
	Targets    []Target
}

func (c *Claim) portsOf(entry string) []Port {
	if ports, ok := c.EntryPorts[entry]; ok {
		return ports
	}
	return c.Ports
}

// Loss is a target that is not served on behalf of its claim, because the
// same address is already served by Winner from WinnerEntry.
type Loss struct {
	Target
	Winner      Owner
	WinnerEntry string
}

// Grant is the part of a claim that is served, sorted by address.
type Grant struct {
	Targets []Target
	Losses  []Loss
}

type holder struct {
	claim int
	entry string
}

// Arbitrate decides who serves each address, so that no address and port
// appears twice behind a Service (rule 25): the claim that ranks first wins,
// and within a claim the entry that is named first. Claims may come in any
// order; the grants are in the order of the claims.
func Arbitrate(claims []Claim) []Grant {
	order := make([]int, len(claims))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return claims[a].Owner.Compare(claims[b].Owner) })

	total := 0
	for i := range claims {
		total += len(claims[i].Targets)
	}
	held := make(map[netip.Addr][]holder, total)
	grants := make([]Grant, len(claims))
	backing := make([]holder, 0, total)
	for _, c := range order {
		grants[c].Targets = make([]Target, 0, len(claims[c].Targets))
		for _, t := range claims[c].Targets {
			if winner, ok := collision(claims, held[t.Addr], c, t.Entry); ok {
				grants[c].Losses = append(grants[c].Losses, Loss{
					Target: t, Winner: claims[winner.claim].Owner, WinnerEntry: winner.entry,
				})
				continue
			}
			if first := held[t.Addr]; first == nil {
				backing = append(backing, holder{claim: c, entry: t.Entry})
				held[t.Addr] = backing[len(backing)-1 : len(backing) : len(backing)]
			} else {
				held[t.Addr] = append(first, holder{claim: c, entry: t.Entry})
			}
			grants[c].Targets = append(grants[c].Targets, t)
		}
		slices.SortFunc(grants[c].Targets, func(a, b Target) int { return a.Addr.Compare(b.Addr) })
	}
	return grants
}

// collision finds who already holds the address on a port of that entry of
// claim c. Within a claim an address is served once whatever its ports.
func collision(claims []Claim, holders []holder, c int, entry string) (holder, bool) {
	for _, h := range holders {
		if h.claim == c || PortsOverlap(claims[h.claim].portsOf(h.entry), claims[c].portsOf(entry)) {
			return h, true
		}
	}
	return holder{}, false
}

// PortsOverlap says whether two claims would put the same address and port
// number behind the same Service port. Without ports (headless Services) the
// address alone counts.
func PortsOverlap(a, b []Port) bool {
	if len(a) == 0 || len(b) == 0 {
		return true
	}
	return slices.ContainsFunc(a, func(p Port) bool { return slices.Contains(b, p) })
}
