// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

// Stats are figures about the resolver at one moment.
type Stats struct {
	// Questions is how many are asked, by however many subscribers, and Failing
	// those of them of which the last query failed.
	Questions, Failing int
	// InFlight is the number of queries under way, Waiting of those that are due
	// and have not started.
	InFlight, Waiting int
}

// Stats returns current figures. It visits every question: it is meant for being
// called when metrics are scraped.
func (r *Resolver[S]) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	stats := Stats{Questions: len(r.asked)}
	now := r.opts.Clock.Now()
	for _, e := range r.asked {
		if snapshot := e.set.snapshot; snapshot != nil && !snapshot.FailingSince.IsZero() {
			stats.Failing++
		}
		switch {
		case e.stage == running:
			stats.InFlight++
		case !e.due.After(now):
			stats.Waiting++
		}
	}
	return stats
}
