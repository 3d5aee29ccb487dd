// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package health

import "time"

// TierPolicy says when a tier suffices and which tiers serve.
type TierPolicy struct {
	// Count and Percent are how many addresses of a tier must be healthy: the
	// larger one counts, and less than one counts as one. Percent, 0 to 100, is
	// of the addresses of the tier and rounded up.
	Count, Percent int
	// Cumulative has the tiers before the first that suffices serve, too.
	Cumulative bool
	// ReturnDelay is for how long a better tier must suffice before it takes over.
	ReturnDelay time.Duration
}
