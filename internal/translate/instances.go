// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"externalbackend.dev/operator/api/v1alpha1"
)

// EC2 is a set of EC2 instances that addresses come from, with all defaults filled
// in.
type EC2 struct {
	// Identity is the name of an AWSIdentity. Whether it exists and may be used is
	// for others to say.
	Identity string
	Region   string
	// IDs of instances, each once, and Filters of the EC2 API are both to hold; one of
	// them may be empty.
	IDs     []string
	Filters []InstanceFilter
	// IPv4, IPv6 and Secondary say which addresses of a network interface are used.
	// IPv4 and IPv6 are never empty, and never None both.
	IPv4      v1alpha1.InstanceIPv4
	IPv6      v1alpha1.InstanceIPv6
	Secondary bool
	// Network interfaces are selected by TagKey if it is not empty, else by SubnetID
	// if that is not, else by DeviceIndex. A TagValue of nil stands for any.
	DeviceIndex int
	SubnetID    string
	TagKey      string
	TagValue    *string
	// DrainOnImpaired, DrainOnEvent and DrainOnInterruption say what else takes an
	// instance out: an impaired status, a scheduled event, a Spot interruption.
	DrainOnImpaired, DrainOnEvent, DrainOnInterruption bool
}

// InstanceFilter is a condition on one property of an instance, in the words of the
// EC2 API. One of Values must match.
type InstanceFilter struct {
	Name   string
	Values []string
}

// Bounds of a selector. The schema has the same.
const (
	maxInstanceIDs    = 200
	maxFilters        = 10
	maxFilterValues   = 20
	maxFilterValue    = 255 // characters
	maxWildcards      = 5
	maxTagKey         = 128
	maxTagValue       = 256
	maxDeviceIndex    = 63
	tagFilterPrefix   = "tag:"
	usableFilterNames = "tag:KEY, tag-key, architecture, availability-zone, availability-zone-id, dns-name, iam-instance-profile.arn, image-id, instance-lifecycle, instance-type, instance.group-id, instance.group-name, ip-address, ipv6-address, key-name, owner-id, placement-group-name, private-dns-name, private-ip-address, subnet-id, tenancy, vpc-id"
)

var (
	instanceID  = regexp.MustCompile(`^i-([0-9a-f]{8}|[0-9a-f]{17})$`)
	subnetID    = regexp.MustCompile(`^subnet-([0-9a-f]{8}|[0-9a-f]{17})$`)
	regionName  = regexp.MustCompile(`^[a-z]+(-[a-z]+)+-[1-9][0-9]?$`)
	filterNames = strings.Split(usableFilterNames, ", ")[1:]
)

// IsInstanceID says whether text looks like the id of an EC2 instance: i- and 17 or 8
// hexadecimal digits.
func IsInstanceID(text string) bool { return instanceID.MatchString(text) }

// ec2Of translates a set of instances. What the API server should have refused is
// an error that names the field.
func ec2Of(t *v1alpha1.EC2Target) (*EC2, error) {
	e := &EC2{
		Identity: cmp.Or(string(t.IdentityRef.Name), v1alpha1.DefaultAWSIdentity), Region: string(t.Region),
		IPv4: cmp.Or(t.Addresses.IPv4, v1alpha1.InstanceIPv4Private), IPv6: cmp.Or(t.Addresses.IPv6, v1alpha1.InstanceIPv6None),
	}
	if !isRegion(e.Region) {
		return nil, fmt.Errorf("ec2.region: %q is not an AWS region: name one such as eu-west-1", e.Region)
	}
	for _, step := range []func(*EC2, *v1alpha1.EC2Target) error{(*EC2).selectInstances, (*EC2).chooseAddresses, (*EC2).chooseInterface, (*EC2).drains} {
		if err := step(e, t); err != nil {
			return nil, err
		}
	}
	return e, nil
}

func isRegion(name string) bool { return len(name) <= 32 && regionName.MatchString(name) }

func (e *EC2) selectInstances(t *v1alpha1.EC2Target) error {
	ids, filters := t.Selector.InstanceIDs, t.Selector.Filters
	switch {
	case len(ids) == 0 && len(filters) == 0:
		return errors.New("ec2.selector: selects every instance of the region: list instanceIDs, filters or both")
	case len(ids) > maxInstanceIDs:
		return fmt.Errorf("ec2.selector.instanceIDs: lists %d instances, at most %d can be: use filters, or several targets", len(ids), maxInstanceIDs)
	case len(filters) > maxFilters:
		return fmt.Errorf("ec2.selector.filters: lists %d filters, at most %d can be: remove some", len(filters), maxFilters)
	}
	for _, id := range ids {
		if !IsInstanceID(string(id)) {
			return fmt.Errorf("ec2.selector.instanceIDs: %q is not the id of an EC2 instance such as i-0123456789abcdef0: i- and 17 or 8 hexadecimal digits in lower case", id)
		}
		if !slices.Contains(e.IDs, string(id)) {
			e.IDs = append(e.IDs, string(id))
		}
	}
	for _, f := range filters {
		filter, err := filterOf(f)
		if err != nil {
			return fmt.Errorf("ec2.selector.filters[%s]%w", f.Name, err)
		}
		e.Filters = append(e.Filters, filter)
	}
	return nil
}

