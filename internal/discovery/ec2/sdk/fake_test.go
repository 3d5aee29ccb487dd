// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"externalbackend.dev/operator/internal/discovery/ec2"
	"externalbackend.dev/operator/test/aws/fake"
)

const account = "111122223333"

// simulated starts AWS as it is simulated for whole clusters, and connects to it.
func simulated(t *testing.T) (*fake.Server, *Connector) {
	t.Helper()
	settings(t)
	server, err := fake.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	t.Setenv("AWS_ENDPOINT_URL", server.URL())
	c := New(Options{})
	t.Cleanup(c.CloseIdle)
	return server, c
}

func keyOf(server *fake.Server) *ec2.AccessKey {
	key := server.Account(account).User("operator")
	return &ec2.AccessKey{ID: key.ID, Secret: key.Secret}
}

func TestPodIdentity(t *testing.T) {
	server, c := simulated(t)
	server.Account(account).Role(fake.Role{Name: "pod", PodIdentity: "a-token"})
	file := filepath.Join(t.TempDir(), "token")
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "",
		"AWS_CONTAINER_CREDENTIALS_FULL_URI": server.PodIdentityURL(), "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": file,
	} {
		t.Setenv(name, value)
	}
	api := c.Connect(ec2.Identity{}, region)
	for _, test := range []struct {
		token string
		kind  ec2.Kind
	}{{"another", ec2.CredentialsUnavailable}, {"a-token", ""}} {
		if err := os.WriteFile(file, []byte(test.token), 0o600); err != nil {
			t.Fatal(err)
		}
		caller, err := api.Caller(t.Context())
		if test.kind == "" {
			if err != nil || caller.AccountID != account {
				t.Errorf("with %s: %v, %v", test.token, caller, err)
			}
		} else if kind := failureIn(t, err).Kind; kind != test.kind {
			t.Errorf("with %s: %v", test.token, err)
		}
	}
}

func TestRoleOfTheNode(t *testing.T) {
	server, c := simulated(t)
	key := keyOf(server)
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/latest/api/token":
			w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "60")
			fmt.Fprint(w, "token")
		case "/latest/meta-data/iam/security-credentials/":
			fmt.Fprint(w, "node")
		case "/latest/meta-data/iam/security-credentials/node":
			fmt.Fprintf(w, `{"Code":"Success","AccessKeyId":%q,"SecretAccessKey":%q,"Token":"","Expiration":%q}`,
				key.ID, key.Secret, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(node.Close)
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "",
		"AWS_EC2_METADATA_DISABLED": "", "AWS_EC2_METADATA_SERVICE_ENDPOINT": node.URL,
	} {
		t.Setenv(name, value)
	}
	caller, err := c.Connect(ec2.Identity{}, region).Caller(t.Context())
	if err != nil || caller.AccountID != account {
		t.Errorf("got %v, %v", caller, err)
	}
}

func TestKeysOfTagsAreNoPatterns(t *testing.T) {
	server, c := simulated(t)
	keys := []string{"app", `a*`, `a?p`, `a\p`}
	found := map[string]string{}
	for _, key := range keys {
		id := server.Account(account).Region(region).Run(fake.Instance{
			Interfaces: []fake.Interface{{Tags: map[string]string{key: "x"}}},
		})
		found[server.Account(account).Region(region).Instance(id).Interfaces[0].ID] = key
	}
	api := c.Connect(ec2.Identity{AccessKey: keyOf(server)}, region)
	for _, key := range keys {
		page, next, err := api.InterfaceTags(t.Context(), []string{key}, "")
		if err != nil || next != "" {
			t.Fatal(next, err)
		}
		if ids := slices.Collect(maps.Keys(page)); len(ids) != 1 || found[ids[0]] != key || page[ids[0]][key] != "x" {
			t.Errorf("with %q: %v", key, page)
		}
	}
}

func TestDisabledRegion(t *testing.T) {
	server, c := simulated(t)
	server.Account(account).Region(otherRegion).Disable(true)
	key := keyOf(server)
	for name, identity := range map[string]ec2.Identity{
		"key":  {AccessKey: key, Region: region},
		"role": {AccessKey: key, Region: region, Role: &ec2.Role{ARN: server.Account(account).Role(fake.Role{Name: "r"})}},
	} {
		if kind := kindIn(t, c, identity, otherRegion); kind != ec2.RegionUnknown {
			t.Errorf("%s: got %q", name, kind)
		}
		if kind := kindIn(t, c, identity, region); kind != "" {
			t.Errorf("%s: got %q in a region that is enabled", name, kind)
		}
	}
	server.Account(account).DropKey(key.ID)
	for _, in := range []string{region, otherRegion} {
		if kind := kindIn(t, c, ec2.Identity{AccessKey: key, Region: region}, in); kind != ec2.CredentialsInvalid {
			t.Errorf("without the key: got %q in %s", kind, in)
		}
	}
}
