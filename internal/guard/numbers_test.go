// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package guard_test

import (
	"encoding/binary"
	"net/netip"

	"pgregory.net/rapid"
)

// number is an address as the guard's rules are about it: a number of one
// family. The functions below compare numbers and know nothing of prefixes.
type number struct {
	v4       bool
	high, lo uint64
}

func ipv4(n uint32) number { return number{v4: true, lo: uint64(n)} }

// numberOf reads an address; IPv4-mapped ones are IPv4.
func numberOf(addr netip.Addr) number {
	if addr.Is4() {
		return ipv4(binary.BigEndian.Uint32(addr.AsSlice()))
	}
	bytes := addr.As16()
	high, low := binary.BigEndian.Uint64(bytes[:8]), binary.BigEndian.Uint64(bytes[8:])
	if high == 0 && low>>32 == 0xffff {
		return ipv4(uint32(low))
	}
	return number{high: high, lo: low}
}

// carriedByNumber lists the IPv4 addresses inside a number.
func carriedByNumber(n number) []number {
	if n.v4 {
		return nil
	}
	var carried []number
	switch {
	case n.high == 0 && (n.lo>>32 == 0 || n.lo>>32 == 0xffff_0000), // compatible, translated
		n.high == 0x0064_ff9b_0000_0000 && n.lo>>32 == 0: // NAT64
		carried = append(carried, ipv4(uint32(n.lo)))
	case n.high>>16 == 0x0064_ff9b_0001: // NAT64 for local use
		for _, reading := range []uint64{
			n.high&0xffff<<16 | n.lo>>40&0xffff,
			n.high&0xff<<24 | n.lo>>32&0xff_ffff,
			n.lo >> 24 & 0xffff_ffff,
			n.lo & 0xffff_ffff,
		} {
			if reading >= 0x0100_0000 {
				carried = append(carried, ipv4(uint32(reading)))
			}
		}
		if carried == nil {
			carried = append(carried, ipv4(uint32(n.lo)))
		}
	case n.high>>48 == 0x2002: // 6to4
		carried = append(carried, ipv4(uint32(n.high>>16)))
	case n.high>>32 == 0x2001_0000: // Teredo
		carried = append(carried, ipv4(uint32(n.high)), ipv4(^uint32(n.lo)))
	}
	if n.lo>>32 == 0x0000_5efe || n.lo>>32 == 0x0200_5efe { // ISATAP
		carried = append(carried, ipv4(uint32(n.lo)))
	}
	return carried
}

// hardByNumber says whether a number by itself is hard-denied.
func hardByNumber(n number, allowClassE bool) bool {
	if !n.v4 {
		switch n {
		case number{lo: 0}, number{lo: 1}, number{high: 0xfd20_00ce << 32, lo: 0x254},
			number{high: 0xfd00_00c1 << 32, lo: 0xa9fe_a9fe}, number{high: 0xfd00_0042 << 32, lo: 0x42},
			number{high: 0xfd00_a9fe_a9fe << 16, lo: 1}, number{high: 0xfd00_0100 << 32, lo: 0x0100_0200}:
			return true
		}
		return n.high >= 0xfe80_0000_0000_0000 && n.high <= 0xfebf_ffff_ffff_ffff ||
			n.high>>56 == 0xff || n.high>>32 == 0xfd00_0ec2
	}
	switch n.lo {
	case 0xffff_ffff, 0xa83f_8110, 0x6464_64c8, 0xc000_00c0:
		return true
	}
	switch first := n.lo >> 24; {
	case first == 0, first == 127, first >= 224 && first < 240:
		return true
	case first >= 240:
		return !allowClassE
	}
	return n.lo >= 0xa9fe_0000 && n.lo <= 0xa9fe_ffff
}

// within says whether a number lies in a prefix.
func within(n number, p netip.Prefix) bool {
	base := numberOf(p.Addr())
	bits := p.Bits()
	if p.Addr().Is4In6() {
		bits -= 96
		if bits < 0 { // of IPv6, around the mapped ones
			bytes := p.Addr().As16()
			base = number{high: binary.BigEndian.Uint64(bytes[:8]), lo: binary.BigEndian.Uint64(bytes[8:])}
			bits += 96
		}
	}
	if n.v4 != base.v4 {
		return false
	}
	if n.v4 {
		return n.lo>>(32-bits) == base.lo>>(32-bits)
	}
	if bits <= 64 {
		return n.high>>(64-bits) == base.high>>(64-bits)
	}
	return n.high == base.high && n.lo>>(128-bits) == base.lo>>(128-bits)
}

