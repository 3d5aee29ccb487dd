// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package api_test

import "slices"

const (
	notAZone       = "must be the value of a Node's label topology.kubernetes.io/zone, such as eu-west-1a"
	notADrain      = "must be a duration from 0s to 1h in whole numbers, such as 30s or 2m"
	tooManyOwn     = "all targets together may have at most 1000 ports of their own: split them over several ExternalBackends of the same Service"
	ownPortUnknown = "ports of a target must have names that spec.ports has: correct the name, or list it there, too"
	ownPortUseless = "ports of a target override ports of spec.ports, and there are none: list them there, too"
)

// Paths that many cases change.
const (
	zone     = "spec.targets[0].zone"
	state    = "spec.targets[0].state"
	ownPorts = "spec.targets[0].ports"
	drain    = "spec.drain"
)

var rejectedTargets = slices.Concat(
	rejectedDrains("-1s", "1", "1.5s", "1d", "", "30 s", "1h1ms", "2h", "3601s", "never"),
	[]rejection{
		rejected(drain+".duration", "Too long: may not be more than 16 bytes", set(drain, "{duration: 00000h00m00s000ms}")),

		rejected(zone, "should be at least 1 chars long", set(zone, `""`)),
		rejected(zone, "Too long: may not be more than 63 bytes", set(zone, letters64)),
		rejected(zone, notAZone, set(zone, "eu west")),
		rejected(zone, notAZone, set(zone, "eu/west")),
		rejected(zone, notAZone, set(zone, "-eu")),
		rejected(state, `Unsupported value: "drain": supported values: "Active", "Drain", "Disabled"`, set(state, "drain")),

		rejected(ownPorts, "should have at least 1 items", set(ownPorts, "[]")),
		rejected(ownPorts, "Too many: 101: must have at most 100 items", set(ownPorts, repeated(101, "{name: p%[1]d, port: 1}"))),
		rejected(ownPorts+"[1]", `Duplicate value: {"name":"http"}`, set(ownPorts, "[{name: http, port: 80}, {name: http, port: 81}]")),
		rejected(ownPorts+"[0].port", "Required value", set(ownPorts, "[{name: http}]")),
		rejected(ownPorts+"[0].port", "should be greater than or equal to 1", set(ownPorts, "[{name: http, port: 0}]")),
		rejected(ownPorts+"[0].port", "should be less than or equal to 65535", set(ownPorts, "[{name: http, port: 65536}]")),
		rejected(ownPorts+"[0].name", notAPort, set(ownPorts, "[{name: HTTP, port: 80}]")).and("spec.targets", ownPortUnknown),
		rejected(ownPorts+"[0].name", notAPort, set(ownPorts, "[{name: http-, port: 80}]"), remove("spec.ports")),
		rejected(ownPorts+"[0].name", "Too long: may not be more than 63 bytes", set(ownPorts, "[{name: "+letters64+", port: 80}]")),
		rejected("spec.targets", ownPortUnknown, set(ownPorts, "[{name: http, port: 80}, {name: https, port: 443}]")),
		rejected("spec.targets", ownPortUnknown, set(ownPorts, "[{port: 80}]")),
		rejected("spec.targets", ownPortUnknown, managed("{}"), set(ownPorts, "[{name: https, port: 443}]")),
		rejected("spec.targets", ownPortUseless, managed("{headless: true}"), set(ownPorts, "[{name: http, port: 80}]"), remove("spec.ports")),
		rejected("spec.targets", tooManyOwn, set("spec.ports", repeated(100, "{name: p%[1]d, port: 1}")), set("spec.targets", overridden(11, 91))),
		// The most that fits: no rule may exceed what the API server spends on it.
		rejected("spec.targets", tooManyOwn, set("spec.ports", repeated(100, "{name: p%[1]d, port: 1}")), set("spec.targets", overridden(100, 100))),
	},
)

func rejectedDrains(texts ...string) (list []rejection) {
	for _, text := range texts {
		list = append(list, rejected(drain+".duration", notADrain, set(drain, "{duration: "+quoted(text)+"}")))
	}
	return list
}

// overridden writes a YAML list of targets that each have so many ports of
// their own.
func overridden(targets, ports int) string {
	own := repeated(ports, "{name: p%[1]d, port: %[1]d}")
	list := make([]any, targets)
	for i := range list {
		list[i] = parsed("{name: " + longest(i) + ", ip: {addresses: [192.0.2.1]}, ports: " + own + "}")
	}
	return quoted(list)
}
