// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package status_test

import (
	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/internal/status"
)

func healthyCases() []conditionCase {
	type edits = []func(*status.Facts)
	two := targets("192.0.2.1/rack", "192.0.2.2/spare")
	four := targets("192.0.2.1/rack", "192.0.2.2/rack", "192.0.2.3/rack", "192.0.2.4/spare")
	return []conditionCase{
		{"all are healthy", nil, v1alpha1.ConditionHealthy, yes, v1alpha1.ReasonAllHealthy, "2 of 2 addresses are healthy", false},
		{
			"some are not",
			edits{serve(two, health.Healthy, health.Unhealthy)},
			v1alpha1.ConditionHealthy, no, v1alpha1.ReasonSomeUnhealthy,
			"1 of 2 addresses are healthy", false,
		},
		{
			"none is",
			edits{serve(two, health.Unhealthy, health.Unhealthy)},
			v1alpha1.ConditionHealthy, no, v1alpha1.ReasonNoneHealthy,
			"0 of 2 addresses are healthy", false,
		},
		{
			"one is not, the other is not judged",
			edits{serve(two, health.Unknown, health.Unhealthy)},
			v1alpha1.ConditionHealthy, no, v1alpha1.ReasonNoneHealthy,
			"0 of 2 addresses are healthy", false,
		},
		{
			"some are not judged",
			edits{serve(two, health.Healthy, health.Unknown)},
			v1alpha1.ConditionHealthy, unknown, v1alpha1.ReasonChecksPending,
			"1 of 2 addresses are healthy, the others wait for their first verdict", false,
		},
		{"no address", edits{serve(nil)}, v1alpha1.ConditionHealthy, unknown, v1alpha1.ReasonNoTargets, "there is no address to check", true},
		{
			"checks are obstructed",
			edits{func(f *status.Facts) { f.Health[1].Obstacle = health.NetworkUnreachable }},
			v1alpha1.ConditionHealthy, yes, v1alpha1.ReasonAllHealthy,
			"2 of 2 addresses are healthy; checks that cannot be carried out right now: 192.0.2.2 (NetworkUnreachable)", false,
		},
		{
			"all that are meant to take traffic are",
			edits{serve(four, health.Healthy, health.Healthy, health.Healthy, health.Unhealthy), disable("spare"), depart("192.0.2.8/rack", "192.0.2.9/gone")},
			v1alpha1.ConditionHealthy, yes, v1alpha1.ReasonAllHealthy,
			"3 of 3 addresses are healthy, 2 are draining, 1 is disabled", false,
		},
		{
			"some of those that are meant to take traffic are not",
			edits{serve(four, health.Healthy, health.Unhealthy, health.Healthy, health.Healthy), disable("spare"), depart("192.0.2.9/gone")},
			v1alpha1.ConditionHealthy, no, v1alpha1.ReasonSomeUnhealthy,
			"2 of 3 addresses are healthy, 1 is draining, 1 is disabled", false,
		},
		{
			"none of those that are meant to take traffic is",
			edits{serve(two, health.Unhealthy, health.Healthy), disable("spare")},
			v1alpha1.ConditionHealthy, no, v1alpha1.ReasonNoneHealthy,
			"0 of 1 addresses are healthy, 1 is disabled", false,
		},
		{
			"some are not judged, others are out on purpose",
			edits{serve(four, health.Healthy, health.Unknown, health.Healthy, health.Unknown), disable("spare"), depart("192.0.2.9/gone")},
			v1alpha1.ConditionHealthy, unknown, v1alpha1.ReasonChecksPending,
			"2 of 3 addresses are healthy, the others wait for their first verdict, 1 is draining, 1 is disabled", false,
		},
		{
			"only what is disabled is not judged",
			edits{serve(two, health.Healthy, health.Unknown), disable("spare")},
			v1alpha1.ConditionHealthy, yes, v1alpha1.ReasonAllHealthy, "1 of 1 addresses are healthy, 1 is disabled", false,
		},
		{
			"all are disabled",
			edits{serve(two, health.Unhealthy, health.Unhealthy), disable("rack", "spare")},
			v1alpha1.ConditionHealthy, unknown, v1alpha1.ReasonNoTargets, "no address is meant to take traffic: 2 are disabled", false,
		},
		{
			"all drain",
			edits{serve(nil), drain("rack", "spare"), depart("192.0.2.1/rack")},
			v1alpha1.ConditionHealthy, unknown, v1alpha1.ReasonNoTargets, "no address is meant to take traffic: 1 is draining", false,
		},
		{
			"all have drained",
			edits{serve(nil), drain("rack", "spare")},
			v1alpha1.ConditionHealthy, unknown, v1alpha1.ReasonNoTargets, "there is no address to check", false,
		},
		{
			"checks are obstructed, also of what is disabled",
			edits{disable("spare"), func(f *status.Facts) {
				f.Health[0].Obstacle, f.Health[1].Obstacle = health.NetworkUnreachable, health.LocalPermission
			}},
			v1alpha1.ConditionHealthy, yes, v1alpha1.ReasonAllHealthy,
			"1 of 1 addresses are healthy, 1 is disabled; checks that cannot be carried out right now: 192.0.2.1 (NetworkUnreachable)", false,
		},
		{
			"checks are obstructed before the first verdict",
			edits{func(f *status.Facts) {
				f.Health[1].Verdict, f.Health[1].Obstacle = health.Unknown, health.LocalPermission
			}},
			v1alpha1.ConditionHealthy, unknown, v1alpha1.ReasonChecksPending,
			"1 of 2 addresses are healthy, the others wait for their first verdict; checks that cannot be carried out right now: 192.0.2.2 (LocalPermission)", false,
		},
	}
}
