// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package translate_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/guard"
	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/internal/translate"
)

func TestPolicy(t *testing.T) {
	for _, tt := range []struct {
		name string
		spec v1alpha1.ExternalBackendPolicySpec
		want guard.Policy
	}{
		{"nothing", v1alpha1.ExternalBackendPolicySpec{}, guard.Policy{}},
		{"an allow of nothing", v1alpha1.ExternalBackendPolicySpec{Allow: &v1alpha1.PolicyAllow{}}, guard.Policy{Allow: &guard.Allow{}}},
		{
			"everything",
			v1alpha1.ExternalBackendPolicySpec{
				Allow: &v1alpha1.PolicyAllow{
					CIDRs: []v1alpha1.CIDR{"192.0.2.0/24", "2001:db8::/32"}, Hostnames: []v1alpha1.HostnamePattern{"*.example.com"},
					Ports: []v1alpha1.PortRange{"443", "8000-8999"}, MaxAddresses: 7,
					Checks: v1alpha1.PolicyChecks{
						Kinds: []v1alpha1.CheckKind{v1alpha1.CheckKindTCP}, MinInterval: new(v1alpha1.Duration("30s")),
						CustomHost: true, Secrets: true, BodyMatching: true, InsecureSkipVerify: true, StatusDetail: v1alpha1.StatusDetailCode,
					},
					EC2: &v1alpha1.PolicyEC2{
						Identities: []v1alpha1.IdentityName{"shared"}, Regions: []v1alpha1.Region{"eu-west-1"},
						RequiredTags: v1alpha1.InstanceTags{"ns": "$(namespace)"},
					},
				},
				Deny: &v1alpha1.PolicyDeny{CIDRs: []v1alpha1.CIDR{"192.0.2.1/32"}, Hostnames: []v1alpha1.HostnamePattern{"a.example.com"}, Ports: []v1alpha1.PortRange{"1-1023"}},
			},
			guard.Policy{
				Allow: &guard.Allow{
					CIDRs: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")}, Hostnames: []string{"*.example.com"},
					Ports: []guard.PortRange{{First: 443, Last: 443}, {First: 8000, Last: 8999}}, MaxAddresses: 7,
					Checks: guard.Checks{
						Kinds: []string{"TCP"}, MinInterval: 30 * time.Second,
						CustomHost: true, Secrets: true, BodyMatching: true, InsecureSkipVerify: true, StatusCodes: true,
					},
					EC2: &guard.EC2{Identities: []string{"shared"}, Regions: []string{"eu-west-1"}, RequiredTags: map[string]string{"ns": "$(namespace)"}},
				},
				Deny: guard.Deny{CIDRs: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}, Hostnames: []string{"a.example.com"}, Ports: []guard.PortRange{{First: 1, Last: 1023}}},
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.want.Name = "shop"
			got, err := translate.Policy(&v1alpha1.ExternalBackendPolicy{ObjectMeta: metav1.ObjectMeta{Name: "shop"}, Spec: tt.spec})
			if err != nil {
				t.Fatal(err)
			}
			if diff := gocmp.Diff(tt.want, got, cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
				t.Errorf("policy (-want +got):\n%s", diff)
			}
		})
	}
}

// TestPolicyThatCannotBeUnderstood denies everything: what it was meant to deny
// must not pass.
func TestPolicyThatCannotBeUnderstood(t *testing.T) {
	for field, spec := range map[string]v1alpha1.ExternalBackendPolicySpec{
		"spec.allow.cidrs":              {Allow: &v1alpha1.PolicyAllow{CIDRs: []v1alpha1.CIDR{"192.0.2.0"}}},
		"spec.allow.ports":              {Allow: &v1alpha1.PolicyAllow{Ports: []v1alpha1.PortRange{"70000"}}},
		"spec.allow.checks.minInterval": {Allow: &v1alpha1.PolicyAllow{Checks: v1alpha1.PolicyChecks{MinInterval: new(v1alpha1.Duration("soon"))}}},
		"spec.deny.cidrs":               {Deny: &v1alpha1.PolicyDeny{CIDRs: []v1alpha1.CIDR{"192.0.2.0/33"}}},
		"spec.deny.ports":               {Deny: &v1alpha1.PolicyDeny{Ports: []v1alpha1.PortRange{"-1"}}},
	} {
		policy, err := translate.Policy(&v1alpha1.ExternalBackendPolicy{ObjectMeta: metav1.ObjectMeta{Name: "shop"}, Spec: spec})
		if err == nil || !strings.Contains(err.Error(), field) || !strings.Contains(err.Error(), "ExternalBackendPolicy shop") {
			t.Errorf("%s: %v", field, err)
			continue
		}
		m, err := guard.Compile(guard.Config{Policies: []guard.Policy{policy}, Namespaces: map[string][]string{"a": {"shop"}}})
		if err != nil {
			t.Fatal(err)
		}
		for _, addr := range []string{"192.0.2.1", "2001:db8::1", "64:ff9b::c000:201"} {
			if m.Scope("a").Addr(netip.MustParseAddr(addr)) == nil {
				t.Errorf("%s: %s may be targeted", field, addr)
			}
		}
		if m.Scope("a").Hostname("db.example.com") == nil {
			t.Errorf("%s: names may be targeted", field)
		}
	}
}

// TestMinInterval lengthens what is shorter, and nothing else.
func TestMinInterval(t *testing.T) {
	const s = time.Second
	for _, tt := range []struct {
		least      time.Duration
		want       health.Timing
		lengthened bool
	}{
		{0, health.Timing{Interval: 10 * s, Timeout: s, EdgeInterval: 2 * s, UnhealthyInterval: 5 * s}, false},
		{2 * s, health.Timing{Interval: 10 * s, Timeout: s, EdgeInterval: 2 * s, UnhealthyInterval: 5 * s}, false},
		{5 * s, health.Timing{Interval: 10 * s, Timeout: s, EdgeInterval: 5 * s, UnhealthyInterval: 5 * s}, true},
		{time.Minute, health.Timing{Interval: time.Minute, Timeout: s, EdgeInterval: time.Minute, UnhealthyInterval: time.Minute}, true},
	} {
		b := translate.ForService(backend(withDurations([4]v1alpha1.Duration{"10s", "1s", "2s", "5s"})), service(), tt.least)
		if b.Timing != tt.want || b.Lengthened != tt.lengthened || b.Checks[0][0].Timing != tt.want {
			t.Errorf("at least %s: %+v (lengthened: %t), want %+v (%t)", tt.least, b.Timing, b.Lengthened, tt.want, tt.lengthened)
		}
	}
}