func anyWithin(n number, prefixes []netip.Prefix) bool {
	for _, p := range prefixes {
		if within(n, p) {
			return true
		}
	}
	return false
}

// edges are addresses at which something changes.
var edges = []string{
	"0.0.0.0", "0.255.255.255", "127.0.0.0", "127.255.255.255", "169.254.0.0", "169.254.255.255", "168.63.129.16",
	"100.100.100.200", "192.0.0.192", "224.0.0.0", "239.255.255.255", "240.0.0.0", "255.255.255.255", "10.0.0.0", "192.0.2.0",
	"::", "::1", "::ffff:ffff", "::ffff:0:0", "::ffff:ffff:ffff", "::ffff:0:0:0", "::ffff:0:ffff:ffff", "64:ff9b::", "64:ff9b::ffff:ffff",
	"64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", "2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	"2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db8::5efe:0:0", "2001:db8::200:5efe:ffff:ffff",
	"fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	"fd00:ec2::", "fd00:ec2:ffff:ffff:ffff:ffff:ffff:ffff", "fd20:ce::254", "fd00:c1::a9fe:a9fe", "fd00:42::42",
	"fd00:a9fe:a9fe::1", "fd00:100::100:200", "2001:db8::",
}

// disguises put an IPv4 address into IPv6 ones. Masks are what is inverted.
var disguises = []struct {
	form string
	at   []int
	mask byte
}{
	{"::ffff:0:0", []int{12, 13, 14, 15}, 0},
	{"::", []int{12, 13, 14, 15}, 0},
	{"::ffff:0:0:0", []int{12, 13, 14, 15}, 0},
	{"64:ff9b::", []int{12, 13, 14, 15}, 0},
	{"64:ff9b:1::", []int{12, 13, 14, 15}, 0},
	{"64:ff9b:1:a00::", []int{9, 10, 11, 12}, 0},
	{"64:ff9b:1:a00::", []int{7, 9, 10, 11}, 0},
	{"64:ff9b:1::", []int{6, 7, 9, 10}, 0},
	{"2002::", []int{2, 3, 4, 5}, 0},
	{"2001:0:0:0:8000:ffff:3fff:fdfe", []int{4, 5, 6, 7}, 0},
	{"2001:0:c000:201:8000::", []int{12, 13, 14, 15}, 0xff},
	{"2001:db8::5efe:0:0", []int{12, 13, 14, 15}, 0},
	{"2001:db8::200:5efe:0:0", []int{12, 13, 14, 15}, 0},
	{"2002:a00:1::5efe:0:0", []int{12, 13, 14, 15}, 0},
}

func disguise(addr netip.Addr, which int) netip.Addr {
	inner, d := addr.As4(), disguises[which%len(disguises)]
	bytes := netip.MustParseAddr(d.form).As16()
	for i, at := range d.at {
		bytes[at] = inner[i] ^ d.mask
	}
	return netip.AddrFrom16(bytes)
}

// addresses draws addresses near edges, IPv4 addresses in all disguises, and
// any.
func addresses() *rapid.Generator[netip.Addr] {
	v4 := rapid.Map(rapid.Uint32(), func(n uint32) netip.Addr {
		return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, n)))
	})
	v6 := rapid.Custom(func(t *rapid.T) netip.Addr {
		return netip.AddrFrom16([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "bytes")))
	})
	edge := rapid.Map(rapid.SampledFrom(edges), netip.MustParseAddr)
	near := nearby(edge)
	disguised := rapid.Custom(func(t *rapid.T) netip.Addr {
		inner := rapid.OneOf(v4, near.Filter(netip.Addr.Is4)).Draw(t, "inner")
		return disguise(inner, rapid.IntRange(0, len(disguises)-1).Draw(t, "form"))
	})
	return rapid.OneOf(v4, v6, near, disguised)
}

// nearby draws addresses up to three steps from others.
func nearby(of *rapid.Generator[netip.Addr]) *rapid.Generator[netip.Addr] {
	return rapid.Custom(func(t *rapid.T) netip.Addr {
		addr := of.Draw(t, "edge")
		steps := rapid.IntRange(-3, 3).Draw(t, "steps")
		for range max(steps, -steps) {
			next := addr.Next()
			if steps < 0 {
				next = addr.Prev()
			}
			if next.IsValid() {
				addr = next
			}
		}
		return addr
	})
}
