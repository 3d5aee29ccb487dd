// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package health_test

import (
	"testing"

	"externalbackend.dev/operator/internal/health"
)

func TestJudge(t *testing.T) {
	const h, u, o = health.Healthy, health.Unhealthy, health.Unknown
	for _, tt := range []struct {
		name     string
		policy   health.TierPolicy
		verdicts []health.Verdict
		want     health.Verdict
	}{
		{"nothing", health.TierPolicy{}, nil, u},
		{"one is enough", health.TierPolicy{}, []health.Verdict{u, h, o}, h},
		{"none", health.TierPolicy{}, []health.Verdict{u, u}, u},
		{"one may be", health.TierPolicy{}, []health.Verdict{u, o}, o},
		{"enough", health.TierPolicy{Count: 2}, []health.Verdict{h, u, h}, h},
		{"too few", health.TierPolicy{Count: 2}, []health.Verdict{h, u}, u},
		{"fewer than that there are", health.TierPolicy{Count: 2}, []health.Verdict{h}, u},
		{"too few as far as is known", health.TierPolicy{Count: 2}, []health.Verdict{h, o, u}, o},
		{"too few whatever comes", health.TierPolicy{Count: 3}, []health.Verdict{h, o, u}, u},
		{"a share, rounded up", health.TierPolicy{Percent: 50}, []health.Verdict{h, h, u}, h},
		{"less than a share, rounded up", health.TierPolicy{Percent: 50}, []health.Verdict{h, u, u}, u},
		{"a share of those that have a verdict", health.TierPolicy{Percent: 50}, []health.Verdict{h, u, o, o}, h},
		{"less than a share of those, and maybe enough", health.TierPolicy{Percent: 50}, []health.Verdict{h, u, u, o}, o},
		{"the larger of both", health.TierPolicy{Count: 1, Percent: 100}, []health.Verdict{h, u}, u},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.policy.Judge(tt.verdicts...); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
