// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"

	"externalbackend.dev/operator/internal/discovery/ec2"
	"externalbackend.dev/operator/internal/translate"
)

// What an identity wants to know stays the same without credentials, so that what
// is known does.
func TestUnusableIdentitiesKeepTheirOptions(t *testing.T) {
	said := translate.AWSIdentity{
		Name: "aws", Regions: []string{"eu-west-1", "eu-west-2"}, InstanceStatus: true, AutoScaling: true,
		Queues: []translate.EventQueue{{URL: "https://queue", Region: "eu-west-2"}},
	}
	want := ec2.Identity{
		Unusable: true, InstanceStatus: true, AutoScaling: true, Region: "eu-west-1",
		Queues: []ec2.Queue{{URL: "https://queue", Region: "eu-west-2"}},
	}
	key, nowhere := said, said
	key.SecretName, key.RoleARN = "key", "arn:aws:iam::1:role/r"
	nowhere.Regions = nil
	for name, test := range map[string]struct {
		known   KnownIdentity
		region  string
		problem bool
	}{
		"invalid":       {KnownIdentity{AWSIdentity: said, Invalid: errors.New("no")}, "eu-west-1", false},
		"no regions":    {KnownIdentity{AWSIdentity: nowhere, Invalid: errors.New("no")}, "", false},
		"no access key": {KnownIdentity{AWSIdentity: key}, "eu-west-1", true},
	} {
		t.Run(name, func(t *testing.T) {
			c := &IdentityController{Identities: &Identities{}}
			c.Identities.current.Store(&IdentityBook{known: map[string]*KnownIdentity{"aws": &test.known}})
			got, problem, _ := c.credentials(t.Context(), &keptIdentity{}, &test.known)
			want := want
			want.Region = test.region
			if !reflect.DeepEqual(got, want) || (problem != "") != test.problem {
				t.Errorf("got %+v and %q, want %+v", got, problem, want)
			}
		})
	}
}

// reported is an Instances that says one thing.
type reported struct {
	Instances
	report ec2.IdentityReport
}

func (r *reported) Identity(string) (ec2.IdentityReport, bool) { return r.report, true }

// Details of a failure are in the log, once as long as it is the same.
func TestFailuresAreLoggedOnce(t *testing.T) {
	var lines []string
	ctx := logr.NewContext(t.Context(), funcr.New(func(_, line string) { lines = append(lines, line) }, funcr.Options{}))
	said := &reported{}
	c := &IdentityController{Instances: said}
	k := &keptIdentity{given: &ec2.Identity{}, known: &KnownIdentity{AWSIdentity: translate.AWSIdentity{
		Name: "aws", Regions: []string{"eu-west-1"}, Queues: []translate.EventQueue{{URL: "https://queue", Region: "eu-west-2"}},
	}}}
	expectLogged(ctx, t, c, k, &lines)
	said.report = ec2.IdentityReport{
		Failure: awsFailed("sts:GetCallerIdentity", "InvalidClientTokenId", "first"),
		Regions: []ec2.RegionReport{{Region: "eu-west-3", Failure: awsFailed("ec2:DescribeInstances", "RequestExpired", "second")}},
		Queues:  []ec2.QueueReport{{URL: "https://queue", Failure: awsFailed("sqs:ReceiveMessage", "KMS.X", "third")}},
		Denied:  []string{"ec2:DescribeInstanceStatus"},
		Failing: []ec2.OptionReport{{Action: "ec2:DescribeNetworkInterfaces", Region: "eu-west-3", Failure: awsFailed("ec2:DescribeNetworkInterfaces", "X", "fourth")}},
	}
	expectLogged(ctx, t, c, k, &lines,
		`"first" "identity"="aws" "region"="eu-west-1" "action"="sts:GetCallerIdentity" "kind"="CredentialsInvalid" "code"="InvalidClientTokenId"`,
		`"second" "identity"="aws" "region"="eu-west-3" "action"="ec2:DescribeInstances"`,
		`"third" "identity"="aws" "queue"="https://queue" "region"="eu-west-2" "action"="sqs:ReceiveMessage"`,
		`"fourth" "identity"="aws" "region"="eu-west-3" "action"="ec2:DescribeNetworkInterfaces"`,
		`"identity"="aws" "action"="ec2:DescribeInstanceStatus" "kind"="AccessDenied"`)
	said.report.Denied = nil
	said.report.Failure = awsFailed("sts:GetCallerIdentity", "InvalidClientTokenId", "again, of another request")
	expectLogged(ctx, t, c, k, &lines, `does not fail any more" "identity"="aws" "action"="ec2:DescribeInstanceStatus"`)
	said.report.Failure = awsFailed("sts:GetCallerIdentity", "ExpiredToken", "another")
	expectLogged(ctx, t, c, k, &lines, `"another" "identity"="aws" "region"="eu-west-1"`)
	k.given = &ec2.Identity{Unusable: true}
	said.report = ec2.IdentityReport{Failure: &ec2.Failure{Kind: ec2.CredentialsUnavailable}}
	expectLogged(ctx, t, c, k, &lines)
}

func awsFailed(action, code, text string) *ec2.Failure {
	return &ec2.Failure{Kind: ec2.CredentialsInvalid, Action: action, Code: code, Err: errors.New(text)}
}

// expectLogged has the failures logged twice, and each part in one line, and no other line.
func expectLogged(ctx context.Context, t *testing.T, c *IdentityController, k *keptIdentity, lines *[]string, parts ...string) {
	t.Helper()
	*lines = nil
	c.log(ctx, k)
	c.log(ctx, k)
	if len(*lines) != len(parts) {
		t.Errorf("logged %q", *lines)
	}
	for _, part := range parts {
		if !strings.Contains(strings.Join(*lines, "\n"), part) {
			t.Errorf("%q is not in %q", part, *lines)
		}
	}
}
