// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package guard_test

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"externalbackend.dev/operator/internal/guard"
)

// deniedByNumber decides by comparing numbers and knows nothing of prefixes.
func deniedByNumber(addr netip.Addr, allowClassE bool) bool {
	if addr.Is4() {
		return denied4(binary.BigEndian.Uint32(addr.AsSlice()), allowClassE)
	}
	bytes := addr.As16()
	high, low := binary.BigEndian.Uint64(bytes[:8]), binary.BigEndian.Uint64(bytes[8:])
	switch {
	case high == 0 && low <= 1: // ::, ::1
		return true
	case high == 0 && low>>32 == 0, high == 0 && low>>32 == 0xffff: // compatible, mapped
		return denied4(uint32(low), allowClassE)
	case high == 0x0064_ff9b_0000_0000 && low>>32 == 0: // NAT64
		return denied4(uint32(low), allowClassE)
	case high>>48 == 0x2002: // 6to4
		return denied4(uint32(high>>16), allowClassE)
	}
	return high >= 0xfe80_0000_0000_0000 && high <= 0xfebf_ffff_ffff_ffff ||
		high>>56 == 0xff || high>>32 == 0xfd00_0ec2
}

func denied4(n uint32, allowClassE bool) bool {
	switch n {
	case 0xffff_ffff, 0xa83f_8110, 0x6464_64c8:
		return true
	}
	switch first := n >> 24; {
	case first == 0, first == 127, first >= 224 && first < 240:
		return true
	case first >= 240:
		return !allowClassE
	}
	return n >= 0xa9fe_0000 && n <= 0xa9fe_ffff
}

// edges are addresses at which something changes.
var edges = []string{
	"0.0.0.0", "0.255.255.255", "127.0.0.0", "127.255.255.255", "169.254.0.0", "169.254.255.255", "168.63.129.16",
	"100.100.100.200", "224.0.0.0", "239.255.255.255", "240.0.0.0", "255.255.255.255", "10.0.0.0", "192.0.2.0",
	"::", "::1", "::ffff:ffff", "::ffff:0:0", "::ffff:ffff:ffff", "64:ff9b::", "64:ff9b::ffff:ffff", "2002::",
	"2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ff00::",
	"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fd00:ec2::", "fd00:ec2:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db8::",
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
	near := rapid.Custom(func(t *rapid.T) netip.Addr {
		addr := netip.MustParseAddr(rapid.SampledFrom(edges).Draw(t, "edge"))
		for range rapid.IntRange(0, 3).Draw(t, "steps") {
			if next := addr.Next(); next.IsValid() {
				addr = next
			}
		}
		for range rapid.IntRange(0, 3).Draw(t, "steps back") {
			if previous := addr.Prev(); previous.IsValid() {
				addr = previous
			}
		}
		return addr
	})
	disguised := rapid.Custom(func(t *rapid.T) netip.Addr {
		inner := rapid.OneOf(v4, near.Filter(netip.Addr.Is4)).Draw(t, "inner").As4()
		bytes := netip.MustParseAddr(rapid.SampledFrom([]string{"::ffff:0:0", "::", "64:ff9b::", "2002::", "2001:db8::"}).Draw(t, "form")).As16()
		at := 12
		if bytes[0] == 0x20 {
			at = 2
		}
		copy(bytes[at:], inner[:])
		return netip.AddrFrom16(bytes)
	})
	return rapid.OneOf(v4, v6, near, disguised)
}

func TestGuardAgreesWithNumbers(t *testing.T) {
	for _, allowClassE := range []bool{false, true} {
		g := guard.New(guard.Options{AllowClassE: allowClassE})
		rapid.Check(t, func(t *rapid.T) {
			addr := addresses().Draw(t, "addr")
			agree(t, g, addr, allowClassE)
		})
	}
}

// agree compares the guard with the numbers for an address in every disguise
// that leaves it the same address.
func agree(t rapid.TB, g *guard.Guard, addr netip.Addr, allowClassE bool) {
	want := deniedByNumber(addr, allowClassE)
	disguises := []netip.Addr{addr, addr.Unmap()}
	if addr.Is6() {
		disguises = append(disguises, addr.WithZone(""), addr.WithZone("eth0"))
	} else {
		disguises = append(disguises, netip.AddrFrom16(addr.As16()))
	}
	for _, a := range disguises {
		err := g.Check(a)
		if got := err != nil; got != want {
			t.Fatalf("%s: denied %t (%v), want %t", a, got, err, want)
		}
		if err != nil && !strings.Contains(err.Error(), a.String()) {
			t.Fatalf("%q does not name %s", err, a)
		}
	}
}

// FuzzCheck feeds whatever text parses as an address.
func FuzzCheck(f *testing.F) {
	for _, text := range edges {
		f.Add(text, false)
	}
	for _, text := range []string{
		"::FFFF:127.0.0.1", "0:0:0:0:0:ffff:7f00:1", "::ffff:7f00:1%eth0", "64:FF9B:0::127.0.0.1", "2002:7F00:0001::",
		"fe80::1%25eth0", "::127.0.0.1", "2001:db8::169.254.169.254",
	} {
		f.Add(text, true)
	}
	lax, strict := guard.New(guard.Options{AllowClassE: true}), guard.New(guard.Options{})
	f.Fuzz(func(t *testing.T, text string, allowClassE bool) {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return
		}
		g := strict
		if allowClassE {
			g = lax
		}
		agree(t, g, addr, allowClassE)
		again, err := netip.ParseAddr(addr.StringExpanded())
		if err != nil {
			t.Fatal(err)
		}
		agree(t, g, again, allowClassE)
	})
}
