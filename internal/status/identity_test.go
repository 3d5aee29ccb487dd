// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package status_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/status"
)

const (
	account  = "123456789012"
	queueURL = "https://sqs.eu-west-1.amazonaws.com/123456789012/events"
	queues   = "; 1 queue cannot be read, so that its events are only noticed with the next listing: " + queueURL + ": "
)

// working is what is known of an AWSIdentity when all is well.
func working(edits ...func(*status.IdentityFacts)) status.IdentityFacts {
	facts := status.IdentityFacts{
		Identity:   &v1alpha1.AWSIdentity{ObjectMeta: metav1.ObjectMeta{Name: "default", Generation: 3}},
		ExternalID: "external", AccountID: account, ARN: "arn:aws:iam::123456789012:role/r", Asked: true,
		Regions: []status.RegionFacts{{Region: "eu-central-1"}, {Region: "eu-west-1"}}, Now: now,
	}
	for _, edit := range edits {
		edit(&facts)
	}
	return facts
}

func failure(kind, action, region string) status.AWSFailure {
	return status.AWSFailure{Kind: kind, Action: action, Identity: "default", Region: region}
}

func notAsked(f *status.IdentityFacts) { f.Asked, f.AccountID, f.ARN = false, "", "" }

// callerFails has AWS not tell who the caller is.
func callerFails(kind string) func(*status.IdentityFacts) {
	return func(f *status.IdentityFacts) { f.Failure = new(failure(kind, "sts:GetCallerIdentity", "")) }
}

// regionFails has the listing of a region fail.
func regionFails(i int, kind string) func(*status.IdentityFacts) {
	return func(f *status.IdentityFacts) {
		f.Regions = slices.Clone(f.Regions)
		f.Regions[i].Failure = new(failure(kind, "ec2:DescribeInstances", f.Regions[i].Region))
		f.Regions[i].FailingSince = now.Add(-time.Minute)
	}
}

func queueFails(kind string) func(*status.IdentityFacts) {
	return func(f *status.IdentityFacts) {
		f.Queues = append(f.Queues, status.QueueFacts{URL: queueURL, Failure: failure(kind, "sqs:ReceiveMessage", "eu-west-1")})
	}
}

func denied(actions ...string) func(*status.IdentityFacts) {
	return func(f *status.IdentityFacts) { f.Denied = actions }
}

type identityCase struct {
	name    string
	edits   []func(*status.IdentityFacts)
	kind    string
	status  metav1.ConditionStatus
	reason  string
	message string
}

