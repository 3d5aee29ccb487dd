// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"net/netip"

	"externalbackend.dev/operator/internal/health"
)

// Executor carries out checks. It is the seam behind which plain sockets can
// be replaced by another engine.
type Executor interface {
	// Prepare does, once per definition, what all executions of a check have
	// in common. The scheduler drops what it returns together with the last
	// target that uses the definition, so nothing has to be cached or released.
	Prepare(check *health.Check) Run
}

// Run executes one prepared check against one address. The context is done when
// the check's time is up, counted from now; Run returns soon then and leaves
// nothing behind.
type Run func(ctx context.Context, addr netip.Addr) health.Result
