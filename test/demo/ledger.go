// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"externalbackend.dev/operator/test/traffic"
)

// outage is a failure of one host that the demo causes. Its times are zero
// until what they tell of has been seen.
type outage struct {
	host     string
	what     string    // "killed", "hung", "unplugged"
	began    time.Time // just before the harm was done
	flipped  time.Time // the last of its addresses was published as not ready
	unrouted time.Time // kube-proxy's rules were seen to lead to it no longer
	mended   time.Time // just after the harm was undone
}

// excuses says whether a failed request may be put down to the outage: it was
// under way, or was started, between the harm and the moment when kube-proxy
// had taken the host out. A request to a hung host fails long after its start,
// so its start counts. A request that was under way when the harm came counts
// too.
func (o *outage) excuses(r traffic.Request) bool {
	return !r.End.Before(o.began) && (o.unrouted.IsZero() || r.Start.Before(o.unrouted))
}

// outageTally is an outage with the requests that failed because of it.
type outageTally struct {
	outage
	beforeFlip  int // started before it was published as not ready
	beforeProxy int // started after that, before kube-proxy had followed
	afterwards  int // started after that: none may fail
}

// tally is what the client has seen.
type tally struct {
	requests, failed, ipv6 int
	byHost                 map[string]int
	outages                []outageTally
	unexcused              []traffic.Request // failed without an outage to excuse it
	seconds                []int             // requests started in each full second
}

// rate returns the average number of requests started in a second.
func (t *tally) rate() float64 {
	total := 0
	for _, n := range t.seconds {
		total += n
	}
	return float64(total) / float64(max(1, len(t.seconds)))
}

// slowest returns the smallest number of requests started in any second.
func (t *tally) slowest() int {
	if len(t.seconds) == 0 {
		return 0
	}
	return slices.Min(t.seconds)
}

// count accounts for the requests. Failures are put down to the outage that
// excuses them, the latest if several do.
func count(requests []traffic.Request, outages []outage) *tally {
	t := &tally{byHost: map[string]int{}}
	for _, o := range outages {
		t.outages = append(t.outages, outageTally{outage: o})
	}
	for _, r := range requests {
		t.requests++
		if r.IPv6 {
			t.ipv6++
		}
		if r.Err == nil {
			t.byHost[r.Host]++
			continue
		}
		t.failed++
		t.blame(r)
	}
	t.seconds = startsBySecond(requests)
	return t
}

// blame puts one failed request down to an outage, or to none.
func (t *tally) blame(r traffic.Request) {
	for i := len(t.outages) - 1; i >= 0; i-- {
		o := &t.outages[i]
		if !o.excuses(r) {
			continue
		}
		if o.flipped.IsZero() || r.Start.Before(o.flipped) {
			o.beforeFlip++
		} else {
			o.beforeProxy++
		}
		return
	}
	t.unexcused = append(t.unexcused, r)
	for i := len(t.outages) - 1; i >= 0; i-- {
		if o := &t.outages[i]; !o.unrouted.IsZero() && !r.Start.Before(o.unrouted) {
			o.afterwards++
			return
		}
	}
}

// startsBySecond counts the requests started in each second since the first.
// The last second is cut off by the end of the run and left out.
func startsBySecond(requests []traffic.Request) []int {
	if len(requests) == 0 {
		return nil
	}
	byStart := func(a, b traffic.Request) int { return a.Start.Compare(b.Start) }
	first, last := slices.MinFunc(requests, byStart).Start, slices.MaxFunc(requests, byStart).Start
	seconds := make([]int, int(last.Sub(first)/time.Second))
	for _, r := range requests {
		if i := int(r.Start.Sub(first) / time.Second); i < len(seconds) {
			seconds[i]++
		}
	}
	return seconds
}

// unexpectedFlips returns the transitions that took a host out which the demo
// had done no harm to. hostOf names the host with an address.
func unexpectedFlips(transitions []transition, outages []outage, hostOf func(transition) string) []transition {
	var unexpected []transition
	for _, t := range transitions {
		if !t.from.ready || t.to.ready {
			continue
		}
		harmed := slices.ContainsFunc(outages, func(o outage) bool {
			return o.host == hostOf(t) && !t.at.Before(o.began) && (o.mended.IsZero() || t.at.Before(o.mended))
		})
		if !harmed {
			unexpected = append(unexpected, t)
		}
	}
	return unexpected
}

// ledger collects finished requests and outages from several goroutines.
type ledger struct {
	mu       sync.Mutex
	requests []traffic.Request
	outages  []outage
}

// record adds a finished request.
func (l *ledger) record(r traffic.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests = append(l.requests, r)
}

// begin adds an outage and returns a function that changes it later.
func (l *ledger) begin(o outage) (update func(func(*outage))) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := len(l.outages)
	l.outages = append(l.outages, o)
	return func(change func(*outage)) {
		l.mu.Lock()
		defer l.mu.Unlock()
		change(&l.outages[i])
	}
}

// tally accounts for what has been recorded so far.
func (l *ledger) tally() *tally {
	requests, outages := l.snapshot()
	return count(requests, outages)
}

func (l *ledger) snapshot() ([]traffic.Request, []outage) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.requests), slices.Clone(l.outages)
}

// answeredSince says whether the host has answered a request that was started
// after t.
func (l *ledger) answeredSince(host string, t time.Time) bool {
	requests, _ := l.snapshot()
	return slices.ContainsFunc(requests, func(r traffic.Request) bool { return r.Host == host && r.Start.After(t) })
}

// firstError describes the earliest of the failed requests.
func firstError(failed []traffic.Request) traffic.Request {
	return slices.MinFunc(failed, func(a, b traffic.Request) int {
		return cmp.Or(a.Start.Compare(b.Start), a.End.Compare(b.End))
	})
}
