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
	// port, sorted by priority, host and port. At most MaxServices.
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
	// Chain is the names to which CNAME records led, in order, in the last
	// definitive answer.
	Chain []string
	// Dropped is how many records of the last definitive answer were too many. The
	// ones left out are the highest addresses, and the last services by priority,
	// host and port.
	Dropped int
}

// Members a question has at most.
const (
	MaxAddrs    = 256
	MaxServices = 64
)

// equal says whether nothing changed that is worth telling.
func (s *Snapshot) equal(other *Snapshot) bool {
	return s != nil && s.Outcome == other.Outcome && s.Unconfirmed == other.Unconfirmed && s.Settled == other.Settled &&
		s.Dropped == other.Dropped &&
		s.Definitive.Equal(other.Definitive) && s.FailingSince.Equal(other.FailingSince) &&
		slices.Equal(s.Addrs, other.Addrs) && slices.Equal(s.Services, other.Services) &&
		slices.Equal(s.Chain, other.Chain)
}
