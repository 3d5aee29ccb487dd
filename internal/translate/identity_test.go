// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package translate_test

import (
	"regexp"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"pgregory.net/rapid"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/translate"
)

const (
	role  = "arn:aws:iam::123456789012:role/externalbackend"
	queue = "https://sqs.eu-west-1.amazonaws.com/123456789012/externalbackend"
)

// identity is the least AWSIdentity, with edits.
func identity(edits ...func(*v1alpha1.AWSIdentitySpec)) *v1alpha1.AWSIdentity {
	id := &v1alpha1.AWSIdentity{ObjectMeta: metav1.ObjectMeta{Name: "shared"}, Spec: v1alpha1.AWSIdentitySpec{Regions: []v1alpha1.Region{"eu-west-1"}}}
	for _, edit := range edits {
		edit(&id.Spec)
	}
	return id
}

func withRole(arn string, regions ...v1alpha1.Region) func(*v1alpha1.AWSIdentitySpec) {
	return func(spec *v1alpha1.AWSIdentitySpec) {
		spec.Role = &v1alpha1.AWSRole{ARN: arn}
		if len(regions) > 0 {
			spec.Regions = regions
		}
	}
}

func withQueue(url string, regions ...v1alpha1.Region) func(*v1alpha1.AWSIdentitySpec) {
	return func(spec *v1alpha1.AWSIdentitySpec) {
		spec.Queues = []v1alpha1.EventQueue{{URL: url}}
		if len(regions) > 0 {
			spec.Regions = regions
		}
	}
}

