// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import "net/netip"

// capacity counts running checks against the limits, and holds the due ones
// that a limit keeps from starting, each in the order in which they fell due.
//
// A free slot is never left unused: whoever releases one resumes the checks
// that wait for it.
type capacity struct {
	limit          int // of all checks
	unhealthyLimit int // of those of Unhealthy targets

	inFlight   int
	unhealthy  int
	perAddress map[netip.Addr]int

	waitingForAddress   map[netip.Addr][]*probe
	waitingForUnhealthy []*probe
}

func newCapacity(limit int) capacity {
	return capacity{
		limit: limit,
		// Targets that are gone mostly time out, and take far more time each
		// than live ones; they must not starve them.
		unhealthyLimit:    max(1, limit/2),
		perAddress:        map[netip.Addr]int{},
		waitingForAddress: map[netip.Addr][]*probe{},
	}
}

func (c *capacity) full() bool { return c.inFlight >= c.limit }

// take reserves what a check needs, or else lets the probe wait for what is
// missing. There must be room within the overall limit.
func (c *capacity) take(p *probe) bool {
	unhealthy := p.unhealthy()
	switch {
	case c.perAddress[p.addr] >= maxInFlightPerAddress:
		c.waitingForAddress[p.addr] = append(c.waitingForAddress[p.addr], p)
		return false
	case unhealthy && c.unhealthy >= c.unhealthyLimit:
		c.waitingForUnhealthy = append(c.waitingForUnhealthy, p)
		return false
	}
	c.inFlight++
	c.perAddress[p.addr]++
	if p.countedUnhealthy = unhealthy; unhealthy {
		c.unhealthy++
	}
	return true
}

// release gives back what a check held.
func (c *capacity) release(p *probe) {
	c.inFlight--
	if p.countedUnhealthy {
		c.unhealthy--
	}
	if c.perAddress[p.addr]--; c.perAddress[p.addr] == 0 {
		delete(c.perAddress, p.addr)
	}
}

// nextWaiting takes out a probe that may now start after a check of addr
// ended, or returns nil. The probe still has to pass take.
func (c *capacity) nextWaiting(addr netip.Addr) *probe {
	for !c.full() {
		p := c.popForAddress(addr)
		if p == nil {
			p = c.popForUnhealthy()
		}
		if p == nil || !p.removed {
			return p
		}
	}
	return nil
}

func (c *capacity) popForAddress(addr netip.Addr) *probe {
	waiting := c.waitingForAddress[addr]
	if len(waiting) == 0 || c.perAddress[addr] >= maxInFlightPerAddress {
		return nil
	}
	p := waiting[0]
	waiting[0] = nil
	if len(waiting) == 1 {
		delete(c.waitingForAddress, addr)
	} else {
		c.waitingForAddress[addr] = waiting[1:]
	}
	return p
}

func (c *capacity) popForUnhealthy() *probe {
	if len(c.waitingForUnhealthy) == 0 || c.unhealthy >= c.unhealthyLimit {
		return nil
	}
	p := c.waitingForUnhealthy[0]
	c.waitingForUnhealthy[0] = nil
	if c.waitingForUnhealthy = c.waitingForUnhealthy[1:]; len(c.waitingForUnhealthy) == 0 {
		c.waitingForUnhealthy = nil
	}
	return p
}
