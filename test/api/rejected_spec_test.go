// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"fmt"
	"strings"
)

const (
	atLeast1    = "should be at least 1 chars long"
	notALabel   = "must be a DNS label: lower-case letters, digits and '-', beginning and ending with a letter or digit"
	notADNSName = "metadata.name must be a DNS label: at most 63 lower-case letters, digits and '-', beginning and ending with a letter or digit"
	notAService = "must be the name of a Service: lower-case letters, digits and '-'"
	notAPort    = "must be the name of a Service port (lower-case letters, digits and '-'), or empty for an unnamed one"
	notAnAppl   = "must be a qualified name such as kubernetes.io/h2c or https"
	notAnIP     = "must be an IPv4 or IPv6 address such as 192.0.2.10 or 2001:db8::10: no port, no prefix length, no zone, no leading zeros, no IPv4-mapped IPv6 (write ::ffff:192.0.2.10 as 192.0.2.10)"
	noKind      = "set exactly one kind of target: ip, fqdn or ec2"
)

var (
	letters64  = strings.Repeat("a", 64)
	letters254 = strings.Repeat("a", 254)
)

// addresses writes a YAML list of n different addresses of a network.
func addresses(network, n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("10.%d.%d.%d", network, i/250, i%250+1)
	}
	return quoted(list)
}

// entries writes a YAML list of targets that each have so many addresses.
func entries(counts ...int) string {
	list := make([]string, len(counts))
	for i, n := range counts {
		list[i] = fmt.Sprintf("{name: entry-%d, ip: {addresses: %s}}", i, addresses(i, n))
	}
	return "[" + strings.Join(list, ",") + "]"
}

// repeated writes a YAML list of n items that differ in their number.
func repeated(n int, item string) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(item, i+1)
	}
	return "[" + strings.Join(list, ",") + "]"
}

