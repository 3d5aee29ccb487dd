// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package status_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/internal/status"
)

const inRegion = "instances in eu-west-1"

// instances is what is known of the instances of an entry without any.
func instances(reason, problem string) status.Source {
	return status.Source{Subject: inRegion, Unit: "addresses", Reason: reason, Problem: problem}
}

// refusal is what is known of them if AWS could not be asked.
func refusal(kind string) status.Source {
	f := status.AWSFailure{Kind: kind, Action: "ec2:DescribeInstances", Identity: "default", Region: "eu-west-1"}
	return instances(f.Explain())
}

// notAllowed has an AWSIdentity refuse an entry.
func notAllowed(entry string) func(*status.Facts) {
	return func(f *status.Facts) {
		f.Rejected = append(f.Rejected, status.Rejection{
			Entry: entry, Err: errors.New(`the AWSIdentity "default" does not allow the namespace`), Reason: v1alpha1.ReasonIdentityNotAllowed,
		})
	}
}

func impair(list ...status.Impairment) func(*status.Facts) {
	return func(f *status.Facts) { f.Impaired = append(f.Impaired, list...) }
}

var (
	sick    = status.Impairment{Entry: "rack", Instance: "i-2", Reason: v1alpha1.ReasonStatusImpaired, Text: "status checks say impaired"}
	retired = status.Impairment{Entry: "rack", Instance: "i-1", Reason: v1alpha1.ReasonScheduledEvent, Text: "instance-retirement not before 2026-02-01T00:00:00Z"}
	claimed = status.Impairment{Entry: "spare", Instance: "i-3", Reason: v1alpha1.ReasonSpotInterruption, Text: "is about to be reclaimed", Drains: true}
)

