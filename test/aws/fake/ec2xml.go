// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package fake

import (
	"maps"
	"slices"
	"strconv"
	"time"
)

// states are the codes of the states of instances.
var states = map[string]int{
	"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80,
}

// fragment is several elements beside each other.
type fragment []any

// describedInstances is the answer with a page of instances.
func describedInstances(list []*Instance, next string) any {
	var order []string
	reservations := map[string][]any{}
	owners := map[string]string{}
	for _, i := range list {
		if reservations[i.reservation] == nil {
			order = append(order, i.reservation)
		}
		reservations[i.reservation] = append(reservations[i.reservation], describedInstance(i))
		owners[i.reservation] = i.OwnerID
	}
	var items []any
	for _, id := range order {
		items = append(items, element("item", leaf("reservationId", id), leaf("ownerId", owners[id]),
			element("groupSet"), element("instancesSet", reservations[id]...)))
	}
	return fragment{element("reservationSet", items...), optional("nextToken", next)}
}

func describedInstance(i *Instance) node {
	placement := element("placement", leaf("availabilityZone", i.Zone), leaf("availabilityZoneId", i.ZoneID),
		leaf("groupName", i.PlacementGroup), leaf("tenancy", i.Tenancy))
	item := element("item", leaf("instanceId", i.ID), leaf("imageId", i.ImageID), described(i.State),
		leaf("privateDnsName", i.PrivateDNSName), leaf("dnsName", i.PublicDNSName), optional("keyName", i.KeyName),
		leaf("amiLaunchIndex", "0"), leaf("instanceType", i.Type), leaf("launchTime", stamp(i.launched)),
		placement, element("monitoring", leaf("state", "disabled")), leaf("architecture", i.Architecture),
		optional("instanceLifecycle", i.SpotOrScheduled), tagSet(i.allTags()))
	if i.ProfileARN != "" {
		item.Content = append(item.Content, element("iamInstanceProfile", leaf("arn", i.ProfileARN)))
	}
	if i.State == "terminated" {
		return item
	}
	address := i.primaryAddress()
	var enis []any
	for _, eni := range i.Interfaces {
		enis = append(enis, describedInterface(i, eni))
	}
	item.Content = append(item.Content, leaf("subnetId", i.SubnetID), leaf("vpcId", i.VPCID),
		optional("privateIpAddress", address.Private), optional("ipAddress", address.Public),
		groupSet(i.SecurityGroups), element("networkInterfaceSet", enis...))
	return item
}

func describedInterface(i *Instance, eni Interface) node {
	var addresses, v6 []any
	for n, a := range eni.Addresses {
		item := element("item", leaf("privateIpAddress", a.Private), leaf("primary", strconv.FormatBool(n == 0)))
		if a.Public != "" {
			item.Content = append(item.Content, element("association",
				leaf("publicIp", a.Public), leaf("publicDnsName", ""), leaf("ipOwnerId", i.OwnerID)))
		}
		addresses = append(addresses, item)
	}
	for n, a := range eni.IPv6 {
		v6 = append(v6, element("item", leaf("ipv6Address", a),
			leaf("isPrimaryIpv6", strconv.FormatBool(n == 0 && eni.PrimaryIPv6))))
	}
	// The first element is what an SDK takes for the primary one, so it is not.
	slices.Reverse(addresses)
	slices.Reverse(v6)
	return element("item", leaf("networkInterfaceId", eni.ID), leaf("subnetId", eni.SubnetID), leaf("vpcId", i.VPCID),
		leaf("ownerId", i.OwnerID), leaf("status", eni.Status), leaf("interfaceType", "interface"),
		element("attachment", leaf("attachmentId", "eni-attach-"+eni.ID[len("eni-"):]),
			leaf("deviceIndex", strconv.Itoa(eni.DeviceIndex)), leaf("status", eni.Attachment)),
		element("privateIpAddressesSet", addresses...), element("ipv6AddressesSet", v6...))
}

// describedStatuses is the answer with a page of the status of instances.
func describedStatuses(list []*Instance, next string) any {
	var items []any
	for _, i := range list {
		var events []any
		for _, e := range i.Events {
			events = append(events, element("item", leaf("code", e.Code), leaf("description", e.Description),
				leaf("notBefore", stamp(e.NotBefore))))
		}
		items = append(items, element("item", leaf("instanceId", i.ID), leaf("availabilityZone", i.Zone), described(i.State),
			element("eventsSet", events...),
			element("systemStatus", leaf("status", i.status(i.SystemStatus))),
			element("instanceStatus", leaf("status", i.status(i.InstanceStatus)))))
	}
	return fragment{element("instanceStatusSet", items...), optional("nextToken", next)}
}

// describedInterfaces is the answer with a page of network interfaces.
func describedInterfaces(list []attached, next string) any {
	var items []any
	for _, a := range list {
		items = append(items, element("item", leaf("networkInterfaceId", a.ID), leaf("subnetId", a.SubnetID),
			leaf("vpcId", a.instance.VPCID), leaf("status", a.Status),
			element("attachment", leaf("instanceId", a.instance.ID), leaf("deviceIndex", strconv.Itoa(a.DeviceIndex)),
				leaf("status", a.Attachment)),
			tagSet(a.Tags)))
	}
	return fragment{element("networkInterfaceSet", items...), optional("nextToken", next)}
}

func described(state string) node {
	return element("instanceState", leaf("code", strconv.Itoa(states[state])), leaf("name", state))
}

func tagSet(tags map[string]string) node {
	var items []any
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		items = append(items, element("item", leaf("key", key), leaf("value", tags[key])))
	}
	return element("tagSet", items...)
}

func groupSet(groups []SecurityGroup) node {
	var items []any
	for _, g := range groups {
		items = append(items, element("item", leaf("groupId", g.ID), leaf("groupName", g.Name)))
	}
	return element("groupSet", items...)
}

// optional is an element, or none if it had no value.
func optional(name, value string) any {
	if value == "" {
		return fragment{}
	}
	return leaf(name, value)
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
