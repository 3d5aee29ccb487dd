// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"fmt"
	"slices"
	"strings"
)

const (
	everyInstance   = "selects every instance of the region: list instanceIDs, filters or both"
	notAnInstance   = "must be the id of an EC2 instance such as i-0123456789abcdef0: i- and 17 or 8 hexadecimal digits in lower case"
	notAFilter      = "is not a filter that can be used: use tag:KEY, tag-key, architecture,"
	notAFilterOwner = "instance ids go into instanceIDs, and only running instances are served anyway"
	tooManyWild     = "has more than 5 of * and ?: put one * for several of them"
	endsInBackslash = `ends in a \ that takes nothing literally: write \\ for a \`
	noAddress       = "no address would be used: set ipv4, ipv6 or both to another value than None"
	notOneInterface = "set at most one of deviceIndex, subnetID and tag"
	notASubnet      = "must be the id of a subnet such as subnet-0123456789abcdef0"
	tooManyIDs      = "all targets together may list at most 1000 instance ids: use filters, or split them over several ExternalBackends of the same Service"
	tooLongFilters  = "the names and values of the filters of all targets together may have at most 16384 characters: use wildcards, or split them over several ExternalBackends of the same Service"
	tooManyValues   = "all targets together may have at most 500 values of filters: use wildcards, or split them over several ExternalBackends of the same Service"
)

// Paths that many cases change.
const (
	ec2      = "spec.targets[0].ec2"
	ids      = ec2 + ".selector.instanceIDs"
	filters  = ec2 + ".selector.filters"
	values   = filters + "[0].values"
	iface    = ec2 + ".networkInterface"
	instance = "i-0123456789abcdef0"
)

// fleet makes the target EC2 instances. Most cases change what it has.
var fleet = set("spec.targets[0]", `{name: fleet, ec2: {region: eu-west-1, identityRef: {name: shared}, selector: {
	instanceIDs: [i-0123456789abcdef0, i-01234567], filters: [{name: "tag:app", values: [payments, shop]}]}}}`)

// rejectedFleet is a change of a fleet that must be refused.
func rejectedFleet(field, message string, edits ...edit) rejection {
	return rejected(field, message, slices.Concat([]edit{fleet}, edits)...)
}

var rejectedInstances = slices.Concat(
	rejectedEach(ids, "[0]", notAnInstance, "", "i-", "i-0123456", "i-0123456789abcdef", "I-01234567", "i-0123456G", "i-0123456A", " i-01234567", "01234567", "mi-01234567", "i-*"),
	rejectedEach(filters, "[0].name", notAFilter, "", "tag", "tag:", "Tag:app", "TAG-KEY", "tag-value", "tags:app", "instance-id", "instance-state-name", "vpc", "vpc-id ", "network-interface.subnet-id"),
	rejectedEach(values, "[0]", tooManyWild, "******", "a*b?c*d?e*f?", "??????", strings.Repeat("*", 255), `\*\*\*\*\*\*`),
	rejectedEach(values, "[0]", endsInBackslash, `\`, `a\`, `a\\\`, `*\`),
	rejectedEach(iface, ".subnetID", notASubnet, "", "subnet-", "subnet-0123456g", "Subnet-01234567", "vpc-01234567", "subnet-0123456789abcdef"),
	[]rejection{
		rejected("spec.targets[0]", noKind, set(ec2, `{region: eu-west-1, selector: {instanceIDs: [i-01234567]}}`)),
		rejected("spec.targets[0]", noKind, fleet, set("spec.targets[0].fqdn", "{hostname: db.example.com}")),
		rejected("spec.targets[0]", noKind, fleet, set("spec.targets[0].fqdn", "{hostname: db.example.com}"), set("spec.targets[0].ip", "{addresses: [192.0.2.1]}")),
		rejected("spec.targets", notTheOnly, set("spec.targets",
			"[{name: legacy, fqdn: {hostname: db.example.com, resolution: Passthrough}}, {name: fleet, ec2: {region: eu-west-1, selector: {instanceIDs: [i-01234567]}}}]"), headless),

		rejectedFleet(ec2+".region", "Required value", remove(ec2+".region")),
		rejectedFleet(ec2+".region", notARegion, set(ec2+".region", "eu-west-1a")),
		rejectedFleet(ec2+".region", notARegion, set(ec2+".region", "EU-WEST-1")),
		rejectedFleet(ec2+".region", "Too long: may not be more than 32 bytes", set(ec2+".region", letters64[:30]+"-a-1")),
		rejectedFleet(ec2+".identityRef.name", atLeast1, set(ec2+".identityRef", `{name: ""}`)).and(ec2+".identityRef.name", notAnIdentity),
		rejectedFleet(ec2+".identityRef.name", notAnIdentity, set(ec2+".identityRef", "{name: Shared}")),
		rejectedFleet(ec2+".identityRef.name", notAnIdentity, set(ec2+".identityRef", "{name: shop/shared}")),
		rejectedFleet(ec2+".identityRef.name", "Too long: may not be more than 253 bytes", set(ec2+".identityRef", "{name: "+letters254+"}")),
		rejectedFleet("", `strict decoding error: unknown field "spec.targets[0].ec2.identityRef.namespace"`, set(ec2+".identityRef.namespace", "shop")),
		rejectedFleet("", `strict decoding error: unknown field "spec.targets[0].ec2.role"`, set(ec2+".role", "arn")),

		rejectedFleet(ec2+".selector", "Required value", remove(ec2+".selector")),
		rejectedFleet(ec2+".selector", everyInstance, set(ec2+".selector", "{}")),
		rejectedFleet(ids, "should have at least 1 items", set(ids, "[]")),
		rejectedFleet(ids, "Too many: 201: must have at most 200 items", set(ids, instances(201))),
		rejectedFleet(ids+"[0]", "Too long: may not be more than 19 bytes", set(ids, "["+instance+"0]")),
		rejected("spec.targets", tooManyIDs, set("spec.targets", fleets(6, 167, 1))),
		// The most that fits: no rule may exceed what the API server spends on it.
		rejected("spec.targets", tooManyIDs, set("spec.targets", fleets(100, 200, 1))),

		rejectedFleet(filters, "should have at least 1 items", set(filters, "[]")),
		rejectedFleet(filters, "Too many: 11: must have at most 10 items", set(filters, repeated(11, `{name: "tag:t%d", values: [a]}`))),
		rejectedFleet(filters+"[1]", `Duplicate value: {"name":"vpc-id"}`, set(filters, "[{name: vpc-id, values: [a]}, {name: vpc-id, values: [b]}]")),
		rejectedFleet(filters+"[0].name", "Required value", remove(filters+"[0].name")),
		rejectedFleet(filters+"[0].name", notAFilterOwner, set(filters+"[0].name", "instance-state-name")),
		rejectedFleet(filters+"[0].name", "Too long: may not be more than 132 bytes", set(filters+"[0].name", "tag:"+strings.Repeat("a", 129))),
		rejectedFleet(values, "Required value", remove(values)),
		rejectedFleet(values, "should have at least 1 items", set(values, "[]")),
		rejectedFleet(values, "Too many: 21: must have at most 20 items", set(values, repeated(21, "v%d"))),
		rejectedFleet(values+"[0]", "must be of type string", set(values, "[1]")),
		rejectedFleet(values+"[0]", "Too long: may not be more than 255 bytes", set(values, "["+strings.Repeat("a", 256)+"]")),
		rejected("spec.targets", tooManyValues, set("spec.targets", fleets(26, 1, 20))),
		rejected("spec.targets", tooLongFilters, fleet, set(filters, longFilters(45))),
		rejected("spec.targets", tooLongFilters, set("spec.targets", fleets(100, 1, 1)), set("spec.targets[99].ec2.selector.filters", longFilters(255))),

		rejectedFleet(ec2+".addresses", noAddress, set(ec2+".addresses", "{ipv4: None}")),
		rejectedFleet(ec2+".addresses", noAddress, set(ec2+".addresses", "{ipv4: None, ipv6: None}")),
		rejectedFleet(ec2+".addresses.ipv4", `Unsupported value: "private": supported values: "Private", "Public", "None"`, set(ec2+".addresses", "{ipv4: private}")),
		rejectedFleet(ec2+".addresses.ipv6", `Unsupported value: "Public": supported values: "Primary", "None"`, set(ec2+".addresses", "{ipv6: Public}")),
		rejectedFleet(ec2+".addresses.secondary", `Unsupported value: "Only": supported values: "Exclude", "Include"`, set(ec2+".addresses", "{secondary: Only}")),

		rejectedFleet(iface, notOneInterface, set(iface, "{deviceIndex: 0, subnetID: subnet-01234567}")),
		rejectedFleet(iface, notOneInterface, set(iface, "{deviceIndex: 1, tag: {key: a}}")),
		rejectedFleet(iface, notOneInterface, set(iface, "{subnetID: subnet-01234567, tag: {key: a}}")),
		rejectedFleet(iface, notOneInterface, set(iface, "{deviceIndex: 1, subnetID: subnet-01234567, tag: {key: a}}")),
		rejectedFleet(iface+".deviceIndex", "should be greater than or equal to 0", set(iface, "{deviceIndex: -1}")),
		rejectedFleet(iface+".deviceIndex", "should be less than or equal to 63", set(iface, "{deviceIndex: 64}")),
		rejectedFleet(iface+".subnetID", "Too long: may not be more than 24 bytes", set(iface, "{subnetID: subnet-0123456789abcdef00}")),
		rejectedFleet(iface+".tag.key", "Required value", set(iface, "{tag: {value: a}}")),
		rejectedFleet(iface+".tag.key", atLeast1, set(iface, `{tag: {key: ""}}`)),
		rejectedFleet(iface+".tag.key", "Too long: may not be more than 128 bytes", set(iface, "{tag: {key: "+strings.Repeat("a", 129)+"}}")),
		rejectedFleet(iface+".tag.value", "Too long: may not be more than 256 bytes", set(iface, "{tag: {key: a, value: "+strings.Repeat("a", 257)+"}}")),

		rejectedFleet(ec2+".drainOn[0]", `Unsupported value: "Rebalance": supported values: "ImpairedStatus", "ScheduledEvent", "SpotInterruption"`, set(ec2+".drainOn", "[Rebalance]")),
		rejectedFleet(ec2+".drainOn[1]", "Duplicate value", set(ec2+".drainOn", "[ScheduledEvent, ScheduledEvent]")),
		rejectedFleet(ec2+".drainOn", "Too many: 4: must have at most 3 items", set(ec2+".drainOn", "[ImpairedStatus, ScheduledEvent, SpotInterruption, ImpairedStatus]")).
			and(ec2+".drainOn[3]", "Duplicate value"),
	},
)

// rejectedEach are refused as one text in a field of a fleet, which is one below a
// list or an object.
func rejectedEach(parent, field, message string, texts ...string) (list []rejection) {
	for _, text := range texts {
		change := set(parent+field, quoted(text))
		if parent == iface {
			change = set(iface, quoted(map[string]any{"subnetID": text}))
		}
		list = append(list, rejectedFleet(parent+field, message, change))
	}
	return list
}

// instances writes a YAML list of n ids.
func instances(n int) string { return repeated(n, "i-%017d") }

// fleets writes a YAML list of targets that each have so many ids and values of a
// filter.
func fleets(targets, ids, values int) string {
	selector := fmt.Sprintf(`{instanceIDs: %s, filters: [{name: "tag:app", values: %s}]}`, instances(ids), repeated(values, "v%d"))
	list := make([]any, targets)
	for i := range list {
		list[i] = parsed(fmt.Sprintf("{name: t%d, ec2: {region: eu-west-1, selector: %s}}", i, selector))
	}
	return quoted(list)
}

// longFilters writes a YAML list of filters with 16340 characters, and a value more.
func longFilters(last int) string {
	var list []any
	for i, count := range []int{20, 20, 20, 4} {
		values := parsed(repeated(count, strings.Repeat("a", 252)+"%03d")).([]any)
		if i == 3 {
			values = append(values, strings.Repeat("a", last))
		}
		list = append(list, map[string]any{"name": fmt.Sprintf("tag:%d", i), "values": values})
	}
	return quoted(list)
}

// withFleet is a change of a fleet that leaves it valid.
func withFleet(edits ...edit) []edit { return slices.Concat([]edit{fleet}, edits) }

var acceptedInstances = slices.Concat(
	acceptedFilterNames("tag:a", "tag:App/Name=*", "tag:"+strings.Repeat("a", 128), "tag-key", "architecture", "availability-zone", "availability-zone-id", "dns-name",
		"iam-instance-profile.arn", "image-id", "instance-lifecycle", "instance-type", "instance.group-id", "instance.group-name", "ip-address",
		"ipv6-address", "key-name", "owner-id", "placement-group-name", "private-dns-name", "private-ip-address", "subnet-id", "tenancy", "vpc-id"),
	[][]edit{
		{fleet},
		withFleet(remove(ids)),
		withFleet(remove(filters)),
		withFleet(set(ids, "["+instance+"]")),
		withFleet(set(ids, instances(200))),
		withFleet(remove(ec2 + ".identityRef")),
		withFleet(set(ec2+".identityRef", "{}")),
		withFleet(set(ec2+".identityRef", "{name: a}")),
		withFleet(set(ec2+".identityRef", "{name: "+letters254[:253]+"}")),
		withFleet(set(ec2+".region", letters64[:26]+"-aa-11")),
		withFleet(set(ec2+".region", "us-gov-west-1")),
		withFleet(set(ec2+".region", "eusc-de-east-1")),
		withFleet(set(ec2+".region", "us-isob-east-1")),
		withFleet(set(filters, repeated(10, `{name: "tag:t%d", values: [a]}`))),
		withFleet(set(values, repeated(20, "v%d"))),
		withFleet(set(values, "["+strings.Repeat("a", 255)+"]")),
		withFleet(set(values, quoted([]string{"", "*****", "a*b?c*d?e*", `\\`, `a\*\?`, "ü and blank", `C:\\`}))),
		{set("spec.targets", fleets(5, 200, 20))},
		{set("spec.targets", fleets(25, 1, 20))},
		withFleet(set(filters, longFilters(44))),
		withFleet(set(ids, "[i-01234567, i-01234567]"), set(values, "[a, a]")), // asked for once

		withFleet(set(ec2+".addresses", "{}")),
		withFleet(set(ec2+".addresses", "{ipv4: Public}")),
		withFleet(set(ec2+".addresses", "{ipv4: Private, ipv6: Primary, secondary: Include}")),
		withFleet(set(ec2+".addresses", "{ipv4: None, ipv6: Primary, secondary: Exclude}")),
		withFleet(set(iface, "{}")),
		withFleet(set(iface, "{deviceIndex: 0}")),
		withFleet(set(iface, "{deviceIndex: 63}")),
		withFleet(set(iface, "{subnetID: subnet-0123456789abcdef0}")),
		withFleet(set(iface, "{subnetID: subnet-01234567}")),
		withFleet(set(iface, "{tag: {key: a}}")),
		withFleet(set(iface, `{tag: {key: a, value: ""}}`)),
		withFleet(set(iface, "{tag: {key: "+strings.Repeat("a", 128)+", value: "+strings.Repeat("a", 256)+"}}")),
		withFleet(set(ec2+".drainOn", "[]")),
		withFleet(set(ec2+".drainOn", "[ImpairedStatus, ScheduledEvent, SpotInterruption]")),

		withFleet(set("spec.targets[0].zone", "eu-west-1a"), set(tier, "1"), set(state, "Drain"), set(ownPorts, "[{name: http, port: 9090}]")),
		{set("spec.targets", `[{name: rack, ip: {addresses: [192.0.2.1]}}, {name: db, fqdn: {hostname: db.example.com}},
			{name: fleet, ec2: {region: eu-west-1, selector: {instanceIDs: [i-01234567]}}}]`)},
	},
)

func acceptedFilterNames(names ...string) (list [][]edit) {
	for _, name := range names {
		list = append(list, withFleet(set(filters+"[0].name", quoted(name))))
	}
	return list
}
