// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"testing"
	"time"

	"externalbackend.dev/operator/internal/discovery/ec2"
	"externalbackend.dev/operator/test/aws/fake"
)

// In moto every instance is well, and filters do not hold (divergences says so): only
// the fake shows what is not.
func TestProblemsAreTold(t *testing.T) {
	w := newFake(t).(*fakeWorld)
	fleet := w.server.Account(home).Region(region)
	when := time.Date(2026, 12, 1, 2, 3, 4, 0, time.UTC)
	instance := fleet.Run(fake.Instance{InstanceStatus: "impaired"})
	system := fleet.Run(fake.Instance{SystemStatus: "impaired"})
	event := fleet.Run(fake.Instance{Events: []fake.Event{
		{Code: "instance-retirement", Description: "The instance is running on degraded hardware", NotBefore: when},
		{Code: "system-reboot", Description: "[Completed] Scheduled reboot", NotBefore: when},
	}})
	fleet.Run(fake.Instance{})
	fleet.Launch(fake.Instance{InstanceStatus: "impaired", SystemStatus: "impaired"}) // does not run yet

	api := asUser(t, w)
	for problem, want := range map[ec2.Problem][]ec2.Status{
		ec2.InstanceImpaired: {{ID: instance, Impaired: true}},
		ec2.SystemImpaired:   {{ID: system, Impaired: true}},
		ec2.EventScheduled:   {{ID: event, Events: []ec2.Event{{Code: "instance-retirement", NotBefore: when}}}},
	} {
		got, next, err := api.Statuses(t.Context(), problem, "")
		check(t, err)
		same(t, string(problem), want, got)
		same(t, "next page", "", next)
	}

	fleet.SetPageSize(1)
	fleet.Run(fake.Instance{InstanceStatus: "impaired"})
	var pages [][]ec2.Status
	for token, first := "", true; first || token != ""; first = false {
		page, next, err := api.Statuses(t.Context(), ec2.InstanceImpaired, token)
		check(t, err)
		pages, token = append(pages, page), next
	}
	same(t, "pages", 2, len(pages))
}
