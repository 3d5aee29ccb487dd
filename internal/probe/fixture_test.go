// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"externalbackend.dev/operator/internal/health"
)

var (
	pass    = health.Result{Outcome: health.Pass}
	refused = health.Result{Outcome: health.Fail, Reason: health.ConnectionRefused}
	timeout = health.Result{Outcome: health.Fail, Reason: health.ConnectTimeout}
	local   = health.Result{Outcome: health.Indeterminate, Reason: health.LocalResources}

	shop  = health.Subscriber{Namespace: "shop", Name: "payments", UID: "1"}
	other = health.Subscriber{Namespace: "other", Name: "payments", UID: "2"}

	usual = health.Thresholds{Healthy: 2, Unhealthy: 3}
)

// host is one external host of a world without sockets.
type host struct {
	result  health.Result
	latency time.Duration
	// stubborn hosts do not care for the context.
	stubborn bool

	starts     []time.Time
	running    int
	maxRunning int
	canceled   int
}

// record is what happened so far.
type record struct {
	prepared  int // definitions
	inFlight  int
	maxFlight int
	done      []health.Result
	lags      []time.Duration
	changes   []health.Verdict // that targets changed to
	notified  []health.Subscriber
}

// world is an Executor whose hosts behave as told. Its time is that of the
// synctest bubble in which it runs.
type world struct {
	t *testing.T
	*Scheduler
	stop func()

	mu       sync.Mutex
	standard host // how a host behaves that nobody has told anything
	hosts    map[netip.AddrPort]*host
	onNotify func(health.Subscriber)
	record   record
}

// inWorld runs a test against a scheduler with fake hosts and fake time. All
// goroutines have to end within it.
func inWorld(t *testing.T, opts Options, test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, hosts: map[netip.AddrPort]*host{}, standard: host{result: pass, latency: 5 * time.Millisecond}}
		opts.Executor, opts.Observer, opts.Notify = w, w, w.notify
		w.Scheduler = New(opts)
		w.stop = func() {}
		test(w)
		w.stop()
	})
}

// run starts the scheduler.
func (w *world) run() {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Start(ctx) }()
	synctest.Wait()
	w.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Errorf("Start: %v", err)
		}
		w.stop = func() {}
	}
}

// after lets time pass and everything that it causes happen.
func (w *world) after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// tell changes how a host behaves.
func (w *world) tell(addr string, port uint16, change func(*host)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(w.at(netip.AddrPortFrom(netip.MustParseAddr(addr), port)))
}

func (w *world) at(key netip.AddrPort) *host {
	if w.hosts[key] == nil {
		w.hosts[key] = new(w.standard)
	}
	return w.hosts[key]
}

// Prepare implements Executor.
func (w *world) Prepare(check *health.Check) Run {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.record.prepared++
	return func(ctx context.Context, addr netip.Addr) health.Result {
		return w.visit(ctx, netip.AddrPortFrom(addr, check.Port))
	}
}

func (w *world) visit(ctx context.Context, key netip.AddrPort) health.Result {
	w.mu.Lock()
	h := w.at(key)
	h.starts = append(h.starts, time.Now())
	h.running++
	h.maxRunning = max(h.maxRunning, h.running)
	w.record.inFlight++
	w.record.maxFlight = max(w.record.maxFlight, w.record.inFlight)
	result, latency, stubborn := h.result, h.latency, h.stubborn
	w.mu.Unlock()
	if stubborn {
		time.Sleep(latency)
	} else {
		select {
		case <-ctx.Done():
		case <-time.After(latency):
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	h.running--
	w.record.inFlight--
	if ctx.Err() == context.Canceled {
		h.canceled++
	} else if ctx.Err() != nil && !stubborn {
		result = timeout
	}
	return result
}

// starts returns when the checks of a host started.
func (w *world) starts(addr string, port uint16) []time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.at(netip.AddrPortFrom(netip.MustParseAddr(addr), port)).starts)
}

// gaps returns the times between the starts of a host's checks, rounded to
// what the loop's batches make of them.
func (w *world) gaps(addr string, port uint16) []time.Duration {
	var out []time.Duration
	starts := w.starts(addr, port)
	for i := 1; i < len(starts); i++ {
		out = append(out, starts[i].Sub(starts[i-1]).Round(100*time.Millisecond))
	}
	return out
}

// seen returns what happened so far.
func (w *world) seen() record {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.record
	r.done, r.lags = slices.Clone(r.done), slices.Clone(r.lags)
	r.changes, r.notified = slices.Clone(r.changes), slices.Clone(r.notified)
	return r
}

func (w *world) notify(sub health.Subscriber) {
	w.mu.Lock()
	w.record.notified = append(w.record.notified, sub)
	hook := w.onNotify
	w.mu.Unlock()
	if hook != nil {
		hook(sub)
	}
}

// CheckDone implements Observer.
func (w *world) CheckDone(_ health.Kind, r health.Result, lag time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.record.done = append(w.record.done, r)
	w.record.lags = append(w.record.lags, lag)
}

// VerdictChanged implements Observer.
func (w *world) VerdictChanged(_ health.Subscriber, _ netip.Addr, _, to health.Verdict) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.record.changes = append(w.record.changes, to)
}

// verdicts returns the verdicts of a subscriber's targets.
func (w *world) verdicts(sub health.Subscriber) []health.Verdict {
	var out []health.Verdict
	for _, s := range w.Statuses(sub, nil) {
		out = append(out, s.Verdict)
	}
	return out
}

func (w *world) wantVerdicts(sub health.Subscriber, want ...health.Verdict) {
	w.t.Helper()
	if got := w.verdicts(sub); !slices.Equal(got, want) {
		w.t.Errorf("verdicts of %s = %v, want %v", sub.Name, got, want)
	}
}

// tcp returns a TCP check of a port, edited.
func tcp(port uint16, edits ...func(*health.Check)) *health.Check {
	c := health.Check{Kind: health.TCP, Port: port, Timing: health.Timing{Interval: 10 * time.Second}}
	for _, edit := range edits {
		edit(&c)
	}
	made, err := health.NewCheck(c)
	if err != nil {
		panic(err)
	}
	return made
}

func every(interval time.Duration) func(*health.Check) {
	return func(c *health.Check) { c.Timing.Interval = interval }
}

// targets returns n targets at consecutive addresses from 198.18.0.1 on.
func targets(n int, seed health.Verdict, checks ...*health.Check) []health.Target {
	out := make([]health.Target, n)
	addr := netip.MustParseAddr("198.18.0.1")
	for i := range out {
		out[i] = health.Target{Addr: addr, Checks: checks, Seed: seed}
		addr = addr.Next()
	}
	return out
}

// target returns one target.
func target(addr string, seed health.Verdict, checks ...*health.Check) health.Target {
	return health.Target{Addr: netip.MustParseAddr(addr), Checks: checks, Seed: seed}
}
