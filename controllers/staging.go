// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
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
// otherwise take all of it down.
type staging struct {
	// since is when networks were found that are staged; zero for those that are
	// in force.
	since map[netip.Prefix]time.Time
	// exempt is what no network of the cluster takes out.
	exempt []netip.Prefix
}

// stage returns the networks, staged or in force, and the time after which that
// changes; zero: never. New ones are staged together if they would take more than
// 10 addresses, and more than a tenth of all, out at once.
func (s *staging) stage(found []guard.Network, published func() ([]netip.Addr, error), delay time.Duration, now time.Time) ([]guard.Network, time.Duration, error) {
	since := make(map[netip.Prefix]time.Time, len(found))
	var added []guard.Network
	for _, network := range found {
		if at, known := s.since[network.Prefix]; known {
			since[network.Prefix] = at
		} else {
			added = append(added, network)
		}
	}
	suspicious, err := s.takesOutMany(added, published)
	if err != nil {
		return nil, 0, err
	}
	for _, network := range added {
		since[network.Prefix] = time.Time{}
		if suspicious {
			since[network.Prefix] = now
		}
	}
	var next time.Duration
	networks := make([]guard.Network, len(found))
	for i, network := range found {
		at := since[network.Prefix]
		if left := delay - now.Sub(at); !at.IsZero() && left > 0 {
			network.Staged = true
			network.Why += fmt.Sprintf(", denied from %s on", at.Add(delay).UTC().Format(time.RFC3339))
			if next == 0 || left < next {
				next = left
			}
		} else {
			since[network.Prefix] = time.Time{}
		}
		networks[i] = network
	}
	s.since = since
	return networks, next, nil
}

func (s *staging) takesOutMany(added []guard.Network, published func() ([]netip.Addr, error)) (bool, error) {
	if len(added) == 0 {
		return false, nil
	}
	addrs, err := published()
	if err != nil {
		return false, err
	}
	matcher, err := guard.Compile(guard.Config{AllowClassE: true, Networks: added, Exempt: s.exempt})
	if err != nil {
		return false, fmt.Errorf("compiling the networks of the cluster: %w", err)
	}
	hit, scope := 0, matcher.Scope("")
	for _, addr := range addrs {
		if scope.Addr(addr) != nil {
			hit++
		}
	}
	return hit > stagedFrom && hit > len(addrs)/stagedShare, nil
}
