// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package static_test

import (
	"errors"
	"strings"
	"testing"

	"externalbackend.dev/operator/internal/discovery/static"
	"externalbackend.dev/operator/internal/target"
)

func TestResolve(t *testing.T) {
	for _, tt := range []struct {
		name     string
		literals []string
		want     string   // addresses
		culprits []string // one for each problem
	}{
		{name: "nothing"},
		{
			name: "both families, in the order given", literals: []string{"2001:db8::10", "192.0.2.10", "192.0.2.9"},
			want: "2001:db8::10 192.0.2.10 192.0.2.9",
		},
		{name: "canonical form", literals: []string{"2001:DB8:0::A", "::ffff:192.0.2.1"}, want: "2001:db8::a 192.0.2.1"},
		{name: "duplicates are for others to settle", literals: []string{"192.0.2.1", "192.0.2.1"}, want: "192.0.2.1 192.0.2.1"},
		{
			name: "a bad one never hides a good one", literals: []string{"010.0.0.1", "192.0.2.1", "fe80::1%eth0", "192.0.2.2", "host"},
			want: "192.0.2.1 192.0.2.2", culprits: []string{"010.0.0.1", "fe80::1%eth0", "host"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			targets, problems := static.Resolve("rack", tt.literals)
			var got []string
			for _, found := range targets {
				got = append(got, found.Addr.String())
				if found.Entry != "rack" {
					t.Errorf("%s comes from entry %q", found.Addr, found.Entry)
				}
			}
			if joined := strings.Join(got, " "); joined != tt.want {
				t.Errorf("got %q, want %q", joined, tt.want)
			}
			if len(problems) != len(tt.culprits) {
				t.Fatalf("problems %v, want one for each of %v", problems, tt.culprits)
			}
			for i, problem := range problems {
				if !strings.Contains(problem.Error(), tt.culprits[i]) {
					t.Errorf("%q does not name %q", problem, tt.culprits[i])
				}
			}
		})
	}
}

func TestResolveTellsZonesApart(t *testing.T) {
	if _, problems := static.Resolve("rack", []string{"fe80::1%eth0"}); len(problems) != 1 || !errors.Is(problems[0], target.ErrZone) {
		t.Errorf("got %v, want ErrZone", problems)
	}
}