func instanceCases() []conditionCase {
	type edits = []func(*status.Facts)
	one := serve(targets("192.0.2.1/rack"), health.Healthy)
	const (
		lacking  = "1 target has no address that can be served (see status.sources): "
		kept     = ", and its addresses stay as they were"
		resolved = v1alpha1.ConditionTargetsResolved
		impaired = v1alpha1.ConditionInstancesImpaired
	)
	cases := []conditionCase{
		{
			"instances that nothing is known of yet",
			edits{one, named("spare", instances(v1alpha1.ReasonInstancesPending, ""))},
			resolved, unknown, v1alpha1.ReasonInstancesPending, `1 target waits for its instances: "spare"`, false,
		},
		{
			"instances that are not running yet, of two",
			edits{serve(nil), named("spare", instances(v1alpha1.ReasonInstancesPending, "3 instances are not running yet")), named("rack", instances(v1alpha1.ReasonInstancesPending, ""))},
			resolved, unknown, v1alpha1.ReasonInstancesPending, `2 targets wait for their instances: "rack"; "spare": 3 instances are not running yet`, false,
		},
		{
			"names and instances that nothing is known of yet",
			edits{serve(nil), named("spare", instances(v1alpha1.ReasonInstancesPending, "")), named("rack", pending)},
			resolved, unknown, v1alpha1.ReasonNamesPending, `2 targets wait for their names or instances: "rack"; "spare"`, false,
		},
		{
			"instances that are waited for, and a target without addresses",
			edits{serve(nil), named("rack", instances(v1alpha1.ReasonInstancesPending, ""))},
			resolved, no, v1alpha1.ReasonNoAddresses, `2 targets have no address that can be served (see status.sources): "rack"; "spare"`, true,
		},
		{
			"instances that do not run, and a name that is waited for",
			edits{serve(nil), named("rack", pending), named("spare", instances(v1alpha1.ReasonInstancesNotRunning, "2 instances are stopped"))},
			resolved, no, v1alpha1.ReasonInstancesNotRunning, `2 targets have no address that can be served (see status.sources): "rack"; "spare": 2 instances are stopped`, false,
		},
		{
			"no instance is found",
			edits{one, named("spare", instances(v1alpha1.ReasonInstanceNotFound, "no instance matches"))},
			resolved, no, v1alpha1.ReasonInstanceNotFound, lacking + `"spare": no instance matches`, false,
		},
		{
			"one instance of several is not found",
			edits{named("spare", instances(v1alpha1.ReasonInstanceNotFound, "i-9 is not found"))},
			resolved, yes, v1alpha1.ReasonInstanceNotFound, `target "spare": i-9 is not found`, false,
		},
		{
			"an instance of a target that is to drain is not found",
			edits{drain("spare"), named("spare", instances(v1alpha1.ReasonInstanceNotFound, "i-9 is not found"))},
			resolved, yes, v1alpha1.ReasonTargetsResolved, "every target has its addresses", false,
		},
		{
			"some addresses are missing, and another target lacks an instance",
			edits{named("rack", instances(v1alpha1.ReasonAddressKindMissing, "i-1 has no public address")), named("spare", instances(v1alpha1.ReasonInstanceNotFound, "i-9 is not found"))},
			resolved, yes, v1alpha1.ReasonInstanceNotFound, `target "rack": i-1 has no public address; target "spare": i-9 is not found`, false,
		},
		{
			"no address is of the kind",
			edits{one, named("spare", instances(v1alpha1.ReasonAddressKindMissing, "i-1 has no public address"))},
			resolved, no, v1alpha1.ReasonAddressKindMissing, lacking + `"spare": i-1 has no public address`, true,
		},
		{
			"too many addresses",
			edits{named("spare", status.Source{Subject: inRegion, Unit: "addresses", Answered: true, Dropped: 3})},
			resolved, yes, v1alpha1.ReasonRecordsDropped, `target "spare": 3 addresses of instances in eu-west-1 are more than are served`, false,
		},
		{
			"an identity that does not exist",
			edits{named("spare", stale(instances(v1alpha1.ReasonIdentityNotFound, "there is no AWSIdentity")))},
			v1alpha1.ConditionStale, yes, v1alpha1.ReasonIdentityNotFound,
			`1 target is served by its last answer: target "spare" (since 2026-01-02T03:03:05Z): there is no AWSIdentity` + kept, false,
		},
		{
			"nothing heard since the start, of instances and a name",
			edits{named("rack", stale(pending)), named("spare", stale(instances(v1alpha1.ReasonInstancesPending, "")))},
			v1alpha1.ConditionStale, yes, v1alpha1.ReasonAWSUnavailable,
			`2 targets are served by their last answers: target "rack" (since 2026-01-02T03:03:05Z): no answer yet` + kept +
				`; target "spare" (since 2026-01-02T03:03:05Z): no answer yet` + kept, false,
		},
		{
			"an identity that does not allow it, and an address that is denied",
			edits{notAllowed("spare"), reject("rack", "192.0.2.1.5")},
			v1alpha1.ConditionAccepted, no, v1alpha1.ReasonIdentityNotAllowed,
			`2 addresses are left out, all others are served: target "spare": the AWSIdentity "default" does not allow the namespace; target "rack": ` + parseError("192.0.2.1.5"), true,
		},
		{
			"a status",
			edits{impair(sick)},
			impaired, yes, v1alpha1.ReasonStatusImpaired,
			`1 instance is impaired or about to be: i-2 of target "rack" (it is served all the same): status checks say impaired`, false,
		},
		{
			"an event",
			edits{impair(retired)},
			impaired, yes, v1alpha1.ReasonScheduledEvent,
			`1 instance is impaired or about to be: i-1 of target "rack" (it is served all the same): instance-retirement not before 2026-02-01T00:00:00Z`, false,
		},
		{
			"several, the gravest first, and each instance once",
			edits{impair(retired, sick, claimed, status.Impairment{Entry: "rack", Instance: "i-2", Reason: v1alpha1.ReasonScheduledEvent, Text: "system-reboot", Drains: true})},
			impaired, yes, v1alpha1.ReasonSpotInterruption,
			`3 instances are impaired or about to be: i-3 of target "spare" (it drains): is about to be reclaimed; ` +
				`i-2 of target "rack" (it drains): status checks say impaired, system-reboot; ` +
				`i-1 of target "rack" (it is served all the same): instance-retirement not before 2026-02-01T00:00:00Z`, false,
		},
	}
	for _, kind := range failureKinds {
		source := refusal(kind)
		cases = append(cases,
			conditionCase{
				"AWS was never answered: " + kind,
				edits{one, named("spare", source)},
				resolved, no, source.Reason,
				lacking + `"spare": ` + source.Problem, false,
			},
			conditionCase{
				"AWS does not answer any more: " + kind,
				edits{named("spare", stale(source))},
				v1alpha1.ConditionStale, yes, source.Reason,
				`1 target is served by its last answer: target "spare" (since 2026-01-02T03:03:05Z): ` + source.Problem + kept, false,
			})
	}
	return cases
}

