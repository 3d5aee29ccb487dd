// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package status_test

import (
	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/internal/status"
)

func targetCases() []conditionCase {
	type edits = []func(*status.Facts)
	two := targets("192.0.2.1/rack", "192.0.2.2/spare")
	return []conditionCase{
		{"all is well", nil, v1alpha1.ConditionTargetsResolved, yes, v1alpha1.ReasonTargetsResolved, "every target has its addresses", false},
		{
			"listed in two entries",
			edits{lose("192.0.2.1/spare", owner, "rack")},
			v1alpha1.ConditionTargetsResolved, yes, v1alpha1.ReasonDuplicateAddress,
			`192.0.2.1 is also listed in "rack" and served from there`, false,
		},
		{
			"listed twice in one entry",
			edits{lose("192.0.2.1/rack", owner, "rack")},
			v1alpha1.ConditionTargetsResolved, yes, v1alpha1.ReasonDuplicateAddress,
			`192.0.2.1 is listed more than once in "rack" and served once`, false,
		},
		{
			"served by another, told before own duplicates",
			edits{lose("192.0.2.1/rack", owner, "rack"), lose("192.0.2.3/rack", older, "old")},
			v1alpha1.ConditionTargetsResolved, yes, v1alpha1.ReasonServedByAnother,
			`192.0.2.3 is served by the older ExternalBackend "veteran" (target "old"); 192.0.2.1 is listed more than once in "rack" and served once`, false,
		},
		{
			"an entry all of whose addresses others serve",
			edits{serve(two[:1], health.Healthy), lose("192.0.2.2/spare", older, "old")},
			v1alpha1.ConditionTargetsResolved, yes, v1alpha1.ReasonServedByAnother,
			`192.0.2.2 is served by the older ExternalBackend "veteran" (target "old")`, false,
		},
		{
			"a family that the Service does not have",
			edits{func(f *status.Facts) { f.Excluded = targets("2001:db8::1/rack", "192.0.2.9/rack") }},
			v1alpha1.ConditionTargetsResolved, yes, v1alpha1.ReasonFamilyNotServed,
			"2001:db8::1 is not served: the Service has no IPv6; 192.0.2.9 is not served: the Service has no IPv4", false,
		},
		{
			"an entry without an address",
			edits{serve(two[:1], health.Healthy)},
			v1alpha1.ConditionTargetsResolved, no, v1alpha1.ReasonNoAddresses,
			`1 target has no address that can be served (see status.sources): "spare"`, true,
		},
		{
			"no entry has an address",
			edits{serve(nil)},
			v1alpha1.ConditionTargetsResolved, no, v1alpha1.ReasonNoAddresses,
			`2 targets have no address that can be served (see status.sources): "rack"; "spare"`, true,
		},
		{
			"an entry that has drained",
			edits{serve(two[:1], health.Healthy), drain("spare")},
			v1alpha1.ConditionTargetsResolved, yes, v1alpha1.ReasonTargetsResolved, "every target has its addresses", false,
		},
		{
			"an entry that has drained, and one without an address",
			edits{serve(nil), drain("spare")},
			v1alpha1.ConditionTargetsResolved, no, v1alpha1.ReasonNoAddresses,
			`1 target has no address that can be served (see status.sources): "rack"`, true,
		},
		{
			"an entry that is disabled",
			edits{disable("spare")},
			v1alpha1.ConditionTargetsResolved, yes, v1alpha1.ReasonTargetsResolved, "every target has its addresses", false,
		},
		{
			"an entry that is disabled and has no address",
			edits{serve(two[:1], health.Healthy), disable("spare")},
			v1alpha1.ConditionTargetsResolved, no, v1alpha1.ReasonNoAddresses,
			`1 target has no address that can be served (see status.sources): "spare"`, true,
		},
		{
			"an address that still drains is none of its entry",
			edits{serve(two[:1], health.Healthy), depart("192.0.2.2/spare")},
			v1alpha1.ConditionTargetsResolved, no, v1alpha1.ReasonNoAddresses,
			`1 target has no address that can be served (see status.sources): "spare"`, true,
		},
	}
}
