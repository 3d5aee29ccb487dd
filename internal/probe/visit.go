// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"time"

	"externalbackend.dev/operator/internal/health"
)

// denied is the result of a check that the guard does not let start.
var denied = health.Result{Outcome: health.Indeterminate, Reason: health.AddressDenied}

// visit is the context of one running check. It tells the dialer and the
// turnstile for whom the check is, without their having to be passed through
// everything between. It is done when the check's time is up, which does not run
// while the check waits for a processor: what it waits for is not the target's.
//
// Its methods are those of the goroutine that runs the check, but for Err, Value
// and end. Contexts made of it are cancelled with it, and do not tell why.
type visit struct {
	context.Context //nolint:containedctx // it is one

	namespaces []string // that want the check
	end        context.CancelCauseFunc

	timeout time.Duration // 0: none
	until   time.Time     // when it is over, if the check does not wait
	timer   *time.Timer
	waited  time.Duration // for its turns, in all
}

func newVisit(parent context.Context, namespaces []string) *visit {
	v := &visit{namespaces: namespaces}
	v.Context, v.end = context.WithCancelCause(parent)
	return v
}

// start has the check's time run from now.
func (v *visit) start(timeout time.Duration) {
	v.timeout, v.until = timeout, time.Now().Add(timeout)
	v.timer = time.AfterFunc(timeout, func() { v.end(context.DeadlineExceeded) })
}

// stop ends what start began.
func (v *visit) stop() { v.timer.Stop() }

// wait does something that takes a while, of no more than the check's timeout in
// all its waits together. Its time does not run meanwhile.
func (v *visit) wait(turn <-chan struct{}) error {
	start, patience := time.Now(), make(<-chan time.Time)
	if v.timeout > 0 {
		v.timer.Stop() // if it is too late for that, it is over
		limit := time.NewTimer(v.timeout - v.waited)
		defer limit.Stop()
		patience = limit.C
	}
	var err error
	select {
	case <-turn:
	case <-v.Done():
		err = v.Err()
	case <-patience:
		err = errNoTurn
	}
	took := time.Since(start)
	v.waited += took
	if v.timeout > 0 && v.Context.Err() == nil {
		v.until = v.until.Add(took)
		v.timer.Reset(time.Until(v.until))
	}
	return err
}

// delayed says whether the check waited for so long that the target may have lost
// its patience.
func (v *visit) delayed() bool { return v.timeout > 0 && v.waited > v.timeout/stallShare }

// Err implements context.Context.
func (v *visit) Err() error {
	err := v.Context.Err()
	if err != nil && context.Cause(v.Context) == context.DeadlineExceeded { //nolint:errorlint // it is never wrapped
		return context.DeadlineExceeded
	}
	return err
}

type visitKey struct{}

// Value implements context.Context.
func (v *visit) Value(key any) any {
	if key == (visitKey{}) {
		return v
	}
	return v.Context.Value(key)
}

// visitOf returns the check to which a context belongs. Outside of checks it is
// one of nobody, without a time of its own.
func visitOf(ctx context.Context) *visit {
	if v, ok := ctx.Value(visitKey{}).(*visit); ok {
		return v
	}
	return &visit{Context: ctx}
}
