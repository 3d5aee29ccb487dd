// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"slices"
	"testing"

	"externalbackend.dev/operator/internal/discovery/ec2"
)

func TestLifecyclesInGroups(t *testing.T) {
	worlds(t, func(t *testing.T, w world) {
		fleet, api := w.fleet(home, region), asUser(t, w)
		member, other := fleet.run(1, spec{})[0], fleet.run(1, spec{})[0]
		lifecycles := func() map[string]string {
			t.Helper()
			got, err := api.Lifecycles(t.Context(), []string{member, other, "i-0123456789abcdef0"})
			check(t, err)
			return got
		}
		same(t, "before", map[string]string{}, lifecycles())
		fleet.join(member)
		same(t, "in service", map[string]string{member: "InService"}, lifecycles())
		same(t, "group", group, get(t, api, member).Group)
		same(t, "no group", "", get(t, api, other).Group)
		fleet.standby(member)
		same(t, "in standby", map[string]string{member: "Standby"}, lifecycles())
		fleet.resume(member)
		same(t, "in service again", map[string]string{member: "InService"}, lifecycles())
	})
}

func TestNobodyIsImpaired(t *testing.T) {
	worlds(t, func(t *testing.T, w world) {
		w.fleet(home, region).run(3, spec{})
		api := asUser(t, w)
		for _, problem := range []ec2.Problem{ec2.InstanceImpaired, ec2.SystemImpaired, ec2.EventScheduled} {
			statuses, next, err := api.Statuses(t.Context(), problem, "")
			check(t, err)
			same(t, "next page", "", next)
			for _, status := range statuses {
				if status.Impaired || len(status.Events) > 0 {
					t.Errorf("%s: %+v", problem, status)
				}
			}
		}
	})
}

func TestMessages(t *testing.T) {
	worlds(t, func(t *testing.T, w world) {
		fleet, api := w.fleet(home, region), asUser(t, w)
		url := fleet.queue("events")
		bodies := []string{`{"detail-type":"EC2 Instance State-change Notification"}`, "none <of> & \"your\"\nbusiness é"}
		for _, body := range bodies {
			fleet.send(url, body)
		}
		var got, receipts []string
		for len(got) < len(bodies) {
			messages, err := api.Receive(t.Context(), url)
			check(t, err)
			for _, message := range messages {
				got, receipts = append(got, message.Body), append(receipts, message.Receipt)
			}
		}
		slices.Sort(got)
		same(t, "messages", sorted(bodies...), got)
		same(t, "left before", 2, fleet.left(url))
		check(t, api.Delete(t.Context(), url, receipts[:1]))
		same(t, "left after the first", 1, fleet.left(url))
		check(t, api.Delete(t.Context(), url, receipts))
		same(t, "left", 0, fleet.left(url))
	})
}

func TestNoSuchQueue(t *testing.T) {
	worlds(t, func(t *testing.T, w world) {
		api := asUser(t, w)
		url := w.fleet(home, region).queue("events") + "-not"
		_, err := api.Receive(t.Context(), url)
		failure := failed(t, err)
		same(t, "kind", ec2.Refused, failure.Kind)
		same(t, "action", "sqs:ReceiveMessage", failure.Action)
		failure = failed(t, api.Delete(t.Context(), url, []string{"receipt-1"}))
		same(t, "kind", ec2.Refused, failure.Kind)
		same(t, "action", "sqs:DeleteMessage", failure.Action)
	})
}
