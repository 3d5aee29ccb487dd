// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"fmt"
	"slices"
	"strings"
)

const (
	portsMissing     = "management: Managed needs ports, the ports of the Service to create: list them, or set service.template.headless to have none"
	portNotManaged   = "servicePort is the port of a Service that the operator creates: set service.management: Managed, or remove it"
	portUnnamed      = "every port of a Service with several ports needs a name"
	portTwice        = "two ports of the Service would have the same number and protocol: give each its own servicePort, which is port unless it is set"
	templateUnused   = "template shapes a Service that the operator creates: set management: Managed, or remove it"
	twoFamilies      = "two families are no SingleStack, which is the default of a Service that is not headless: set ipFamilyPolicy: PreferDualStack or RequireDualStack, or remove a family"
	familyTwice      = "must not name a family twice"
	notALabelKey     = "keys must be qualified names such as team or example.com/team: at most 63 letters, digits, '-', '_' and '.', after an optional DNS subdomain and '/'"
	notALabelValue   = "must be the value of a label: empty, or letters, digits, '-', '_' and '.', beginning and ending with a letter or digit"
	reservedLabel    = "kubernetes.io/service-name, service.kubernetes.io/headless and keys in endpointslice.kubernetes.io and externalbackend.dev are reserved, they would hide the Service or its EndpointSlices: remove them"
	notAnAnnotation  = "keys must be qualified names such as example.com/scrape: at most 63 letters, digits, '-', '_' and '.', after an optional DNS subdomain and '/'"
	reservedAnnotate = "kubectl.kubernetes.io/last-applied-configuration and keys in externalbackend.dev are reserved for the records of kubectl and of the operator: remove them"
)

// Paths that many cases change.
const (
	service     = "spec.service"
	template    = service + ".template"
	labels      = template + ".labels"
	annotations = template + ".annotations"
)

// longestKey is a qualified name at every bound: 253, 1 and 63 characters.
var longestKey = strings.Repeat("a.", 126) + "a/" + letters64[:63]

// managed is a Service that the operator creates, with a template.
func managed(template string) edit {
	return set(service, "{management: Managed, template: "+template+"}")
}

// pairs writes a YAML map of n keys with a value.
func pairs(n int, value string) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("key-%d: %s", i, value)
	}
	return "{" + strings.Join(list, ",") + "}"
}