func TestIdentity(t *testing.T) {
	for _, tt := range []struct {
		name string
		spec v1alpha1.AWSIdentitySpec
		want translate.AWSIdentity
	}{
		{"the least", identity().Spec, translate.AWSIdentity{Name: "shared", Regions: []string{"eu-west-1"}, InstanceStatus: true, AutoScaling: true}},
		{
			"everything",
			v1alpha1.AWSIdentitySpec{
				AllowedNamespaces: &v1alpha1.NamespaceSelector{}, Regions: []v1alpha1.Region{"eu-west-1", "us-east-1"},
				Role:            &v1alpha1.AWSRole{ARN: role, SessionTags: v1alpha1.SessionTags{"cluster": "a"}},
				AccessKeySecret: &v1alpha1.SecretReference{Name: "keys"},
				InstanceStatus:  v1alpha1.ObservationIgnore, AutoScaling: v1alpha1.ObservationObserve,
				Queues: []v1alpha1.EventQueue{{URL: queue}, {URL: "https://sqs-fips.us-east-1.api.aws/123456789012/a_b-c.fifo"}},
			},
			translate.AWSIdentity{
				Name: "shared", Regions: []string{"eu-west-1", "us-east-1"}, RoleARN: role, SessionTags: map[string]string{"cluster": "a"},
				SecretName: "keys", AutoScaling: true,
				Queues: []translate.EventQueue{{URL: queue, Region: "eu-west-1"}, {URL: "https://sqs-fips.us-east-1.api.aws/123456789012/a_b-c.fifo", Region: "us-east-1"}},
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := translate.Identity(&v1alpha1.AWSIdentity{ObjectMeta: metav1.ObjectMeta{Name: "shared"}, Spec: tt.spec})
			if err != nil {
				t.Fatal(err)
			}
			if diff := gocmp.Diff(tt.want, got, cmpopts.IgnoreFields(translate.AWSIdentity{}, "Selector")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if !got.Lists("eu-west-1") || got.Lists("eu-west-2") || got.Lists("") {
				t.Errorf("lists other regions than %v", got.Regions)
			}
		})
	}
}

func TestIdentityAllows(t *testing.T) {
	for _, tt := range []struct {
		name      string
		selector  *v1alpha1.NamespaceSelector
		namespace labels.Set
		want      bool
	}{
		{"left out", nil, labels.Set{"team": "shop"}, false},
		{"all", &v1alpha1.NamespaceSelector{}, nil, true},
		{"a label", &v1alpha1.NamespaceSelector{MatchLabels: v1alpha1.MatchLabels{"team": "shop"}}, labels.Set{"team": "shop", "a": "b"}, true},
		{"another label", &v1alpha1.NamespaceSelector{MatchLabels: v1alpha1.MatchLabels{"team": "shop"}}, labels.Set{"team": "bank"}, false},
	} {
		id, err := translate.Identity(identity(func(spec *v1alpha1.AWSIdentitySpec) { spec.AllowedNamespaces = tt.selector }))
		if got := id.Allows(tt.namespace); err != nil || got != tt.want {
			t.Errorf("%s: %t, %v", tt.name, got, err)
		}
	}
}

// TestIdentityPartitions: the role, the regions and the queues of every part of AWS
// go together, and only with each other.
func TestIdentityPartitions(t *testing.T) {
	partitions := []struct {
		name, region string
		hosts        []string
	}{
		{"aws", "eu-west-1", []string{"sqs.eu-west-1.amazonaws.com", "sqs.eu-west-1.api.aws"}},
		{"aws-cn", "cn-north-1", []string{"sqs.cn-north-1.amazonaws.com.cn", "sqs.cn-north-1.api.amazonwebservices.com.cn"}},
		{"aws-us-gov", "us-gov-west-1", []string{"sqs.us-gov-west-1.amazonaws.com", "sqs.us-gov-west-1.api.aws"}},
		{"aws-eusc", "eusc-de-east-1", []string{"sqs.eusc-de-east-1.amazonaws.eu", "sqs.eusc-de-east-1.api.amazonwebservices.eu"}},
		{"aws-iso", "us-iso-east-1", []string{"sqs.us-iso-east-1.c2s.ic.gov", "sqs.us-iso-east-1.api.aws.ic.gov"}},
		{"aws-iso-b", "us-isob-east-1", []string{"sqs.us-isob-east-1.sc2s.sgov.gov", "sqs.us-isob-east-1.api.aws.scloud"}},
		{"aws-iso-e", "eu-isoe-west-1", []string{"sqs.eu-isoe-west-1.cloud.adc-e.uk", "sqs.eu-isoe-west-1.api.cloud-aws.adc-e.uk"}},
		{"aws-iso-f", "us-isof-south-1", []string{"sqs.us-isof-south-1.csp.hci.ic.gov", "sqs.us-isof-south-1.api.aws.hci.ic.gov"}},
	}
	for _, p := range partitions {
		for _, other := range partitions {
			_, err := translate.Identity(identity(withRole("arn:"+other.name+":iam::123456789012:role/a", v1alpha1.Region(p.region))))
			if (err == nil) != (p.name == other.name) {
				t.Errorf("a role in %s for %s: %v", other.name, p.region, err)
			}
			_, err = translate.Identity(identity(func(spec *v1alpha1.AWSIdentitySpec) {
				spec.Regions = []v1alpha1.Region{v1alpha1.Region(p.region), v1alpha1.Region(other.region)}
			}))
			if (err == nil) != (p.name == other.name) {
				t.Errorf("%s beside %s: %v", p.region, other.region, err)
			}
		}
		for _, host := range p.hosts {
			id, err := translate.Identity(identity(withQueue("https://"+host+"/123456789012/events", v1alpha1.Region(p.region))))
			if err != nil || len(id.Queues) != 1 || id.Queues[0].Region != p.region {
				t.Errorf("%s: %v, %v", host, id.Queues, err)
			}
		}
	}
}

func TestIdentityInvalid(t *testing.T) {
	for _, tt := range []struct {
		invalid string
		edit    func(*v1alpha1.AWSIdentitySpec)
	}{
		{"spec.allowedNamespaces: ", func(spec *v1alpha1.AWSIdentitySpec) {
			spec.AllowedNamespaces = &v1alpha1.NamespaceSelector{MatchLabels: v1alpha1.MatchLabels{"a b": ""}}
		}},
		{"spec.regions: is empty: list", func(spec *v1alpha1.AWSIdentitySpec) { spec.Regions = nil }},
		{`spec.regions: "Ireland" is not an AWS region`, func(spec *v1alpha1.AWSIdentitySpec) { spec.Regions[0] = "Ireland" }},
		{"spec.regions: eu-west-1 and cn-north-1 are in the partitions aws and aws-cn", func(spec *v1alpha1.AWSIdentitySpec) { spec.Regions = append(spec.Regions, "cn-north-1") }},
		{`spec.role.arn: "arn:aws:iam::1:role/a" is not the ARN`, withRole("arn:aws:iam::1:role/a")},
		{"spec.role.arn", withRole("arn:aws:iam::123456789012:user/a")},
		{"spec.role.arn", withRole("arn:aws:iam::123456789012:role/")},
		{"spec.role.arn: is of the partition aws-us-gov of AWS, and the regions are in aws: name a role", withRole("arn:aws-us-gov:iam::123456789012:role/a")},
		{`spec.role.sessionTags: keys have 1 to 128 characters and values at most 256: correct "a"`, func(spec *v1alpha1.AWSIdentitySpec) {
			spec.Role = &v1alpha1.AWSRole{ARN: role, SessionTags: v1alpha1.SessionTags{"a": strings.Repeat("a", 257), "b": ""}}
		}},
		{"spec.role.sessionTags", func(spec *v1alpha1.AWSIdentitySpec) {
			spec.Role = &v1alpha1.AWSRole{ARN: role, SessionTags: v1alpha1.SessionTags{"": "a"}}
		}},
		{"spec.accessKeySecret.name", func(spec *v1alpha1.AWSIdentitySpec) { spec.AccessKeySecret = &v1alpha1.SecretReference{} }},
		{`spec.instanceStatus: "Never" is not`, func(spec *v1alpha1.AWSIdentitySpec) { spec.InstanceStatus = "Never" }},
		{`spec.autoScaling: "Never" is not`, func(spec *v1alpha1.AWSIdentitySpec) { spec.AutoScaling = "Never" }},
		{"is in the region eu-west-2, which regions does not list: add it", withQueue("https://sqs.eu-west-2.amazonaws.com/123456789012/a")},
		{"is not at a host of SQS in eu-west-1", withQueue("https://sqs.eu-west-1.amazonaws.com.cn/123456789012/a")},
		{"is not at a host of SQS in eu-west-1", withQueue("https://sqs.eu-west-1.example.com/123456789012/a")},
		{"is not the URL of an SQS queue such as", withQueue("http://sqs.eu-west-1.amazonaws.com/123456789012/a")},
		{"spec.queues: ", withQueue("https://sqs.eu-west-1.amazonaws.com@example.com/123456789012/a")},
		{"spec.queues: ", withQueue("https://sqs.eu-west-1.amazonaws.com:8443/123456789012/a")},
		{"spec.queues: ", withQueue("https://example.com/sqs.eu-west-1.amazonaws.com/123456789012/a")},
		{"spec.queues: ", withQueue("https://sqs.eu-west-1.amazonaws.com/123456789012/a?b")},
		{"spec.queues: ", withQueue("")},
	} {
		t.Run(tt.invalid, func(t *testing.T) {
			if _, err := translate.Identity(identity(tt.edit)); err == nil || !strings.Contains(err.Error(), tt.invalid) {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestInvalidIdentityRevokesNothing: what cannot be acted on is no reason to take
// out what was allowed.
func TestInvalidIdentityRevokesNothing(t *testing.T) {
	id, err := translate.Identity(identity(withRole("a", "eu-west-1", "cn-north-1", "us-east-1"), withQueue("a"), func(spec *v1alpha1.AWSIdentitySpec) {
		spec.AllowedNamespaces = &v1alpha1.NamespaceSelector{}
	}))
	if err == nil || !id.Allows(nil) || !id.Lists("eu-west-1") || !id.Lists("us-east-1") {
		t.Errorf("%+v, %v", id, err)
	}
}

func TestExternalID(t *testing.T) {
	if got := translate.ExternalID("", "shared"); got != "" {
		t.Errorf("of no cluster: %q", got)
	}
	const want = "externalbackend-d7ac50a9fb3bc5160539bb259a0309bf"
	if got := translate.ExternalID("0b5a1c6e-6e0e-4f5e-9d3c-3f0f7a6b8c9d", "shared"); got != want {
		t.Errorf("%q, which roles trust already, has become %q", want, got)
	}
	form := regexp.MustCompile(`^[a-z0-9-]{1,64}$`)
	rapid.Check(t, func(t *rapid.T) {
		uid, name, other := rapid.StringN(1, -1, -1), rapid.String(), rapid.StringMatching(`[a-z0-9.-]{1,9}`)
		cluster, identity, another := uid.Draw(t, "cluster"), name.Draw(t, "identity"), other.Draw(t, "other")
		id := translate.ExternalID(cluster, identity)
		if !form.MatchString(id) || id != translate.ExternalID(cluster, identity) {
			t.Errorf("%q", id)
		}
		if another != identity && id == translate.ExternalID(cluster, another) {
			t.Errorf("%q and %q have the same", identity, another)
		}
	})
}
