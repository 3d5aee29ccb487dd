// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"sync/atomic"
	"time"
)

// advanced is a clock that runs as time does, and can be put forward.
type advanced struct{ by atomic.Int64 }

func (c *advanced) Now() time.Time                  { return time.Now().Add(time.Duration(c.by.Load())) }
func (c *advanced) Since(t time.Time) time.Duration { return c.Now().Sub(t) }
func (c *advanced) advance(d time.Duration)         { c.by.Add(int64(d)) }
