// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package guard

import "net/netip"

// Ranges that carry an IPv4 address. For their sources see the package.
var (
	compatible = netip.MustParsePrefix("::/96")
	translated = netip.MustParsePrefix("::ffff:0:0:0/96")
	nat64      = netip.MustParsePrefix("64:ff9b::/96")
	localNAT64 = netip.MustParsePrefix("64:ff9b:1::/48")
	sixToFour  = netip.MustParsePrefix("2002::/16")
	teredo     = netip.MustParsePrefix("2001::/32")
)

// localReadings are the bytes that hold the IPv4 address behind a prefix of 48,
// 56, 64 and 96 bits. Byte 8 never does (RFC 6052, 2.2).
var localReadings = [...][4]int{{6, 7, 9, 10}, {7, 9, 10, 11}, {9, 10, 11, 12}, {12, 13, 14, 15}}

// spellings are an address, without a zone and not IPv4-mapped, and the IPv4
// addresses that it carries: at most one for each reading, and one in an
// interface identifier.
type spellings struct {
	addrs [1 + len(localReadings) + 1]netip.Addr
	n     int
}

// all returns the address and then what it carries.
func (s *spellings) all() []netip.Addr { return s.addrs[:s.n] }

func (s *spellings) add(addr netip.Addr) {
	s.addrs[s.n] = addr
	s.n++
}

func (s *spellings) carry(ipv4 []byte) { s.add(netip.AddrFrom4([4]byte(ipv4))) }

// spell reads a valid address.
func spell(addr netip.Addr) (s spellings) {
	// A zone would make every range miss.
	addr = addr.WithZone("").Unmap()
	s.add(addr)
	if addr.Is4() {
		return s
	}
	b := addr.As16()
	switch {
	case compatible.Contains(addr), translated.Contains(addr), nat64.Contains(addr):
		s.carry(b[12:])
	case localNAT64.Contains(addr):
		s.carryLocal(b)
	case sixToFour.Contains(addr):
		s.carry(b[2:6])
	case teredo.Contains(addr):
		s.carry(b[4:8])
		s.carry([]byte{^b[12], ^b[13], ^b[14], ^b[15]})
	}
	// ISATAP sets or clears the bit for universal scope (RFC 5214, 6.1).
	if b[8]&^0x02 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe {
		s.carry(b[12:])
	}
	return s
}

// carryLocal reads NAT64 for local use at every length of the prefix.
func (s *spellings) carryLocal(b [16]byte) {
	before := s.n
	for _, at := range localReadings {
		if b[at[0]] != 0 {
			s.carry([]byte{b[at[0]], b[at[1]], b[at[2]], b[at[3]]})
		}
	}
	if s.n == before {
		s.carry(b[12:])
	}
}
