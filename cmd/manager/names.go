// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"externalbackend.dev/operator/internal/discovery/dns"
	"externalbackend.dev/operator/internal/health"
	"externalbackend.dev/operator/internal/metrics"
)

// Bounds of the times between two answers about a name.
const (
	leastTTL = time.Second
	mostTTL  = time.Hour
)

// nameOptions say how names are resolved.
type nameOptions struct {
	servers        []netip.AddrPort
	minTTL, maxTTL time.Duration
	maxQuestions   int // of a namespace
}

func (o *nameOptions) register(flags *flag.FlagSet) {
	flags.Func("dns-servers", "name servers for targets that are names, separated by commas: addresses, with a port after a colon if it is not 53; without it those of /etc/resolv.conf", func(list string) (err error) {
		texts := strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
		o.servers, err = dns.ParseServers(texts)
		return err
	})
	flags.DurationVar(&o.minTTL, "dns-min-ttl", dns.DefaultMinTTL, "least time between two answers about a name, whatever its TTL")
	flags.DurationVar(&o.maxTTL, "dns-max-ttl", dns.DefaultMaxTTL, "most time between two answers about a name, whatever its TTL")
	flags.IntVar(&o.maxQuestions, "dns-max-questions-per-namespace", dns.DefaultMaxQuestions, "questions that the names of a namespace's ExternalBackends may make, one for A and one for AAAA each; names beyond are not asked for")
}

func (o *nameOptions) check() error {
	return errors.Join(
		between("dns-min-ttl", o.minTTL, leastTTL, mostTTL),
		between("dns-max-ttl", o.maxTTL, leastTTL, mostTTL),
		inRange("dns-max-questions-per-namespace", o.maxQuestions, 1, 1_000_000),
		o.inOrder(),
	)
}

func (o *nameOptions) inOrder() error {
	if o.maxTTL < o.minTTL {
		return fmt.Errorf("--dns-max-ttl is %s: it must be at least --dns-min-ttl, %s", o.maxTTL, o.minTTL)
	}
	return nil
}

func between(name string, value, low, high time.Duration) error {
	if value < low || value > high {
		return fmt.Errorf("--%s is %s: it must be between %s and %s", name, value, low, high)
	}
	return nil
}

func (o *nameOptions) resolver(changed func(health.Subscriber), recorder *metrics.Metrics) *dns.Resolver[health.Subscriber] {
	return dns.New(dns.Options[health.Subscriber]{
		Servers: o.servers, MinTTL: o.minTTL, MaxTTL: o.maxTTL,
		MaxQuestions: o.maxQuestions,
		Changed:      changed,
		Group:        func(s health.Subscriber) string { return s.Namespace },
		Observer:     queryObserver{recorder},
	})
}

// queryObserver hands what the resolver does to the metrics.
type queryObserver struct{ metrics *metrics.Metrics }

// QueryDone implements dns.Observer.
func (o queryObserver) QueryDone(kind dns.Type, outcome dns.Outcome, took time.Duration) {
	o.metrics.QueryDone(kind.String(), outcome.String(), took)
}
