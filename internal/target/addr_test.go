// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package target_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"externalbackend.dev/operator/internal/target"
)

// Rule 21: one canonical form, whatever the spelling.
func TestParseAddrCanonicalises(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.10":               "192.0.2.10",
		"0.0.0.0":                  "0.0.0.0",
		"255.255.255.255":          "255.255.255.255",
		"::ffff:192.0.2.10":        "192.0.2.10",
		"::FFFF:C000:020A":         "192.0.2.10",
		"0:0:0:0:0:ffff:c000:20a":  "192.0.2.10",
		"2001:db8::10":             "2001:db8::10",
		"2001:DB8::A":              "2001:db8::a",
		"2001:0db8:0:0:0:0:0:0010": "2001:db8::10",
		"2001:db8::192.0.2.1":      "2001:db8::c000:201",
		"::192.0.2.1":              "::c000:201",
		"64:ff9b::192.0.2.1":       "64:ff9b::c000:201",
		"::":                       "::",
	} {
		t.Run(text, func(t *testing.T) {
			addr, err := target.ParseAddr(text)
			if err != nil {
				t.Fatal(err)
			}
			if addr.String() != want {
				t.Errorf("got %s, want %s", addr, want)
			}
		})
	}
}

func TestParseAddrRejects(t *testing.T) {
	for _, text := range []string{
		"", " ", "10.0.0", "127.1", "10.0.0.256", "10.0.0.1.2", "-1.0.0.0",
		"010.0.0.1", "10.0.0.01", "::ffff:010.0.0.1", "0x7f.0.0.1", "2130706433",
		" 10.0.0.1", "10.0.0.1 ", "10.0.0.1/32", "10.0.0.1:80", "[2001:db8::1]", "2001:db8::1/128",
		"2001:db8::1::2", "2001:db8", "12345::", ":::", "localhost", "10.0.0.1\n", "１０.0.0.1",
		"10.0.0.1%eth0", "fe80::1%", "%eth0",
	} {
		t.Run(text, func(t *testing.T) {
			addr, err := target.ParseAddr(text)
			if err == nil {
				t.Fatalf("accepted as %s", addr)
			}
			if errors.Is(err, target.ErrZone) {
				t.Errorf("%v: there is no zone to leave out", err)
			}
			if !strings.Contains(err.Error(), "is not an IPv4 or IPv6 address") {
				t.Errorf("%q does not say what is wrong", err)
			}
		})
	}
}

func TestParseAddrRejectsZones(t *testing.T) {
	for _, text := range []string{"fe80::1%eth0", "fe80::1%1", "2001:db8::1%eth0", "::ffff:10.0.0.1%eth0"} {
		t.Run(text, func(t *testing.T) {
			addr, err := target.ParseAddr(text)
			if !errors.Is(err, target.ErrZone) {
				t.Fatalf("got %v, %v, want ErrZone", addr, err)
			}
			if !strings.Contains(err.Error(), text) {
				t.Errorf("%q does not name %q", err, text)
			}
		})
	}
}

func FuzzParseAddr(f *testing.F) {
	for _, seed := range []string{"192.0.2.10", "::ffff:192.0.2.10", "2001:DB8::A", "fe80::1%eth0", "010.0.0.1", "", "::"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		addr, err := target.ParseAddr(text)
		if err != nil {
			if addr.IsValid() {
				t.Errorf("%q: error %v along with %s", text, err, addr)
			}
			return
		}
		if !addr.IsValid() || addr.Is4In6() || addr.Zone() != "" {
			t.Errorf("%q: %s is not canonical", text, addr)
		}
		if again, err := target.ParseAddr(addr.String()); err != nil || again != addr {
			t.Errorf("%q: %s reads back as %s, %v", text, addr, again, err)
		}
	})
}

func TestOwnersRankByAgeThenNameThenUID(t *testing.T) {
	created := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	ranked := []target.Owner{
		{Name: "z", UID: "9", Created: created.Add(-time.Second)},
		{Name: "a", UID: "2", Created: created},
		{Name: "a", UID: "3", Created: created.In(time.FixedZone("elsewhere", 3600))},
		{Name: "b", UID: "1", Created: created},
		{Name: "a", UID: "1", Created: created.Add(time.Second)},
	}
	for i, a := range ranked {
		for j, b := range ranked {
			if got, want := sign(a.Compare(b)), sign(i-j); got != want {
				t.Errorf("%v against %v: got %d, want %d", a, b, got, want)
			}
		}
	}
}

func sign(n int) int { return max(-1, min(1, n)) }
