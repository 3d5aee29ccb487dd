// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package translate_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/translate"
)

const instance = "i-0123456789abcdef0"

// fleet is the least set of instances, with edits.
func fleet(edits ...func(*v1alpha1.EC2Target)) *v1alpha1.EC2Target {
	target := &v1alpha1.EC2Target{Region: "eu-west-1", Selector: v1alpha1.InstanceSelector{InstanceIDs: []v1alpha1.InstanceID{instance}}}
	for _, edit := range edits {
		edit(target)
	}
	return target
}

// translated is the entry of a set of instances.
func translated(target *v1alpha1.EC2Target) translate.Entry {
	return translate.ForService(backend(func(eb *v1alpha1.ExternalBackend) {
		eb.Spec.Targets = []v1alpha1.Target{{Name: "fleet", EC2: target}}
	}), service(), 0).Entries[0]
}

func filtered(name string, values ...v1alpha1.FilterValue) func(*v1alpha1.EC2Target) {
	return func(t *v1alpha1.EC2Target) {
		t.Selector = v1alpha1.InstanceSelector{Filters: []v1alpha1.InstanceFilter{{Name: name, Values: values}}}
	}
}

func least(edits ...func(*translate.EC2)) translate.EC2 {
	e := translate.EC2{
		Identity: "default", Region: "eu-west-1", IDs: []string{instance},
		IPv4: v1alpha1.InstanceIPv4Private, IPv6: v1alpha1.InstanceIPv6None,
	}
	for _, edit := range edits {
		edit(&e)
	}
	return e
}

func selected(filters ...translate.InstanceFilter) func(*translate.EC2) {
	return func(e *translate.EC2) { e.IDs, e.Filters = nil, filters }
}

