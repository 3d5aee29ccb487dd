// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package node

import (
	"context"
	"fmt"
	"time"
)

// pollEvery is the pause between two looks at what is waited for.
const pollEvery = 50 * time.Millisecond

// await looks until done says true. If a program ends first, or ctx is done, it
// says what did not come about and the last error of done.
func (n *Node) await(ctx context.Context, what string, done func(context.Context) (bool, error)) error {
	for {
		ok, last := done(ctx)
		if ok {
			return nil
		}
		if err := n.exitError(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s (%w): %w", what, last, context.Cause(ctx))
		case <-time.After(pollEvery):
		}
	}
}

// exitError says which program has ended by itself.
func (n *Node) exitError() error {
	processes := []interface{ ExitError() error }{n.runtime}
	if n.Cluster != nil {
		for _, p := range n.Cluster.Processes() {
			processes = append(processes, p)
		}
	}
	for _, p := range processes {
		if err := p.ExitError(); err != nil {
			return err
		}
	}
	return nil
}
