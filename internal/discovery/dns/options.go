// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"net/netip"
	"time"

	"k8s.io/utils/clock"
)

// Defaults of Options.
const (
	DefaultMinTTL = 5 * time.Second
	DefaultMaxTTL = 5 * time.Minute
	// DefaultMinRetention is one minute.
	DefaultMinRetention = time.Minute
	DefaultResolvConf   = "/etc/resolv.conf"
)

// Options configures a Resolver whose subscribers are told apart by S. The zero
// value is usable.
type Options[S comparable] struct {
	// Servers are asked in this order. Default: those of ResolvConf.
	Servers []netip.AddrPort
	// ResolvConf is the path of a file as in resolv.conf(5), which is read again
	// when it changes. Ignored if there are Servers. Default: DefaultResolvConf.
	ResolvConf string
	// MinTTL and MaxTTL bound TTLs, and so the time from one definitive answer to
	// the next query, which is up to a tenth longer. MaxTTL is at least MinTTL.
	// Default: DefaultMinTTL, DefaultMaxTTL.
	MinTTL, MaxTTL time.Duration
	// MinRetention is the least time for which records stay that are missing from
	// answers, be it one of them or all. Default: DefaultMinRetention.
	MinRetention time.Duration
	// Changed tells that the snapshot of at least one question of a subscriber
	// changed. Changes are coalesced per subscriber. It is called from one
	// goroutine, holds up nothing but further calls, and must return once Start's
	// context is done. Default: nobody is told.
	Changed func(S)
	// Group returns whose share of the queries a subscriber uses: its namespace.
	// It must be quick, and always the same. Default: all use one.
	Group func(S) string
	// Observer is told what happens, for metrics. Default: nobody is told.
	Observer Observer
	// Clock tells the time and wakes the resolver. Waiting for servers takes real
	// time. Default: the real clock.
	Clock clock.Clock
}

// Observer is told what the resolver does. Its methods are called from many
// goroutines and must be quick.
type Observer interface {
	// QueryDone reports the end of one query, however many servers it took.
	QueryDone(t Type, outcome Outcome, took time.Duration)
}

func (o Options[S]) withDefaults() Options[S] {
	if o.ResolvConf == "" {
		o.ResolvConf = DefaultResolvConf
	}
	if o.MinTTL <= 0 {
		o.MinTTL = DefaultMinTTL
	}
	if o.MaxTTL <= 0 {
		o.MaxTTL = DefaultMaxTTL
	}
	o.MaxTTL = max(o.MinTTL, o.MaxTTL)
	if o.MinRetention <= 0 {
		o.MinRetention = DefaultMinRetention
	}
	if o.Changed == nil {
		o.Changed = func(S) {}
	}
	if o.Group == nil {
		o.Group = func(S) string { return "" }
	}
	if o.Observer == nil {
		o.Observer = noObserver{}
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	return o
}

type noObserver struct{}

func (noObserver) QueryDone(Type, Outcome, time.Duration) {}
