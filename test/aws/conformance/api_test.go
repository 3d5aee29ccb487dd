// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"externalbackend.dev/operator/internal/discovery/ec2"
	"externalbackend.dev/operator/internal/discovery/ec2/sdk"
	"externalbackend.dev/operator/test/aws/sigv4"
)

// connect returns the adapter with these credentials, and the role if there is one.
func connect(t *testing.T, w world, key sigv4.Key, role *ec2.Role, region string) ec2.API {
	t.Helper()
	access := &ec2.AccessKey{ID: key.ID, Secret: key.Secret, SessionToken: key.Token}
	return connectAs(t, w, ec2.Identity{AccessKey: access, Role: role}, region)
}

// connectAs returns the adapter with an identity.
func connectAs(t *testing.T, w world, identity ec2.Identity, region string) ec2.API {
	t.Helper()
	t.Setenv("AWS_ENDPOINT_URL", w.url())
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	for _, file := range []string{"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"} {
		t.Setenv(file, "/dev/null")
	}
	connector := sdk.New(sdk.Options{})
	t.Cleanup(connector.CloseIdle)
	return connector.Connect(identity, region)
}

// asUser is the adapter with the credentials of the user.
func asUser(t *testing.T, w world) ec2.API {
	t.Helper()
	return connect(t, w, w.user(), nil, region)
}

// list lists all pages; sizes are how large they are.
func list(t *testing.T, api ec2.API, filters ...ec2.Filter) (all []ec2.Instance, sizes []int) {
	t.Helper()
	token := ""
	for {
		page, next, err := api.Instances(t.Context(), ec2.InstancesRequest{Filters: filters, Token: token})
		check(t, err)
		all, sizes = append(all, page...), append(sizes, len(page))
		if token = next; token == "" {
			slices.SortFunc(all, func(a, b ec2.Instance) int { return strings.Compare(a.ID, b.ID) })
			return all, sizes
		}
	}
}

// get returns an instance by its id.
func get(t *testing.T, api ec2.API, id string) ec2.Instance {
	t.Helper()
	page, _, err := api.Instances(t.Context(), ec2.InstancesRequest{IDs: []string{id}})
	check(t, err)
	if len(page) != 1 || page[0].ID != id {
		t.Fatalf("asked for %s, got %+v", id, page)
	}
	return page[0]
}

func ids(instances []ec2.Instance) []string {
	var list []string
	for _, i := range instances {
		list = append(list, i.ID)
	}
	return list
}

func sorted(ids ...string) []string { return slices.Sorted(slices.Values(ids)) }

func addresses(texts ...string) []netip.Addr {
	var list []netip.Addr
	for _, text := range texts {
		list = append(list, netip.MustParseAddr(text))
	}
	return list
}

// failed is the failure that a call ended with.
func failed(t *testing.T, err error) *ec2.Failure {
	t.Helper()
	failure, ok := errors.AsType[*ec2.Failure](err)
	if !ok {
		t.Fatalf("the call ended with %v", err)
	}
	return failure
}
