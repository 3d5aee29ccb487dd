// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"math"
	"runtime/debug"
	"strings"
	"testing"

	"externalbackend.dev/operator/internal/probe"
)

func TestLimitMemory(t *testing.T) {
	before := debug.SetMemoryLimit(-1) // changes nothing
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	for name, tc := range map[string]struct {
		limit, gomemlimit string
		want              int64
		checks, inFlight  int
		refused           bool
	}{
		"none":                        {"", "", math.MaxInt64, 0, 0, false},
		"256Mi":                       {"268435456", "", 241591911, 219629, 460, false},
		"512Mi, as shipped":           {"536870912", "", 483183821, 439258, 921, false},
		"Go's own setting goes first": {"268435456", "1GiB", math.MaxInt64, 0, 0, false},
		"with a unit":                 {"256Mi", "", math.MaxInt64, 0, 0, true},
		"zero":                        {"0", "", math.MaxInt64, 0, 0, true},
		"negative":                    {"-1", "", math.MaxInt64, 0, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("MEMORY_LIMIT", tc.limit)
			t.Setenv("GOMEMLIMIT", tc.gomemlimit)
			debug.SetMemoryLimit(math.MaxInt64)
			err := limitMemory()
			if (err != nil) != tc.refused || err != nil && !strings.Contains(err.Error(), tc.limit) {
				t.Errorf("got error %v", err)
			}
			if got := debug.SetMemoryLimit(-1); got != tc.want {
				t.Errorf("the limit is %d, want %d", got, tc.want)
			}
			if got := maxChecks(); got != tc.checks {
				t.Errorf("%d checks are allowed, want %d", got, tc.checks)
			}
			if got := maxInFlight(0); got != min(tc.inFlight, probe.DefaultMaxInFlight()) {
				t.Errorf("%d checks may run at the same time, want %d", got, tc.inFlight)
			}
			if got := maxInFlight(5000); got != 5000 {
				t.Errorf("%d checks may run at the same time, want what the flag says", got)
			}
		})
	}
}
