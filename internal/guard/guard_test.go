// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package guard_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"externalbackend.dev/operator/internal/guard"
)

// check returns the denied range, or "" if the address is allowed.
func check(t *testing.T, g *guard.Guard, addr netip.Addr) string {
	t.Helper()
	err := g.Check(addr)
	if err == nil {
		return ""
	}
	var denied *guard.DeniedError
	if !errors.As(err, &denied) {
		t.Fatalf("%s: %v is no DeniedError", addr, err)
	}
	if denied.Addr != addr {
		t.Errorf("%s: the error is about %s", addr, denied.Addr)
	}
	for _, part := range []string{addr.String(), denied.Range.String(), denied.Why} {
		if part == "" || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %q does not contain %q", addr, err, part)
		}
	}
	return denied.Range.String()
}

const allowed = ""

// TestEdges goes over the first and last address of every range and over the
// neighbours on both sides.
func TestEdges(t *testing.T) {
	g := guard.New(guard.Options{})
	for addr, want := range map[string]string{
		"0.0.0.0":         "0.0.0.0/8",
		"0.255.255.255":   "0.0.0.0/8",
		"1.0.0.0":         allowed,
		"126.255.255.255": allowed,
		"127.0.0.0":       "127.0.0.0/8",
		"127.0.0.1":       "127.0.0.0/8",
		"127.255.255.255": "127.0.0.0/8",
		"128.0.0.0":       allowed,
		"169.253.255.255": allowed,
		"169.254.0.0":     "169.254.0.0/16",
		"169.254.169.254": "169.254.0.0/16",
		"169.254.255.255": "169.254.0.0/16",
		"169.255.0.0":     allowed,
		"168.63.129.15":   allowed,
		"168.63.129.16":   "168.63.129.16/32",
		"168.63.129.17":   allowed,
		"100.100.100.199": allowed,
		"100.100.100.200": "100.100.100.200/32",
		"100.100.100.201": allowed,
		"223.255.255.255": allowed,
		"224.0.0.0":       "224.0.0.0/4",
		"239.255.255.255": "224.0.0.0/4",
		"240.0.0.0":       "240.0.0.0/4",
		"255.255.255.254": "240.0.0.0/4",
		"255.255.255.255": "255.255.255.255/32",

		"::":  "::/128",
		"::1": "::1/128",
		"fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff": allowed,
		"fe80::": "fe80::/10",
		"febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff": "fe80::/10",
		"fec0::": allowed,
		"feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff": allowed,
		"ff00::":  "ff00::/8",
		"ff02::1": "ff00::/8",
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff": "ff00::/8",
		"fd00:ec1:ffff:ffff:ffff:ffff:ffff:ffff":  allowed,
		"fd00:ec2::":                              "fd00:ec2::/32",
		"fd00:ec2::254":                           "fd00:ec2::/32",
		"fd00:ec2:ffff:ffff:ffff:ffff:ffff:ffff":  "fd00:ec2::/32",
		"fd00:ec3::":                              allowed,
	} {
		t.Run(addr, func(t *testing.T) {
			if got := check(t, g, netip.MustParseAddr(addr)); got != want {
				t.Errorf("denied range %q, want %q", got, want)
			}
		})
	}
}

