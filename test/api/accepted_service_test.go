// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package api_test

import "strings"

// acceptedServices are accepted changes of the Service and of the entries.
var acceptedServices = [][]edit{
	{set(service, "{management: Referenced}")},
	{set(service, "{management: Managed}")},
	{set(service, "{name: shop, management: Managed}")},
	{managed("{}")},
	{managed("{headless: true}")},
	{managed("{headless: true}"), remove("spec.ports"), set(check, "{name: a, tcp: {}, port: 80}")},
	{managed("{}"), set("spec.ports[0]", "{port: 80}"), set(check, "{name: a, tcp: {}}")}, // one port needs no name
	{managed("{}"), set("spec.ports[0].servicePort", "1")},
	{managed("{}"), set("spec.ports[0].servicePort", "65535")},
	{managed("{}"), set("spec.ports", "[{name: a, port: 53}, {name: b, port: 53, protocol: UDP}]")},
	{managed("{}"), set("spec.ports", "[{name: a, port: 80}, {name: b, port: 80, servicePort: 81}]")},
	{managed("{}"), set("spec.ports", "[{name: a, port: 80, servicePort: 81}, {name: b, port: 81, servicePort: 80}]")},
	{managed("{}"), set("spec.ports", repeated(100, "{name: p%[1]d, port: 80, servicePort: %[1]d}"))},

	{managed("{labels: " + pairs(32, "a") + "}")},
	{managed("{labels: {" + longestKey + ": " + letters64[:63] + ", team: \"\"}}")},
	{managed("{labels: {app.kubernetes.io/managed-by: shop, service.kubernetes.io/service-proxy-name: mesh}}")},
	{managed("{annotations: " + pairs(32, "a") + "}")},
	{managed("{annotations: {" + longestKey + ": " + strings.Repeat("a", 4096) + ", note: \"a b/c\"}}")},

	{managed("{ipFamilies: [IPv4]}")},
	{managed("{ipFamilies: [IPv6]}")},
	{managed("{ipFamilies: [IPv6], ipFamilyPolicy: SingleStack}")},
	{managed("{ipFamilies: [IPv4], ipFamilyPolicy: RequireDualStack}")},
	{managed("{ipFamilies: [IPv6, IPv4], ipFamilyPolicy: PreferDualStack}")},
	{managed("{ipFamilies: [IPv6, IPv4], headless: true}")},
	{managed("{ipFamilies: [IPv6], headless: true}")},
	{managed("{ipFamilies: [IPv6], ipFamilyPolicy: SingleStack, headless: true}")},
	{managed("{trafficDistribution: PreferSameZone}")},
	{managed("{trafficDistribution: PreferSameNode}")},
	{managed("{trafficDistribution: PreferClose, headless: true}")},

	{set(zone, "a")},
	{set(zone, letters64[:63])},
	{set(zone, "Region_1.zone-a")},
	{set(state, "Active")},
	{set(state, "Drain")},
	{set(state, "Disabled")},
	{set(ownPorts, "[{name: http, port: 1}]")},
	{set(ownPorts, "[{name: http, port: 65535}]")},
	{remove("spec.ports"), set(ownPorts, "[{name: "+letters64[:63]+", port: 1}]")},
	{set("spec.ports", "[{port: 1}]"), set(ownPorts, "[{port: 2}]"), set(check, "{name: a, tcp: {}}")},
	{set("spec.ports", repeated(100, "{name: p%[1]d, port: 1}")), set("spec.targets", overridden(10, 100))},
	{remove("spec.ports"), set("spec.targets", overridden(10, 100))},

	{set(drain, "{}")},
	{set(drain, "{duration: 0s}")},
	{set(drain, "{duration: 0ms}")},
	{set(drain, "{duration: 1ms}")},
	{set(drain, "{duration: 1h}")},
	{set(drain, "{duration: 3600s}")},
	{set(drain, "{duration: 00000h00m09s00ms}")},

	{set("status.targets", "{total: 2, draining: 1, disabled: 1}")},
	{set("status.targets", "{draining: 0, disabled: 0}")},
}
