// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
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
//
// Since when a network is staged is recorded where it is told: the condition
// DenyPending of an ExternalBackend has been True since the last of the networks
// was staged that it has addresses in. That is all that is left by another
// process, and read by the first stage of this one.
type staging struct {
	// networks that are there, and those that were there less than the delay ago:
	// one that comes back goes on where it was. Nil before the first.
	networks map[netip.Prefix]stagedNetwork
	// taken are the addresses that networks have taken out, and when: what is
	// taken out within the delay counts together.
	taken map[netip.Addr]time.Time
	// exempt is what no network of the cluster takes out.
	exempt []netip.Prefix
}

type stagedNetwork struct {
	// since when it is staged, in whole seconds as it is told; zero if it is in force.
	since time.Time
	// seen is when it was there last.
	seen time.Time
}

// publishedAddress is an address that is published.
type publishedAddress struct {
	addr netip.Addr
	// pending is since when the condition DenyPending of its ExternalBackend has
	// been True; zero if it is not.
	pending time.Time
}

// stage returns the networks, staged or in force, and the time after which that
// changes; zero: never. New ones are staged if together they would take more than
// 10 addresses, and more than a tenth of all, out at once.
func (s *staging) stage(found []guard.Network, published func() ([]publishedAddress, error), delay time.Duration, now time.Time) ([]guard.Network, time.Duration, error) {
	maps.DeleteFunc(s.taken, func(_ netip.Addr, at time.Time) bool { return now.Sub(at) >= delay })
	begun, err := s.begin(found, published, now)
	if err != nil {
		return nil, 0, err
	}
	var next time.Duration
	networks := make([]guard.Network, len(found))
	known := make(map[netip.Prefix]stagedNetwork, len(found))
	for i, network := range found {
		at := begun[network.Prefix]
		if before, ok := s.networks[network.Prefix]; ok {
			at = before.since
		}
		left := delay - now.Sub(at)
		switch {
		case at.IsZero(), left <= 0:
			at = time.Time{}
		default:
			network.Staged, network.Since = true, at
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

// begin returns since when networks are staged that were added; those in force are
// not in it. Single addresses are judged by themselves, so that one of a Node or of the
// API server is not spared for what comes along with it.
func (s *staging) begin(found []guard.Network, published func() ([]publishedAddress, error), now time.Time) (map[netip.Prefix]time.Time, error) {
	var singles, wide []guard.Network
	for _, network := range found {
		switch _, known := s.networks[network.Prefix]; {
		case known:
		case network.Prefix.IsSingleIP():
			singles = append(singles, network)
		default:
			wide = append(wide, network)
		}
	}
	if len(singles)+len(wide) == 0 {
		return nil, nil
	}
	list, err := published()
	if err != nil {
		return nil, err
	}
	pending := make(map[netip.Addr]time.Time, len(list))
	for _, p := range list {
		if s.networks != nil {
			p.pending = time.Time{} // for others
		}
		if before, again := pending[p.addr]; !again || p.pending.After(before) {
			pending[p.addr] = p.pending
		}
	}
	begun := make(map[netip.Prefix]time.Time)
	for _, added := range [][]guard.Network{singles, wide} {
		if err := s.judge(added, pending, now.Truncate(time.Second), begun); err != nil {
			return nil, err
		}
	}
	return begun, nil
}

// judge begins to stage those networks that have to be, and keeps what others take
// out. pending has all addresses that are published. A network that takes out addresses
// whose denial is pending was staged by another process, and is no longer than by that.
func (s *staging) judge(added []guard.Network, pending map[netip.Addr]time.Time, now time.Time, begun map[netip.Prefix]time.Time) error {
	hits, err := s.takenOut(added, pending)
	if err != nil {
		return err
	}
	unknown := make(map[netip.Addr]bool)
	for _, addrs := range hits {
		for _, addr := range addrs {
			if pending[addr].IsZero() {
				unknown[addr] = true
			}
		}
	}
	suspicious := s.suspicious(unknown, pending)
	for i, network := range added {
		var since time.Time
		for _, addr := range hits[i] {
			switch at := pending[addr]; {
			case at.After(now), at.IsZero() && suspicious:
				since = now
			case at.After(since):
				since = at
			}
		}
		if !since.IsZero() {
			begun[network.Prefix] = since
			continue
		}
		for _, addr := range hits[i] {
			if s.taken == nil {
				s.taken = make(map[netip.Addr]time.Time)
			}
			s.taken[addr] = now
		}
	}
	return nil
}

// suspicious says whether these are too many to be taken out now, with those that
// were taken out already.
func (s *staging) suspicious(hit map[netip.Addr]bool, published map[netip.Addr]time.Time) bool {
	gone, hits := 0, len(hit)
	for addr := range s.taken {
		if _, there := published[addr]; !there {
			gone++
		}
		if !hit[addr] {
			hits++
		}
	}
	return len(hit) > 0 && hits > stagedFrom && hits > (len(published)+gone)/stagedShare
}

// takenOut returns for each of the networks which of the published addresses it takes
// out.
func (s *staging) takenOut(networks []guard.Network, published map[netip.Addr]time.Time) (map[int][]netip.Addr, error) {
	hits := make(map[int][]netip.Addr)
	numbered := make(map[int]guard.Network, len(networks))
	for i, network := range networks {
		network.Why = strconv.Itoa(i)
		numbered[i] = network
	}
	// An address is denied by one network even if several lie in one another: what
	// has been found is taken away until nothing is.
	for found := true; found && len(numbered) > 0; {
		matcher, err := guard.Compile(guard.Config{AllowClassE: true, Networks: slices.Collect(maps.Values(numbered)), Exempt: s.exempt})
		if err != nil {
			return nil, fmt.Errorf("compiling the networks of the cluster: %w", err)
		}
		found = false
		scope := matcher.Scope("")
		for addr := range published {
			denied, ok := errors.AsType[*guard.DeniedError](scope.Addr(addr))
			if !ok || denied.Layer != guard.LayerCluster {
				continue
			}
			i, err := strconv.Atoi(denied.Why)
			if err != nil {
				return nil, fmt.Errorf("finding the network that denies %s: %w", addr, err)
			}
			hits[i] = append(hits[i], addr)
			delete(numbered, i)
			found = true
		}
	}
	return hits, nil
}
