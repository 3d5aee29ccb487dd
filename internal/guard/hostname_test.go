// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package guard_test

import (
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"externalbackend.dev/operator/internal/guard"
)

func TestHostname(t *testing.T) {
	long := strings.Repeat("a", 63)
	s := compile(t, guard.Config{ClusterDomain: "K8s.Corp.Example."}).Scope("any")
	for name, want := range map[string]string{
		"db.example.com": allowed, "DB.Example.COM": allowed, "db.example.com.": allowed, "_http._tcp.example.com": allowed,
		"xn--bcher-kva.example": allowed, "1.2.3.example": allowed, "0x7f.example": allowed, "10-0-0-1.ec2.internal": allowed,
		"ip-10-0-0-1.eu-west-1.compute.internal": allowed, "a.localhosts": allowed, "notlocalhost.example": allowed,
		"mysvc.example": allowed, "svc.example": allowed, "cluster.local.example": allowed, "xcluster.local": allowed,
		"my-metadata.example": allowed, "metadatas.example": allowed, "db.metadata.example": allowed, "instance-data2.example": allowed,
		"corp.example": allowed, "xk8s.corp.example": allowed, "a.1b": allowed, "a.0xg": allowed,
		long + "." + long + "." + long + "." + long[:61]: allowed,

		// RFC 6761 6.3
		"localhost": "loopback", "LOCALHOST": "loopback", "localhost.": "loopback", "a.b.localhost": "loopback", "a.LocalHost.": "loopback",
		"localhost.localdomain": "loopback", "localhost.example.com": "loopback",
		// the cluster's own
		"payments.shop.svc": "cluster's own", "kubernetes.default.svc.cluster.local": "cluster's own", "x.cluster.local.": "cluster's own",
		"cluster.local": "cluster's own", "KUBERNETES.DEFAULT.SVC": "cluster's own", "svc": "cluster's own",
		"a.svc.k8s.corp.example": "cluster's own", "k8s.corp.example": "cluster's own", "K8S.corp.example.": "cluster's own",
		// metadata services
		"metadata.google.internal": "metadata", "METADATA.google.internal.": "metadata", "metadata": "metadata", "metadata.goog": "metadata",
		"metadata.azure.internal": "metadata", "x.metadata.google.internal": "metadata", "api.metadata.cloud.ibm.com": "metadata",
		"instance-data": "metadata", "instance-data.ec2.internal": "metadata", "instance-data.eu-west-1.compute.internal.": "metadata",
		// no name in full
		"payments": "without a dot", "ip6-localhost": "without a dot", "db.": "without a dot",
		// addresses
		"127.0.0.1": "reads as an IP address", "127.1": "reads as an IP address", "127.0.1": "reads as an IP address",
		"2130706433": "reads as an IP address", "0x7f000001": "reads as an IP address", "0X7F.1": "reads as an IP address",
		"0177.0.0.1": "reads as an IP address", "017700000001": "reads as an IP address", "127.0.0.1.": "reads as an IP address",
		"0x7f.0x0.0x0.0x1": "reads as an IP address", "127.0.0.0x": "reads as an IP address", "example.1": "reads as an IP address",
		"1.2.3.4.5": "reads as an IP address", "127.0.0.0X1": "reads as an IP address", "099.1": "reads as an IP address", "0": "reads as an IP address", "0xA9FEA9FE": "reads as an IP address",
		"::1": "only ASCII", "[::1]": "only ASCII", "[127.0.0.1]": "only ASCII", "fe80::1%eth0": "only ASCII", "::ffff:127.0.0.1": "only ASCII",
		"１２７.0.0.1": "only ASCII", "127。0。0。1": "only ASCII", "①②⑦.0.0.1": "only ASCII", "ｌocalhost": "only ASCII", "bücher.example": "only ASCII",
		"loc\u00adalhost": "only ASCII",
		// no names
		"": "1 to 63", ".": "1 to 63", "..": "1 to 63", "a..b": "1 to 63", ".a.b": "1 to 63", "a.b..": "1 to 63",
		long + "a.example": "1 to 63", long + "." + long + "." + long + "." + long[:62]: "at most 253",
		"a b.example": "only ASCII", "a.example/": "only ASCII", "a.example:80": "only ASCII", "user@a.example": "only ASCII", "*.example.com": "only ASCII",
		"a.example\n": "only ASCII", "a.example\x00": "only ASCII", "127.0.0.1 ": "only ASCII", "%31%32%37.0.0.1": "only ASCII", "a\\.example": "only ASCII",
	} {
		t.Run(name, func(t *testing.T) {
			denied := asDenied(t, s.Hostname(name))
			if denied == nil {
				if want != allowed {
					t.Errorf("allowed, want %q", want)
				}
				return
			}
			if want == allowed || !strings.Contains(denied.Why, want) || denied.Layer != guard.LayerHard || denied.Hostname != name {
				t.Errorf("got %+v, want %q", denied, want)
			}
			if !strings.Contains(denied.Error(), denied.Why) || name != "" && !strings.Contains(denied.Error(), strconv.Quote(name)) {
				t.Errorf("%q does not name it", denied)
			}
		})
	}
}