var rejectedSpecs = []rejection{
	rejected("metadata", notADNSName, set("metadata.name", "payments.shop")),
	rejected("metadata", notADNSName, set("metadata.name", letters64)),
	rejected("spec", "Required value", remove("spec")),
	rejected("", `strict decoding error: unknown field "spec.replicas"`, set("spec.replicas", "3")),
	rejected("", `strict decoding error: unknown field "spec.targets[0].adresses"`, set("spec.targets[0].adresses", "[192.0.2.1]")),
	rejected("", `strict decoding error: unknown field "spec.healthCheck.checks[0].http.url"`, set("spec.healthCheck.checks[0].http.url", "/")),

	rejected("spec.service.name", notAService, set("spec.service.name", "payments.shop")),
	rejected("spec.service.name", notAService, set("spec.service.name", "Payments")),
	rejected("spec.service.name", atLeast1, set("spec.service.name", `""`)).and("spec.service.name", notAService),
	rejected("spec.service.name", "Too long: may not be more than 63 bytes", set("spec.service.name", letters64)),

	rejected("spec.ports", "should have at least 1 items", set("spec.ports", "[]")),
	rejected("spec.ports", "Too many: 101: must have at most 100 items", set("spec.ports", repeated(101, "{name: p%[1]d, port: %[1]d}"))),
	rejected("spec.ports[1]", `Duplicate value: {"name":"http"}`, set("spec.ports", "[{name: http, port: 80}, {name: http, port: 81}]")),
	rejected("spec.ports[1]", `Duplicate value: {"name":""}`, set("spec.ports", "[{port: 80}, {port: 81}]")),
	rejected("spec.ports[0].name", notAPort, set("spec.ports[0].name", "HTTP")),
	rejected("spec.ports[0].name", notAPort, set("spec.ports[0].name", "http-")),
	rejected("spec.ports[0].name", "Too long: may not be more than 63 bytes", set("spec.ports[0].name", letters64)),
	rejected("spec.ports[0].port", "Required value", remove("spec.ports[0].port")),
	rejected("spec.ports[0].port", "Invalid value: 0: spec.ports[0].port in body should be greater than or equal to 1", set("spec.ports[0].port", "0")),
	rejected("spec.ports[0].port", "should be greater than or equal to 1", set("spec.ports[0].port", "-1")),
	rejected("spec.ports[0].port", "should be less than or equal to 65535", set("spec.ports[0].port", "65536")),
	rejected("spec.ports[0].port", "Invalid value: 70000: spec.ports[0].port in body should be less than or equal to 65535", set("spec.ports[0].port", "70000")),
	rejected("spec.ports[0].port", "must be of type integer", set("spec.ports[0].port", "http")),
	rejected("spec.ports[0].protocol", `Unsupported value: "ICMP": supported values: "TCP", "UDP", "SCTP"`, set("spec.ports[0].protocol", "ICMP")),
	rejected("spec.ports[0].protocol", "supported values: ", set("spec.ports[0].protocol", "tcp")),
	rejected("spec.ports[0].appProtocol", notAnAppl, set("spec.ports[0].appProtocol", "a/b/c")),
	rejected("spec.ports[0].appProtocol", notAnAppl, set("spec.ports[0].appProtocol", "Kubernetes.io/h2c")),
	rejected("spec.ports[0].appProtocol", notAnAppl, set("spec.ports[0].appProtocol", "kubernetes..io/h2c")),
	rejected("spec.ports[0].appProtocol", notAnAppl, set("spec.ports[0].appProtocol", letters64)),
	rejected("spec.ports[0].appProtocol", atLeast1, set("spec.ports[0].appProtocol", `""`)).and("spec.ports[0].appProtocol", notAnAppl),
	rejected("spec.ports[0].appProtocol", "Too long: may not be more than 253 bytes", set("spec.ports[0].appProtocol", letters254)),

	rejected("spec.targets", "Required value", remove("spec.targets")),
	rejected("spec.targets", "should have at least 1 items", set("spec.targets", "[]")),
	rejected("spec.targets", "Too many: 101: must have at most 100 items", set("spec.targets", repeated(101, "{name: t%d, ip: {addresses: [192.0.2.1]}}"))),
	rejected("spec.targets[1]", `Duplicate value: {"name":"rack"}`,
		set("spec.targets", "[{name: rack, ip: {addresses: [192.0.2.1]}}, {name: rack, ip: {addresses: [192.0.2.2]}}]")),
	rejected("spec.targets[0].name", "Required value", remove("spec.targets[0].name")),
	rejected("spec.targets[0].name", notALabel, set("spec.targets[0].name", "rack 1")),
	rejected("spec.targets[0].name", notALabel, set("spec.targets[0].name", "-rack")),
	rejected("spec.targets[0].name", atLeast1, set("spec.targets[0].name", `""`)).and("spec.targets[0].name", notALabel),
	rejected("spec.targets[0].name", "Too long: may not be more than 63 bytes", set("spec.targets[0].name", letters64)),
	rejected("spec.targets[0]", noKind, remove("spec.targets[0].ip")),
	rejected("spec.targets[0]", noKind, set("spec.targets[0].ip", "null")),

	rejected("spec.targets[0].ip.addresses", "Required value", set("spec.targets[0].ip", "{}")),
	rejected("spec.targets[0].ip.addresses", "should have at least 1 items", set("spec.targets[0].ip.addresses", "[]")),
	rejected("spec.targets[0].ip.addresses", "Too many: 1001: must have at most 1000 items", set("spec.targets[0].ip.addresses", addresses(0, 1001))),
	rejected("spec.targets", "all targets together may list at most 5000 addresses: split them over several ExternalBackends of the same Service",
		set("spec.targets", entries(1000, 1000, 1000, 1000, 1000, 1))),
	rejected("spec.targets[0].ip.addresses[1]", notAnIP, set("spec.targets[0].ip.addresses[1]", "010.0.0.1")),
	rejected("spec.targets[0].ip.addresses[1]", notAnIP, set("spec.targets[0].ip.addresses[1]", `"::ffff:10.0.0.1"`)),
	rejected("spec.targets[0].ip.addresses[1]", notAnIP, set("spec.targets[0].ip.addresses[1]", `"fe80::1%eth0"`)),
	rejected("spec.targets[0].ip.addresses[1]", notAnIP, set("spec.targets[0].ip.addresses[1]", "1.2.3.4/24")),
	rejected("spec.targets[0].ip.addresses[1]", notAnIP, set("spec.targets[0].ip.addresses[1]", `"1.2.3.4:80"`)),
	rejected("spec.targets[0].ip.addresses[1]", notAnIP, set("spec.targets[0].ip.addresses[1]", `"[2001:db8::1]"`)),
	rejected("spec.targets[0].ip.addresses[1]", notAnIP, set("spec.targets[0].ip.addresses[1]", "1.2.3")),
	rejected("spec.targets[0].ip.addresses[1]", notAnIP, set("spec.targets[0].ip.addresses[1]", "host.example.com")),
	rejected("spec.targets[0].ip.addresses[1]", notAnIP, set("spec.targets[0].ip.addresses[1]", `" 1.2.3.4"`)),
	rejected("spec.targets[0].ip.addresses[1]", "should be at least 2 chars long", set("spec.targets[0].ip.addresses[1]", `":"`)).
		and("spec.targets[0].ip.addresses[1]", notAnIP),
	rejected("spec.targets[0].ip.addresses[1]", "Too long: may not be more than 45 bytes",
		set("spec.targets[0].ip.addresses[1]", quoted(strings.Repeat("1", 46)))),
}
