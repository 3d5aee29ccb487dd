// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"web", "web", true},
		{"web", "Web", false},
		{"web", "web2", false},
		{"", "", true},
		{"", "x", false},
		{"*", "", true},
		{"?", "", true},
		{"?", "x", true},
		{"?", "xy", false},
		{"web-?", "web-", true},
		{"web-?", "web-1", true},
		{"web-?", "web-10", false},
		{"web-??", "web-10", true},
		{"?x?", "x", true},
		{"w*b", "wb", true},
		{"w*b", "web web", true},
		{"w*b", "web webs", false},
		{"*e*", "web", true},
		{"a*?b", "ab", true},
		{`\*`, "*", true},
		{`\*`, "x", false},
		{`\?x`, "?x", true},
		{`\?x`, "x", false},
		{`\\`, `\`, true},
		{`a\b`, "ab", true},
		{`a\`, `a\`, true},
		{"?", "ä", true},
		{"?", "äö", false},
		{"ä*ö", "äxö", true},
		{`\ä`, "ä", true},
		{"*", "\xff", true},
		{strings.Repeat("*a", 120), strings.Repeat("a", 255), true},
		{strings.Repeat("*a", 120) + "b", strings.Repeat("a", 255), false},
		{strings.Repeat("?", 300) + "b", strings.Repeat("a", 300) + "b", true},
	} {
		if got := matchPattern(c.pattern, c.text); got != c.want {
			t.Errorf("%q and %q: got %t", c.pattern, c.text, got)
		}
	}
}

// TestPatternsAreRegularExpressions of a certain kind.
func TestPatternsAreRegularExpressions(t *testing.T) {
	texts := rapid.StringOf(rapid.SampledFrom([]rune(`aab*?\ä`)))
	rapid.Check(t, func(t *rapid.T) {
		pattern, text := texts.Draw(t, "pattern"), texts.Draw(t, "text")
		expression, escaped := strings.Builder{}, false
		for n, r := range pattern {
			switch {
			case escaped || r == '\\' && n == len(pattern)-1:
				expression.WriteString(regexp.QuoteMeta(string(r)))
				escaped = false
			case r == '\\':
				escaped = true
			case r == '*':
				expression.WriteString(".*")
			case r == '?':
				expression.WriteString(".?")
			default:
				expression.WriteString(regexp.QuoteMeta(string(r)))
			}
		}
		want := regexp.MustCompile(`(?s)\A(?:` + expression.String() + `)\z`).MatchString(text)
		if got := matchPattern(pattern, text); got != want {
			t.Errorf("%q and %q: got %t", pattern, text, got)
		}
	})
}

// full is an instance that has everything.
func full() *Instance {
	return &Instance{
		ID: "i-00000001", State: Running, ZoneID: "euw1-az1", Zone: "eu-west-1a",
		Tags:  map[string]string{"Name": "web-1", "empty": "", "aws:autoscaling:groupName": "web"},
		VPCID: "vpc-1", SubnetID: "subnet-1", Type: "m7g.large", ImageID: "ami-1", KeyName: "ops",
		Architecture: "arm64", Tenancy: "default", OwnerID: "123456789012", SpotOrScheduled: "spot",
		ProfileARN: "arn:aws:iam::123456789012:instance-profile/web", PlacementGroup: "spread",
		PrivateDNSName: "ip-10-0-0-1.internal", PublicDNSName: "ec2-192-0-2-1.example",
		PrivateIP: netip.MustParseAddr("10.0.0.1"), PublicIP: netip.MustParseAddr("192.0.2.1"),
		SecurityGroupIDs: []string{"sg-1", "sg-2"}, SecurityGroups: []string{"web", "ops"},
		Interfaces: []Interface{{ID: "eni-1", SubnetID: "subnet-1", IPv6: []netip.Addr{netip.MustParseAddr("2001:db8::1")}}},
	}
}

func TestFilters(t *testing.T) {
	for _, c := range []struct{ name, yes, no string }{
		{"tag:Name", "web-?", "Web-1"},
		{"tag:empty", "", "x"},
		{"tag-key", "Na*", "name"},
		{"architecture", "arm64", "x86_64"},
		{"availability-zone", "eu-west-1a", "eu-west-1b"},
		{"availability-zone-id", "euw1-az*", "euw1-az2"},
		{"dns-name", "ec2-*", "ip-*"},
		{"iam-instance-profile.arn", "arn:*/web", "arn:*/db"},
		{"image-id", "ami-1", "ami-2"},
		{"instance-lifecycle", "spot", "scheduled"},
		{"instance-type", "m7g.*", "m7i.*"},
		{"instance.group-id", "sg-2", "sg-3"},
		{"instance.group-name", "ops", "db"},
		{"ip-address", "192.0.2.*", "10.0.0.1"},
		{"ipv6-address", "2001:DB8:0:0::1", "2001:db8::2"},
		{"key-name", "ops", "dev"},
		{"owner-id", "123456789012", "1"},
		{"placement-group-name", "spread", "x"},
		{"private-dns-name", "ip-10-*", "ip-11-*"},
		{"private-ip-address", "10.0.0.1", "10.0.0.2"},
		{"subnet-id", "subnet-1", "subnet-2"},
		{"tenancy", "default", "host"},
		{"vpc-id", "vpc-1", "vpc-2"},
	} {
		for value, want := range map[string]bool{c.yes: true, c.no: false} {
			s := Selector{Filters: []Filter{{Name: c.name, Values: []string{"nothing at all", value}}}}
			if got := s.Matches(full()); got != want {
				t.Errorf("%s %q: got %t", c.name, value, got)
			}
		}
		s := Selector{Filters: []Filter{{Name: c.name, Values: []string{"*"}}}}
		if s.Matches(&Instance{ID: "i-1"}) {
			t.Errorf("%s matches what does not have it", c.name)
		}
	}
}

func TestSelectors(t *testing.T) {
	filter := func(name string, values ...string) Filter { return Filter{name, values} }
	for name, c := range map[string]struct {
		selector Selector
		want     bool
	}{
		"nothing":               {Selector{}, false},
		"its id":                {Selector{IDs: []string{"i-2", "i-00000001"}}, true},
		"another id":            {Selector{IDs: []string{"i-2"}}, false},
		"id and filter":         {Selector{[]string{"i-00000001"}, []Filter{filter("vpc-id", "vpc-1")}}, true},
		"id, but not filter":    {Selector{[]string{"i-00000001"}, []Filter{filter("vpc-id", "vpc-2")}}, false},
		"filter, but not id":    {Selector{[]string{"i-2"}, []Filter{filter("vpc-id", "vpc-1")}}, false},
		"both filters":          {Selector{nil, []Filter{filter("vpc-id", "vpc-1"), filter("tag:Name", "web-1")}}, true},
		"one of two filters":    {Selector{nil, []Filter{filter("vpc-id", "vpc-1"), filter("tag:Name", "db")}}, false},
		"unknown name":          {Selector{nil, []Filter{filter("instance-state-name", "running")}}, false},
		"no values":             {Selector{nil, []Filter{filter("vpc-id")}}, false},
		"the same filter twice": {Selector{nil, []Filter{filter("tag:Name", "*1"), filter("tag:Name", "*2")}}, false},
		"a key in another case": {Selector{nil, []Filter{filter("tag:name", "*")}}, false},
	} {
		if got := c.selector.Matches(full()); got != c.want {
			t.Errorf("%s: got %t", name, got)
		}
	}
}