// filterOf translates a filter. An error begins with the field, or a colon if the
// filter itself is wrong.
func filterOf(f v1alpha1.InstanceFilter) (InstanceFilter, error) {
	filter := InstanceFilter{Name: f.Name}
	key, isTag := strings.CutPrefix(f.Name, tagFilterPrefix)
	switch {
	case isTag && (key == "" || utf8.RuneCountInString(key) > maxTagKey):
		return filter, fmt.Errorf(": the key of a tag has 1 to %d characters", maxTagKey)
	case !isTag && !slices.Contains(filterNames, f.Name):
		return filter, errors.New(": is not a filter that can be used: use one of " + usableFilterNames + "; instance ids go into instanceIDs, and only running instances are served anyway")
	case len(f.Values) == 0 || len(f.Values) > maxFilterValues:
		return filter, fmt.Errorf(".values: lists %d values: list 1 to %d, or use several targets", len(f.Values), maxFilterValues)
	}
	for _, v := range f.Values {
		value := string(v)
		switch {
		case utf8.RuneCountInString(value) > maxFilterValue:
			return filter, fmt.Errorf(".values: %q has more than %d characters: put a * for some of them", value, maxFilterValue)
		case strings.Count(value, "*")+strings.Count(value, "?") > maxWildcards:
			return filter, fmt.Errorf(".values: %q has more than %d of * and ?: put one * for several of them", value, maxWildcards)
		case endsInEscape(value):
			return filter, fmt.Errorf(`.values: %q ends in a \ that takes nothing literally: write \\ for a \`, value)
		}
		filter.Values = append(filter.Values, value)
	}
	return filter, nil
}

// endsInEscape says whether the last character escapes what is not there.
func endsInEscape(value string) bool {
	return (len(value)-len(strings.TrimRight(value, `\`)))%2 == 1
}

func (e *EC2) chooseAddresses(t *v1alpha1.EC2Target) error {
	switch e.IPv4 {
	case v1alpha1.InstanceIPv4Private, v1alpha1.InstanceIPv4Public, v1alpha1.InstanceIPv4None:
	default:
		return fmt.Errorf("ec2.addresses.ipv4: %q is not Private, Public or None", e.IPv4)
	}
	switch e.IPv6 {
	case v1alpha1.InstanceIPv6Primary, v1alpha1.InstanceIPv6None:
	default:
		return fmt.Errorf("ec2.addresses.ipv6: %q is not Primary or None", e.IPv6)
	}
	if e.IPv4 == v1alpha1.InstanceIPv4None && e.IPv6 == v1alpha1.InstanceIPv6None {
		return errors.New("ec2.addresses: no address would be used: set ipv4, ipv6 or both to another value than None")
	}
	switch t.Addresses.Secondary {
	case v1alpha1.SecondaryInclude:
		e.Secondary = true
	case v1alpha1.SecondaryExclude, "":
	default:
		return fmt.Errorf("ec2.addresses.secondary: %q is not Exclude or Include", t.Addresses.Secondary)
	}
	return nil
}

func (e *EC2) chooseInterface(t *v1alpha1.EC2Target) error {
	by := t.NetworkInterface
	set := 0
	for _, isSet := range []bool{by.DeviceIndex != nil, by.SubnetID != nil, by.Tag != nil} {
		if isSet {
			set++
		}
	}
	switch {
	case set > 1:
		return errors.New("ec2.networkInterface: set at most one of deviceIndex, subnetID and tag")
	case by.DeviceIndex != nil:
		e.DeviceIndex = int(*by.DeviceIndex)
		if e.DeviceIndex < 0 || e.DeviceIndex > maxDeviceIndex {
			return fmt.Errorf("ec2.networkInterface.deviceIndex: %d is not within 0 to %d", e.DeviceIndex, maxDeviceIndex)
		}
	case by.SubnetID != nil:
		e.SubnetID = *by.SubnetID
		if !subnetID.MatchString(e.SubnetID) {
			return fmt.Errorf("ec2.networkInterface.subnetID: %q is not the id of a subnet such as subnet-0123456789abcdef0", e.SubnetID)
		}
	case by.Tag != nil:
		e.TagKey, e.TagValue = by.Tag.Key, by.Tag.Value
		if e.TagKey == "" || utf8.RuneCountInString(e.TagKey) > maxTagKey {
			return fmt.Errorf("ec2.networkInterface.tag.key: %q does not have 1 to %d characters", e.TagKey, maxTagKey)
		}
		if e.TagValue != nil && utf8.RuneCountInString(*e.TagValue) > maxTagValue {
			return fmt.Errorf("ec2.networkInterface.tag.value: %q has more than %d characters", *e.TagValue, maxTagValue)
		}
	}
	return nil
}

func (e *EC2) drains(t *v1alpha1.EC2Target) error {
	for _, reason := range t.DrainOn {
		switch reason {
		case v1alpha1.DrainOnImpairedStatus:
			e.DrainOnImpaired = true
		case v1alpha1.DrainOnScheduledEvent:
			e.DrainOnEvent = true
		case v1alpha1.DrainOnSpotInterruption:
			e.DrainOnInterruption = true
		default:
			return fmt.Errorf("ec2.drainOn: %q is not ImpairedStatus, ScheduledEvent or SpotInterruption", reason)
		}
	}
	return nil
}