func TestInstances(t *testing.T) {
	for _, tt := range []struct {
		name   string
		target *v1alpha1.EC2Target
		want   translate.EC2
	}{
		{"the least", fleet(), least()},
		{
			"everything",
			&v1alpha1.EC2Target{
				Region: "us-gov-west-1", IdentityRef: v1alpha1.AWSIdentityReference{Name: "shared"},
				Selector: v1alpha1.InstanceSelector{
					InstanceIDs: []v1alpha1.InstanceID{instance, "i-01234567"},
					Filters:     []v1alpha1.InstanceFilter{{Name: "tag:app", Values: []v1alpha1.FilterValue{"pay*", "shop"}}, {Name: "vpc-id", Values: []v1alpha1.FilterValue{"vpc-1"}}},
				},
				Addresses: v1alpha1.InstanceAddresses{IPv4: v1alpha1.InstanceIPv4Public, IPv6: v1alpha1.InstanceIPv6Primary, Secondary: v1alpha1.SecondaryInclude},
				NetworkInterface: v1alpha1.NetworkInterfaceSelector{
					Tag: &v1alpha1.InterfaceTag{Key: "traffic", Value: new("yes")},
				},
				DrainOn: []v1alpha1.InstanceDrainReason{v1alpha1.DrainOnImpairedStatus, v1alpha1.DrainOnScheduledEvent, v1alpha1.DrainOnSpotInterruption},
			},
			translate.EC2{
				Identity: "shared", Region: "us-gov-west-1", IDs: []string{instance, "i-01234567"},
				Filters: []translate.InstanceFilter{{Name: "tag:app", Values: []string{"pay*", "shop"}}, {Name: "vpc-id", Values: []string{"vpc-1"}}},
				IPv4:    v1alpha1.InstanceIPv4Public, IPv6: v1alpha1.InstanceIPv6Primary, Secondary: true,
				TagKey: "traffic", TagValue: new("yes"),
				DrainOnImpaired: true, DrainOnEvent: true, DrainOnInterruption: true,
			},
		},
		{"an id twice", fleet(func(t *v1alpha1.EC2Target) { t.Selector.InstanceIDs = []v1alpha1.InstanceID{instance, instance} }), least()},
		{
			"only IPv6, spelled out", fleet(func(t *v1alpha1.EC2Target) {
				t.Addresses = v1alpha1.InstanceAddresses{IPv4: v1alpha1.InstanceIPv4None, IPv6: v1alpha1.InstanceIPv6Primary, Secondary: v1alpha1.SecondaryExclude}
			}),
			least(func(e *translate.EC2) { e.IPv4, e.IPv6 = v1alpha1.InstanceIPv4None, v1alpha1.InstanceIPv6Primary }),
		},
		{
			"another interface", fleet(func(t *v1alpha1.EC2Target) { t.NetworkInterface.DeviceIndex = new(int32(63)) }),
			least(func(e *translate.EC2) { e.DeviceIndex = 63 }),
		},
		{
			"interfaces in a subnet", fleet(func(t *v1alpha1.EC2Target) { t.NetworkInterface.SubnetID = new("subnet-0123456789abcdef0") }),
			least(func(e *translate.EC2) { e.SubnetID = "subnet-0123456789abcdef0" }),
		},
		{
			"interfaces with any value of a tag", fleet(func(t *v1alpha1.EC2Target) { t.NetworkInterface.Tag = &v1alpha1.InterfaceTag{Key: "traffic"} }),
			least(func(e *translate.EC2) { e.TagKey = "traffic" }),
		},
		{
			"one reason to drain", fleet(func(t *v1alpha1.EC2Target) {
				t.DrainOn = []v1alpha1.InstanceDrainReason{v1alpha1.DrainOnScheduledEvent}
			}),
			least(func(e *translate.EC2) { e.DrainOnEvent = true }),
		},
		{
			"wildcards up to the bound", fleet(filtered("tag:Name", "a*b?c*d?e*", `\\`, "")),
			least(selected(translate.InstanceFilter{Name: "tag:Name", Values: []string{"a*b?c*d?e*", `\\`, ""}})),
		},
		{
			"the longest of everything", fleet(filtered("tag:"+strings.Repeat("ü", 128), v1alpha1.FilterValue(strings.Repeat("ü", 255)))),
			least(selected(translate.InstanceFilter{Name: "tag:" + strings.Repeat("ü", 128), Values: []string{strings.Repeat("ü", 255)}})),
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := translated(tt.target)
			if e.Invalid != nil {
				t.Fatal(e.Invalid)
			}
			if diff := gocmp.Diff(&tt.want, e.EC2); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if e.Host() != "" || e.Literals != nil || e.FQDN != nil {
				t.Errorf("host %q, addresses %v, name %v", e.Host(), e.Literals, e.FQDN)
			}
		})
	}
}

