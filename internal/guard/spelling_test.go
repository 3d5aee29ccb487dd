// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package guard_test

import (
	"net/netip"
	"testing"

	"externalbackend.dev/operator/internal/guard"
)

// TestCarriedIPv4 hides addresses in every IPv6 form that carries IPv4, and in
// what only looks like one.
func TestCarriedIPv4(t *testing.T) {
	checkAll(t, compile(t, guard.Config{}), map[string]string{
		// IPv4-mapped, RFC 4291 2.5.5.2
		"::ffff:0.0.0.0": "0.0.0.0/8", "::ffff:127.0.0.1": "127.0.0.0/8", "::ffff:169.254.169.254": "169.254.0.0/16",
		"::ffff:a9fe:a9fe": "169.254.0.0/16", "::ffff:224.0.0.1": "224.0.0.0/4", "::ffff:255.255.255.255": "255.255.255.255/32",
		"::ffff:168.63.129.16": "168.63.129.16/32", "::ffff:100.100.100.200": "100.100.100.200/32", "::ffff:240.0.0.1": "240.0.0.0/4",
		"::ffff:192.0.0.192": "192.0.0.192/32", "::fffe:127.0.0.1": allowed, "::1:ffff:127.0.0.1": allowed,
		// IPv4-compatible, RFC 4291 2.5.5.1
		"::2": "0.0.0.0/8", "::0.255.255.255": "0.0.0.0/8", "::127.0.0.1": "127.0.0.0/8", "::169.254.169.254": "169.254.0.0/16",
		"::1:7f00:1": allowed,
		// IPv4-translated, RFC 2765 2.1
		"::ffff:0:127.0.0.1": "127.0.0.0/8", "::ffff:0:a9fe:a9fe": "169.254.0.0/16", "::ffff:0:0:0": "0.0.0.0/8",
		"::ffff:0:255.255.255.255": "255.255.255.255/32", "::ffff:1:127.0.0.1": allowed, "::fffe:0:127.0.0.1": allowed,
		"::1:ffff:0:127.0.0.1": allowed,
		// NAT64, RFC 6052
		"64:ff9b::": "0.0.0.0/8", "64:ff9b::127.0.0.1": "127.0.0.0/8", "64:ff9b::a9fe:a9fe": "169.254.0.0/16",
		"64:ff9b::255.255.255.255": "255.255.255.255/32", "64:ff9b::1:7f00:1": allowed, "64:ff9a::127.0.0.1": allowed,
		// NAT64 for local use, RFC 8215: behind 96, 64, 56 and 48 bits
		"64:ff9b:1::127.0.0.1": "127.0.0.0/8", "64:ff9b:1:7::127.0.0.1": "127.0.0.0/8", "64:ff9b:1:abcd:0:1:a9fe:a9fe": "169.254.0.0/16",
		"64:ff9b:1:0:7f:0:100::": "127.0.0.0/8", "64:ff9b:1:5:a9:fea9:fe00:0": "169.254.0.0/16",
		"64:ff9b:1:7f:0:1::": "127.0.0.0/8", "64:ff9b:1:5a9:fe:a9fe::": "169.254.0.0/16",
		"64:ff9b:1:7f00:0:100::": "127.0.0.0/8", "64:ff9b:1:a9fe:a9:fe00::": "169.254.0.0/16",
		// bits that ought to be zero change nothing
		"64:ff9b:1:a9fe:ffa9:feff:1234:5678": "169.254.0.0/16", "64:ff9b:1:5a9:fffe:a9fe:1234:5678": "169.254.0.0/16",
		"64:ff9b:1:5:ffa9:fea9:fe12:3456": "169.254.0.0/16",
		// a reading that starts with zero is none, unless all do
		"64:ff9b:1:a00:0:100::": allowed, "64:ff9b:1:a:0:1::": allowed, "64:ff9b:1:0:a:0:100:0": allowed,
		"64:ff9b:1::": "0.0.0.0/8", "64:ff9b:1::1": "0.0.0.0/8", "64:ff9b:1::0.255.255.255": "0.0.0.0/8",
		// the byte in the middle is in no reading
		"64:ff9b:1:a00:7f00:100::": allowed, "64:ff9b:2::127.0.0.1": allowed, "64:ff9b:0:1::127.0.0.1": allowed,
		// 6to4, RFC 3056
		"2002:7f00:1::": "127.0.0.0/8", "2002:7f00:1:ffff:ffff:ffff:ffff:ffff": "127.0.0.0/8", "2002:a9fe:a9fe::1": "169.254.0.0/16",
		"2002:e000::": "224.0.0.0/4", "2002::": "0.0.0.0/8", "2002:ffff:ffff::": "255.255.255.255/32",
		"2001:7f00:1::": allowed, "2003:7f00:1::": allowed, "2002:0a00:1:7f00:1::": allowed,
		// Teredo, RFC 4380: the server, and the client inverted
		"2001:0:7f00:1:0:0:3fff:fdfe": "127.0.0.0/8", "2001:0:a9fe:a9fe::3fff:fdfe": "169.254.0.0/16",
		"2001:0:c000:201::80ff:fffe": "127.0.0.0/8", "2001:0:c000:201:8000:63bf:5601:5601": "169.254.0.0/16",
		"2001:0:c000:201::": "255.255.255.255/32", "2001:0:c000:201::ffff:ffff": "0.0.0.0/8", "2001::3fff:fdfe": "0.0.0.0/8",
		"2001:0:c000:201::7f00:1": allowed, "2001:1:7f00:1::80ff:fffe": allowed,
		// ISATAP, RFC 5214
		"2001:db8::5efe:127.0.0.1": "127.0.0.0/8", "2001:db8::200:5efe:169.254.169.254": "169.254.0.0/16",
		"fd00::5efe:255.255.255.255": "255.255.255.255/32", "2002:c000:201::5efe:127.0.0.1": "127.0.0.0/8",
		"64:ff9b:1::5efe:7f00:1": "127.0.0.0/8", "2001:0:c000:201:0:5efe:7f00:1": "127.0.0.0/8", "2001:db8::200:5efe:0.0.0.0": "0.0.0.0/8",
		"2001:db8::100:5efe:127.0.0.1": allowed, "2001:db8::300:5efe:127.0.0.1": allowed, "2001:db8::1:5efe:127.0.0.1": allowed,
		"2001:db8::201:5efe:127.0.0.1": allowed, "2001:db8::5eff:127.0.0.1": allowed, "2001:db8::5ffe:127.0.0.1": allowed,
		"2001:db8:0:1:2:5efe:127.0.0.1": allowed,
	})
}

