// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"errors"
	"math"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"externalbackend.dev/operator/internal/health"
)

const (
	// batch is the shortest pause of the loop: checks that fall due within it
	// start together, which saves wake-ups.
	batch = 2 * time.Millisecond
	// beat is the longest pause of the loop while checks are running. It is
	// how the scheduler notices that the process was stalled.
	beat = 100 * time.Millisecond
	// punctual is the lateness of the loop that is ordinary scheduling noise.
	punctual = 10 * time.Millisecond
	// launchesPerProcessor bounds the checks that were started and have not
	// begun to run. What is due beyond that waits for its turn rather than in
	// the runtime's queue, where nobody overtakes.
	launchesPerProcessor = 32
	// stallShare: a timeout counts for nothing if the checker was stalled for
	// more than 1/stallShare of it.
	stallShare = 4
)

// Scheduler decides when which check runs and keeps the health states.
// It is safe for concurrent use. Times inside are nanoseconds as given by now.
type Scheduler struct {
	opts Options
	base time.Time
	wake chan struct{} // capacity 1: the loop should look again
	news chan struct{} // capacity 1: changed is not empty

	mu            sync.Mutex
	subscriptions map[health.Subscriber]*subscription
	definitions   map[health.Digest]*definition
	probes        map[probeKey]*probe
	tenants       map[string]*tenant
	checks        int // of all tenants
	// away are the tenants of which targets were turned away, and roomMade says
	// that they have not been told of some room yet.
	away     map[*tenant]struct{}
	roomMade bool
	// unknown and seeded count the namespaces that expect first checks.
	unknown, seeded int
	dispatcher      dispatcher
	ctx             context.Context //nolint:containedctx // of the running Start, for its checks; nil before
	changed         map[health.Subscriber]struct{}
	planned         int64         // when the loop will look again
	lost            time.Duration // by how much the loop woke too late, summed up

	launching   atomic.Int32   // checks whose goroutine was made and does not run yet
	launchLimit int            // of launching
	running     sync.WaitGroup // checks and the notifier
}

// New returns a scheduler. Targets may be declared at once; checks run while
// Start does.
func New(opts Options) *Scheduler {
	opts = opts.withDefaults()
	return &Scheduler{
		opts:          opts,
		base:          opts.Clock.Now(),
		wake:          make(chan struct{}, 1),
		news:          make(chan struct{}, 1),
		subscriptions: map[health.Subscriber]*subscription{},
		definitions:   map[health.Digest]*definition{},
		probes:        map[probeKey]*probe{},
		changed:       map[health.Subscriber]struct{}{},
		tenants:       map[string]*tenant{},
		away:          map[*tenant]struct{}{},
		dispatcher:    newDispatcher(opts.MaxInFlight),
		planned:       math.MaxInt64,
		launchLimit:   launchesPerProcessor * runtime.GOMAXPROCS(0),
	}
}

// NeedLeaderElection says that only the leader checks targets.
func (s *Scheduler) NeedLeaderElection() bool { return true }

// Start runs checks until ctx is done. It then cancels those that are running,
// discards their results and returns when every goroutine has ended. It can be
// called once.
func (s *Scheduler) Start(ctx context.Context) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	s.running.Go(func() { s.notifyLoop(ctx) })
	timer := s.opts.Clock.NewTimer(s.tick())
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			s.running.Wait()
			return nil
		case <-timer.C():
		case <-s.wake:
		}
		timer.Reset(s.tick())
	}
}

// begin schedules the first check of everything that was declared before.
func (s *Scheduler) begin(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx != nil {
		return errors.New("the probe scheduler was started twice")
	}
	s.ctx = ctx
	now := s.now()
	for _, t := range s.tenants {
		t.unknown.slot, t.seeded.slot = 0, 0
	}
	for _, p := range s.probes {
		p.heard = now
		for _, c := range p.claims {
			s.scheduleFirst(c, now, math.MaxInt64)
		}
	}
	return nil
}

// tick starts what is due and returns how long the loop may pause.
func (s *Scheduler) tick() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	s.lost += s.late(now)
	s.dispatcher.advance(now)
	s.startDue(now)
	pause := time.Duration(math.MaxInt64)
	if due, ok := s.dispatcher.due(); ok {
		pause = max(batch, time.Duration(due-now))
	}
	if s.dispatcher.inFlight() > 0 {
		pause = min(pause, beat)
	}
	s.planned = math.MaxInt64
	if pause < math.MaxInt64 {
		s.planned = now + int64(pause)
	}
	return pause
}

// late returns by how much the loop is behind its plan, beyond mere noise.
func (s *Scheduler) late(now int64) time.Duration {
	if late := time.Duration(now - s.planned); s.planned < now && late > punctual {
		return late
	}
	return 0
}

// replan makes the loop look again if it would come too late for the check that
// is due next.
func (s *Scheduler) replan() {
	if due, ok := s.dispatcher.due(); ok && due+int64(batch) < s.planned {
		s.poke()
	}
}

// poke makes the loop look again.
func (s *Scheduler) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// now returns nanoseconds since the Unix epoch that advance monotonically.
func (s *Scheduler) now() int64 {
	return s.base.UnixNano() + int64(s.opts.Clock.Since(s.base))
}

// notifyLoop tells subscribers about changed verdicts.
func (s *Scheduler) notifyLoop(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.news:
		}
		s.mu.Lock()
		changed := s.changed
		s.changed = map[health.Subscriber]struct{}{}
		s.mu.Unlock()
		for sub := range changed {
			if ctx.Err() != nil {
				return
			}
			s.opts.Notify(sub)
		}
	}
}

// Stats are figures about the scheduler at one moment.
type Stats struct {
	// InFlight is the number of running checks.
	InFlight int
	// Probes is the number of distinct checks: of one address by one
	// definition, for however many subscribers.
	Probes int
	// Targets is the number of addresses summed over all subscribers.
	Targets int
	// Waiting is the number of checks that are due and not started, and Lag
	// how long the first of them has been due.
	Waiting int
	Lag     time.Duration
	// OldestResult is the age of the result that is the oldest last one of its
	// probe; for a probe without a result, the time since it became known.
	// Zero while Start does not run.
	OldestResult time.Duration
}

// Stats returns current figures. It visits every probe: it is meant for being
// called when metrics are scraped.
func (s *Scheduler) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	stats := Stats{InFlight: s.dispatcher.inFlight(), Probes: len(s.probes)}
	for _, sub := range s.subscriptions {
		stats.Targets += len(sub.members)
	}
	if s.ctx == nil || s.ctx.Err() != nil {
		return stats
	}
	now := s.now()
	for _, p := range s.probes {
		stats.OldestResult = max(stats.OldestResult, time.Duration(now-p.heard))
		if due := p.due(); p.cancel == nil && due < now {
			stats.Waiting++
			stats.Lag = max(stats.Lag, time.Duration(now-due))
		}
	}
	return stats
}

// probeKey identifies a probe.
type probeKey struct {
	addr netip.Addr
	def  *definition
}
