// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package fake

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// tagged is what can be filtered by tags.
type tagged interface{ allTags() map[string]string }

// filter is a filter as a request has it.
type filter struct {
	name   string
	values []string
}

// instanceFilters says which values of an instance a filter goes by.
var instanceFilters = map[string]func(i *Instance) []string{
	"architecture":             func(i *Instance) []string { return one(i.Architecture) },
	"availability-zone":        func(i *Instance) []string { return one(i.Zone) },
	"availability-zone-id":     func(i *Instance) []string { return one(i.ZoneID) },
	"dns-name":                 func(i *Instance) []string { return one(i.PublicDNSName) },
	"iam-instance-profile.arn": func(i *Instance) []string { return one(i.ProfileARN) },
	"image-id":                 func(i *Instance) []string { return one(i.ImageID) },
	"instance-id":              func(i *Instance) []string { return one(i.ID) },
	"instance-lifecycle":       func(i *Instance) []string { return one(i.SpotOrScheduled) },
	"instance-state-name":      func(i *Instance) []string { return one(i.State) },
	"instance-type":            func(i *Instance) []string { return one(i.Type) },
	"instance.group-id":        func(i *Instance) []string { return i.groups(func(g SecurityGroup) string { return g.ID }) },
	"instance.group-name":      func(i *Instance) []string { return i.groups(func(g SecurityGroup) string { return g.Name }) },
	"ip-address":               func(i *Instance) []string { return one(i.primaryAddress().Public) },
	"ipv6-address":             func(i *Instance) []string { return i.primary().IPv6 },
	"key-name":                 func(i *Instance) []string { return one(i.KeyName) },
	"owner-id":                 func(i *Instance) []string { return one(i.OwnerID) },
	"placement-group-name":     func(i *Instance) []string { return one(i.PlacementGroup) },
	"private-dns-name":         func(i *Instance) []string { return one(i.PrivateDNSName) },
	"private-ip-address":       func(i *Instance) []string { return one(i.primaryAddress().Private) },
	"subnet-id":                func(i *Instance) []string { return one(i.SubnetID) },
	"tenancy":                  func(i *Instance) []string { return one(i.Tenancy) },
	"vpc-id":                   func(i *Instance) []string { return one(i.VPCID) },
	"tag-key":                  func(i *Instance) []string { return slices.Collect(maps.Keys(i.allTags())) },
	"tag-value":                func(i *Instance) []string { return slices.Collect(maps.Values(i.allTags())) },
}

// statusFilters are those of DescribeInstanceStatus.
var statusFilters = map[string]func(i *Instance) []string{
	"instance-status.status": func(i *Instance) []string { return one(i.status(i.InstanceStatus)) },
	"system-status.status":   func(i *Instance) []string { return one(i.status(i.SystemStatus)) },
	"instance-state-name":    instanceFilters["instance-state-name"],
	"availability-zone":      instanceFilters["availability-zone"],
	"event.code": func(i *Instance) []string {
		var codes []string
		for _, e := range i.Events {
			codes = append(codes, e.Code)
		}
		return codes
	},
}

// interfaceFilters are those of DescribeNetworkInterfaces.
var interfaceFilters = map[string]func(a attached) []string{
	"attachment.status":      func(a attached) []string { return one(a.Attachment) },
	"attachment.instance-id": func(a attached) []string { return one(a.instance.ID) },
	"network-interface-id":   func(a attached) []string { return one(a.ID) },
	"status":                 func(a attached) []string { return one(a.Status) },
	"subnet-id":              func(a attached) []string { return one(a.SubnetID) },
	"vpc-id":                 func(a attached) []string { return one(a.instance.VPCID) },
	"tag-key":                func(a attached) []string { return slices.Collect(maps.Keys(a.Tags)) },
}

// one is a value that an instance has, or has not if it is empty.
func one(value string) []string {
	if value == "" {
		return nil
	}
	return []string{value}
}

func (i *Instance) groups(field func(SecurityGroup) string) []string {
	var list []string
	for _, g := range i.SecurityGroups {
		list = append(list, field(g))
	}
	return list
}

// status is one of an instance that runs; others have none.
func (i *Instance) status(status string) string {
	if i.State != "running" {
		return "not-applicable"
	}
	return status
}

// compile makes a test of filters; the failure is what AWS says to one that it
// does not know.
func compile[T tagged](filters []filter, known map[string]func(T) []string) (func(T) bool, *failure) {
	type condition struct {
		properties func(T) []string
		pattern    *regexp.Regexp
	}
	var conditions []condition
	for _, f := range filters {
		properties := known[f.name]
		if key, ok := strings.CutPrefix(f.name, "tag:"); ok && known["tag-key"] != nil {
			properties = func(item T) []string {
				if value, has := item.allTags()[key]; has {
					return []string{value}
				}
				return nil
			}
		}
		if properties == nil {
			return nil, fail(400, "InvalidParameterValue", "The filter '"+f.name+"' is invalid")
		}
		if len(f.values) == 0 {
			return nil, fail(400, "InvalidParameterValue", "The filter '"+f.name+"' has no values")
		}
		if len(f.values) > 200 {
			return nil, fail(400, "FilterLimitExceeded", "The maximum number of filter values specified on a single call is 200")
		}
		conditions = append(conditions, condition{properties, wildcards(f.values)})
	}
	return func(item T) bool {
		for _, c := range conditions {
			matched := false
			for _, property := range c.properties(item) {
				matched = matched || c.pattern.MatchString(property)
			}
			if !matched {
				return false
			}
		}
		return true
	}, nil
}

// wildcards makes an expression of the values of a filter, of which one must match.
func wildcards(values []string) *regexp.Regexp {
	var alternatives []string
	for _, value := range values {
		var text strings.Builder
		literal := false
		for _, c := range value {
			switch {
			case literal:
				text.WriteString(regexp.QuoteMeta(string(c)))
				literal = false
			case c == '\\':
				literal = true
			case c == '*':
				text.WriteString(`.*`)
			case c == '?':
				text.WriteString(`.?`)
			default:
				text.WriteString(regexp.QuoteMeta(string(c)))
			}
		}
		alternatives = append(alternatives, text.String())
	}
	return regexp.MustCompile(`(?s)^(?:` + strings.Join(alternatives, "|") + `)$`)
}
