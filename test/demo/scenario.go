// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"externalbackend.dev/operator/test/cluster"
	"externalbackend.dev/operator/test/rack"
)

// Bounds of what the demo waits for. The first three are far above what
// manifests/payments.yaml lets one expect (at most 4 s), for slow machines.
const (
	flipBound   = 15 * time.Second // from the harm until the host is published as not ready
	returnBound = 15 * time.Second // from the mending until it is published as ready
	useBound    = 10 * time.Second // from there until the client is answered by it
	proxyBound  = 2 * time.Second  // from a flip until kube-proxy has followed
	watchFor    = 3 * time.Second  // of traffic after each flip
	quietFor    = 5 * time.Second  // without any slice write

	rate    = 40 // requests a second
	minRate = 20

	pollEvery = 20 * time.Millisecond // between two looks at what is waited for
)

// failure is an error together with the program whose log may explain it.
type failure struct {
	error
	program string
}

func (f failure) Unwrap() error { return f.error }

func failf(program, format string, args ...any) error {
	return failure{fmt.Errorf(format, args...), program}
}

// scenario is what happens to the hosts while the client sends its requests.
type scenario struct {
	screen *screen
	hosts  []*rack.Host
	board  *board
	rules  cluster.ProxyRules
	ledger *ledger
	logDir string

	restartOperator func(context.Context) error
}

// run plays the scenario. The client sends requests all the while.
func (s *scenario) run(ctx context.Context) error {
	a, b, c := s.hosts[0], s.hosts[1], s.hosts[2]
	if err := s.quiet(ctx, "all hosts are healthy", nil); err != nil {
		return err
	}
	mendA, err := s.harm(ctx, a, "killed", "its server is killed: connections are refused", a.Kill)
	if err != nil {
		return err
	}
	mendB, err := s.harm(ctx, b, "hung", "its server hangs: connections are accepted, and nothing is answered", b.Hang)
	if err != nil {
		return err
	}
	if err := mendA("its server is started again", func() error { return a.Start(ctx, s.logDir) }); err != nil {
		return err
	}
	if err := mendB("its server goes on", b.Resume); err != nil {
		return err
	}
	mendC, err := s.harm(ctx, c, "unplugged", "its cable is pulled: packets to it get no answer", c.Unplug)
	if err != nil {
		return err
	}
	if err := mendC("its cable is plugged in again", c.Plug); err != nil {
		return err
	}
	return s.quiet(ctx, "all hosts are healthy, and the operator is restarted", s.restartOperator)
}

// harm does a host harm and follows what comes of it: the flip, kube-proxy, and
// a while of traffic without it. It returns a function that mends the host and
// follows it back into service.
func (s *scenario) harm(ctx context.Context, h *rack.Host, what, story string, do func() error) (func(string, func() error) error, error) {
	s.screen.event(yellow, "%s: %s", h.Name, story)
	began := time.Now()
	update := s.ledger.begin(outage{host: h.Name, what: what, began: began})
	if err := do(); err != nil {
		return nil, err
	}
	flipped, err := within(ctx, flipBound, func(ctx context.Context) (time.Time, error) {
		return s.board.wait(ctx, h.Addresses(), unhealthy)
	})
	if err != nil {
		return nil, failf(cluster.OperatorBinary, "%s was %s and is not published as not ready (%s): %w", h.Name, what, s.published(h), err)
	}
	update(func(o *outage) { o.flipped = flipped })
	s.screen.event(green, "%s: published as not ready (%s) %s after the harm", h.Name, s.published(h), between(began, flipped))

	unrouted, err := within(ctx, proxyBound-time.Since(flipped), func(ctx context.Context) (time.Time, error) {
		return s.rules.Wait(ctx, h.Addresses(), false)
	})
	if err != nil {
		return nil, failf("kube-proxy", "%s is published as not ready and kube-proxy still sends connections to it: %w", h.Name, err)
	}
	update(func(o *outage) { o.unrouted = unrouted })
	s.screen.event(green, "%s: out of kube-proxy's rules %s later; no request started from here on may fail", h.Name, between(flipped, unrouted))
	if err := pause(ctx, watchFor); err != nil {
		return nil, err
	}
	mend := func(story string, do func() error) error { return s.mend(ctx, h, story, do, update) }
	return mend, s.check()
}

