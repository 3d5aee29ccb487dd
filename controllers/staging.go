// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"maps"
	"net/netip"
	"time"

	"externalbackend.dev/operator/internal/guard"
)

const (
	// stagedFrom is how many published addresses at least are more than a
	// mistake of a user.
	stagedFrom = 10
	// stagedShare of all published addresses, 1/stagedShare, may be taken out at
	// once.
	stagedShare = 10
)

// staging decides from when on the networks of the cluster deny what is
// published. A Node that announces a whole data centre as its Pods' would
// otherwise take all of it down. A network of a single address takes out no more
// than that, and is in force at once.
type staging struct {
	// networks that are there, and those that were there less than the delay ago:
	// one that comes back goes on where it was.
	networks map[netip.Prefix]stagedNetwork
	// taken are the addresses that networks have taken out, and when: what is
	// taken out within the delay counts together.
	taken map[netip.Addr]time.Time
	// exempt is what no network of the cluster takes out.
	exempt []netip.Prefix
}

type stagedNetwork struct {
	// since when it is staged; zero if it is in force.
	since time.Time
	// seen is when it was there last.
	seen time.Time
}

// precedent is what staging asks about the cluster.
type precedent interface {
	// published lists the addresses that are published, some maybe repeatedly.
	published() ([]netip.Addr, error)
	// pendingSince returns since when a network has been staged, as ExternalBackends
	// tell; zero if none does.
	pendingSince() (time.Time, error)
}

// stage returns the networks, staged or in force, and the time after which that
// changes; zero: never. New ones are staged together if they would take more than
// 10 addresses, and more than a tenth of all, out at once. What was staged by
// another process is staged no longer than it would have been by that.
func (s *staging) stage(found []guard.Network, cluster precedent, delay time.Duration, now time.Time) ([]guard.Network, time.Duration, error) {
	maps.DeleteFunc(s.taken, func(_ netip.Addr, at time.Time) bool { return now.Sub(at) >= delay })
	since, err := s.begin(s.added(found), cluster, now)
	if err != nil {
		return nil, 0, err
	}
	var next time.Duration
	networks := make([]guard.Network, len(found))
	known := make(map[netip.Prefix]stagedNetwork, len(found))
	for i, network := range found {
		at := since
		if before, ok := s.networks[network.Prefix]; ok {
			at = before.since
		}
		left := delay - now.Sub(at)
		switch {
		case network.Prefix.IsSingleIP(), at.IsZero(), left <= 0:
			at = time.Time{}
		default:
			network.Staged = true
			network.Why += fmt.Sprintf(", denied from %s on", at.Add(delay).UTC().Format(time.RFC3339))
			if next == 0 || left < next {
				next = left
			}
		}
		known[network.Prefix] = stagedNetwork{since: at, seen: now}
		networks[i] = network
	}
	for prefix, before := range s.networks {
		if _, there := known[prefix]; !there && now.Sub(before.seen) < delay {
			known[prefix] = before
		}
	}
	s.networks = known
	return networks, next, nil
}

// added are those of the networks that may have to be staged.
func (s *staging) added(found []guard.Network) (added []guard.Network) {
	for _, network := range found {
		if _, known := s.networks[network.Prefix]; !known && !network.Prefix.IsSingleIP() {
			added = append(added, network)
		}
	}
	return added
}

// begin returns since when networks that were added are staged; zero if they are
// in force.
func (s *staging) begin(added []guard.Network, cluster precedent, now time.Time) (time.Time, error) {
	if len(added) == 0 {
		return time.Time{}, nil
	}
	hit, total, err := s.takenOut(added, cluster)
	if err != nil {
		return time.Time{}, err
	}
	fresh := len(hit)
	for addr := range s.taken {
		hit[addr], total[addr] = true, true
	}
	if fresh > 0 && len(hit) > stagedFrom && len(hit) > len(total)/stagedShare {
		if s.networks != nil {
			return now, nil
		}
		pending, err := cluster.pendingSince()
		if err != nil || pending.IsZero() || pending.After(now) {
			return now, err
		}
		return pending, nil
	}
	if s.taken == nil {
		s.taken = make(map[netip.Addr]time.Time)
	}
	for addr := range hit {
		if _, before := s.taken[addr]; !before {
			s.taken[addr] = now
		}
	}
	return time.Time{}, nil
}

// takenOut returns which of the published addresses networks take out, and all.
func (s *staging) takenOut(networks []guard.Network, cluster precedent) (hit, all map[netip.Addr]bool, err error) {
	addrs, err := cluster.published()
	if err != nil {
		return nil, nil, err
	}
	matcher, err := guard.Compile(guard.Config{AllowClassE: true, Networks: networks, Exempt: s.exempt})
	if err != nil {
		return nil, nil, fmt.Errorf("compiling the networks of the cluster: %w", err)
	}
	hit, all = make(map[netip.Addr]bool), make(map[netip.Addr]bool, len(addrs))
	scope := matcher.Scope("")
	for _, addr := range addrs {
		if !all[addr] {
			all[addr] = true
			if scope.Addr(addr) != nil {
				hit[addr] = true
			}
		}
	}
	return hit, all, nil
}
