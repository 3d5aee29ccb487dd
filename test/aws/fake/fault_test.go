// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package fake_test

import (
	"context"
	"encoding/xml"
	"errors"
	"runtime"
	"sync"
	"syscall"
	"testing"

	"externalbackend.dev/operator/test/aws/fake"
	"externalbackend.dev/operator/test/aws/query"
)

func TestRefusals(t *testing.T) {
	cases := []struct {
		about                 string
		effect                fake.Effect
		ec2, sts, autoscaling string
	}{
		{"throttled", fake.Throttle(), "RequestLimitExceeded", "Throttling", "Throttling"},
		{"denied", fake.Deny(), "UnauthorizedOperation", "AccessDenied", "AccessDenied"},
		{"expired", fake.Expire(), "RequestExpired", "ExpiredToken", "ExpiredToken"},
		{"unavailable", fake.Unavailable(), "Unavailable", "Unavailable", "Unavailable"},
		{"internal error", fake.InternalError(), "InternalError", "InternalError", "InternalError"},
		{"not opted in", fake.OptIn(), "OptInRequired", "OptInRequired", "OptInRequired"},
	}
	for _, test := range cases {
		t.Run(test.about, func(t *testing.T) {
			server, _, c := start(t)
			fault := server.Inject(fake.Fault{Times: 3, Effect: test.effect})
			for range 2 {
				for service, want := range map[string]string{"ec2": test.ec2, "sts": test.sts, "autoscaling": test.autoscaling} {
					if fault.Hits() == 3 {
						want = ""
					}
					wantCode(t, service, want, c.Query(t.Context(), nil, service, actions[service]))
				}
			}
		})
	}
}

var actions = map[string]string{
	"ec2": "DescribeInstances", "sts": "GetCallerIdentity", "autoscaling": "DescribeAutoScalingInstances",
}

func TestFaultsHitWhatTheyAreFor(t *testing.T) {
	server, fleet, c := start(t)
	fleet.LaunchAll(make([]fake.Instance, 7)...)
	fleet.SetPageSize(3)
	second := server.Inject(fake.Fault{Operation: "DescribeInstances", Page: 2, Effect: fake.Unavailable()})
	first, err := describe(t, c)
	wantCode(t, "first page", "", err)
	_, err = describe(t, c, "NextToken", first.Token)
	wantCode(t, "second page", "Unavailable", err)
	second.Remove()
	_, err = describe(t, c, "NextToken", first.Token)
	wantCode(t, "second page without the fault", "", err)

	server.Inject(fake.Fault{Region: "eu-central-1", Effect: fake.Throttle()})
	server.Inject(fake.Fault{Account: elsewhere, Effect: fake.Deny()})
	_, err = describe(t, c)
	wantCode(t, "here", "", err)
	c.Region = "eu-central-1"
	_, err = describe(t, c)
	wantCode(t, "in the other region", "RequestLimitExceeded", err)
	_, err = describe(t, client(server, server.Account(elsewhere).User("other")))
	wantCode(t, "with the other account", "UnauthorizedOperation", err)
	server.Heal()
	_, err = describe(t, c)
	wantCode(t, "healed", "", err)
}

func TestBucket(t *testing.T) {
	server, _, c := start(t)
	bucket := &fake.Bucket{}
	bucket.Fill(2)
	fault := server.Inject(fake.Fault{Effect: bucket.Effect()})
	for _, want := range []string{"", "", "RequestLimitExceeded", "RequestLimitExceeded"} {
		_, err := describe(t, c)
		wantCode(t, "request", want, err)
	}
	if fault.Hits() != 2 {
		t.Errorf("%d hits, want 2", fault.Hits())
	}
}