// TestPlainTargetsAreAllowed names what people do target, and the ranges for
// documentation, which examples and tests use.
func TestPlainTargetsAreAllowed(t *testing.T) {
	g := guard.New(guard.Options{})
	for _, addr := range []string{
		"10.0.0.1", "172.16.0.1", "192.168.255.255", "100.64.0.1", "8.8.8.8", "198.18.0.1",
		"192.0.2.0", "192.0.2.255", "198.51.100.7", "203.0.113.255", "2001:db8::", "2001:db8:ffff::1", "3fff::1",
		"2606:4700::1111", "fd00::1", "fc00::1", "fd12:3456:789a::1",
		"::ffff:10.0.0.1", "::ffff:192.0.2.1", "64:ff9b::192.0.2.1", "2002:c000:201::1", "::8.8.8.8",
	} {
		t.Run(addr, func(t *testing.T) {
			if err := g.Check(netip.MustParseAddr(addr)); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestEmbeddedIPv4 hides addresses in every IPv6 form that carries IPv4.
func TestEmbeddedIPv4(t *testing.T) {
	g := guard.New(guard.Options{})
	for addr, want := range map[string]string{
		// IPv4-mapped, RFC 4291 2.5.5.2
		"::ffff:0.0.0.0": "0.0.0.0/8", "::ffff:127.0.0.1": "127.0.0.0/8", "::ffff:169.254.169.254": "169.254.0.0/16",
		"::ffff:a9fe:a9fe": "169.254.0.0/16", "::ffff:224.0.0.1": "224.0.0.0/4", "::ffff:255.255.255.255": "255.255.255.255/32",
		"::ffff:168.63.129.16": "168.63.129.16/32", "::ffff:100.100.100.200": "100.100.100.200/32", "::ffff:240.0.0.1": "240.0.0.0/4",
		"::fffe:127.0.0.1": allowed, "::1:ffff:127.0.0.1": allowed,
		// IPv4-compatible, RFC 4291 2.5.5.1
		"::2": "0.0.0.0/8", "::0.255.255.255": "0.0.0.0/8", "::127.0.0.1": "127.0.0.0/8", "::169.254.169.254": "169.254.0.0/16",
		"::1:7f00:1": allowed,
		// NAT64, RFC 6052
		"64:ff9b::": "0.0.0.0/8", "64:ff9b::127.0.0.1": "127.0.0.0/8", "64:ff9b::a9fe:a9fe": "169.254.0.0/16",
		"64:ff9b::255.255.255.255": "255.255.255.255/32", "64:ff9b::1:7f00:1": allowed, "64:ff9a::127.0.0.1": allowed,
		// 6to4, RFC 3056
		"2002:7f00:1::": "127.0.0.0/8", "2002:7f00:1:ffff:ffff:ffff:ffff:ffff": "127.0.0.0/8", "2002:a9fe:a9fe::1": "169.254.0.0/16",
		"2002:e000::": "224.0.0.0/4", "2002::": "0.0.0.0/8", "2002:ffff:ffff::": "255.255.255.255/32",
		"2001:7f00:1::": allowed, "2003:7f00:1::": allowed, "2002:0a00:1:7f00:1::": allowed,
	} {
		t.Run(addr, func(t *testing.T) {
			if got := check(t, g, netip.MustParseAddr(addr)); got != want {
				t.Errorf("denied range %q, want %q", got, want)
			}
		})
	}
}

func TestClassE(t *testing.T) {
	byDefault, permissive := guard.New(guard.Options{}), guard.New(guard.Options{AllowClassE: true})
	for addr, wantAllowed := range map[string]bool{
		"240.0.0.0": true, "240.0.0.1": true, "255.255.255.254": true, "::ffff:240.0.0.1": true, "2002:f000:1::": true,
		"64:ff9b::250.1.2.3": true,
		"255.255.255.255":    false, "::ffff:255.255.255.255": false, "64:ff9b::255.255.255.255": false,
		"239.255.255.255": false, "127.0.0.1": false, "::1": false,
	} {
		t.Run(addr, func(t *testing.T) {
			a := netip.MustParseAddr(addr)
			if got := check(t, permissive, a) == allowed; got != wantAllowed {
				t.Errorf("with class E allowed: %t, want %t", got, wantAllowed)
			}
			if check(t, byDefault, a) == allowed {
				t.Error("allowed by default")
			}
		})
	}
	if err := byDefault.Check(netip.MustParseAddr("240.0.0.1")); !strings.Contains(err.Error(), "--allow-class-e") {
		t.Errorf("%q does not name the flag that allows it", err)
	}
}

func TestZonesHideNothing(t *testing.T) {
	g := guard.New(guard.Options{})
	for addr, want := range map[string]string{
		"fe80::1%eth0": "fe80::/10", "ff02::1%1": "ff00::/8", "fd00:ec2::254%eth0": "fd00:ec2::/32", "::1%lo": "::1/128",
		"::ffff:127.0.0.1%eth0": "127.0.0.0/8", "64:ff9b::127.0.0.1%x": "127.0.0.0/8", "2002:7f00:1::%x": "127.0.0.0/8",
	} {
		t.Run(addr, func(t *testing.T) {
			if got := check(t, g, netip.MustParseAddr(addr)); got != want {
				t.Errorf("denied range %q, want %q", got, want)
			}
		})
	}
}

func TestNoAddressIsDenied(t *testing.T) {
	if guard.New(guard.Options{AllowClassE: true}).Check(netip.Addr{}) == nil {
		t.Error("the zero address is allowed")
	}
}
