// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package guard_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"externalbackend.dev/operator/internal/guard"
)

func TestCompileNamesEveryProblem(t *testing.T) {
	_, err := guard.Compile(guard.Config{
		Networks:      []guard.Network{{Why: "Node a"}, {Prefix: netip.PrefixFrom(netip.MustParseAddr("10.0.0.0"), 33), Why: "Node b"}},
		ClusterDomain: "no domain",
		Policies: []guard.Policy{
			{Name: "a", Deny: guard.Deny{CIDRs: []netip.Prefix{{}}, Hostnames: []string{"a.*.example"}, Ports: ports(0, 9)}},
			{Name: "b", Allow: &guard.Allow{CIDRs: []netip.Prefix{{}}, Hostnames: []string{"*.*"}, Ports: ports(9, 8), MaxAddresses: -1}},
			{Name: "b", Allow: &guard.Allow{Checks: guard.Checks{MinInterval: -time.Second}}},
		},
	})
	if err == nil {
		t.Fatal("compiled")
	}
	for _, part := range []string{
		"network 0 (Node a): the prefix is invalid", "network 1 (Node b)", `cluster domain: "no domain": a host name has only`,
		`policy "a": deny.cidrs: the prefix at index 0`, `deny.hostnames: "a.*.example"`, "deny.ports: 0-9 is not a range of ports",
		`policy "b": allow.cidrs`, `allow.hostnames: "*.*"`, "allow.ports: 9-8", "must not be negative", `two policies are called "b"`,
	} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
	_, err = guard.Compile(guard.Config{Namespaces: map[string][]string{"shop": {"gone"}}})
	if err == nil || !strings.Contains(err.Error(), `namespace "shop": there is no policy "gone"`) {
		t.Errorf("got %v", err)
	}
	for _, allow := range []guard.Allow{{MaxAddresses: -1}, {Checks: guard.Checks{MinInterval: -1}}} {
		if _, err := guard.Compile(guard.Config{Policies: []guard.Policy{{Name: "a", Allow: &allow}}}); err == nil {
			t.Errorf("%+v compiles", allow)
		}
	}
	for _, domain := range []string{"*", "*.example", "10.0.0.1"} {
		if _, err := guard.Compile(guard.Config{ClusterDomain: domain}); err == nil {
			t.Errorf("the cluster domain %q compiles", domain)
		}
	}
}

func TestLayerNames(t *testing.T) {
	for layer, want := range map[guard.Layer]string{
		guard.LayerHard: "Hard", guard.LayerCluster: "Cluster", guard.LayerPolicy: "Policy", guard.LayerNoPolicy: "NoPolicy", 0: "Invalid",
	} {
		if got := layer.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