func TestInstancesAreNotSeen(t *testing.T) {
	server, fleet, c := start(t)
	lost, kept := fleet.Run(fake.Instance{Group: "g"}), fleet.Run(fake.Instance{})
	fault := server.Inject(fake.Fault{Effect: fake.Lose(lost)})
	got, err := describe(t, c)
	wantCode(t, "listing", "", err)
	if ids := got.ids(); len(ids) != 1 || ids[0] != kept {
		t.Errorf("there are %v", ids)
	}
	_, err = describe(t, c, "InstanceId.1", lost)
	wantCode(t, "by id", "InvalidInstanceID.NotFound", err)
	fault.Remove()
	server.Inject(fake.Fault{Effect: fake.Empty()})
	if got, err = describe(t, c); err != nil || len(got.ids()) != 0 {
		t.Errorf("there are %v (%v)", got.ids(), err)
	}
}

func TestZoneOutage(t *testing.T) {
	server, fleet, c := start(t)
	a, b := fleet.Run(fake.Instance{Zone: region + "a"}), fleet.Run(fake.Instance{Zone: region + "b"})
	server.Inject(fake.Fault{Effect: fake.ZoneOutage(region + "b")})
	_, err := describe(t, c)
	wantCode(t, "listing", "Unavailable", err)
	_, err = describe(t, c, "Filter.1.Name", "instance-id", "Filter.1.Value.1", a)
	wantCode(t, "filter", "Unavailable", err)
	_, err = describe(t, c, "InstanceId.1", a)
	wantCode(t, "healthy zone", "", err)
	_, err = describe(t, c, "InstanceId.1", a, "InstanceId.2", b)
	wantCode(t, "broken zone", "Unavailable", err)
}

func TestDamage(t *testing.T) {
	server, fleet, c := start(t)
	fleet.Run(fake.Instance{})
	for about, effect := range map[string]fake.Effect{"truncated": fake.Truncate(), "garbage": fake.Garbage()} {
		server.Inject(fake.Fault{Times: 1, Effect: effect})
		if _, err := describe(t, c); !isSyntax(err) {
			t.Errorf("%s: %v", about, err)
		}
	}
	server.Inject(fake.Fault{Times: 1, Effect: fake.Reset()})
	if _, err := describe(t, c); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("reset: %v", err)
	}
}

func isSyntax(err error) bool {
	_, ok := errors.AsType[*xml.SyntaxError](err)
	return ok
}

func TestGate(t *testing.T) {
	server, fleet, c := start(t)
	gate := fake.NewGate()
	server.Inject(fake.Fault{Effect: gate.Effect()})

	ctx, cancel := context.WithCancel(t.Context())
	given := make(chan error)
	go func() { given <- c.Query(ctx, nil, "ec2", "DescribeInstances") }()
	waitFor(t, gate, 1)
	cancel() // who has gone is not waited for
	if err := <-given; !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	waitFor(t, gate, 0)

	answered := make(chan error)
	go func() { answered <- c.Query(t.Context(), nil, "ec2", "DescribeInstances") }()
	waitFor(t, gate, 1)
	fleet.Run(fake.Instance{}) // nobody else is held up
	gate.Open()
	if err := <-answered; err != nil {
		t.Error(err)
	}
}

// waitFor waits until so many requests wait.
func waitFor(t *testing.T, gate *fake.Gate, requests int) {
	t.Helper()
	for gate.Waiting() != requests {
		if t.Context().Err() != nil {
			t.Fatal("nobody comes")
		}
		runtime.Gosched()
	}
}

func TestCloseReleasesWhoWaits(t *testing.T) {
	server, fleet, c := start(t)
	gate := fake.NewGate()
	server.Inject(fake.Fault{Operation: "DescribeInstances", Effect: gate.Effect()})
	held := make(chan error)
	var receiving sync.WaitGroup
	go func() { held <- c.Query(t.Context(), nil, "ec2", "DescribeInstances") }()
	queue := fleet.Queue("events").URL()
	receiving.Go(func() { _ = receive(t, c, queue, nil) })
	waitFor(t, gate, 1)
	server.Close()
	if err := <-held; err == nil {
		t.Error("answered though the gate is shut")
	}
	receiving.Wait()
}

func receive(t *testing.T, c query.Client, queue string, result any) error {
	return c.SQS(t.Context(), result, "ReceiveMessage",
		map[string]any{"QueueUrl": queue, "WaitTimeSeconds": 20, "MaxNumberOfMessages": 10})
}
