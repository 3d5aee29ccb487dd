// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"net/netip"
	"slices"
	"time"
)

// Snapshot is what is known about a question. It is immutable, and the same
// pointer as long as nothing in it changed.
type Snapshot struct {
	// Addrs are the members of a question of type A or AAAA: sorted, without
	// zones, IPv4 never in the form of IPv6. At most MaxAddrs.
	Addrs []netip.Addr
	// Services are the members of a question of type SRV, one for each host and
	// port. Those of the last answer come first, unless answers are known to be parts
	// of more; they are sorted by priority, host and port. At most MaxServices.
	Services []Service
	// Outcome is that of the last query.
	Outcome Outcome
	// Definitive is the time of the first definitive outcome. Zero: there has
	// been none, and nothing is known about what the name has.
	Definitive time.Time
	// FailingSince is the time of the first failure after the last definitive
	// outcome. Zero: the last query did not fail. Members are those from before.
	FailingSince time.Time
	// Unconfirmed: the members are there because the outcome, Empty or NameError,
	// has not been said often enough yet.
	Unconfirmed bool
	// Settled: definitive outcomes have gone on for long enough, or been confirmed,
	// that what they did not have is no record of the name. Before, somebody who
	// remembers a record from elsewhere may have one that is only missing.
	Settled bool
	// Dropped is how many records of the last definitive answer are no members,
	// because there are too many. Of one answer, members stay, and others come in
	// until there are 64 addresses, the lowest first, or 32 services, by priority,
	// host and port. While there are MaxAddrs or MaxServices members, it is the most
	// of the answers of the last 15 to 30 minutes.
	Dropped int

	chains  []*chain // by which each member came; nil: no CNAME record led to any
	missing []bool   // which members answers lack; nil: none
}

// Missing says whether a member, at an index in Addrs or in Services, is one only
// since it may come back: the last answer lacked it, and no record of the name has
// come back of late, by which answers would be known to be parts of more.
func (s *Snapshot) Missing(member int) bool { return s.missing != nil && s.missing[member] }

// Chain returns the names to which CNAME records led, in order, in the last answer
// that had a member: the one at an index in Addrs, or in Services. It is not to be
// changed.
func (s *Snapshot) Chain(member int) []string {
	if s.chains == nil || s.chains[member] == nil {
		return nil
	}
	return s.chains[member].names
}

// Members that a question has at most, and those of one answer.
const (
	MaxAddrs    = 256
	MaxServices = 64

	maxAnswerAddrs    = 64
	maxAnswerServices = 32
)

// equal says whether nothing changed that is worth telling.
func (s *Snapshot) equal(other *Snapshot) bool {
	return s != nil && s.Outcome == other.Outcome && s.Unconfirmed == other.Unconfirmed && s.Settled == other.Settled &&
		s.Dropped == other.Dropped &&
		s.Definitive.Equal(other.Definitive) && s.FailingSince.Equal(other.FailingSince) &&
		slices.Equal(s.Addrs, other.Addrs) && slices.Equal(s.Services, other.Services) &&
		slices.Equal(s.chains, other.chains) && slices.Equal(s.missing, other.missing)
}
