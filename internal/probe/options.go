// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"net"
	"net/netip"
	"time"

	"k8s.io/utils/clock"

	"externalbackend.dev/operator/internal/health"
)

const (
	// maxInFlightCeiling bounds the default of Options.MaxInFlight. Everything
	// timing out at 1,000 checks/s and 3 s keeps 3,000 checks in flight.
	maxInFlightCeiling = 4096
	// maxInFlightPerAddress keeps a namespace from being a burden for one host,
	// or for one NAT device in front of many. Namespaces count apart, or one of
	// them could keep another from checking its own hosts.
	maxInFlightPerAddress = 8
	// DefaultMaxChecksPerNamespace takes about 55 MB, and is enough for twenty
	// ExternalBackends of 5,000 addresses with a check each.
	DefaultMaxChecksPerNamespace = 100_000
	// CheckSize is how many bytes of memory a check takes, about
	// (BenchmarkIdleTarget).
	CheckSize = 550
	// RunningCheckSize is how many bytes of memory a check takes besides while it
	// runs, at most, whatever the target sends (TestRunningChecksTakeLittle).
	RunningCheckSize = 128 << 10
)

// Options configures a Scheduler. The zero value is usable.
type Options struct {
	// Clock tells the time and wakes the scheduler. Default: the real clock.
	Clock clock.Clock
	// Executor carries out checks. Default: TCP, HTTP and TLS over sockets,
	// made with Dial and Guard.
	Executor Executor
	// Dial connects to "tcp" and a literal IP address with a port. Default: a
	// dialer with the socket options that suit health checks.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Guard returns nil if a check may connect to an address and port on behalf
	// of any of the namespaces whose subscribers want it. It is asked before a
	// check starts and, by the default dialer, again for what the socket is
	// about to connect to. Denied checks are Indeterminate with reason
	// AddressDenied. Namespaces are sorted and must not be altered; there are
	// none if somebody dials outside of a check. It is called from many
	// goroutines. Default: everything is allowed.
	Guard func(namespaces []string, to netip.AddrPort) error
	// Credentials returns what a check sends to an address, of which it has a
	// reference only, or why that cannot be had: then the check is not made,
	// and Indeterminate for that reason. It is asked for every check anew, so that
	// the value is kept nowhere else, from many goroutines, and must be quick.
	// Default: nothing can be had.
	Credentials func(check *health.Check, from health.SecretKey, addr netip.Addr) (value string, problem health.Reason)
	// Notify tells that the combined verdict of at least one target of a
	// subscriber changed, or what keeps its checks from being carried out. Changes are coalesced per subscriber. It is called
	// from one goroutine, holds up nothing but further notifications, and must
	// return once Start's context is done. Default: nobody is told.
	Notify func(health.Subscriber)
	// Observer is told what happens, for metrics. Default: nobody is told.
	Observer Observer
	// MaxInFlight bounds the checks that run at the same time, at least 1, and
	// thereby the memory that they take, RunningCheckSize each.
	// Default: the lesser of 4096 and half of the file descriptor limit.
	MaxInFlight int
	// MaxChecksPerNamespace bounds the checks that the subscribers of a
	// namespace can ask for, and thereby the memory that they take, CheckSize
	// each. A target without checks counts as one. Default: DefaultMaxChecksPerNamespace.
	MaxChecksPerNamespace int
	// MaxChecks bounds the checks of all namespaces, so that a namespace may ask
	// for more while it has no more than are left for others, or 1,000.
	// Default: no bound.
	MaxChecks int
	// Version is sent in the User-Agent of HTTP checks. Default: "unknown".
	Version string
}

// Observer is told what the scheduler does. Its methods are called from many
// goroutines and must be quick.
type Observer interface {
	// CheckDone reports one finished check, and by how much it started later
	// than it was due.
	CheckDone(kind health.Kind, result health.Result, lag time.Duration)
	// VerdictChanged reports a changed combined verdict of one target.
	VerdictChanged(sub health.Subscriber, addr netip.Addr, from, to health.Verdict)
}

// DefaultMaxInFlight returns the default of Options.MaxInFlight.
func DefaultMaxInFlight() int { return max(1, min(maxInFlightCeiling, openFilesLimit()/2)) }

func (o Options) withDefaults() Options {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.Guard == nil {
		o.Guard = func([]string, netip.AddrPort) error { return nil }
	}
	if o.Credentials == nil {
		o.Credentials = func(*health.Check, health.SecretKey, netip.Addr) (string, health.Reason) {
			return "", health.SecretUnread
		}
	}
	if o.Notify == nil {
		o.Notify = func(health.Subscriber) {}
	}
	if o.Observer == nil {
		o.Observer = noObserver{}
	}
	if o.MaxInFlight <= 0 {
		o.MaxInFlight = DefaultMaxInFlight()
	}
	if o.MaxChecksPerNamespace <= 0 {
		o.MaxChecksPerNamespace = DefaultMaxChecksPerNamespace
	}
	if o.Version == "" {
		o.Version = "unknown"
	}
	if o.Executor == nil {
		o.Executor = newSockets(o)
	}
	return o
}

type noObserver struct{}

func (noObserver) CheckDone(health.Kind, health.Result, time.Duration) {}

func (noObserver) VerdictChanged(health.Subscriber, netip.Addr, health.Verdict, health.Verdict) {}
