// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"slices"
	"strings"
)

const (
	notAName        = "must be a DNS name in full such as db.example.com, since no search list is used: two or more parts of at most 63 letters, digits and '-', joined by dots, and at most 253 characters"
	nameIsAddress   = "reads as an IP address, since its last part is a number: list addresses with ip"
	nameIsLocal     = "localhost is the machine of whoever asks: name another host"
	nameOfService   = "no name of a host has a '_', only names of services do: set resolution: SRV, or correct the name"
	portWithoutSRV  = "only SRV records give the number of a port: set resolution: SRV, or remove it"
	notAnSRVPort    = "must be the name of a Service port: lower-case letters, digits and '-'"
	notAStaleBound  = "must be a duration from 1m to 168h in whole numbers, such as 30m or 24h"
	notTheOnly      = "a target with resolution: Passthrough must be the only one, since EndpointSlices with names and such with addresses exclude each other: remove the others, or use resolution: Resolve"
	notHeadless     = "resolution: Passthrough works with headless Services only: set service.template.headless, or use resolution: Resolve"
	srvPortUnknown  = "fqdn.port must be the name of a port that spec.ports has: correct it, or list that port there, too"
	srvPortMissing  = "there are several ports: say with fqdn.port of which one SRV records give the number"
	notAReturnDelay = "must be a duration from 0s to 1h in whole numbers, such as 30s or 2m"
)

// Paths that many cases change.
const (
	fqdn     = "spec.targets[0].fqdn"
	hostname = fqdn + ".hostname"
	tier     = "spec.targets[0].tier"
)

// named makes the target a name.
func named(text string) edit { return set("spec.targets[0]", "{name: legacy, fqdn: "+text+"}") }

func srv(hostname string) edit {
	return named(quoted(map[string]any{"hostname": hostname, "resolution": "SRV"}))
}

// longName is a DNS name of 253 characters.
var longName = strings.Repeat(letters64[:63]+".", 3) + letters64[:61]

