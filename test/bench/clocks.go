// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// moment is a time in nanoseconds on the clock that all processes of the
// machine share and that nobody sets (CLOCK_MONOTONIC).
type moment int64

func now() moment {
	var t unix.Timespec
	// It fails for an unknown clock or a bad pointer only.
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &t)
	return moment(t.Nano())
}

// since returns the time from an earlier moment to this one.
func (m moment) since(earlier moment) time.Duration { return time.Duration(m - earlier) }

// cpuTime returns the processor time that another process has used, in all of
// its threads, to the nanosecond. The clock's number is that of
// clock_getcpuclockid(3).
func cpuTime(pid int) (time.Duration, error) {
	const schedulerClock = 2
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|schedulerClock), &t); err != nil {
		return 0, fmt.Errorf("read the CPU clock of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}