// mend undoes the harm and follows the host until it answers the client again.
func (s *scenario) mend(ctx context.Context, h *rack.Host, story string, do func() error, update func(func(*outage))) error {
	s.screen.event(yellow, "%s: %s", h.Name, story)
	began := time.Now()
	if err := do(); err != nil {
		return err
	}
	update(func(o *outage) { o.mended = time.Now() })
	ready, err := within(ctx, returnBound, func(ctx context.Context) (time.Time, error) {
		return s.board.wait(ctx, h.Addresses(), healthy)
	})
	if err != nil {
		return failf(cluster.OperatorBinary, "%s is well again and is not published as ready (%s): %w", h.Name, s.published(h), err)
	}
	s.screen.event(green, "%s: published as ready (%s) %s later", h.Name, s.published(h), between(began, ready))
	_, err = within(ctx, useBound, func(ctx context.Context) (time.Time, error) {
		routed, err := s.rules.Wait(ctx, h.Addresses(), true)
		if err != nil {
			return routed, err
		}
		return routed, poll(ctx, func() bool { return s.ledger.answeredSince(h.Name, ready) })
	})
	if err != nil {
		return failf("kube-proxy", "%s is published as ready and the client gets no answer from it: %w", h.Name, err)
	}
	s.screen.event(plain, "%s: answers the client again", h.Name)
	return s.check()
}

// quiet checks that nothing is written and nothing fails while nothing changes
// but what meanwhile does.
func (s *scenario) quiet(ctx context.Context, story string, meanwhile func(context.Context) error) error {
	s.screen.event(plain, "%s: for %.0f s nothing may be written and no request may fail", story, quietFor.Seconds())
	before := s.board.versions()
	if meanwhile != nil {
		if err := meanwhile(ctx); err != nil {
			return err
		}
	}
	if err := pause(ctx, quietFor); err != nil {
		return err
	}
	if after := s.board.versions(); !maps.Equal(before, after) {
		return failf(cluster.OperatorBinary, "EndpointSlices were written while nothing had changed: resource versions were %v and are %v", before, after)
	}
	if err := s.check(); err != nil {
		return err
	}
	s.screen.event(green, "no EndpointSlice was written and no request failed")
	return nil
}

// check judges everything that has been seen so far.
func (s *scenario) check() error {
	requests, outages := s.ledger.snapshot()
	if failed := count(requests, outages).unexcused; len(failed) > 0 {
		first := firstError(failed)
		return failf(cluster.OperatorBinary, "%d request(s) failed that no outage excuses; the first was started at %.2f s: %w",
			len(failed), first.Start.Sub(s.screen.began).Seconds(), first.Err)
	}
	transitions, _ := s.board.history()
	if flips := unexpectedFlips(transitions, outages, s.hostOf); len(flips) > 0 {
		return failf(cluster.OperatorBinary, "%s (%s) was published as not ready at %.2f s though nothing was wrong with it",
			s.hostOf(flips[0]), flips[0].addr, flips[0].at.Sub(s.screen.began).Seconds())
	}
	return nil
}

// finalCheck judges what only the whole run can show.
func (s *scenario) finalCheck() error {
	if err := s.check(); err != nil {
		return err
	}
	if t := s.ledger.tally(); t.slowest() < minRate {
		return fmt.Errorf("the client started only %d requests in one second and must start %d: this machine is too busy for the demo", t.slowest(), minRate)
	}
	return nil
}

func (s *scenario) hostOf(t transition) string {
	i := slices.IndexFunc(s.hosts, func(h *rack.Host) bool { return slices.Contains(h.Addresses(), t.addr) })
	if i < 0 {
		return ""
	}
	return s.hosts[i].Name
}

// published describes the conditions of a host's addresses in full.
func (s *scenario) published(h *rack.Host) string {
	ip4, ip6 := s.board.of(h.IP4).describe(), s.board.of(h.IP6).describe()
	if ip4 == ip6 {
		return ip4
	}
	return fmt.Sprintf("%s: %s; %s: %s", h.IP4, ip4, h.IP6, ip6)
}

// pause waits while the traffic goes on.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// poll waits until cond holds.
func poll(ctx context.Context, cond func() bool) error {
	for !cond() {
		if err := pause(ctx, pollEvery); err != nil {
			return err
		}
	}
	return nil
}

// allAddresses returns the addresses of all hosts.
func allAddresses(hosts []*rack.Host) []netip.Addr {
	var addrs []netip.Addr
	for _, h := range hosts {
		addrs = append(addrs, h.Addresses()...)
	}
	return addrs
}

// within calls f with a context that ends after the bound, with an error that
// says so.
func within[T any](ctx context.Context, bound time.Duration, f func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, bound, fmt.Errorf("waited %.1f s", bound.Seconds()))
	defer cancel()
	return f(ctx)
}

// programOf returns the program whose log may explain the error, or "".
func programOf(err error) string {
	if exit, ok := errors.AsType[*cluster.ExitError](err); ok {
		return exit.Process.Name()
	}
	if f, ok := errors.AsType[failure](err); ok {
		return f.program
	}
	return ""
}

// lines joins lines under an indentation.
func lines(text []string) string { return "  " + strings.Join(text, "\n  ") }
