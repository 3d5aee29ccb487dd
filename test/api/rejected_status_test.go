// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package api_test

import "strings"

// Rejected statuses show the operator's own mistakes; a user never writes one.
var rejectedStatuses = []rejection{
	rejected("status.conditions", "Too many: 17: must have at most 16 items", set("status.conditions", conditions(17))),
	rejected("status.conditions[1]", `Duplicate value: {"type":"Ready"}`,
		set("status.conditions", "["+strings.Repeat(readyCondition+",", 2)+"]")),
	rejected("status.service.name", "Required value", remove("status.service.name")),
	rejected("status.service.name", "Too long: may not be more than 63 bytes", set("status.service.name", letters64)),
	rejected("status.targets.total", "should be greater than or equal to 0", set("status.targets.total", "-1")),
	rejected("status.targets.healthy", "should be greater than or equal to 0", set("status.targets.healthy", "-1")),
	rejected("status.targets.unhealthy", "should be greater than or equal to 0", set("status.targets.unhealthy", "-1")),
	rejected("status.targets.unknown", "should be greater than or equal to 0", set("status.targets.unknown", "-1")),
	rejected("status.targets.draining", "should be greater than or equal to 0", set("status.targets.draining", "-1")),
	rejected("status.targets.disabled", "should be greater than or equal to 0", set("status.targets.disabled", "-1")),
	rejected("status.targets.standby", "should be greater than or equal to 0", set("status.targets.standby", "-1")),

	rejected("status.sources", "Too many: 101: must have at most 100 items", set("status.sources", repeated(101, "{target: t%d, addresses: 1}"))),
	rejected("status.sources[0].target", "Required value", remove("status.sources[0].target")),
	rejected("status.sources[0].target", "Too long: may not be more than 63 bytes", set("status.sources[0].target", letters64)),
	rejected("status.sources[0].addresses", "should be greater than or equal to 0", set("status.sources[0].addresses", "-1")),
	rejected("status.sources[0].staleSince", `must be of type date-time`, set("status.sources[0].staleSince", "yesterday")),
	rejected("status.sources[0].problem", "Too long: may not be more than 1024 bytes",
		set("status.sources[0].problem", strings.Repeat("a", 1025))),

	rejected("status.unhealthy", "Too many: 33: must have at most 32 items", set("status.unhealthy", unhealthy(33))),
	rejected("status.unhealthy[0].address", "Required value", remove("status.unhealthy[0].address")),
	rejected("status.unhealthy[0].address", "Too long: may not be more than 45 bytes",
		set("status.unhealthy[0].address", strings.Repeat("a", 46))),
	rejected("status.unhealthy[0].target", "Required value", remove("status.unhealthy[0].target")),
	rejected("status.unhealthy[0].target", "Too long: may not be more than 63 bytes", set("status.unhealthy[0].target", letters64)),
	rejected("status.unhealthy[0].reason", "Required value", remove("status.unhealthy[0].reason")),
	rejected("status.unhealthy[0].reason", "Too long: may not be more than 64 bytes",
		set("status.unhealthy[0].reason", strings.Repeat("a", 65))),
	rejected("status.unhealthy[0].httpStatus", "should be greater than or equal to 100", set("status.unhealthy[0].httpStatus", "99")),
	rejected("status.unhealthy[0].httpStatus", "should be less than or equal to 999", set("status.unhealthy[0].httpStatus", "1000")),
	rejected("status.unhealthy[0].since", "Required value", remove("status.unhealthy[0].since")),
}

const readyCondition = `{type: Ready, status: "True", reason: Ready, message: "", lastTransitionTime: "2026-01-01T00:00:00Z"}`

// conditions writes a YAML list of n conditions.
func conditions(n int) string {
	return repeated(n, strings.Replace(readyCondition, "Ready", "Type%d", 1))
}

// unhealthy writes a YAML list of n unhealthy addresses.
func unhealthy(n int) string {
	return repeated(n, `{address: 192.0.2.%d, target: rack, reason: ConnectTimeout, since: "2026-01-01T00:00:00Z"}`)
}