func TestHostnamePolicies(t *testing.T) {
	granting := guard.Policy{Name: "granting", Allow: &guard.Allow{Hostnames: []string{"DB.example.com.", "*.apps.example.com"}}}
	denying := guard.Policy{Name: "denying", Deny: guard.Deny{Hostnames: []string{"secret.apps.example.com", "*.corp.example"}}}
	all := guard.Policy{Name: "all", Allow: &guard.Allow{Hostnames: []string{"*", "*.svc", "metadata.goog"}}}
	const open = guard.Layer(0)
	for name, c := range map[string]struct {
		require  bool
		policies []guard.Policy
		want     map[string]guard.Layer
	}{
		"none":                       {false, nil, map[string]guard.Layer{"a.example": open, "a.svc": guard.LayerHard}},
		"none where one is required": {true, nil, map[string]guard.Layer{"a.example": guard.LayerNoPolicy, "a.svc": guard.LayerHard}},
		"a grant": {false, []guard.Policy{granting}, map[string]guard.Layer{
			"db.example.com": open, "Db.Example.com.": open, "x.db.example.com": guard.LayerPolicy, "a.apps.example.com": open, "a.b.APPS.example.com.": open,
			"apps.example.com": guard.LayerPolicy, "xapps.example.com": guard.LayerPolicy, "example.com": guard.LayerPolicy,
			"db.example.com.evil.example": guard.LayerPolicy, "127.0.0.1": guard.LayerHard,
		}},
		"a deny": {false, []guard.Policy{denying}, map[string]guard.Layer{
			"secret.apps.example.com": guard.LayerPolicy, "SECRET.apps.example.com.": guard.LayerPolicy, "a.b.corp.example": guard.LayerPolicy,
			"corp.example": open, "a.example": open,
		}},
		"both": {true, []guard.Policy{granting, denying, all}, map[string]guard.Layer{
			"secret.apps.example.com": guard.LayerPolicy, "a.apps.example.com": open, "a.corp.example": guard.LayerPolicy, "whatever.example": open,
			"a.svc": guard.LayerHard, "metadata.goog": guard.LayerHard, "localhost": guard.LayerHard,
		}},
		"grants of addresses only": {false, []guard.Policy{{Name: "a", Allow: &guard.Allow{CIDRs: cidrs("0.0.0.0/0")}}}, map[string]guard.Layer{
			"a.example": guard.LayerPolicy,
		}},
	} {
		s := scope(t, c.require, c.policies...)
		for host, want := range c.want {
			var got guard.Layer
			denied := asDenied(t, s.Hostname(host))
			if denied != nil {
				got = denied.Layer
			}
			if got != want {
				t.Errorf("%s: %s is denied by %s, want %s (%v)", name, host, got, want, denied)
			}
		}
	}
	if denied := asDenied(t, scope(t, false, denying).Hostname("a.corp.example")); denied.Policy != "denying" || denied.Error() !=
		`"a.corp.example" must not be targeted: ExternalBackendPolicy "denying" denies it; choose what is allowed, or ask an administrator to change the policy` {
		t.Errorf("got %v", denied)
	}
}