func TestCarriedAddressIsNamed(t *testing.T) {
	s := compile(t, guard.Config{}).Scope("any")
	for addr, carried := range map[string]string{
		"64:ff9b::7f00:1":                     "127.0.0.1",
		"2001:0:c000:201:8000:63bf:5601:5601": "169.254.169.254",
		"2001:db8::200:5efe:a9fe:a9fe%eth0":   "169.254.169.254",
		"127.0.0.1":                           "",
		"::ffff:127.0.0.1":                    "",
		"::ffff:127.0.0.1%lo":                 "",
		"fe80::1%eth0":                        "",
		"fe80::5efe:7f00:1":                   "", // what the address itself is comes first
		"fd00:ec2::5efe:127.0.0.1":            "",
	} {
		t.Run(addr, func(t *testing.T) {
			denied := asDenied(t, s.Addr(netip.MustParseAddr(addr)))
			if denied == nil {
				t.Fatal("allowed")
			}
			got := ""
			if denied.Carried.IsValid() {
				got = denied.Carried.String()
			}
			if got != carried {
				t.Errorf("carried %q, want %q", got, carried)
			}
		})
	}
	const want = "64:ff9b::7f00:1, which carries 127.0.0.1, must not be targeted: loopback (127.0.0.0/8)"
	if err := s.Addr(netip.MustParseAddr("64:ff9b::127.0.0.1")); err.Error() != want {
		t.Errorf("got  %q\nwant %q", err, want)
	}
}

func TestZonesHideNothing(t *testing.T) {
	checkAll(t, compile(t, guard.Config{}), map[string]string{
		"fe80::1%eth0": "fe80::/10", "ff02::1%1": "ff00::/8", "fd00:ec2::254%eth0": "fd00:ec2::/32", "::1%lo": "::1/128",
		"::ffff:127.0.0.1%eth0": "127.0.0.0/8", "64:ff9b::127.0.0.1%x": "127.0.0.0/8", "2002:7f00:1::%x": "127.0.0.0/8",
		"2001:db8::5efe:127.0.0.1%x": "127.0.0.0/8", "64:ff9b:1::127.0.0.1%x": "127.0.0.0/8", "fd20:ce::254%x": "fd20:ce::254/128",
	})
}