var rejectedServices = slices.Concat(
	rejectedKeys("labels", labels, notALabelKey, reservedLabel,
		"kubernetes.io/service-name", "service.kubernetes.io/headless", "endpointslice.kubernetes.io/managed-by",
		"externalbackend.dev/managed", "slices.externalbackend.dev/owner"),
	rejectedKeys("annotations", annotations, notAnAnnotation, reservedAnnotate,
		"kubectl.kubernetes.io/last-applied-configuration", "externalbackend.dev/managed-keys", "a.externalbackend.dev/b"),
	[]rejection{
		rejected(service+".management", `Unsupported value: "managed": supported values: "Referenced", "Managed"`, set(service, "{management: managed}")),
		rejected(template, templateUnused, set(template, "{headless: true}")),
		rejected(template, templateUnused, set(service, "{management: Referenced, template: {}}")),

		rejected("spec.ports", portsMissing, managed("{}"), remove("spec.ports")),
		rejected("spec.ports", portsMissing, set(service, "{management: Managed}"), remove("spec.ports")),
		rejected("spec.ports", portsMissing, managed("{headless: false}"), remove("spec.ports")),
		rejected("spec.ports", portNotManaged, set("spec.ports[0].servicePort", "80")),
		rejected("spec.ports", portNotManaged, set("spec.ports[0].servicePort", "80"), remove(service)),
		rejected("spec.ports", portNotManaged, set("spec.ports", "[{name: a, port: 1}, {name: b, port: 2, servicePort: 2}]")),
		rejected("spec.ports", portUnnamed, managed("{}"), set("spec.ports", "[{name: http, port: 80}, {port: 81}]")),
		rejected("spec.ports", portTwice, managed("{}"), set("spec.ports", "[{name: http, port: 80}, {name: web, port: 80}]")),
		rejected("spec.ports", portTwice, managed("{}"), set("spec.ports", "[{name: http, port: 80}, {name: web, port: 81, servicePort: 80}]")),
		rejected("spec.ports", portTwice, managed("{}"),
			set("spec.ports", "[{name: http, port: 80, servicePort: 1, protocol: UDP}, {name: web, port: 81, servicePort: 1, protocol: UDP}]")),
		rejected("spec.ports", portTwice, managed("{headless: true}"), set("spec.ports", "[{name: http, port: 80}, {name: web, port: 80}]")),
		rejected("spec.ports[0].servicePort", "should be greater than or equal to 1", managed("{}"), set("spec.ports[0].servicePort", "0")),
		rejected("spec.ports[0].servicePort", "should be less than or equal to 65535", managed("{}"), set("spec.ports[0].servicePort", "65536")),

		rejected(labels, "Too many: 33: must have at most 32 items", managed("{labels: "+pairs(33, "a")+"}")),
		rejected(labels+".team", "Too long: may not be more than 63 bytes", managed("{labels: {team: "+letters64+"}}")),
		rejected(labels+"[team]", notALabelValue, managed("{labels: {team: shop floor}}")),
		rejected(labels+"[team]", notALabelValue, managed("{labels: {team: shop/floor}}")),
		rejected(labels+"[team]", notALabelValue, managed("{labels: {team: shop-}}")),
		rejected(labels+".team", "must be of type string", managed("{labels: {team: 1}}")),
		rejected(annotations, "Too many: 33: must have at most 32 items", managed("{annotations: "+pairs(33, "a")+"}")),
		rejected(annotations+".team", "Too long: may not be more than 4096 bytes", managed("{annotations: {team: "+strings.Repeat("a", 4097)+"}}")),

		rejected(template+".ipFamilyPolicy", `supported values: "SingleStack", "PreferDualStack", "RequireDualStack"`, managed("{ipFamilyPolicy: DualStack}")),
		rejected(template+".ipFamilies", "should have at least 1 items", managed("{ipFamilies: []}")),
		rejected(template+".ipFamilies", "Too many: 3: must have at most 2 items", managed("{ipFamilies: [IPv4, IPv6, IPv4], ipFamilyPolicy: RequireDualStack}")),
		rejected(template+".ipFamilies[0]", `supported values: "IPv4", "IPv6"`, managed("{ipFamilies: [ipv4]}")),
		rejected(template+".ipFamilies", familyTwice, managed("{ipFamilies: [IPv6, IPv6], ipFamilyPolicy: RequireDualStack}")),
		rejected(template+".ipFamilies", twoFamilies, managed("{ipFamilies: [IPv4, IPv6]}")),
		rejected(template+".ipFamilies", twoFamilies, managed("{ipFamilies: [IPv4, IPv6], headless: false}")),
		rejected(template+".ipFamilies", twoFamilies, managed("{ipFamilies: [IPv4, IPv6], ipFamilyPolicy: SingleStack}")),
		rejected(template+".ipFamilies", twoFamilies, managed("{ipFamilies: [IPv4, IPv6], ipFamilyPolicy: SingleStack, headless: true}")),
		rejected(template+".trafficDistribution", `supported values: "PreferSameZone", "PreferSameNode", "PreferClose"`, managed("{trafficDistribution: Local}")),
	},
)

// rejectedKeys are keys of labels or annotations that have no valid form, and
// such as are reserved.
func rejectedKeys(kind, field, form, reserved string, keys ...string) (list []rejection) {
	add := func(message, key string) {
		list = append(list, rejected(field, message, managed(fmt.Sprintf("{%s: {ok: a, %q: a}}", kind, key))))
	}
	for _, key := range []string{"", "a b", "a/b/c", "/a", "a/", "-a", "Example.com/a", letters64, "a" + longestKey, longestKey + "a"} {
		add(form, key)
	}
	for _, key := range keys {
		add(reserved, key)
	}
	return list
}
