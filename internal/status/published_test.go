// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package status_test

import (
	"errors"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/internal/status"
)

func await(f *status.Facts) { f.Awaiting = true }

func publishedCases() []conditionCase {
	type edits = []func(*status.Facts)
	four := targets("192.0.2.1/rack", "192.0.2.2/rack", "192.0.2.3/rack", "192.0.2.4/spare")
	return []conditionCase{
		{"all is well", nil, v1alpha1.ConditionPublished, yes, v1alpha1.ReasonPublished, "the EndpointSlices are up to date", false},
		{
			"nothing can be published",
			edits{of(nil)},
			v1alpha1.ConditionPublished, no, v1alpha1.ReasonNotPublishable,
			"no address is added until the Service can be served: see the condition ServiceResolved", false,
		},
		{
			"a write fails",
			edits{func(f *status.Facts) { f.WriteError = errors.New("quota exceeded") }},
			v1alpha1.ConditionPublished, no, v1alpha1.ReasonWriteFailed,
			"the EndpointSlices could not be written and will be tried again: quota exceeded", false,
		},
		{
			"a write fails where nothing can be published",
			edits{of(nil), func(f *status.Facts) { f.WriteError = errors.New("forbidden") }},
			v1alpha1.ConditionPublished, no, v1alpha1.ReasonWriteFailed,
			"the EndpointSlices could not be written and will be tried again: forbidden", false,
		},
		{
			"the first publication is held",
			edits{serve(four, health.Healthy, health.Unknown, health.Unknown, health.Unknown), disable("spare"), depart("192.0.2.9/gone"), await},
			v1alpha1.ConditionPublished, unknown, v1alpha1.ReasonAwaitingFirstChecks,
			"2 of 3 addresses have no verdict yet: the first EndpointSlices are written when all have one, at the latest after one round of checks", false,
		},
		{
			"held, but nothing can be published anyway",
			edits{of(nil), await},
			v1alpha1.ConditionPublished, no, v1alpha1.ReasonNotPublishable,
			"no address is added until the Service can be served: see the condition ServiceResolved", false,
		},
		{
			"held, and a delete fails",
			edits{await, func(f *status.Facts) { f.WriteError = errors.New("forbidden") }},
			v1alpha1.ConditionPublished, no, v1alpha1.ReasonWriteFailed,
			"the EndpointSlices could not be written and will be tried again: forbidden", false,
		},
		{
			"held, and an edit is needed besides",
			edits{await, reject("rack", "host")},
			v1alpha1.ConditionReady, no, v1alpha1.ReasonInvalidSpec,
			`1 address is left out, all others are served: target "rack": "host" is not an IPv4 or IPv6 address`, true,
		},
	}
}
