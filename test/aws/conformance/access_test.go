// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"strings"
	"testing"

	"externalbackend.dev/operator/internal/discovery/ec2"
)

func TestCaller(t *testing.T) {
	worlds(t, func(t *testing.T, w world) {
		got, err := asUser(t, w).Caller(t.Context())
		check(t, err)
		same(t, "caller", ec2.Caller{AccountID: home, ARN: "arn:aws:iam::" + home + ":user/operator"}, got)
	})
}

func TestAccountsAreApart(t *testing.T) {
	worlds(t, func(t *testing.T, w world) {
		key, role := w.user(), w.role(elsewhere)
		here := w.fleet(home, region).run(1, spec{})
		there := w.fleet(elsewhere, region).run(2, spec{})

		got, _ := list(t, connect(t, w, key, nil, region))
		same(t, "instances of the user's account", here, ids(got))
		other := connect(t, w, key, &role, region)
		got, _ = list(t, other)
		same(t, "instances of the role's account", sorted(there...), ids(got))
		same(t, "their owner", elsewhere, got[0].OwnerID)
		caller, err := other.Caller(t.Context())
		check(t, err)
		same(t, "account", elsewhere, caller.AccountID)
		if !strings.HasPrefix(caller.ARN, "arn:aws:sts::"+elsewhere+":assumed-role/externalbackend/") {
			t.Errorf("the caller is %s", caller.ARN)
		}
		_, _, err = other.Instances(t.Context(), ec2.InstancesRequest{IDs: here})
		same(t, "code for an instance of another account", "InvalidInstanceID.NotFound", failed(t, err).Code)
	})
}

func TestOwnCredentials(t *testing.T) {
	worlds(t, func(t *testing.T, w world) {
		want := w.fleet(home, region).run(1, spec{})
		key := w.user()
		t.Setenv("AWS_ACCESS_KEY_ID", key.ID)
		t.Setenv("AWS_SECRET_ACCESS_KEY", key.Secret)
		got, _ := list(t, connectAs(t, w, ec2.Identity{}, region))
		same(t, "instances", want, ids(got))
	})
}

func TestDenied(t *testing.T) {
	worlds(t, func(t *testing.T, w world) {
		_, _, err := connect(t, w, w.restricted(), nil, region).Instances(t.Context(), ec2.InstancesRequest{})
		failure := failed(t, err)
		same(t, "kind", ec2.AccessDenied, failure.Kind)
		same(t, "action", "ec2:DescribeInstances", failure.Action)
	})
}

func TestWrongSecret(t *testing.T) {
	worlds(t, func(t *testing.T, w world) {
		key := w.restricted() // from then on, moto verifies signatures
		key.Secret = "not" + key.Secret
		api := connect(t, w, key, nil, region)
		_, _, err := api.Instances(t.Context(), ec2.InstancesRequest{})
		failure := failed(t, err)
		same(t, "kind", ec2.CredentialsInvalid, failure.Kind)
		same(t, "code", "AuthFailure", failure.Code)
		if strings.Contains(failure.Error(), key.Secret) {
			t.Errorf("the failure tells the secret: %v", failure)
		}
	})
}

func TestUnknownKey(t *testing.T) {
	worlds(t, func(t *testing.T, w world) {
		key := w.restricted()
		key.ID = "AKIA9999999999999999"
		_, _, err := connect(t, w, key, nil, region).Instances(t.Context(), ec2.InstancesRequest{})
		failure := failed(t, err)
		same(t, "kind", ec2.CredentialsInvalid, failure.Kind)
		same(t, "code", "AuthFailure", failure.Code)
	})
}
