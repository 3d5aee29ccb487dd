// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import "context"

// tell notes that a question changed for its subscribers.
func (r *Resolver[S]) tell(q Question) {
	for sub := range r.asked[q].subscribers {
		r.changed[sub] = struct{}{}
	}
	poke(r.news)
}

func (r *Resolver[S]) notifyLoop(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.news:
		}
		r.mu.Lock()
		changed := r.changed
		r.changed = map[S]struct{}{}
		r.mu.Unlock()
		for sub := range changed {
			if ctx.Err() != nil {
				return
			}
			r.opts.Changed(sub)
		}
	}
}

// poke leaves a message in a channel that holds one.
func poke(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