func identityCases() []identityCase {
	type edits = []func(*status.IdentityFacts)
	const (
		accepts = "AWS accepts the credentials, which belong to the account 123456789012"
		ready   = v1alpha1.ConditionReady
		missing = v1alpha1.ConditionPermissionsMissing
		allow   = ": allow that in the IAM policy of the role or user, or do without what needs it (spec.instanceStatus, spec.autoScaling, spec.queues, network interfaces by tag); all else goes on"
		noQueue = "AWS cannot be reached or fails to answer sqs:ReceiveMessage in eu-west-1: it is tried again; if that does not help, let the operator connect to its endpoints"
		tooMany = "ec2:DescribeInstances in eu-west-1 finds more instances than can be kept: have the filters of targets select fewer"
	)
	return []identityCase{
		{"all is well", nil, ready, yes, v1alpha1.ReasonAuthenticated, accepts},
		{"not asked yet", edits{notAsked}, ready, unknown, v1alpha1.ReasonAuthenticationPending, "AWS has not said yet who the credentials belong to"},
		{
			"a spec that is invalid, before all else",
			edits{func(f *status.IdentityFacts) {
				f.Invalid, f.AccessKeyProblem = errors.New("a queue is in no region"), "no Secret"
			}, callerFails("Throttled")},
			ready, no, v1alpha1.ReasonInvalidIdentity, "a queue is in no region",
		},
		{
			"which only an edit mends",
			edits{func(f *status.IdentityFacts) { f.Invalid = errors.New("a queue is in no region") }},
			v1alpha1.ConditionStalled, yes, v1alpha1.ReasonInvalidIdentity, "a queue is in no region",
		},
		{
			"no access key",
			edits{func(f *status.IdentityFacts) { f.AccessKeyProblem = "there is no Secret" }, callerFails("CredentialsUnavailable")},
			ready, no, v1alpha1.ReasonAccessKeyUnavailable, "there is no Secret",
		},
		{
			"no credentials",
			edits{callerFails("CredentialsUnavailable")},
			ready, no, v1alpha1.ReasonAWSCredentialsInvalid,
			"there are no credentials for sts:GetCallerIdentity: give the operator's ServiceAccount a role (IAM roles for service accounts, EKS Pod Identity), or set spec.accessKeySecret",
		},
		{
			"the caller before regions",
			edits{callerFails("CredentialsInvalid"), regionFails(0, "Unavailable")},
			ready, no, v1alpha1.ReasonAWSCredentialsInvalid,
			`AWS does not accept the credentials of the AWSIdentity "default" for sts:GetCallerIdentity: renew them, or wait until they have been`,
		},
		{
			"a region",
			edits{regionFails(1, "TooMany")},
			ready, no, v1alpha1.ReasonTooManyInstances,
			"1 region cannot be listed, and what is published stays: since 2026-01-02T03:03:05Z " + tooMany,
		},
		{
			"two regions, and a queue",
			edits{regionFails(1, "TooMany"), regionFails(0, "RegionUnknown"), queueFails("Unavailable")},
			ready, no, v1alpha1.ReasonAWSRegionUnknown,
			`2 regions cannot be listed, and what is published stays: since 2026-01-02T03:03:05Z the region "eu-central-1" does not exist, or is not enabled in the account ` +
				"(ec2:DescribeInstances in eu-central-1): correct it, or enable it; since 2026-01-02T03:03:05Z " + tooMany + queues + noQueue,
		},
		{
			"an option, and a queue",
			edits{func(f *status.IdentityFacts) {
				f.Options = []status.AWSFailure{failure("TooMany", "ec2:DescribeInstances", "eu-west-1")}
			}, queueFails("Unavailable")},
			ready, yes, v1alpha1.ReasonAuthenticated,
			accepts + "; 1 option fails, and what was known by it stays: " + tooMany + queues + noQueue,
		},
		{"a queue", edits{queueFails("Unavailable")}, ready, yes, v1alpha1.ReasonAuthenticated, accepts + queues + noQueue},
		{"a queue that may not be read", edits{queueFails("AccessDenied")}, ready, yes, v1alpha1.ReasonAuthenticated, accepts},
		{
			"a queue that may not be read, and an option",
			edits{queueFails("AccessDenied"), queueFails("AccessDenied"), denied("ec2:DescribeInstanceStatus")},
			missing, yes, v1alpha1.ReasonPermissionsMissing,
			"AWS denies ec2:DescribeInstanceStatus, sqs:ReceiveMessage" + allow + "; queues that cannot be read for that: " + queueURL + "; " + queueURL,
		},
		{
			"options",
			edits{denied("autoscaling:DescribeAutoScalingInstances", "ec2:DescribeInstanceStatus")},
			missing, yes, v1alpha1.ReasonPermissionsMissing,
			"AWS denies autoscaling:DescribeAutoScalingInstances, ec2:DescribeInstanceStatus" + allow,
		},
	}
}

func TestIdentityConditions(t *testing.T) {
	for _, tt := range identityCases() {
		t.Run(tt.kind+": "+tt.name, func(t *testing.T) {
			outcome := status.ComputeIdentity(working(tt.edits...))
			want := metav1.Condition{
				Type: tt.kind, Status: tt.status, Reason: tt.reason, Message: tt.message, ObservedGeneration: 3,
				LastTransitionTime: metav1.NewTime(now.Truncate(time.Second)),
			}
			i := slices.IndexFunc(outcome.Status.Conditions, func(c metav1.Condition) bool { return c.Type == tt.kind })
			if i < 0 {
				t.Fatalf("no condition %s", tt.kind)
			}
			if diff := gocmp.Diff(want, outcome.Status.Conditions[i]); diff != "" {
				t.Errorf("condition (-want +got):\n%s", diff)
			}
			if !outcome.Urgent {
				t.Error("the first report is not urgent")
			}
		})
	}
}

