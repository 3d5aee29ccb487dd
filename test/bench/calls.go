// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"externalbackend.dev/operator/internal/discovery/ec2"
	"externalbackend.dev/operator/internal/discovery/ec2/sdk"
	"externalbackend.dev/operator/test/aws/fake"
)

const (
	// callInstances is how many instances the region of each case has.
	callInstances = 1000
	// callsFor is how long requests are counted.
	callsFor = 4 * time.Minute
)

// Ways to select instances.
const (
	byOneTag    = "the same tag"
	byOtherTags = "another value of a tag each"
	byID        = "another id each"
)

// calls are the requests to AWS for a number of ExternalBackends with the same
// AWSIdentity and region.
type calls struct {
	Selecting string
	Backends  int
	// Listings and Statuses are those of the two operations that are called again
	// and again, and Others how many requests there were besides.
	Listings, Statuses rounds
	Others             int
}

// rounds are requests that come in bursts.
type rounds struct {
	seen int // requests at the last look
	// first and last are when two bursts were over, and before and after the requests
	// until then; between says how many bursts came after the first.
	first, last            moment
	before, after, between int
}

// look takes the number of requests so far. A burst is over when there is none from
// one look to the next.
func (r *rounds) look(at moment, count int) {
	if count == r.seen && count > r.after {
		if r.first == 0 {
			r.first, r.before = at, count
		} else {
			r.between++
		}
		r.last, r.after = at, count
	}
	r.seen = count
}

// each is how many requests a burst has, and perMinute how many there are in a
// minute; zero if there were not two bursts.
func (r *rounds) each() float64 {
	if r.between == 0 {
		return 0
	}
	return float64(r.after-r.before) / float64(r.between)
}

func (r *rounds) perMinute() float64 {
	if r.between == 0 {
		return 0
	}
	return float64(r.after-r.before) / r.last.since(r.first).Minutes()
}

// caller asks AWS on behalf of a number of ExternalBackends.
type caller struct {
	calls
	account *fake.Account
	ids     []string
	found   *ec2.Discoverer[int]
}

// measureCalls counts the requests of all cases at the same time. Each has an
// account of its own.
func measureCalls(ctx context.Context, aws *fake.Server, duration time.Duration) (all []calls, err error) {
	ctx, cancel := context.WithCancel(ctx)
	var callers []*caller
	var ended []chan error
	defer func() {
		cancel()
		for _, end := range ended {
			err = errors.Join(err, <-end)
		}
	}()
	for _, selecting := range []string{byOneTag, byOtherTags, byID} {
		for _, backends := range []int{1, 100, 1000} {
			c := newCaller(aws.Account(fmt.Sprintf("2%011d", len(callers))), selecting, backends)
			callers = append(callers, c)
			end := make(chan error, 1)
			ended = append(ended, end)
			go func() { end <- c.found.Start(ctx) }()
		}
	}
	for _, c := range callers {
		if err := c.settled(ctx); err != nil {
			return nil, err
		}
	}
	aws.ForgetRequests()
	began := now()
	for now().since(began) < duration {
		at, requests := now(), aws.Requests()
		for _, c := range callers {
			c.look(at, requests)
		}
		if err := sleep(ctx, time.Second); err != nil {
			return nil, err
		}
	}
	for _, c := range callers {
		all = append(all, c.calls)
	}
	return all, nil
}

func newCaller(account *fake.Account, selecting string, backends int) *caller {
	connector := sdk.New(sdk.Options{})
	c := &caller{
		calls: calls{Selecting: selecting, Backends: backends}, account: account,
		found: ec2.New(ec2.Options[int]{Connector: connector}),
	}
	specs := make([]fake.Instance, callInstances)
	for n := range specs {
		specs[n].Tags = map[string]string{"app": "web", "part": fmt.Sprint(n)}
	}
	region := account.Region(awsRegion)
	c.ids = region.LaunchAll(specs...)
	region.Settle()
	key := account.User("operator")
	c.found.SetIdentity("default", ec2.Identity{
		AccessKey: &ec2.AccessKey{ID: key.ID, Secret: key.Secret}, InstanceStatus: true, AutoScaling: true,
	})
	for n := range backends {
		c.found.Ensure(n, []ec2.Query{{
			Name: "fleet", Source: ec2.Source{Identity: "default", Region: awsRegion}, Selector: c.selector(n),
		}})
	}
	return c
}

// selector is that of the ExternalBackend of this number.
func (c *caller) selector(n int) ec2.Selector {
	switch c.Selecting {
	case byOneTag:
		return ec2.Selector{Filters: []ec2.Filter{{Name: "tag:app", Values: []string{"web"}}}}
	case byOtherTags:
		return ec2.Selector{Filters: []ec2.Filter{{Name: "tag:part", Values: []string{fmt.Sprint(n)}}}}
	default:
		return ec2.Selector{IDs: []string{c.ids[n]}}
	}
}

// settled returns when every ExternalBackend has its instances.
func (c *caller) settled(ctx context.Context) error {
	return poll(ctx, "the instances are not found", func(context.Context) (bool, error) {
		for n := range c.Backends {
			s := c.found.Lookup(n, "fleet")
			if s == nil || s.Listed.IsZero() {
				return false, nil
			}
			if want := c.wanted(); len(s.Matching) != want {
				return false, fmt.Errorf("an ExternalBackend selects %d instances by %s, not %d", len(s.Matching), c.Selecting, want)
			}
		}
		return true, nil
	})
}

// wanted is how many instances each ExternalBackend selects.
func (c *caller) wanted() int {
	if c.Selecting == byOneTag {
		return callInstances
	}
	return 1
}

// look takes those of the requests that this one made.
func (c *caller) look(at moment, requests []fake.Request) {
	counts := map[string]int{}
	others := 0
	for _, r := range requests {
		switch {
		case r.Account != c.account.ID():
		case r.Operation == "DescribeInstances", r.Operation == "DescribeInstanceStatus":
			counts[r.Operation]++
		default:
			others++
		}
	}
	c.Listings.look(at, counts["DescribeInstances"])
	c.Statuses.look(at, counts["DescribeInstanceStatus"])
	c.Others = others
}