func TestInstancesInvalid(t *testing.T) {
	for _, tt := range []struct {
		invalid string
		edit    func(*v1alpha1.EC2Target)
	}{
		{`ec2.region: "Ireland" is not an AWS region: name one such as eu-west-1`, func(t *v1alpha1.EC2Target) { t.Region = "Ireland" }},
		{"ec2.region", func(t *v1alpha1.EC2Target) { t.Region = "" }},
		{"ec2.region", func(t *v1alpha1.EC2Target) {
			t.Region = v1alpha1.Region(strings.Repeat("a", 27) + "-west-1")
		}},
		{"ec2.selector: selects every instance of the region: list instanceIDs", func(t *v1alpha1.EC2Target) { t.Selector = v1alpha1.InstanceSelector{} }},
		{`ec2.selector.instanceIDs: "i-1" is not the id`, func(t *v1alpha1.EC2Target) { t.Selector.InstanceIDs[0] = "i-1" }},
		{"ec2.selector.instanceIDs", func(t *v1alpha1.EC2Target) { t.Selector.InstanceIDs[0] = "i-0123456789ABCDEF0" }},
		{"ec2.selector.instanceIDs: lists 201 instances, at most 200", func(t *v1alpha1.EC2Target) {
			t.Selector.InstanceIDs = slices.Repeat(t.Selector.InstanceIDs, 201)
		}},
		{"ec2.selector.filters: lists 11 filters, at most 10", func(t *v1alpha1.EC2Target) { t.Selector.Filters = make([]v1alpha1.InstanceFilter, 11) }},
		{"ec2.selector.filters[instance-state-name]: is not a filter that can be used: use one of tag:KEY, tag-key, architecture", filtered("instance-state-name", "running")},
		{"ec2.selector.filters[tag]: is not", filtered("tag", "a")},
		{"ec2.selector.filters[Tag:app]: is not", filtered("Tag:app", "a")},
		{"ec2.selector.filters[tag:]: the key of a tag has 1 to 128 characters", filtered("tag:", "a")},
		{": the key of a tag", filtered("tag:"+strings.Repeat("a", 129), "a")},
		{"ec2.selector.filters[vpc-id].values: lists 0 values: list 1 to 20", filtered("vpc-id")},
		{"ec2.selector.filters[vpc-id].values: lists 21 values", filtered("vpc-id", make([]v1alpha1.FilterValue, 21)...)},
		{"255 characters", filtered("vpc-id", v1alpha1.FilterValue(strings.Repeat("a", 256)))},
		{`ec2.selector.filters[tag:a].values: "a*b*c*d*e*f?" has more than 5 of * and ?: put one *`, filtered("tag:a", "b", "a*b*c*d*e*f?")},
		{`ends in a \ that takes nothing literally`, filtered("tag:a", `a\\\`)},
		{`ec2.addresses.ipv4: "All" is not`, func(t *v1alpha1.EC2Target) { t.Addresses.IPv4 = "All" }},
		{`ec2.addresses.ipv6: "Public" is not`, func(t *v1alpha1.EC2Target) { t.Addresses.IPv6 = "Public" }},
		{`ec2.addresses.secondary: "Only" is not`, func(t *v1alpha1.EC2Target) { t.Addresses.Secondary = "Only" }},
		{"ec2.addresses: no address would be used: set ipv4, ipv6 or both", func(t *v1alpha1.EC2Target) { t.Addresses.IPv4 = v1alpha1.InstanceIPv4None }},
		{"ec2.networkInterface: set at most one", func(t *v1alpha1.EC2Target) {
			t.NetworkInterface = v1alpha1.NetworkInterfaceSelector{DeviceIndex: new(int32(0)), SubnetID: new("subnet-01234567")}
		}},
		{"ec2.networkInterface: set at most one", func(t *v1alpha1.EC2Target) {
			t.NetworkInterface = v1alpha1.NetworkInterfaceSelector{Tag: &v1alpha1.InterfaceTag{Key: "a"}, SubnetID: new("subnet-01234567")}
		}},
		{"ec2.networkInterface.deviceIndex: -1 is not within 0 to 63", func(t *v1alpha1.EC2Target) { t.NetworkInterface.DeviceIndex = new(int32(-1)) }},
		{"ec2.networkInterface.deviceIndex: 64", func(t *v1alpha1.EC2Target) { t.NetworkInterface.DeviceIndex = new(int32(64)) }},
		{`ec2.networkInterface.subnetID: "a" is not the id of a subnet such as`, func(t *v1alpha1.EC2Target) { t.NetworkInterface.SubnetID = new("a") }},
		{"ec2.networkInterface.tag.key", func(t *v1alpha1.EC2Target) { t.NetworkInterface.Tag = &v1alpha1.InterfaceTag{} }},
		{"ec2.networkInterface.tag.key", func(t *v1alpha1.EC2Target) {
			t.NetworkInterface.Tag = &v1alpha1.InterfaceTag{Key: strings.Repeat("a", 129)}
		}},
		{"ec2.networkInterface.tag.value", func(t *v1alpha1.EC2Target) {
			t.NetworkInterface.Tag = &v1alpha1.InterfaceTag{Key: "a", Value: new(strings.Repeat("a", 257))}
		}},
		{`ec2.drainOn: "Reboot" is not`, func(t *v1alpha1.EC2Target) { t.DrainOn = []v1alpha1.InstanceDrainReason{"Reboot"} }},
	} {
		t.Run(tt.invalid, func(t *testing.T) {
			if e := translated(fleet(tt.edit)); e.Invalid == nil || !strings.Contains(e.Invalid.Error(), tt.invalid) || e.EC2 != nil {
				t.Errorf("invalid %v, %+v", e.Invalid, e.EC2)
			}
		})
	}
}

// TestFilterNames: all that the API documents are usable.
func TestFilterNames(t *testing.T) {
	for _, name := range []string{
		"tag:app", "tag-key", "architecture", "availability-zone", "availability-zone-id", "dns-name", "iam-instance-profile.arn", "image-id",
		"instance-lifecycle", "instance-type", "instance.group-id", "instance.group-name", "ip-address", "ipv6-address", "key-name", "owner-id",
		"placement-group-name", "private-dns-name", "private-ip-address", "subnet-id", "tenancy", "vpc-id",
	} {
		if e := translated(fleet(filtered(name, "a"))); e.Invalid != nil {
			t.Error(e.Invalid)
		}
	}
}

// FuzzInstances: whatever comes, it is either usable, with every default filled in,
// or an error says which field is not.
func FuzzInstances(f *testing.F) {
	f.Add("eu-west-1", instance, "tag:app", "a*", "Private", "None", "subnet-01234567", "", int32(0), uint8(0))
	f.Add("x", "", "tag:", `\`, "None", "None", "", "key", int32(64), uint8(0xff))
	f.Add("cn-north-1", "i-01234567", "vpc-id", "******", "", "", "a", "b", int32(-1), uint8(5))
	f.Fuzz(func(t *testing.T, region, id, name, value, ipv4, ipv6, subnet, tag string, index int32, flags uint8) {
		flag := func(i int) bool { return flags&(1<<i) != 0 }
		target := &v1alpha1.EC2Target{
			Region:    v1alpha1.Region(region),
			Addresses: v1alpha1.InstanceAddresses{IPv4: v1alpha1.InstanceIPv4(ipv4), IPv6: v1alpha1.InstanceIPv6(ipv6)},
		}
		if flag(0) {
			target.Selector.InstanceIDs = []v1alpha1.InstanceID{v1alpha1.InstanceID(id)}
		}
		if flag(1) {
			target.Selector.Filters = []v1alpha1.InstanceFilter{{Name: name, Values: []v1alpha1.FilterValue{v1alpha1.FilterValue(value)}}}
		}
		switch {
		case flag(2):
			target.NetworkInterface.DeviceIndex = &index
		case flag(3):
			target.NetworkInterface.SubnetID = &subnet
		case flag(4):
			target.NetworkInterface.Tag = &v1alpha1.InterfaceTag{Key: tag, Value: &value}
		}
		if flag(5) {
			target.DrainOn = []v1alpha1.InstanceDrainReason{v1alpha1.InstanceDrainReason(name)}
		}
		e := translated(target)
		if (e.EC2 == nil) == (e.Invalid == nil) {
			t.Fatalf("%+v", e)
		}
		if e.EC2 == nil {
			if !strings.HasPrefix(e.Invalid.Error(), "ec2.") {
				t.Errorf("%v does not name a field", e.Invalid)
			}
			return
		}
		if fmt.Sprint(e.EC2.IPv4, e.EC2.IPv6) == "None None" || e.EC2.IPv4 == "" || e.EC2.IPv6 == "" || e.EC2.Identity == "" ||
			len(e.EC2.IDs)+len(e.EC2.Filters) == 0 || e.EC2.DeviceIndex < 0 {
			t.Errorf("%+v", e.EC2)
		}
	})
}
