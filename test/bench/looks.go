// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"externalbackend.dev/operator/test/aws/fake"
)

// look is what was seen of the operator at a moment: the processor time that it has
// used, and the requests that AWS has got.
type look struct {
	at       moment
	cpu      time.Duration
	requests int
}

// attribute returns the processor time that requests took, and the share of a core
// that is used without any. What the operator does within tail after a request is
// done because of it.
func attribute(looks []look, tail time.Duration) (busy time.Duration, idle float64) {
	var busyTime, calmTime, calmCPU time.Duration
	for n := 1; n < len(looks); n++ {
		before, after := looks[n-1], looks[n]
		took, used := after.at.since(before.at), after.cpu-before.cpu
		if asked(looks, n, tail) {
			busyTime, busy = busyTime+took, busy+used
		} else {
			calmTime, calmCPU = calmTime+took, calmCPU+used
		}
	}
	if calmTime > 0 {
		idle = calmCPU.Seconds() / calmTime.Seconds()
	}
	return busy - time.Duration(idle*float64(busyTime)), idle
}

// asked says whether there was a request between a look and the one before, or
// within tail before that.
func asked(looks []look, n int, tail time.Duration) bool {
	first := n - 1
	for first > 0 && looks[n-1].at.since(looks[first-1].at) < tail {
		first--
	}
	return looks[n].requests > looks[first].requests
}

// refreshes is how many listings were complete: each has one page that is the first.
func refreshes(requests []fake.Request) (count int) {
	for _, r := range requests {
		if r.Page == 1 {
			count++
		}
	}
	return count
}

// memory returns what a process has resident, and the most that it had, in bytes.
func memory(pid int) (resident, peak int64, err error) {
	status := fmt.Sprintf("/proc/%d/status", pid)
	if resident, err = kilobytes(field(status, "VmRSS")); err != nil {
		return 0, 0, fmt.Errorf("read %s: %w", status, err)
	}
	if peak, err = kilobytes(field(status, "VmHWM")); err != nil {
		return 0, 0, fmt.Errorf("read %s: %w", status, err)
	}
	return resident, peak, nil
}

// kilobytes reads a size such as "1234 kB" and returns it in bytes.
func kilobytes(text string) (int64, error) {
	number, ok := strings.CutSuffix(text, " kB")
	n, err := strconv.ParseInt(number, 10, 64)
	if !ok || err != nil {
		return 0, fmt.Errorf("%q is not a size in kB", text)
	}
	return n << 10, nil
}

func megabytes(bytes int64) string { return fmt.Sprintf("%.0f", float64(bytes)/1e6) }
