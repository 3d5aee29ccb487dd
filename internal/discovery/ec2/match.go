// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"net/netip"
	"slices"
	"strings"
)

// Matches says whether an instance is selected, whatever its state.
func (s *Selector) Matches(i *Instance) bool {
	if len(s.IDs) > 0 && !slices.Contains(s.IDs, i.ID) {
		return false
	}
	return s.filtered(i)
}

// filtered is Matches for an instance that has one of the ids, if there are any.
func (s *Selector) filtered(i *Instance) bool {
	for n := range s.Filters {
		if !s.Filters[n].matches(i) {
			return false
		}
	}
	return len(s.IDs)+len(s.Filters) > 0
}

func (f *Filter) matches(i *Instance) bool {
	if key, ok := strings.CutPrefix(f.Name, tagPrefix); ok {
		value, has := i.Tags[key]
		return has && f.accepts(value)
	}
	if property, ok := properties[f.Name]; ok {
		value := property(i)
		return value != "" && f.accepts(value)
	}
	switch f.Name {
	case "tag-key":
		for key := range i.Tags {
			if f.accepts(key) {
				return true
			}
		}
	case "instance.group-id":
		return slices.ContainsFunc(i.SecurityGroupIDs, f.accepts)
	case "instance.group-name":
		return slices.ContainsFunc(i.SecurityGroups, f.accepts)
	case "ip-address":
		return f.acceptsAddr(i.PublicIP)
	case "private-ip-address":
		return f.acceptsAddr(i.PrivateIP)
	case "ipv6-address":
		return slices.ContainsFunc(i.Interfaces, func(n Interface) bool {
			return slices.ContainsFunc(n.IPv6, f.acceptsAddr)
		})
	}
	return false
}

const tagPrefix = "tag:"

// properties are the filters that are about one value, which an instance need not
// have.
var properties = map[string]func(*Instance) string{
	"architecture":             func(i *Instance) string { return i.Architecture },
	"availability-zone":        func(i *Instance) string { return i.Zone },
	"availability-zone-id":     func(i *Instance) string { return i.ZoneID },
	"dns-name":                 func(i *Instance) string { return i.PublicDNSName },
	"iam-instance-profile.arn": func(i *Instance) string { return i.ProfileARN },
	"image-id":                 func(i *Instance) string { return i.ImageID },
	"instance-lifecycle":       func(i *Instance) string { return i.SpotOrScheduled },
	"instance-type":            func(i *Instance) string { return i.Type },
	"key-name":                 func(i *Instance) string { return i.KeyName },
	"owner-id":                 func(i *Instance) string { return i.OwnerID },
	"placement-group-name":     func(i *Instance) string { return i.PlacementGroup },
	"private-dns-name":         func(i *Instance) string { return i.PrivateDNSName },
	"subnet-id":                func(i *Instance) string { return i.SubnetID },
	"tenancy":                  func(i *Instance) string { return i.Tenancy },
	"vpc-id":                   func(i *Instance) string { return i.VPCID },
}

func (f *Filter) accepts(value string) bool {
	for _, pattern := range f.Values {
		if matchPattern(pattern, value) {
			return true
		}
	}
	return false
}

// acceptsAddr takes an address in any notation, too.
func (f *Filter) acceptsAddr(addr netip.Addr) bool {
	if !addr.IsValid() {
		return false
	}
	if f.accepts(addr.String()) {
		return true
	}
	return slices.ContainsFunc(f.Values, func(value string) bool {
		parsed, err := netip.ParseAddr(value)
		return err == nil && parsed == addr
	})
}
