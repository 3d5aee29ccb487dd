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

// uses are one use each of what a policy can grant.
var uses = map[string]guard.CheckUse{
	"customHost":         {CustomHost: true},
	"secrets":            {Secret: true},
	"bodyMatching":       {Body: true},
	"insecureSkipVerify": {InsecureSkipVerify: true},
}

func TestChecksWithoutGrants(t *testing.T) {
	for name, c := range map[string]struct {
		require bool
		denied  map[string]bool
	}{
		"baseline": {false, map[string]bool{"bodyMatching": true}},
		"require":  {true, map[string]bool{"customHost": true, "secrets": true, "bodyMatching": true, "insecureSkipVerify": true}},
	} {
		s := scope(t, c.require, guard.Policy{Name: "denies", Deny: guard.Deny{Ports: ports(22, 22)}})
		for part, use := range uses {
			denied := asDenied(t, s.Check(use))
			if (denied != nil) != c.denied[part] {
				t.Errorf("%s: %s: %v", name, part, denied)
			}
			if denied != nil && (denied.Layer != guard.LayerNoPolicy || !strings.Contains(denied.Error(), part)) {
				t.Errorf("%s: %s: %+v", name, part, denied)
			}
		}
		if (s.Check(guard.CheckUse{Kind: "TCP", Port: 80}) != nil) != c.require {
			t.Errorf("%s: a plain check", name)
		}
		if denied := asDenied(t, s.Check(guard.CheckUse{Kind: "TCP", Port: 22})); denied == nil || denied.Layer != guard.LayerPolicy || denied.Port != 22 {
			t.Errorf("%s: the denied port: %v", name, denied)
		}
		if s.StatusCodes(guard.CheckUse{}) || s.MinInterval(guard.CheckUse{}) != 0 {
			t.Errorf("%s: shows status codes, or has an interval", name)
		}
	}
}

func TestChecksAreGrantedOneByOne(t *testing.T) {
	for part, use := range uses {
		checks := guard.Checks{
			CustomHost: part == "customHost", Secrets: part == "secrets",
			BodyMatching: part == "bodyMatching", InsecureSkipVerify: part == "insecureSkipVerify",
		}
		s := scope(t, false, guard.Policy{Name: "a", Allow: &guard.Allow{Checks: checks}})
		for other := range uses {
			denied := asDenied(t, s.Check(uses[other]))
			if (denied == nil) != (other == part) {
				t.Errorf("%s where only %s is granted: %v", other, part, denied)
			}
			if denied != nil && (denied.Layer != guard.LayerPolicy || denied.Policy != "a" || !strings.Contains(denied.Use, other)) {
				t.Errorf("%s: %+v", other, denied)
			}
		}
		use.Kind, use.Port = "HTTP", 80
		if err := s.Check(use); err != nil {
			t.Errorf("%s of any kind: %v", part, err)
		}
	}
}

// TestBodiesWithoutGrants: the refusal names the one thing that an open namespace
// does not have.
func TestBodiesWithoutGrants(t *testing.T) {
	use := guard.CheckUse{Addr: netip.MustParseAddr("192.0.2.1"), Port: 80, Kind: "HTTP", CustomHost: true, Body: true, InsecureSkipVerify: true}
	for want, require := range map[string]bool{
		"a check of kind HTTP with bodyMatching must not be used on 192.0.2.1:80: no ExternalBackendPolicy with spec.allow selects this namespace, " +
			"and this takes one with spec.allow.checks.bodyMatching: true, which must then allow the addresses, too; ask an administrator for one": false,
		"192.0.2.1 must not be targeted: no ExternalBackendPolicy with spec.allow selects this namespace, " +
			"and it takes one that allows it; ask an administrator for one": true,
	} {
		m, err := guard.Compile(guard.Config{RequirePolicy: require})
		if err != nil {
			t.Fatal(err)
		}
		denied := asDenied(t, m.Scope("shop").Check(use))
		if denied == nil || denied.Layer != guard.LayerNoPolicy || denied.Error() != want {
			t.Errorf("got %v, want %s", denied, want)
		}
	}
}

