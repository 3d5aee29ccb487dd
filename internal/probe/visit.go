// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"

	"externalbackend.dev/operator/internal/health"
)

// denied is the result of a check that the guard does not let start.
var denied = health.Result{Outcome: health.Indeterminate, Reason: health.AddressDenied}

// visit is the context of one running check. It tells the dialer and the
// handshakes for whom the check is, without their having to be passed through
// everything between.
type visit struct {
	context.Context //nolint:containedctx // it is one

	namespaces []string // that want the check
}

type visitKey struct{}

// Value implements context.Context.
func (v *visit) Value(key any) any {
	if key == (visitKey{}) {
		return v
	}
	return v.Context.Value(key)
}

// nobody has no check.
var nobody visit

// visitOf returns the check to which a context belongs. Outside of checks it is
// nobody's.
func visitOf(ctx context.Context) *visit {
	if v, ok := ctx.Value(visitKey{}).(*visit); ok {
		return v
	}
	return &nobody
}
