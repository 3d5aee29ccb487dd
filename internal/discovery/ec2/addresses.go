// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"net/netip"
	"slices"
)

// Addresses returns the addresses of an instance that are used, sorted and without
// repetition. Those that an instance without a network is not to have any more
// (Terminated) are none.
func (c *Choice) Addresses(i *Instance) []netip.Addr {
	if i.State == Terminated {
		return nil
	}
	var addrs []netip.Addr
	for n := range i.Interfaces {
		if nic := &i.Interfaces[n]; c.Interface.selects(nic) {
			addrs = c.appendV4(addrs, nic)
			addrs = c.appendV6(addrs, nic)
		}
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	return slices.Compact(addrs)
}

func (s *InterfaceSelector) selects(nic *Interface) bool {
	switch {
	case s.TagKey != "":
		value, ok := nic.Tags[s.TagKey]
		return ok && (s.TagValue == nil || *s.TagValue == value)
	case s.SubnetID != "":
		return nic.SubnetID == s.SubnetID
	default:
		return nic.DeviceIndex == s.DeviceIndex
	}
}

func (c *Choice) appendV4(addrs []netip.Addr, nic *Interface) []netip.Addr {
	for n, ip := range nic.IPv4 {
		if n > 0 && !c.Secondary {
			break
		}
		addr := netip.Addr{}
		switch c.IPv4 {
		case Private:
			addr = ip.Private
		case Public:
			addr = ip.Public
		case None:
		}
		if addr = addr.Unmap(); addr.Is4() {
			addrs = append(addrs, addr)
		}
	}
	return addrs
}

func (c *Choice) appendV6(addrs []netip.Addr, nic *Interface) []netip.Addr {
	if c.IPv6 != Private {
		return addrs
	}
	for n, addr := range nic.IPv6 {
		if n > 0 && !c.Secondary {
			break
		}
		if addr.Is6() && !addr.Is4In6() {
			addrs = append(addrs, addr.WithZone(""))
		}
	}
	return addrs
}

// Holds says whether an instance has an address on any interface, be it private or
// public. A terminated one holds none.
func (i *Instance) Holds(addr netip.Addr) bool {
	if i.State == Terminated || !addr.IsValid() {
		return false
	}
	addr = addr.Unmap()
	for n := range i.Interfaces {
		nic := &i.Interfaces[n]
		if slices.Contains(nic.IPv6, addr) {
			return true
		}
		for _, ip := range nic.IPv4 {
			if ip.Private.Unmap() == addr || ip.Public.Unmap() == addr {
				return true
			}
		}
	}
	return false
}