// TestOneGrantIsNotMixedWithAnother: address, port, kind and the rest come from
// the same policy.
func TestOneGrantIsNotMixedWithAnother(t *testing.T) {
	here, there := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("198.51.100.1")
	s := scope(t, true,
		guard.Policy{Name: "plain", Allow: &guard.Allow{
			CIDRs: cidrs("192.0.2.0/24"), Ports: ports(80, 80),
			Checks: guard.Checks{Kinds: []string{"TCP"}, MinInterval: time.Minute},
		}},
		guard.Policy{Name: "trusted", Allow: &guard.Allow{
			CIDRs: cidrs("198.51.100.0/24"), Ports: ports(443, 443),
			Checks: guard.Checks{Kinds: []string{"HTTP", "None"}, MinInterval: time.Second, CustomHost: true, Secrets: true, StatusCodes: true},
		}},
	)
	for name, c := range map[string]struct {
		use    guard.CheckUse
		denied bool
	}{
		"a grant":                     {guard.CheckUse{Addr: here, Port: 80, Kind: "TCP"}, false},
		"another":                     {guard.CheckUse{Addr: there, Port: 443, Kind: "HTTP", CustomHost: true, Secret: true}, false},
		"less of it":                  {guard.CheckUse{Addr: there, Port: 443, Kind: "None"}, false},
		"no address":                  {guard.CheckUse{Port: 443, Kind: "HTTP", CustomHost: true}, false},
		"the kind of the other":       {guard.CheckUse{Addr: here, Port: 80, Kind: "HTTP"}, true},
		"the port of the other":       {guard.CheckUse{Addr: here, Port: 443, Kind: "TCP"}, true},
		"what the other may":          {guard.CheckUse{Addr: here, Port: 80, Kind: "TCP", CustomHost: true}, true},
		"mixed without an address":    {guard.CheckUse{Port: 80, Kind: "HTTP"}, true},
		"a kind of none":              {guard.CheckUse{Addr: here, Kind: "GRPC"}, true},
		"an address of none":          {guard.CheckUse{Addr: netip.MustParseAddr("203.0.113.1"), Kind: "TCP"}, true},
		"carried by what is not":      {guard.CheckUse{Addr: netip.MustParseAddr("64:ff9b::192.0.2.1"), Port: 80, Kind: "TCP"}, true},
		"the same address as mapped":  {guard.CheckUse{Addr: netip.MustParseAddr("::ffff:192.0.2.1"), Port: 80, Kind: "TCP"}, false},
		"body matching in neither":    {guard.CheckUse{Addr: there, Port: 443, Kind: "HTTP", Body: true}, true},
		"a hard-denied address":       {guard.CheckUse{Addr: netip.MustParseAddr("127.0.0.1")}, true},
		"a hard-denied one disguised": {guard.CheckUse{Addr: netip.MustParseAddr("2002:7f00:1::")}, true},
	} {
		if err := s.Check(c.use); (err != nil) != c.denied {
			t.Errorf("%s: %v", name, err)
		}
	}
	const want = `a check of kind HTTP with customHost, secrets, bodyMatching, insecureSkipVerify must not be used on 192.0.2.1:80: ` +
		`no ExternalBackendPolicy of this namespace allows it (plain, trusted); choose what is allowed, or ask an administrator to change the policy`
	if err := s.Check(guard.CheckUse{Addr: here, Port: 80, Kind: "HTTP", CustomHost: true, Secret: true, Body: true, InsecureSkipVerify: true}); err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}

	for name, c := range map[string]struct {
		use      guard.CheckUse
		interval time.Duration
		codes    bool
	}{
		"here":              {guard.CheckUse{Addr: here, Port: 80}, time.Minute, false},
		"there":             {guard.CheckUse{Addr: there}, time.Second, true},
		"wherever":          {guard.CheckUse{}, time.Second, true},
		"of kind TCP":       {guard.CheckUse{Kind: "TCP"}, time.Minute, false},
		"of kind HTTP":      {guard.CheckUse{Kind: "HTTP"}, time.Second, true},
		"granted by none":   {guard.CheckUse{Addr: here, Port: 443}, 0, false},
		"on the one's port": {guard.CheckUse{Port: 80}, time.Minute, false},
	} {
		if got := s.MinInterval(c.use); got != c.interval {
			t.Errorf("%s: interval at least %s, want %s", name, got, c.interval)
		}
		if got := s.StatusCodes(c.use); got != c.codes {
			t.Errorf("%s: status codes %t, want %t", name, got, c.codes)
		}
	}
}

