// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"encoding/binary"
	"net/netip"
	"time"

	"externalbackend.dev/operator/internal/health"
)

const (
	// jitterShare: a round starts up to interval/jitterShare before or after
	// its place on the grid, so that checks keep no step with anything
	// periodic on the targets. Gaps stay within 1 % of the interval.
	jitterShare = 256
	// settleShare: a check that ran within interval/settleShare before a place
	// on the grid makes that place superfluous.
	settleShare = 10
	// firstSpread bounds the time over which first checks are spread.
	firstSpread = 10 * time.Second
	// firstGap is the time between two first checks while they all fit into
	// the spread: 1,000 checks/s.
	firstGap = time.Millisecond
)

// onGrid returns when the check that last started at started is to start again
// in a settled state: at the next place of its grid or, if that went by while
// it was running or waiting, now.
func onGrid(hash uint64, started, now int64, interval time.Duration) int64 {
	step := int64(interval)
	phase := int64(hash % uint64(step))
	round := (started+step/settleShare-phase)/step + 1
	return max(now, phase+round*step+jitter(hash, round, step/jitterShare))
}

// jitter returns a number in [-limit, limit] that depends on probe and round
// alone: jitter is never added to jitter.
func jitter(hash uint64, round, limit int64) int64 {
	return int64(mix(hash^uint64(round))%uint64(2*limit+1)) - limit
}

// atEdge returns when the check that last started at started is to start again
// while a verdict is pending.
func atEdge(started, now int64, interval time.Duration) int64 {
	return max(now, started+int64(interval))
}

// spread returns the delay of a first check by its hash alone.
func spread(hash uint64, interval time.Duration) int64 {
	return int64(hash % uint64(min(interval, firstSpread)))
}

// hashOf returns the hash that spreads probes. It is the same in every process.
func hashOf(addr netip.Addr, digest health.Digest) uint64 {
	ip := addr.As16()
	h := binary.BigEndian.Uint64(digest[:8])
	h = mix(h ^ binary.BigEndian.Uint64(ip[:8]))
	return mix(h ^ binary.BigEndian.Uint64(ip[8:]))
}

// mix scatters the bits of a number (the finaliser of SplitMix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