func parseError(address string) string {
	facts := good(reject("rack", address))
	return facts.Rejected[0].Err.Error()
}

// TestManyImpairedInstances: the message names a few, and the same whatever the order
// in which they come.
func TestManyImpairedInstances(t *testing.T) {
	var list []status.Impairment
	for i := range 400 {
		i := status.Impairment{Entry: "rack", Instance: fmt.Sprintf("i-%017x", i), Reason: v1alpha1.ReasonScheduledEvent, Text: "system-reboot not before 2026-02-01T00:00:00Z"}
		list = append(list, i)
	}
	message := find(t, status.Compute(backend(), good(impair(list...))), v1alpha1.ConditionInstancesImpaired).Message
	if !strings.HasPrefix(message, "400 instances") || !strings.HasSuffix(message, "; and 395 more") || strings.Count(message, "i-0") != 5 {
		t.Errorf("message %q", message)
	}
	slices.Reverse(list)
	if again := find(t, status.Compute(backend(), good(impair(list...))), v1alpha1.ConditionInstancesImpaired).Message; again != message {
		t.Errorf("message %q in another order", again)
	}
}

// TestInstanceEvents: what begins and ends is told once.
func TestInstanceEvents(t *testing.T) {
	throttled, denied := named("spare", stale(refusal("Throttled"))), named("spare", stale(refusal("AccessDenied")))
	for name, tc := range map[string]struct {
		before, after []func(*status.Facts)
		want          string
	}{
		"AWS does not answer":         {nil, []func(*status.Facts){throttled}, "Warning ListInstances AWSThrottled: "},
		"for another reason":          {[]func(*status.Facts){throttled}, []func(*status.Facts){denied}, "Warning ListInstances AWSAccessDenied: "},
		"AWS answers":                 {[]func(*status.Facts){throttled}, nil, "Normal ListInstances InstancesListed: AWS answers for the instances of every target again"},
		"an instance is impaired":     {nil, []func(*status.Facts){impair(sick)}, "Warning WatchInstances StatusImpaired: 1 instance is impaired"},
		"it becomes worse":            {[]func(*status.Facts){impair(sick)}, []func(*status.Facts){impair(claimed)}, "Warning WatchInstances SpotInterruption: "},
		"no instance is any more":     {[]func(*status.Facts){impair(sick)}, nil, "Normal WatchInstances InstancesImpairedOver: no instance is impaired or about to be any more"},
		"an instance is not found":    {nil, []func(*status.Facts){named("spare", instances(v1alpha1.ReasonInstanceNotFound, "i-9"))}, "Warning ResolveTargets InstanceNotFound: "},
		"the identity is not allowed": {nil, []func(*status.Facts){notAllowed("spare")}, "Warning ValidateSpec IdentityNotAllowed: "},
	} {
		t.Run(name, func(t *testing.T) {
			events := eventsText(status.Compute(after(good(tc.before...)), good(tc.after...)).Transitions)
			if len(events) != 1 || !strings.HasPrefix(events[0], tc.want) {
				t.Errorf("events %q, want %q", events, tc.want)
			}
		})
	}
	if diff := gocmp.Diff([]string(nil), eventsText(status.Compute(after(good(throttled)), good(throttled)).Transitions)); diff != "" {
		t.Errorf("events of what goes on (-want +got):\n%s", diff)
	}
}
