// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"maps"
	"slices"
)

// sameListed says whether two are the same in all that a listing says.
func sameListed(a, b *Instance) bool {
	return a.ID == b.ID && a.State == b.State && a.ZoneID == b.ZoneID && a.Zone == b.Zone &&
		a.PrivateIP == b.PrivateIP && a.PublicIP == b.PublicIP && sameProperties(a, b) &&
		slices.Equal(a.SecurityGroupIDs, b.SecurityGroupIDs) && slices.Equal(a.SecurityGroups, b.SecurityGroups) &&
		maps.Equal(a.Tags, b.Tags) && slices.EqualFunc(a.Interfaces, b.Interfaces, sameInterface)
}

func sameProperties(a, b *Instance) bool {
	return a.VPCID == b.VPCID && a.SubnetID == b.SubnetID && a.Type == b.Type && a.ImageID == b.ImageID &&
		a.KeyName == b.KeyName && a.Architecture == b.Architecture && a.Tenancy == b.Tenancy &&
		a.OwnerID == b.OwnerID && a.SpotOrScheduled == b.SpotOrScheduled && a.ProfileARN == b.ProfileARN &&
		a.PlacementGroup == b.PlacementGroup && a.PrivateDNSName == b.PrivateDNSName &&
		a.PublicDNSName == b.PublicDNSName
}

// sameInterface leaves out the tags, which a listing does not say.
func sameInterface(a, b Interface) bool {
	return a.ID == b.ID && a.DeviceIndex == b.DeviceIndex && a.SubnetID == b.SubnetID &&
		slices.Equal(a.IPv4, b.IPv4) && slices.Equal(a.IPv6, b.IPv6)
}

// sameFailure says whether two are the same to whoever is told. What happened in
// detail differs each time.
func sameFailure(a, b *Failure) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Kind == b.Kind && a.Action == b.Action && a.Code == b.Code
}
