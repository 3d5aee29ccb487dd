// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"fmt"
	"strings"
	"testing"

	"externalbackend.dev/operator/internal/discovery/ec2"
)

// divergence is something that moto does otherwise than AWS.
type divergence struct {
	about string
	// aws and moto are what is observed of each: the fake does as AWS.
	aws, moto string
	observe   func(t *testing.T, w world) string
}

// divergences are all that the tests know of.
var divergences = []divergence{
	{
		"a page has instances, not reservations", "1000 and 5", "1005",
		func(t *testing.T, w world) string {
			w.fleet(home, region).run(1005, spec{})
			_, sizes := list(t, asUser(t, w))
			return strings.Join(strings.Fields(strings.Trim(fmt.Sprint(sizes), "[]")), " and ")
		},
	},
	{
		"MaxResults has bounds", "400 InvalidParameterValue", "200",
		func(t *testing.T, w world) string {
			_, outcome := asked(t, w, "DescribeInstances", "MaxResults", "4")
			return outcome
		},
	},
	{
		"a page of statuses is as large as is asked for", "5", "7",
		func(t *testing.T, w world) string {
			w.fleet(home, region).run(7, spec{})
			answer, _ := asked(t, w, "DescribeInstanceStatus", "MaxResults", "5")
			return fmt.Sprint(strings.Count(answer, "<instanceId>"))
		},
	},
	{
		// Nor can an instance of it be made to fail a status check, or get an event: what
		// AWS tells of those is tried with the fake alone, in TestProblemsAreTold.
		"statuses are filtered by what they say", "0 instances", "1 instances",
		func(t *testing.T, w world) string {
			w.fleet(home, region).run(1, spec{})
			answer, outcome := asked(t, w, "DescribeInstanceStatus", "Filter.1.Name", "instance-status.status", "Filter.1.Value.1", "impaired")
			same(t, "outcome", "200", outcome)
			return fmt.Sprintf("%d instances", strings.Count(answer, "<instanceId>"))
		},
	},
	{
		"an id must be well-formed", "400 InvalidInstanceID.Malformed", "400 InvalidInstanceID.NotFound",
		func(t *testing.T, w world) string {
			_, outcome := asked(t, w, "DescribeInstances", "InstanceId.1", "i-nonsense")
			return outcome
		},
	},
	{
		"a filter that does not exist is an error of the client", "400 InvalidParameterValue", "500",
		func(t *testing.T, w world) string { return filtered(t, w, "no-such-filter", "x") },
	},
	{
		"the filter availability-zone", "1 instances", "0 instances",
		func(t *testing.T, w world) string { return filtered(t, w, "availability-zone", zone) },
	},
	{
		"the filter tenancy", "1 instances", "500",
		func(t *testing.T, w world) string { return filtered(t, w, "tenancy", "default") },
	},
	{
		"the filter ipv6-address", "0 instances", "500",
		func(t *testing.T, w world) string { return filtered(t, w, "ipv6-address", "2001:db8::1") },
	},
	{
		"the filter instance-lifecycle", "0 instances", "500",
		func(t *testing.T, w world) string { return filtered(t, w, "instance-lifecycle", "spot") },
	},
	{
		"an instance tells the id of its zone", "true", "false",
		func(t *testing.T, w world) string {
			id := w.fleet(home, region).run(1, spec{})[0]
			return fmt.Sprint(get(t, asUser(t, w), id).ZoneID != "")
		},
	},
	{
		"an instance that is terminated has no address", "false", "true",
		func(t *testing.T, w world) string {
			fleet := w.fleet(home, region)
			id := fleet.run(1, spec{address: "10.9.0.77"})[0]
			fleet.terminate(id)
			answer, _ := asked(t, w, "DescribeInstances", "InstanceId.1", id)
			return fmt.Sprint(strings.Contains(answer, "10.9.0.77"))
		},
	},
	{
		"an instance is pending before it runs", "pending", "running",
		func(t *testing.T, w world) string { return string(get(t, asUser(t, w), w.launch()).State) },
	},
	{
		"? in the value of a filter stands for no character, too", "1 instances", "0 instances",
		func(t *testing.T, w world) string { return filtered(t, w, "instance-type", "t3.micro?") },
	},
	{
		"the filter attachment.status, with which network interfaces are found by their tags", "payments", "Unavailable",
		func(t *testing.T, w world) string {
			fleet := w.fleet(home, region)
			id := fleet.run(1, spec{})[0]
			added := fleet.attach(id, 1, eni{ipv4: []string{"10.9.1.1"}, tags: map[string]string{"app": "payments"}})
			page, _, err := asUser(t, w).InterfaceTags(t.Context(), []string{"app", "other"}, "")
			if err != nil {
				return string(failed(t, err).Kind)
			}
			return page[added]["app"]
		},
	},
	{
		"Auto Scaling says in its own words that a signature is wrong", "SignatureDoesNotMatch", "UnknownError",
		func(t *testing.T, w world) string {
			key := w.restricted()
			key.Secret = "not" + key.Secret
			_, err := connect(t, w, key, nil, region).Lifecycles(t.Context(), []string{"i-0123456789abcdef0"})
			return failed(t, err).Code
		},
	},
	{
		"EC2 has a word of its own for a missing permission", "UnauthorizedOperation", "AccessDenied",
		func(t *testing.T, w world) string {
			_, _, err := connect(t, w, w.restricted(), nil, region).Instances(t.Context(), ec2.InstancesRequest{})
			return failed(t, err).Code
		},
	},
	{
		"a role is assumed only with its external id", "AccessDenied", "assumed",
		func(t *testing.T, w world) string {
			role := w.role(elsewhere)
			role.ExternalID = "of somebody else"
			return assumed(t, w, role)
		},
	},
	{
		"a role is assumed only with the session tags that it asks for", "AccessDenied", "assumed",
		func(t *testing.T, w world) string {
			role := w.role(elsewhere)
			role.SessionTags = nil
			return assumed(t, w, role)
		},
	},
	{
		"a role that does not exist is not assumed", "AccessDenied", "assumed",
		func(t *testing.T, w world) string {
			return assumed(t, w, ec2.Role{ARN: "arn:aws:iam::" + elsewhere + ":role/none"})
		},
	},
}

func TestDivergences(t *testing.T) {
	for _, d := range divergences {
		t.Run(d.about, func(t *testing.T) {
			worlds(t, func(t *testing.T, w world) {
				want := map[string]string{"fake": d.aws, "moto": d.moto}[w.name()]
				got := d.observe(t, w)
				if w.name() == "moto" && got == d.aws {
					t.Fatalf("moto does as AWS now (%s): take this off the list, and test it in both worlds", got)
				}
				same(t, d.about, want, got)
			})
		})
	}
}

// filtered is how a request with a filter ends while there is one instance.
func filtered(t *testing.T, w world, name, value string) string {
	t.Helper()
	w.fleet(home, region).run(1, spec{})
	answer, outcome := asked(t, w, "DescribeInstances", "Filter.1.Name", name, "Filter.1.Value.1", value)
	if outcome != "200" {
		return outcome
	}
	return fmt.Sprintf("%d instances", strings.Count(answer, "<instanceId>"))
}

// assumed says how it ends to assume a role.
func assumed(t *testing.T, w world, role ec2.Role) string {
	t.Helper()
	if _, err := connect(t, w, w.user(), &role, region).Caller(t.Context()); err != nil {
		return failed(t, err).Code
	}
	return "assumed"
}
