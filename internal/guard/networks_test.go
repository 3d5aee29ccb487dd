// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package guard_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"externalbackend.dev/operator/internal/guard"
)

func TestNetworks(t *testing.T) {
	network := func(prefix, why string, staged bool) guard.Network {
		return guard.Network{Prefix: netip.MustParsePrefix(prefix), Why: why, Discovered: staged, Staged: staged}
	}
	s := compile(t, guard.Config{Networks: []guard.Network{
		network("10.0.0.0/8", "Pods", false),
		network("10.1.0.0/16", "Node a", false),
		network("10.1.0.0/16", "Node a again", false),
		network("10.1.0.9/24", "has host bits", true),
		network("10.255.255.255/32", "the last one", false),
		network("169.254.7.0/24", "Node-local DNS", false),
		network("0.0.0.0/0", "soon", true),
		network("20.0.0.0/8", "new Pods", true),
		network("21.0.0.0/8", "staged", true),
		network("21.0.0.0/8", "enforced", false),
		network("20.1.0.0/16", "Node b", false),
		network("20.1.2.0/24", "Node c", true),
		network("::ffff:30.0.0.0/104", "as mapped", false),
		network("::/64", "around the mapped", true),
		network("2001:db8::/32", "Nodes", false),
		network("ffff:ffff::/32", "last of all", false),
	}}).Scope("any")
	for addr, want := range map[string]string{
		"10.0.255.255":            "10.0.255.255 must not be targeted: Pods (10.0.0.0/8); choose one outside of the cluster and of what its administrators deny",
		"::ffff:10.1.0.5":         "::ffff:10.1.0.5 must not be targeted: Node a (10.1.0.0/16); choose one outside",
		"10.2.0.0":                "Pods (10.0.0.0/8)",
		"10.255.255.254":          "Pods (10.0.0.0/8)",
		"10.255.255.255":          "the last one (10.255.255.255/32)",
		"11.0.0.0":                "11.0.0.0 must not be targeted: soon (0.0.0.0/0); what was published before this was known stays as it is until --cluster-deny-delay is over",
		"169.254.7.1":             "link-local, where metadata services live (169.254.0.0/16)",
		"20.0.255.255":            "new Pods (20.0.0.0/8); what was",
		"20.1.2.3":                "Node b (20.1.0.0/16); choose",
		"20.2.0.0":                "new Pods (20.0.0.0/8); what was",
		"21.1.2.3":                "enforced (21.0.0.0/8); choose",
		"255.255.255.255":         "broadcast (255.255.255.255/32)",
		"30.1.2.3":                "as mapped (30.0.0.0/8); choose",
		"64:ff9b::10.1.2.3":       "64:ff9b::a01:203, which carries 10.1.2.3, must not be targeted: Node a (10.1.0.0/16); choose",
		"64:ff9b::11.1.2.3":       "which carries 11.1.2.3, must not be targeted: soon (0.0.0.0/0); what was",
		"::30.1.2.3":              "which carries 30.1.2.3, must not be targeted: as mapped (30.0.0.0/8); choose",
		"::31.1.2.3":              "::1f01:203 must not be targeted: around the mapped (::/64); what was",
		"2001:db8::5efe:10.1.2.3": "2001:db8::5efe:a01:203 must not be targeted: Nodes (2001:db8::/32)",
		"2001:db9::5efe:10.1.2.3": "which carries 10.1.2.3, must not be targeted: Node a (10.1.0.0/16); choose",
		"2001:db9::1":             allowed,
		"ffff:ffff::1":            "multicast (ff00::/8)",
	} {
		t.Run(addr, func(t *testing.T) {
			err := s.Addr(netip.MustParseAddr(addr))
			switch {
			case want == allowed && err != nil:
				t.Error(err)
			case want != allowed && !strings.Contains(withRange(t, err), want):
				t.Errorf("got  %v\nwant %s", err, want)
			}
		})
	}
}

// withRange is the text of a denial with the range in which the address lies: that
// of a network is not in the text itself, which is for everybody's eyes.
func withRange(t *testing.T, err error) string {
	t.Helper()
	denied := asDenied(t, err)
	switch {
	case denied == nil:
		return ""
	case denied.Layer == guard.LayerHard:
		return err.Error()
	case strings.Contains(err.Error(), denied.Range.String()):
		t.Errorf("%q tells of %s", err, denied.Range)
	}
	return strings.Replace(err.Error(), denied.Why, denied.Why+" ("+denied.Range.String()+")", 1)
}