// asAddress reads a name as inet_aton and URL parsers do: one to four numbers,
// octal and hexadecimal ones too, of which the last fills what is left.
func asAddress(name string) bool {
	parts := strings.Split(strings.TrimSuffix(name, "."), ".")
	if len(parts) > 4 {
		return false
	}
	for _, part := range parts {
		base := 10
		switch lower := strings.ToLower(part); {
		case strings.HasPrefix(lower, "0x"):
			part, base = "0"+part[2:], 16
		case strings.HasPrefix(part, "0"):
			base = 8
		}
		if _, err := strconv.ParseUint(part, base, 64); err != nil {
			return false
		}
	}
	return true
}

func FuzzHostname(f *testing.F) {
	for _, name := range []string{
		"db.example.com", "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "[::1]", "::1", "localhost.", "A.LOCALHOST", "metadata.google.internal",
		"kubernetes.default.svc", "x.cluster.local.", "１.1.1.1", "a。b", "", ".", "a..b", "1.0x", "*.example.com", "instance-data",
	} {
		f.Add(name)
	}
	open := compile(f, guard.Config{}).Scope("any")
	closed := compile(f, guard.Config{RequirePolicy: true}).Scope("any")
	f.Fuzz(func(t *testing.T, name string) {
		err := open.Hostname(name)
		if closed.Hostname(name) == nil {
			t.Fatal("granted without a policy")
		}
		if asDenied(t, err) != nil {
			return
		}
		plain := strings.ToLower(strings.TrimSuffix(name, "."))
		for _, r := range plain {
			if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789-_.", r) {
				t.Fatalf("%q has %q", name, r)
			}
		}
		if _, err := netip.ParseAddr(plain); err == nil || asAddress(name) {
			t.Fatalf("%q is an address", name)
		}
		first, rest, dotted := strings.Cut(plain, ".")
		if !dotted || first == "metadata" || first == "instance-data" || first == "localhost" || rest == "" {
			t.Fatalf("%q is allowed", name)
		}
		for _, suffix := range []string{".localhost", ".svc", ".cluster.local", ".metadata.google.internal"} {
			if strings.HasSuffix("."+plain, suffix) {
				t.Fatalf("%q is allowed", name)
			}
		}
		for _, same := range []string{plain, plain + ".", strings.ToUpper(plain)} {
			if err := open.Hostname(same); err != nil {
				t.Fatalf("%q is allowed, but: %v", name, err)
			}
		}
	})
}

// TestAlias: what a name leads to must be denied by nobody, and need not be granted.
func TestAlias(t *testing.T) {
	granting := guard.Policy{Name: "granting", Allow: &guard.Allow{Hostnames: []string{"db.example.com"}}}
	denying := guard.Policy{Name: "denying", Deny: guard.Deny{Hostnames: []string{"*.corp.example"}}}
	const open = guard.Layer(0)
	for name, want := range map[string]guard.Layer{
		"db.example.com": open, "edge.cdn.example": open, "corp.example": open,
		"vault.corp.example": guard.LayerPolicy, "VAULT.corp.example.": guard.LayerPolicy,
		"kubernetes.default.svc": guard.LayerHard, "metadata.google.internal": guard.LayerHard, "127.1": guard.LayerHard, "a b.example": guard.LayerHard,
	} {
		var got guard.Layer
		denied := asDenied(t, scope(t, true, granting, denying).Alias(name))
		if denied != nil {
			got = denied.Layer
		}
		if got != want || want == guard.LayerPolicy && denied.Policy != "denying" {
			t.Errorf("%s is denied by %s, want %s (%v)", name, got, want, denied)
		}
	}
}
