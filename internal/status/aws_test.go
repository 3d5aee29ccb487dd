// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package status_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/status"
)

var failureKinds = []string{
	"AccessDenied", "CredentialsInvalid", "CredentialsUnavailable", "Throttled", "RegionUnknown", "Unavailable", "Malformed", "TooMany", "Refused",
}

// TestEveryKindOfFailureIsExplained: the kinds are those of the discovery, and none
// is explained as one that is not known.
func TestEveryKindOfFailureIsExplained(t *testing.T) {
	declared := kinds(t)
	slices.Sort(declared)
	if want := slices.Sorted(slices.Values(failureKinds)); !slices.Equal(declared, want) {
		t.Errorf("kinds %q, want %q", declared, want)
	}
	other := status.AWSFailure{Kind: "Other", Action: "ec2:DescribeInstances", Code: "Code", Identity: "default", Region: "eu-west-1"}
	_, fallback := other.Explain()
	seen := map[string]string{fallback: "Other"}
	for _, kind := range declared {
		f := other
		f.Kind = kind
		reason, text := f.Explain()
		if reason == "" || seen[text] != "" {
			t.Errorf("%s is explained like %s: %s, %q", kind, seen[text], reason, text)
		}
		seen[text] = kind
	}
}

// kinds reads the constants of type Kind from the source of the discovery.
func kinds(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("..", "discovery", "ec2", "*.go"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("found %v, %v", paths, err)
	}
	var found []string
	for _, path := range paths {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(node ast.Node) bool {
			spec, ok := node.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 {
				return true
			}
			kind, isIdent := spec.Type.(*ast.Ident)
			literal, isLiteral := spec.Values[0].(*ast.BasicLit)
			if !isIdent || kind.Name != "Kind" || !isLiteral {
				return true
			}
			value, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, value)
			return true
		})
	}
	return found
}

func TestExplain(t *testing.T) {
	const describe = "ec2:DescribeInstances"
	for name, tc := range map[string]struct {
		failure      status.AWSFailure
		reason, text string
	}{
		"denied": {
			status.AWSFailure{Kind: "AccessDenied", Action: describe, Code: "UnauthorizedOperation", Identity: "default", Region: "eu-west-1"},
			v1alpha1.ReasonAWSAccessDenied,
			`AWS denies ec2:DescribeInstances in eu-west-1 (UnauthorizedOperation) to the AWSIdentity "default": allow the action in the IAM policy of its role or user`,
		},
		"run out": {
			status.AWSFailure{Kind: "CredentialsInvalid", Action: describe, Code: "RequestExpired", Identity: "default", Region: "eu-west-1"},
			v1alpha1.ReasonAWSCredentialsInvalid,
			`AWS does not accept the credentials of the AWSIdentity "default" for ec2:DescribeInstances in eu-west-1 (RequestExpired): renew them, or wait until they have been`,
		},
		"role": {
			status.AWSFailure{Kind: "CredentialsInvalid", Action: "sts:AssumeRole", Code: "AccessDenied", Identity: "default"},
			v1alpha1.ReasonAWSCredentialsInvalid,
			`the role of the AWSIdentity "default" cannot be assumed (sts:AssumeRole (AccessDenied)): have its trust policy allow it to the credentials that assume it, with the external ID in the status of the AWSIdentity`,
		},
		"throttled": {
			status.AWSFailure{Kind: "Throttled", Action: describe, Code: "RequestLimitExceeded", Identity: "default", Region: "eu-west-1"},
			v1alpha1.ReasonAWSThrottled,
			"AWS answers ec2:DescribeInstances in eu-west-1 (RequestLimitExceeded) with too many calls in the account: it is tried again; find out what else makes so many, or have the limit raised",
		},
		"own limit": {
			status.AWSFailure{Kind: "Throttled", Action: describe, Identity: "default", Region: "eu-west-1"},
			v1alpha1.ReasonAWSThrottled,
			`the operator's own limit of 2 requests a second, which all that uses the AWSIdentity "default" shares, has left no time for ec2:DescribeInstances in eu-west-1: it is tried again; if that does not help, have the filters of targets select fewer instances`,
		},
		"region": {
			status.AWSFailure{Kind: "RegionUnknown", Action: describe, Identity: "default", Region: "eu-west-9"},
			v1alpha1.ReasonAWSRegionUnknown,
			`the region "eu-west-9" does not exist, or is not enabled in the account (ec2:DescribeInstances in eu-west-9): correct it, or enable it`,
		},
		"too many": {
			status.AWSFailure{Kind: "TooMany", Action: describe, Region: "eu-west-1"},
			v1alpha1.ReasonTooManyInstances,
			"ec2:DescribeInstances in eu-west-1 finds more instances than can be kept: have the filters of targets select fewer",
		},
		"nothing is known": {
			status.AWSFailure{}, v1alpha1.ReasonAWSUnavailable, "AWS gives no answer to a call: it is tried again",
		},
		"no credentials": {
			status.AWSFailure{Kind: "CredentialsUnavailable", Identity: "default"},
			v1alpha1.ReasonIdentityNotUsable, `the AWSIdentity "default" has no credentials to ask AWS with: its status says why`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			reason, text := tc.failure.Explain()
			if reason != tc.reason || text != tc.text {
				t.Errorf("%s, %q\nwant %s, %q", reason, text, tc.reason, tc.text)
			}
		})
	}
}

// TestCodesAreTame: whatever stands in for an error code, it is short and in one
// line.
func TestCodesAreTame(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		code := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })).Draw(r, "code")
		code = strings.Repeat(code, rapid.IntRange(1, 50).Draw(r, "times"))
		f := status.AWSFailure{Kind: rapid.SampledFrom(failureKinds).Draw(r, "kind"), Action: "ec2:DescribeInstances", Code: code, Identity: "default", Region: "eu-west-1"}
		_, text := f.Explain()
		if len(text) > 1024 || !utf8.ValidString(text) || strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c > '~' }) {
			r.Fatalf("text %q", text)
		}
	})
}
