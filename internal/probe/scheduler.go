// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"errors"
	"math"
	"net/netip"
	"sync"
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
	queue         queue
	capacity      capacity
	ctx           context.Context //nolint:containedctx // of the running Start, for its checks; nil before
	changed       map[health.Subscriber]struct{}
	// firstSlots are the next free times for first checks: of Unknown targets,
	// and of those whose verdict was taken over.
	firstSlots [2]int64
	planned    int64         // when the loop will look again
	lost       time.Duration // by how much the loop woke too late, summed up

	running sync.WaitGroup // checks and the notifier
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
		capacity:      newCapacity(opts.MaxInFlight),
		planned:       math.MaxInt64,
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
	s.firstSlots = [2]int64{}
	for _, p := range s.probes {
		p.heard = now
		s.queue.schedule(p, s.firstDue(p, now))
	}
	return nil
}

// tick starts what is due and returns how long the loop may pause.
func (s *Scheduler) tick() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	s.lost += s.late(now)
	s.startDue(now)
	pause := time.Duration(math.MaxInt64)
	if head := s.queue.head(); head != nil && !s.capacity.full() {
		pause = max(batch, time.Duration(head.due-now))
	}
	if s.capacity.inFlight > 0 {
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

// replan makes the loop look again if it would come too late for the head of
// the queue.
func (s *Scheduler) replan() {
	head := s.queue.head()
	if head == nil || s.capacity.full() || head.due+int64(batch) >= s.planned {
		return
	}
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
	stats := Stats{InFlight: s.capacity.inFlight, Probes: len(s.probes)}
	for _, sub := range s.subscriptions {
		stats.Targets += len(sub.members)
	}
	if s.ctx == nil || s.ctx.Err() != nil {
		return stats
	}
	now := s.now()
	for _, p := range s.probes {
		stats.OldestResult = max(stats.OldestResult, time.Duration(now-p.heard))
		if p.cancel == nil && p.due < now {
			stats.Waiting++
			stats.Lag = max(stats.Lag, time.Duration(now-p.due))
		}
	}
	return stats
}

// probeKey identifies a probe.
type probeKey struct {
	addr netip.Addr
	def  *definition
}
