// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package fake_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"externalbackend.dev/operator/test/aws/fake"
	"externalbackend.dev/operator/test/aws/query"
	"externalbackend.dev/operator/test/aws/sigv4"
)

const (
	home      = "111122223333"
	elsewhere = "444455556666"
	region    = "eu-west-1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start returns a fake, a region of it, and who asks there.
func start(t *testing.T) (*fake.Server, *fake.Region, query.Client) {
	t.Helper()
	server, err := fake.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	account := server.Account(home)
	return server, account.Region(region), client(server, account.User("operator"))
}

func client(server *fake.Server, key sigv4.Key) query.Client {
	transport := &http.Transport{DisableKeepAlives: true}
	return query.Client{URL: server.URL(), Key: key, Region: region, HTTP: &http.Client{Transport: transport}}
}

// page is the answer to DescribeInstances.
type page struct {
	Reservations []struct {
		IDs []string `xml:"instancesSet>item>instanceId"`
	} `xml:"reservationSet>item"`
	Token string `xml:"nextToken"`
}

func (p page) ids() []string {
	var ids []string
	for _, r := range p.Reservations {
		ids = append(ids, r.IDs...)
	}
	return ids
}

func describe(t *testing.T, c query.Client, params ...string) (page, error) {
	t.Helper()
	var p page
	err := c.Query(t.Context(), &p, "ec2", "DescribeInstances", params...)
	return p, err
}

// code is the error that AWS answered with; empty: none.
func code(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	refused, ok := errors.AsType[*query.Error](err)
	if !ok {
		t.Fatalf("no answer: %v", err)
	}
	return refused.Code
}

func wantCode(t *testing.T, about, want string, err error) {
	t.Helper()
	if got := code(t, err); got != want {
		t.Errorf("%s: the code is %q, want %q", about, got, want)
	}
}

func TestPagesHoldEveryInstanceOnceInEveryOrder(t *testing.T) {
	server, fleet, c := start(t)
	fleet.LaunchAll(make([]fake.Instance, 23)...)
	orders := map[string]bool{}
	for seed := range uint64(3) {
		server.Shuffle(seed)
		var all []string
		token, pages := []string{}, 0
		for {
			got, err := describe(t, c, append([]string{"MaxResults", "5"}, token...)...)
			wantCode(t, "page", "", err)
			pages++
			all = append(all, got.ids()...)
			if got.Token == "" {
				break
			}
			token = []string{"NextToken", got.Token}
		}
		if pages != 5 {
			t.Errorf("%d pages", pages)
		}
		orders[fmt.Sprint(all)] = true
		if slices.Sort(all); !slices.Equal(all, fleet.IDs()) {
			t.Errorf("the pages have %v", all)
		}
	}
	if len(orders) != 3 {
		t.Errorf("%d orders for 3 seeds", len(orders))
	}
}

func TestTokensAreForTheirListing(t *testing.T) {
	_, fleet, c := start(t)
	fleet.LaunchAll(make([]fake.Instance, 9)...)
	first, err := describe(t, c, "MaxResults", "5")
	wantCode(t, "first", "", err)
	_, err = describe(t, c, "MaxResults", "5", "NextToken", "nonsense")
	wantCode(t, "nonsense", "InvalidParameterValue", err)
	_, err = describe(t, c, "MaxResults", "5", "NextToken", first.Token, "Filter.1.Name", "tag-key", "Filter.1.Value.1", "a")
	wantCode(t, "other filters", "InvalidParameterValue", err)
	_, err = describe(t, c, "NextToken", first.Token, "InstanceId.1", fleet.IDs()[0])
	wantCode(t, "ids", "InvalidParameterCombination", err)
}

func TestLifeCycleGoesOnWhenToldTo(t *testing.T) {
	_, fleet, _ := start(t)
	state := func(id, want string) {
		t.Helper()
		if got := fleet.Instance(id).State; got != want {
			t.Errorf("it is %s, want %s", got, want)
		}
	}
	id := fleet.Launch(fake.Instance{PrivateIP: "10.0.0.1", PublicIP: "203.0.113.1"})
	state(id, "pending")
	fleet.Settle(id)
	state(id, "running")
	fleet.Stop(id)
	state(id, "stopping")
	fleet.Settle()
	state(id, "stopped")
	if eni := fleet.Instance(id).Interfaces[0]; eni.Addresses[0] != (fake.Address{Private: "10.0.0.1"}) {
		t.Errorf("its address is %v", eni.Addresses[0])
	}
	fleet.Start(id)
	state(id, "pending")
	fleet.Terminate(id)
	state(id, "shutting-down")
	fleet.Settle(id)
	state(id, "terminated")
	if enis := fleet.Instance(id).Interfaces; enis != nil {
		t.Errorf("it has %v", enis)
	}
}

func TestRequestsAreRecorded(t *testing.T) {
	server, fleet, c := start(t)
	fleet.LaunchAll(make([]fake.Instance, 7)...)
	first, _ := describe(t, c, "MaxResults", "5")
	_, _ = describe(t, c, "MaxResults", "5", "NextToken", first.Token)
	_, _ = describe(t, c, "MaxResults", "4")
	requests := server.Requests("DescribeInstances")
	if len(requests) != 3 || server.Count() != 3 || server.Counts()["DescribeInstances"] != 3 {
		t.Fatalf("recorded: %+v", requests)
	}
	second := requests[1]
	if second.Page != 2 || second.Account != home || second.Region != region || second.Service != "ec2" ||
		second.Principal != "arn:aws:iam::"+home+":user/operator" || second.Params.Get("MaxResults") != "5" || second.Status != 200 {
		t.Errorf("the second is %+v", second)
	}
	if third := requests[2]; third.Status != 400 || third.Code != "InvalidParameterValue" {
		t.Errorf("the third is %+v", third)
	}
	if server.ForgetRequests(); server.Count() != 0 {
		t.Error("they are not forgotten")
	}
}
