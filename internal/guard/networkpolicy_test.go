// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"net/netip"
	"os"
	"slices"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/yaml"
)

// TestNetworkPolicyAgrees compares where the shipped NetworkPolicy lets nobody
// out to with what is denied everywhere.
func TestNetworkPolicyAgrees(t *testing.T) {
	text, err := os.ReadFile("../../config/network-policy/egress/allow-egress.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var policy networkingv1.NetworkPolicy
	if err := yaml.UnmarshalStrict(text, &policy); err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, r := range hardRules {
		want = append(want, r.prefix.String())
		if r.prefix.Addr().Is4() {
			translated := nat64.Addr().As16()
			copy(translated[12:], r.prefix.Addr().AsSlice())
			want = append(want, netip.PrefixFrom(netip.AddrFrom16(translated), 96+r.prefix.Bits()).String())
		}
	}
	for _, rule := range policy.Spec.Egress {
		for _, to := range rule.To {
			if to.IPBlock != nil {
				got = append(got, to.IPBlock.Except...)
			}
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the exceptions are\n%v, want\n%v", got, want)
	}
}