var rejectedNames = slices.Concat(
	rejectedHostnames(notAName,
		"a..b", ".a.b", "a.b..", "-a.b", "a-.b", "a.-b", "a.b-", "a.b-.", "a b.example", "bücher.example", "*.example.com", "a.example/",
		"a.example:80", "user@a.example", "[::1]", "2001:db8::1", "a.example\n", "\na.example", "a.example\x00", "127.0.0.1 ", "a\\.example",
		letters64+".example", longName+"a", longName[:252]+".a", "payments", "payments.", "..."),
	rejectedHostnames(nameIsAddress, "127.0.0.1", "127.0.0.1.", "127.1", "0x7f.0x1", "127.0.0.0X7F", "127.0.0x", "example.1", "1.2.3.4.5", "099.1"),
	rejectedHostnames(nameIsLocal, "a.localhost", "a.b.LocalHost", "a.localhost."),
	[]rejection{
		rejected(hostname, notAName, named("{hostname: localhost}")).and(hostname, nameIsLocal),
		rejected(hostname, notAName, named("{hostname: '2130706433'}")).and(hostname, nameIsAddress),
		rejected(hostname, notAName, named("{hostname: '0x7f000001'}")).and(hostname, nameIsAddress),
		rejected(hostname, "should be at least 3 chars long", named("{hostname: a.}")).and(hostname, notAName),
		rejected(hostname, "Too long: may not be more than 254 bytes", named("{hostname: "+longName+"aa}")),
		rejected(hostname, "Required value", named("{}")),
		rejected(hostname, nameOfService, named("{hostname: _http._tcp.example.com}")),
		rejected(hostname, nameOfService, named("{hostname: my_host.example.com, resolution: Resolve}")),
		rejected(hostname, nameOfService, named("{hostname: my_host.example.com, resolution: Passthrough}"), headless),
		rejected("spec.targets[0]", noKind, set("spec.targets[0].fqdn", "{hostname: db.example.com}")),
		rejected("spec.targets[0]", noKind, set("spec.targets[0]", "{name: rack}")),
		rejected(fqdn+".resolution", `Unsupported value: "resolve": supported values: "Resolve", "SRV", "Passthrough"`,
			named("{hostname: db.example.com, resolution: resolve}")),

		rejected(fqdn+".port", portWithoutSRV, named("{hostname: db.example.com, port: http}")),
		rejected(fqdn+".port", portWithoutSRV, named("{hostname: db.example.com, resolution: Passthrough, port: http}"), headless),
		rejected(fqdn+".port", notAnSRVPort, named("{hostname: db.example.com, resolution: SRV, port: HTTP}"), remove("spec.ports")),
		rejected(fqdn+".port", notAnSRVPort, named("{hostname: db.example.com, resolution: SRV, port: http-}"), remove("spec.ports")),
		rejected(fqdn+".port", atLeast1, named(`{hostname: db.example.com, resolution: SRV, port: ""}`), remove("spec.ports")).and(fqdn+".port", notAnSRVPort),
		rejected(fqdn+".port", "Too long: may not be more than 63 bytes", named("{hostname: db.example.com, resolution: SRV, port: "+letters64+"}"), remove("spec.ports")),
		rejected("spec.targets", srvPortUnknown, named("{hostname: db.example.com, resolution: SRV, port: https}")),
		rejected("spec.targets", srvPortMissing, srv("db.example.com"), set("spec.ports", "[{name: http, port: 80}, {name: https, port: 443}]")),
		// The most that fits: no rule may exceed what the API server spends on it.
		rejected("spec.targets", srvPortUnknown, set("spec.ports", repeated(100, "{name: p%[1]d, port: 1}")),
			set("spec.targets", repeated(100, "{name: t%d, fqdn: {hostname: "+longName+"., resolution: SRV, port: "+letters64[:63]+"}}"))),

		rejected("spec.targets", notTheOnly, set("spec.targets", "[{name: legacy, fqdn: {hostname: db.example.com, resolution: Passthrough}}, {name: rack, ip: {addresses: [192.0.2.1]}}]"), headless),
		rejected("spec.targets", notTheOnly, set("spec.targets", "[{name: legacy, fqdn: {hostname: db.example.com, resolution: Passthrough}}, {name: db, fqdn: {hostname: db.example.com}}]"), headless),
		rejected("spec.targets", notTheOnly, set("spec.targets", "[{name: legacy, fqdn: {hostname: db.example.com, resolution: Passthrough}}, {name: db, fqdn: {hostname: db.example.com, resolution: Passthrough}}]"), headless),
		rejected("spec.targets", notHeadless, passthrough(), managed("{}")),
		rejected("spec.targets", notHeadless, passthrough(), managed("{headless: false}")),
		rejected("spec.targets", notHeadless, passthrough(), set("spec.service", "{management: Managed}")),

		rejected(fqdn+".maxStale", "Too long: may not be more than 16 bytes", named("{hostname: db.example.com, maxStale: 00000h01m00s000ms}")),
	},
	rejectedStaleBounds("59s", "59999ms", "168h1ms", "7d", "1.5h", "-1m", "", "0s", "never"),
)

// headless has the operator create a headless Service.
var headless = managed("{headless: true}")

func passthrough() edit { return named("{hostname: db.example.com, resolution: Passthrough}") }

// rejectedHostnames are refused with SRV, by which a name may be most.
func rejectedHostnames(message string, names ...string) (list []rejection) {
	for _, name := range names {
		list = append(list, rejected(hostname, message, srv(name)))
	}
	return list
}

func rejectedStaleBounds(texts ...string) (list []rejection) {
	for _, text := range texts {
		list = append(list, rejected(fqdn+".maxStale", notAStaleBound, named("{hostname: db.example.com, maxStale: "+quoted(text)+"}")))
	}
	return list
}

