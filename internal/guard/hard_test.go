// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package guard_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"externalbackend.dev/operator/internal/guard"
)

const allowed = ""

func compile(t rapid.TB, config guard.Config) *guard.Matcher {
	t.Helper()
	m, err := guard.Compile(config)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// asDenied returns what denies, nil if nothing does, and fails on other errors.
func asDenied(t rapid.TB, err error) *guard.DeniedError {
	t.Helper()
	if err == nil {
		return nil
	}
	denied, ok := errors.AsType[*guard.DeniedError](err)
	if !ok || denied == nil {
		t.Fatalf("%v is no DeniedError", err)
	}
	return denied
}

// check returns the range that denies the address to a namespace without
// policies, or "" if it is allowed.
func check(t *testing.T, m *guard.Matcher, addr netip.Addr) string {
	t.Helper()
	denied := asDenied(t, m.Scope("any").Addr(addr))
	if denied == nil {
		return allowed
	}
	if denied.Addr != addr || denied.Layer != guard.LayerHard || denied.Staged {
		t.Errorf("%s: the error is %+v", addr, denied)
	}
	for _, part := range []string{addr.String(), denied.Range.String(), denied.Why} {
		if part == "" || !strings.Contains(denied.Error(), part) {
			t.Errorf("%s: %q does not contain %q", addr, denied, part)
		}
	}
	return denied.Range.String()
}

func checkAll(t *testing.T, m *guard.Matcher, wanted map[string]string) {
	t.Helper()
	for addr, want := range wanted {
		t.Run(addr, func(t *testing.T) {
			if got := check(t, m, netip.MustParseAddr(addr)); got != want {
				t.Errorf("denied range %q, want %q", got, want)
			}
		})
	}
}

// TestEdges goes over the first and last address of every range and over the
// neighbours on both sides.
func TestEdges(t *testing.T) {
	checkAll(t, compile(t, guard.Config{}), map[string]string{
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
		"192.0.0.191":     allowed,
		"192.0.0.192":     "192.0.0.192/32",
		"192.0.0.193":     allowed,
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
		"fd20:ce::253":                            allowed,
		"fd20:ce::254":                            "fd20:ce::254/128",
		"fd20:ce::255":                            allowed,
		"fd00:c1::a9fe:a9fd":                      allowed,
		"fd00:c1::a9fe:a9fe":                      "fd00:c1::a9fe:a9fe/128",
		"fd00:c1::a9fe:a9ff":                      allowed,
		"fd00:42::41":                             allowed,
		"fd00:42::42":                             "fd00:42::42/128",
		"fd00:42::43":                             allowed,
		"fd00:a9fe:a9fe::":                        allowed,
		"fd00:a9fe:a9fe::1":                       "fd00:a9fe:a9fe::1/128",
		"fd00:a9fe:a9fe::2":                       allowed,
		"fd00:100::100:1ff":                       allowed,
		"fd00:100::100:200":                       "fd00:100::100:200/128",
		"fd00:100::100:201":                       allowed,
	})
}

// TestPlainTargetsAreAllowed names what people do target, and the ranges for
// documentation, which examples and tests use.
func TestPlainTargetsAreAllowed(t *testing.T) {
	m := compile(t, guard.Config{})
	for _, addr := range []string{
		"10.0.0.1", "172.16.0.1", "192.168.255.255", "100.64.0.1", "8.8.8.8", "198.18.0.1",
		"192.0.2.0", "192.0.2.255", "198.51.100.7", "203.0.113.255", "2001:db8::", "2001:db8:ffff::1", "3fff::1",
		"2606:4700::1111", "fd00::1", "fc00::1", "fd12:3456:789a::1",
		"::ffff:10.0.0.1", "::ffff:192.0.2.1", "64:ff9b::192.0.2.1", "2002:c000:201::1", "::8.8.8.8",
		"::ffff:0:192.0.2.1", "64:ff9b:1::10.0.0.1", "2001:0:c000:201::3fff:fdfe", "2001:db8::5efe:192.0.2.1",
	} {
		t.Run(addr, func(t *testing.T) {
			if err := m.Scope("any").Addr(netip.MustParseAddr(addr)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestClassE(t *testing.T) {
	byDefault, permissive := compile(t, guard.Config{}), compile(t, guard.Config{AllowClassE: true})
	for addr, wantAllowed := range map[string]bool{
		"240.0.0.0": true, "240.0.0.1": true, "255.255.255.254": true, "::ffff:240.0.0.1": true, "2002:f000:1::": true,
		"64:ff9b::250.1.2.3": true, "2001:db8::200:5efe:240.0.0.1": true,
		"255.255.255.255": false, "::ffff:255.255.255.255": false, "64:ff9b::255.255.255.255": false,
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
	if err := byDefault.Scope("any").Addr(netip.MustParseAddr("240.0.0.1")); !strings.Contains(err.Error(), "--allow-class-e") {
		t.Errorf("%q does not name the flag that allows it", err)
	}
}

func TestNoAddressIsDenied(t *testing.T) {
	s := compile(t, guard.Config{AllowClassE: true}).Scope("any")
	for name, err := range map[string]error{
		"Addr":   s.Addr(netip.Addr{}),
		"Target": s.Target(netip.Addr{}, []uint16{80}),
		"Dial":   s.Dial(netip.AddrPort{}),
	} {
		if denied := asDenied(t, err); denied == nil || denied.Layer != guard.LayerHard {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