// TestStagedChecks: what spares a published address must not hide that it is
// checked as no policy grants.
func TestStagedChecks(t *testing.T) {
	s := compile(t, guard.Config{
		Networks:   []guard.Network{{Prefix: netip.MustParsePrefix("192.0.2.0/24"), Why: "Pods", Staged: true}},
		Policies:   []guard.Policy{{Name: "a", Allow: &guard.Allow{CIDRs: cidrs("192.0.2.0/25"), Ports: ports(80, 80)}}},
		Namespaces: map[string][]string{"n": {"a"}},
	}).Scope("n")
	addr := netip.MustParseAddr("192.0.2.1")
	for name, c := range map[string]struct {
		err    error
		staged bool
	}{
		"granted":             {s.Check(guard.CheckUse{Addr: addr, Port: 80}), true},
		"way not granted":     {s.Check(guard.CheckUse{Addr: addr, Port: 80, Body: true}), false},
		"port not granted":    {s.Dial(netip.AddrPortFrom(addr, 81)), false},
		"address not granted": {s.Addr(netip.MustParseAddr("192.0.2.128")), false},
	} {
		if denied := asDenied(t, c.err); denied == nil || denied.Staged != c.staged {
			t.Errorf("%s: %+v", name, denied)
		}
	}
}

func TestInstances(t *testing.T) {
	granting := func(name string, ec2 *guard.EC2) guard.Policy {
		return guard.Policy{Name: name, Allow: &guard.Allow{EC2: ec2}}
	}
	consent := granting("consent", &guard.EC2{
		Identities: []string{"shared", "default"}, Regions: []string{"eu-west-1"},
		RequiredTags: map[string]string{"k8s-namespace": "$(namespace)", "env": "prod", "flag": ""},
	})
	tagged := map[string]string{"k8s-namespace": "shop", "env": "prod", "flag": "", "other": "x"}
	without := func(key string) map[string]string {
		tags := map[string]string{}
		for k, v := range tagged {
			if k != key {
				tags[k] = v
			}
		}
		return tags
	}
	anywhere := granting("anywhere", &guard.EC2{Identities: []string{"lab"}})
	for name, c := range map[string]struct {
		policies         []guard.Policy
		identity, region string
		tags             map[string]string
		want             string
	}{
		"no policy":              {nil, "any", "any", nil, allowed},
		"granted":                {[]guard.Policy{consent}, "shared", "eu-west-1", tagged, allowed},
		"the other identity":     {[]guard.Policy{consent}, "default", "eu-west-1", tagged, allowed},
		"another identity":       {[]guard.Policy{consent}, "lab", "eu-west-1", tagged, `AWSIdentity "lab" in region "eu-west-1" must not be used: ExternalBackendPolicy "consent" does not allow it`},
		"another region":         {[]guard.Policy{consent}, "shared", "us-east-1", tagged, `AWSIdentity "shared" in region "us-east-1"`},
		"a tag is missing":       {[]guard.Policy{consent}, "shared", "eu-west-1", without("env"), "requiredTags"},
		"an empty tag too":       {[]guard.Policy{consent}, "shared", "eu-west-1", without("flag"), "requiredTags"},
		"no namespace":           {[]guard.Policy{consent}, "shared", "eu-west-1", without("k8s-namespace"), "requiredTags"},
		"no tags":                {[]guard.Policy{consent}, "shared", "eu-west-1", nil, "requiredTags"},
		"no region, no tag":      {[]guard.Policy{anywhere}, "lab", "mars", nil, allowed},
		"no identity is granted": {[]guard.Policy{granting("a", &guard.EC2{})}, "default", "eu-west-1", tagged, `does not allow it`},
		"no instance is granted": {[]guard.Policy{granting("a", nil)}, "default", "eu-west-1", tagged, `does not allow it`},
		"grants unite":           {[]guard.Policy{granting("a", nil), consent, anywhere}, "lab", "mars", nil, allowed},
		"but are not mixed":      {[]guard.Policy{consent, anywhere}, "lab", "mars", nil, allowed},
		"not even partly":        {[]guard.Policy{consent, anywhere}, "shared", "mars", tagged, "no ExternalBackendPolicy of this namespace allows it (anywhere, consent)"},
	} {
		t.Run(name, func(t *testing.T) {
			err := scope(t, false, c.policies...).Instance("shop", c.identity, c.region, c.tags)
			denied := asDenied(t, err)
			if (denied == nil) != (c.want == allowed) || denied != nil && !strings.Contains(denied.Error(), c.want) {
				t.Errorf("got %v, want %q", denied, c.want)
			}
		})
	}
	if scope(t, false, consent).Instance("other", "shared", "eu-west-1", tagged) == nil {
		t.Error("an instance of one namespace may be targeted in another")
	}
	if denied := asDenied(t, scope(t, true).Instance("shop", "default", "eu-west-1", tagged)); denied == nil || denied.Layer != guard.LayerNoPolicy {
		t.Errorf("where a policy is required: %v", denied)
	}
}