func TestExemptRanges(t *testing.T) {
	prefix := netip.MustParsePrefix
	s := compile(t, guard.Config{
		Networks: []guard.Network{
			{Prefix: prefix("10.0.0.0/8"), Why: "Pods", Discovered: true},
			{Prefix: prefix("10.1.2.128/25"), Why: "a Node", Discovered: true},
			{Prefix: prefix("20.0.0.0/8"), Why: "new Pods", Discovered: true, Staged: true},
			{Prefix: prefix("10.1.2.64/32"), Why: "denied to all"},
		},
		Exempt: []netip.Prefix{prefix("10.1.2.0/24"), prefix("20.1.0.0/16"), prefix("169.254.169.254/32"), prefix("::ffff:30.0.0.0/104")},
	}).Scope("any")
	for addr, want := range map[string]string{
		"10.1.1.255":        "Pods (10.0.0.0/8)",
		"10.1.2.0":          allowed,
		"::ffff:10.1.2.1":   allowed,
		"64:ff9b::10.1.2.1": allowed,
		"64:ff9b::10.1.3.1": "which carries 10.1.3.1, must not be targeted: Pods (10.0.0.0/8)",
		"10.1.2.64":         "denied to all (10.1.2.64/32)",
		"10.1.2.129":        allowed,
		"10.1.3.0":          "Pods (10.0.0.0/8)",
		"20.0.0.1":          "new Pods (20.0.0.0/8); what was",
		"20.1.0.1":          allowed,
		"30.0.0.1":          allowed,
		"169.254.169.254":   "link-local",
		"2002:a9fe:a9fe::":  "which carries 169.254.169.254",
	} {
		t.Run(addr, func(t *testing.T) {
			err := s.Addr(netip.MustParseAddr(addr))
			switch {
			case want == allowed && err != nil:
				t.Error(err)
			case want != allowed && !strings.Contains(withRange(t, err), want):
				t.Errorf("got  %v\nwant %s", err, want)
			}
		})
	}
}

// TestLongestPrefixIsReported compares the text with a search through all
// networks: given ones before discovered before staged ones, then the longest.
func TestLongestPrefixIsReported(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := world{config: guard.Config{AllowClassE: true, Networks: networks(12).Draw(t, "networks")}}
		s := compile(t, w.config).Scope("any")
		for range 8 {
			addr := w.places().Draw(t, "addr")
			denied := asDenied(t, s.Addr(addr))
			if denied == nil || denied.Layer != guard.LayerCluster {
				continue
			}
			at := numberOf(addr)
			if denied.Carried.IsValid() {
				at = numberOf(denied.Carried)
			}
			given := slices.ContainsFunc(w.config.Networks, func(n guard.Network) bool { return !n.Discovered && within(at, n.Prefix) })
			longest := -1
			var bits []int
			for _, n := range w.config.Networks {
				if n.Staged == denied.Staged && n.Discovered == !given && within(at, n.Prefix) {
					length := n.Prefix.Bits()
					if n.Prefix.Addr().Is4In6() && length >= 96 {
						length -= 96
					}
					longest = max(longest, length)
					bits = append(bits, length)
				}
			}
			if denied.Range.Bits() != longest || !denied.Range.Contains(addrOf(at)) || denied.Range != denied.Range.Masked() {
				t.Fatalf("%s: reported %s of lengths %v, want the longest", addr, denied.Range, bits)
			}
		}
	})
}

func addrOf(n number) netip.Addr {
	var bytes [16]byte
	for i := range 8 {
		bytes[i], bytes[8+i] = byte(n.high>>(56-8*i)), byte(n.lo>>(56-8*i))
	}
	if n.v4 {
		return netip.AddrFrom4([4]byte(bytes[12:]))
	}
	return netip.AddrFrom16(bytes)
}

// TestStagedSince: a denial that is staged says since when, and no other does.
func TestStagedSince(t *testing.T) {
	since := time.Unix(1000, 0)
	s := compile(t, guard.Config{Networks: []guard.Network{
		{Prefix: netip.MustParsePrefix("192.0.2.0/24"), Why: "Pods", Discovered: true, Staged: true, Since: since},
		{Prefix: netip.MustParsePrefix("198.51.100.0/24"), Why: "Pods", Discovered: true},
	}}).Scope("any")
	for addr, want := range map[string]time.Time{"192.0.2.1": since, "64:ff9b::192.0.2.1": since, "198.51.100.1": {}} {
		if denied := asDenied(t, s.Addr(netip.MustParseAddr(addr))); denied == nil || !denied.Since.Equal(want) {
			t.Errorf("%s: %+v, want it since %s", addr, denied, want)
		}
	}
}