func TestIdentityStatus(t *testing.T) {
	got := status.ComputeIdentity(working(regionFails(1, "TooMany"))).Status
	got.Conditions = nil
	want := v1alpha1.AWSIdentityStatus{
		ObservedGeneration: 3, ExternalID: "external", AccountID: account, ARN: "arn:aws:iam::123456789012:role/r",
		Regions: []v1alpha1.AWSRegionStatus{{Region: "eu-central-1"}, {
			Region: "eu-west-1", StaleSince: new(metav1.NewTime(now.Add(-time.Minute).Truncate(time.Second))),
			Problem: "ec2:DescribeInstances in eu-west-1 finds more instances than can be kept: have the filters of targets select fewer",
		}},
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
}

// reported returns facts whose AWSIdentity has the status that others led to.
func reported(before, facts status.IdentityFacts) status.IdentityFacts {
	facts.Identity = facts.Identity.DeepCopy()
	facts.Identity.Status = status.ComputeIdentity(before).Status
	return facts
}

func TestIdentityEvents(t *testing.T) {
	type edits = []func(*status.IdentityFacts)
	for name, tc := range map[string]struct {
		before, after edits
		want          []string
	}{
		"nothing changes":     {edits{regionFails(0, "Throttled")}, edits{regionFails(0, "Throttled")}, nil},
		"AWS is asked":        {nil, edits{notAsked}, nil},
		"AWS accepts":         {edits{notAsked}, nil, []string{"Normal Authenticate Authenticated: AWS accepts the credentials, which belong to the account 123456789012"}},
		"AWS throttles":       {nil, edits{regionFails(0, "Throttled")}, []string{"Warning Authenticate AWSThrottled: 1 region cannot"}},
		"for another reason":  {edits{regionFails(0, "Throttled")}, edits{callerFails("Unavailable")}, []string{"Warning Authenticate AWSUnavailable: AWS cannot be reached"}},
		"an action is denied": {nil, edits{denied("a:B")}, []string{"Warning CallAWS PermissionsMissing: AWS denies a:B: "}},
		"no action is denied": {edits{denied("a:B")}, nil, []string{"Normal CallAWS PermissionsGranted: AWS denies no call that an option needs any more"}},
	} {
		t.Run(name, func(t *testing.T) {
			outcome := status.ComputeIdentity(reported(working(tc.before...), working(tc.after...)))
			events := eventsText(outcome.Transitions)
			if !slices.EqualFunc(events, tc.want, strings.HasPrefix) {
				t.Errorf("events %q, want %q", events, tc.want)
			}
		})
	}
	if events := status.ComputeIdentity(working()).Transitions; len(events) > 0 {
		t.Errorf("events %q of an AWSIdentity that works at once", eventsText(events))
	}
	if events := eventsText(status.ComputeIdentity(working(callerFails("AccessDenied"))).Transitions); len(events) != 1 || !strings.HasPrefix(events[0], "Warning Authenticate AWSAccessDenied: ") {
		t.Errorf("events %q of an AWSIdentity that never worked", events)
	}
}

// TestIdentityStatusIsSteadyAndBounded: the same facts lead to the same status, later
// as well, and the API accepts it whatever AWS says.
func TestIdentityStatusIsSteadyAndBounded(t *testing.T) {
	kind := rapid.SampledFrom(append([]string{""}, failureKinds...))
	rapid.Check(t, func(r *rapid.T) {
		fail := func(name, region string) *status.AWSFailure {
			k := kind.Draw(r, name)
			if k == "" {
				return nil
			}
			return &status.AWSFailure{Kind: k, Action: "ec2:DescribeInstances", Code: rapid.String().Draw(r, "code"), Identity: strings.Repeat("i", 63), Region: region}
		}
		facts := working()
		facts.Asked = rapid.Bool().Draw(r, "asked")
		facts.AccountID, facts.ARN = rapid.String().Draw(r, "account"), strings.Repeat("a", rapid.IntRange(0, 3000).Draw(r, "arn"))
		facts.Failure, facts.Regions = fail("caller", ""), nil
		for i := range rapid.IntRange(0, 40).Draw(r, "regions") {
			region := status.RegionFacts{Region: fmt.Sprintf("eu-west-%d", i), FailingSince: now.Add(-time.Duration(i) * time.Millisecond)}
			if region.Failure = fail("region", region.Region); region.Failure == nil {
				region.FailingSince = time.Time{}
			}
			facts.Regions = append(facts.Regions, region)
		}
		for range rapid.IntRange(0, 8).Draw(r, "queues") {
			if f := fail("queue", "eu-west-1"); f != nil {
				facts.Queues = append(facts.Queues, status.QueueFacts{URL: "https://" + strings.Repeat("q", 500), Failure: *f})
			}
		}
		first := status.ComputeIdentity(facts).Status
		if len(first.AccountID) > 12 || len(first.ARN) > 2048 || len(first.Regions) > 32 {
			r.Fatalf("status %+v", first)
		}
		for _, c := range first.Conditions {
			if len(c.Message) > 2048 || c.Message == "" || c.Reason == "" {
				r.Fatalf("condition %+v", c)
			}
		}
		facts.Identity = facts.Identity.DeepCopy()
		facts.Identity.Status, facts.Now = first, now.Add(time.Hour)
		again := status.ComputeIdentity(facts)
		if diff := gocmp.Diff(first, again.Status); diff != "" || again.Urgent || len(again.Transitions) > 0 {
			r.Fatalf("another status an hour later:\n%s", diff)
		}
	})
}
