// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func addr(text string) netip.Addr { return netip.MustParseAddr(text) }

// twoInterfaces is an instance with two of them, each with two addresses of a
// family.
func twoInterfaces() *Instance {
	return &Instance{ID: "i-1", State: Running, Interfaces: []Interface{
		{
			ID: "eni-1", DeviceIndex: 0, SubnetID: "subnet-1", Tags: map[string]string{"role": "front"},
			IPv4: []IPv4{{Private: addr("10.0.0.9"), Public: addr("192.0.2.9")}, {Private: addr("10.0.0.1")}},
			IPv6: []netip.Addr{addr("2001:db8::9"), addr("2001:db8::1")},
		},
		{
			ID: "eni-2", DeviceIndex: 1, SubnetID: "subnet-2", Tags: map[string]string{"role": "back"},
			IPv4: []IPv4{{Private: addr("10.0.1.1")}, {Private: addr("10.0.0.9"), Public: addr("192.0.2.1")}},
		},
	}}
}

func TestAddresses(t *testing.T) {
	back := "back"
	for name, c := range map[string]struct {
		choice Choice
		want   string
	}{
		"primary":            {Choice{IPv4: Private}, "[10.0.0.9]"},
		"all of one":         {Choice{IPv4: Private, Secondary: true}, "[10.0.0.1 10.0.0.9]"},
		"public":             {Choice{IPv4: Public}, "[192.0.2.9]"},
		"all public":         {Choice{IPv4: Public, Secondary: true}, "[192.0.2.9]"},
		"IPv6":               {Choice{IPv6: Private}, "[2001:db8::9]"},
		"all IPv6":           {Choice{IPv6: Private, Secondary: true}, "[2001:db8::1 2001:db8::9]"},
		"public IPv6":        {Choice{IPv6: Public}, "[]"},
		"both":               {Choice{IPv4: Private, IPv6: Private}, "[10.0.0.9 2001:db8::9]"},
		"none":               {Choice{}, "[]"},
		"second interface":   {Choice{IPv4: Private, Interface: InterfaceSelector{DeviceIndex: 1}}, "[10.0.1.1]"},
		"no public primary":  {Choice{IPv4: Public, Interface: InterfaceSelector{DeviceIndex: 1}}, "[]"},
		"no such interface":  {Choice{IPv4: Private, Interface: InterfaceSelector{DeviceIndex: 2}}, "[]"},
		"by subnet":          {Choice{IPv4: Private, Interface: InterfaceSelector{SubnetID: "subnet-2"}}, "[10.0.1.1]"},
		"by tag":             {Choice{IPv4: Private, Interface: InterfaceSelector{TagKey: "role", TagValue: &back}}, "[10.0.1.1]"},
		"by key, both":       {Choice{IPv4: Private, Interface: InterfaceSelector{TagKey: "role"}}, "[10.0.0.9 10.0.1.1]"},
		"no repetition":      {Choice{IPv4: Private, Secondary: true, Interface: InterfaceSelector{TagKey: "role"}}, "[10.0.0.1 10.0.0.9 10.0.1.1]"},
		"by a key not there": {Choice{IPv4: Private, Interface: InterfaceSelector{TagKey: "Role"}}, "[]"},
	} {
		if got := fmt.Sprint(c.choice.Addresses(twoInterfaces())); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
	gone := twoInterfaces()
	gone.State = Terminated
	if got := (&Choice{IPv4: Private}).Addresses(gone); got != nil {
		t.Errorf("terminated: got %s", got)
	}
}

func TestHolds(t *testing.T) {
	i := twoInterfaces()
	for text, want := range map[string]bool{
		"10.0.0.1": true, "192.0.2.1": true, "2001:db8::1": true, "::ffff:10.0.1.1": true, "10.0.0.2": false,
	} {
		if got := i.Holds(addr(text)); got != want {
			t.Errorf("%s: got %t", text, got)
		}
	}
	if i.Holds(netip.Addr{}) {
		t.Error("it holds no address at all")
	}
	i.State = Terminated
	if i.Holds(addr("10.0.0.1")) {
		t.Error("a terminated one holds an address")
	}
}

// TestAddressesAreHeld, valid, sorted, and of the families that are chosen.
func TestAddressesAreHeld(t *testing.T) {
	addrs := rapid.SampledFrom([]netip.Addr{
		{}, addr("10.0.0.1"), addr("10.0.0.2"), addr("::ffff:10.0.0.1"), addr("2001:db8::1"), addr("2001:db8::2"),
	})
	families := rapid.SampledFrom([]Family{None, Private, Public})
	nics := rapid.Custom(func(t *rapid.T) Interface {
		return Interface{
			DeviceIndex: rapid.IntRange(0, 1).Draw(t, "index"),
			IPv4: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) IPv4 {
				return IPv4{addrs.Draw(t, "private"), addrs.Draw(t, "public")}
			}), 0, 3).Draw(t, "v4"),
			IPv6: rapid.SliceOfN(addrs, 0, 3).Draw(t, "v6"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		i := Instance{State: Running, Interfaces: rapid.SliceOfN(nics, 0, 3).Draw(t, "interfaces")}
		c := Choice{IPv4: families.Draw(t, "IPv4"), IPv6: families.Draw(t, "IPv6"), Secondary: rapid.Bool().Draw(t, "secondary")}
		got := c.Addresses(&i)
		if !slices.IsSortedFunc(got, netip.Addr.Compare) || len(slices.Compact(slices.Clone(got))) != len(got) {
			t.Errorf("not sorted: %s", got)
		}
		for _, a := range got {
			if !a.IsValid() || a.Is4In6() || !i.Holds(a) || a.Is4() && c.IPv4 == None || a.Is6() && c.IPv6 != Private {
				t.Errorf("%s is not to be among %s", a, got)
			}
		}
		c.Secondary = true
		for _, a := range got {
			if !slices.Contains(c.Addresses(&i), a) {
				t.Errorf("%s is not among all", a)
			}
		}
	})
}
