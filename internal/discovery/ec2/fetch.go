// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
)

const (
	// maxPages is how many pages an answer has at most.
	maxPages = 10_000
	// maxSingles is how many instances a refresh asks for one by one, and
	// maxFailedRescues how many such requests fail before it gives up.
	maxSingles       = 50
	maxFailedRescues = 3
	notFound         = "InvalidInstanceID.NotFound"
)

var errTooLong = errors.New("it took too long")

// failureOf returns why a call failed.
func failureOf(err error, action string) *Failure {
	if failure, ok := errors.AsType[*Failure](err); ok {
		return failure
	}
	return &Failure{Kind: Unavailable, Action: action, Err: err}
}

func tooMany(most int) *Failure {
	return &Failure{Kind: TooMany, Action: instancesAction, Err: fmt.Errorf("there are more than %d instances", most)}
}

// pages reads all pages of an answer. A token that comes again would go on for ever.
func pages(ctx context.Context, action string, get func(token string) (next string, err error)) *Failure {
	token := ""
	for range maxPages {
		next, err := get(token)
		if err == nil && ctx.Err() != nil {
			err = ctx.Err()
		}
		if err != nil {
			if cause := context.Cause(ctx); cause != nil {
				err = &Failure{Kind: Unavailable, Action: action, Err: cause}
			}
			return failureOf(err, action)
		}
		if next == "" {
			return nil
		}
		if next == token {
			return &Failure{Kind: Malformed, Action: action, Err: errors.New("a page refers to itself as the next one")}
		}
		token = next
	}
	return &Failure{Kind: Malformed, Action: action, Err: fmt.Errorf("there are more than %d pages", maxPages)}
}

// listAll returns all instances that some requests list, or why one of them failed.
func listAll(ctx context.Context, api API, requests [][]Filter) (map[string]*Instance, *Failure) {
	found := map[string]*Instance{}
	for _, filters := range requests {
		failure := pages(ctx, instancesAction, func(token string) (string, error) {
			page, next, err := api.Instances(ctx, InstancesRequest{Filters: filters, Token: token})
			if err != nil {
				return "", err
			}
			for n := range page {
				if page[n].ID != "" {
					found[page[n].ID] = &page[n]
				}
			}
			if len(found) > maxInstances {
				return "", tooMany(maxInstances)
			}
			return next, nil
		})
		if failure != nil {
			return nil, failure
		}
	}
	return found, nil
}

// rescue asks for instances by their ids, in chunks. What it does not find may be
// there all the same.
func rescue(ctx context.Context, api API, chunks [][]string, answered bool) (found []*Instance) {
	failed, singles := 0, 0
	for len(chunks) > 0 && ctx.Err() == nil {
		chunk := chunks[0]
		chunks = chunks[1:]
		page, _, err := api.Instances(ctx, InstancesRequest{IDs: chunk})
		if err == nil {
			for n := range page {
				found = append(found, &page[n])
			}
			continue
		}
		f := failureOf(err, instancesAction)
		if f.Code == notFound {
			for _, id := range chunk {
				if len(chunk) > 1 && singles < maxSingles {
					singles++
					chunks = append(chunks, []string{id})
				}
			}
			continue
		}
		if failed++; failed >= maxFailedRescues || f.Kind != Unavailable || !answered {
			return found
		}
	}
	return found
}

// listTags returns the tags of all interfaces with one of the keys.
func listTags(ctx context.Context, api API, keys []string) (map[string]map[string]string, *Failure) {
	const action = "ec2:DescribeNetworkInterfaces"
	found := map[string]map[string]string{}
	for some := range slices.Chunk(keys, MaxFilterValues) {
		failure := pages(ctx, action, func(token string) (string, error) {
			page, next, err := api.InterfaceTags(ctx, some, token)
			if err == nil {
				maps.Copy(found, page)
			}
			return next, err
		})
		if failure != nil {
			return nil, failure
		}
	}
	return found, nil
}

// listLifecycles returns the states of up to MaxLifecycles instances in their groups.
func listLifecycles(ctx context.Context, api API, ids []string) (states map[string]string, f *Failure) {
	const action = "autoscaling:DescribeAutoScalingInstances"
	f = pages(ctx, action, func(string) (_ string, err error) {
		states, err = api.Lifecycles(ctx, ids)
		return "", err
	})
	return states, f
}

// listStatuses returns the statuses of all instances that have a problem.
func listStatuses(ctx context.Context, api API) (map[string]Status, *Failure) {
	const action = "ec2:DescribeInstanceStatus"
	found := map[string]Status{}
	for _, problem := range []Problem{InstanceImpaired, SystemImpaired, EventScheduled} {
		failure := pages(ctx, action, func(token string) (string, error) {
			page, next, err := api.Statuses(ctx, problem, token)
			if err == nil {
				merge(found, page)
			}
			return next, err
		})
		if failure != nil {
			return nil, failure
		}
	}
	return found, nil
}
