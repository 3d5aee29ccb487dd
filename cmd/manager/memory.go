// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"math"
	"os"
	"runtime/debug"
	"strconv"

	"externalbackend.dev/operator/internal/probe"
)

// limitMemory makes the garbage collector keep the process below the limit of
// its container, which MEMORY_LIMIT has in bytes. GOMEMLIMIT, which Go has acted
// upon already, goes first.
func limitMemory() error {
	text := os.Getenv("MEMORY_LIMIT")
	if text == "" || os.Getenv("GOMEMLIMIT") != "" {
		return nil
	}
	limit, err := strconv.ParseInt(text, 10, 64)
	if err != nil || limit <= 0 {
		return fmt.Errorf("MEMORY_LIMIT is %q: it must be a number of bytes, such as resourceFieldRef limits.memory makes", text)
	}
	// The rest is for what Go does not count, such as the binary itself.
	debug.SetMemoryLimit(limit - limit/10)
	return nil
}

// maxChecks returns how many health checks fit into half of the memory that the
// process may use, or 0 if that has no limit.
func maxChecks() int { return fitting(2, probe.CheckSize) }

// maxInFlight returns how many health checks may run at the same time: as many as
// the flag says or, if that is 0, as fit into a quarter of the memory, and no more
// than fit elsewhere; 0 if memory has no limit.
func maxInFlight(flag int) int {
	if flag > 0 {
		return flag
	}
	if most := fitting(4, probe.RunningCheckSize); most > 0 {
		return min(most, probe.DefaultMaxInFlight())
	}
	return 0
}

// fitting returns how many things of a size fit into a part of the memory.
func fitting(share, size int64) int {
	limit := debug.SetMemoryLimit(-1) // changes nothing
	if limit == math.MaxInt64 {
		return 0
	}
	return max(1, int(limit/share/size))
}