var acceptedNames = [][]edit{
	{named("{hostname: db.example.com}")},
	{named("{hostname: a.b}")},
	{named("{hostname: DB.Example.COM.}")},
	{named("{hostname: " + longName + "}")},
	{named("{hostname: " + longName + ".}")},
	{named("{hostname: xn--bcher-kva.example, resolution: Resolve}")},
	{named("{hostname: 1.2.3.example}")},
	{named("{hostname: a.1b}")},
	{named("{hostname: a.0xg}")},
	{named("{hostname: 10-0-0-1.notlocalhost}")},
	{named("{hostname: localhost.example.com}")}, // what else a name must not be is said by a condition
	{named("{hostname: metadata.google.internal}")},
	{named("{hostname: db.example.com, maxStale: 1m}")},
	{named("{hostname: db.example.com, maxStale: 168h}")},
	{named("{hostname: db.example.com, maxStale: 00000h05m09s00ms}")},
	{srv("_http._tcp.example.com")},
	{srv("web.service.example")},
	{srv("_http._tcp.example.com"), remove("spec.ports")},
	{named("{hostname: _http._tcp.example.com, resolution: SRV, port: http, maxStale: 1h}")},
	{named("{hostname: _http._tcp.example.com, resolution: SRV, port: a}"), remove("spec.ports")},
	{named("{hostname: _http._tcp.example.com, resolution: SRV, port: " + letters64[:63] + "}"), set("spec.ports[0].name", letters64[:63]), remove(check + ".port")},
	{named("{hostname: a.b, resolution: SRV, port: https}"), set("spec.ports", "[{name: http, port: 80}, {name: https, port: 443}]")},
	{
		set("spec.targets", repeated(100, "{name: t%d, fqdn: {hostname: "+longName+"., resolution: SRV, port: p100}}")),
		set("spec.ports", repeated(100, "{name: p%[1]d, port: %[1]d}")), remove(check + ".port"),
	},
	{set("spec.targets", "[{name: rack, ip: {addresses: [192.0.2.1]}}, {name: db, fqdn: {hostname: db.example.com}}, {name: srv, fqdn: {hostname: a.b, resolution: SRV}}]")},
	{passthrough()},
	{passthrough(), headless},
	{passthrough(), headless, set("spec.targets[0].zone", "eu-west-1a"), set(ownPorts, "[{name: http, port: 9090}]")},
	{set("status.sources[0].staleSince", `"2026-01-01T00:00:00Z"`)},
}

var rejectedTiers = slices.Concat(
	[]rejection{
		rejected(tier, "should be greater than or equal to 0", set(tier, "-1")),
		rejected(tier, "should be less than or equal to 1000", set(tier, "1001")),
		rejected("spec.availability.minHealthy.count", "should be greater than or equal to 1", set("spec.availability", "{minHealthy: {count: 0}}")),
		rejected("spec.availability.minHealthy.count", "should be less than or equal to 10000", set("spec.availability", "{minHealthy: {count: 10001}}")),
		rejected("spec.availability.minHealthy.percent", "should be greater than or equal to 0", set("spec.availability", "{minHealthy: {percent: -1}}")),
		rejected("spec.availability.minHealthy.percent", "should be less than or equal to 100", set("spec.availability", "{minHealthy: {percent: 101}}")),
		rejected("spec.availability.tiers.mode", `Unsupported value: "exclusive": supported values: "Exclusive", "Cumulative"`,
			set("spec.availability", "{tiers: {mode: exclusive}}")),
		rejected("spec.availability.tiers.returnDelay", "Too long: may not be more than 16 bytes",
			set("spec.availability", "{tiers: {returnDelay: 00000h01m00s000ms}}")),
		rejected("", `strict decoding error: unknown field "spec.availability.belowMinimum"`, set("spec.availability", "{belowMinimum: Withdraw}")),
	},
	rejectedReturnDelays("-1s", "1", "1.5s", "1d", "", "3601s", "1h1ms", "never"),
)

func rejectedReturnDelays(texts ...string) (list []rejection) {
	for _, text := range texts {
		list = append(list, rejected("spec.availability.tiers.returnDelay", notAReturnDelay,
			set("spec.availability", "{tiers: {returnDelay: "+quoted(text)+"}}")))
	}
	return list
}

var acceptedTiers = [][]edit{
	{set(tier, "0")},
	{set(tier, "1000")},
	{set("spec.availability", "{}")},
	{set("spec.availability", "{minHealthy: {count: 1, percent: 0}, tiers: {mode: Exclusive, returnDelay: 0s}}")},
	{set("spec.availability", "{minHealthy: {count: 10000, percent: 100}, tiers: {mode: Cumulative, returnDelay: 1h}}")},
	{set("spec.availability", "{tiers: {returnDelay: 00000h00m09s00ms}}")},
	{set("status.targets.standby", "0")},
}
