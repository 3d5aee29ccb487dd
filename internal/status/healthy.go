// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"externalbackend.dev/operator/api/v1alpha1"
)

// healthy is about the addresses that are meant to take traffic.
func healthy(facts Facts, c v1alpha1.TargetCounts) metav1.Condition {
	active := c.Total - c.Draining - c.Disabled
	switch {
	case c.Total == 0:
		return undecided(v1alpha1.ConditionHealthy, v1alpha1.ReasonNoTargets, "there is no address to check")
	case active == 0:
		return undecided(v1alpha1.ConditionHealthy, v1alpha1.ReasonNoTargets,
			"no address is meant to take traffic: "+strings.Join(maintained(c), ", "))
	}
	pending := c.Unhealthy == 0 && c.Unknown > 0
	healthy := c.Healthy + c.Standby
	parts := []string{fmt.Sprintf("%d of %d addresses are healthy", healthy, active)}
	if c.Standby > 0 {
		parts = append(parts, plural(int(c.Standby), "stands by, since a better tier suffices", "stand by, since a better tier suffices"))
	}
	if pending {
		parts = append(parts, "the others wait for their first verdict")
	}
	message := strings.Join(append(parts, maintained(c)...), ", ") + obstacles(facts)
	switch {
	case healthy == active:
		return condition(v1alpha1.ConditionHealthy, true, v1alpha1.ReasonAllHealthy, message)
	case pending:
		return undecided(v1alpha1.ConditionHealthy, v1alpha1.ReasonChecksPending, message)
	case healthy == 0:
		return condition(v1alpha1.ConditionHealthy, false, v1alpha1.ReasonNoneHealthy, message)
	}
	return condition(v1alpha1.ConditionHealthy, false, v1alpha1.ReasonSomeUnhealthy, message)
}

// maintained counts the addresses that are out because somebody wants it.
func maintained(c v1alpha1.TargetCounts) []string {
	var parts []string
	if c.Draining > 0 {
		parts = append(parts, plural(int(c.Draining), "is draining", "are draining"))
	}
	if c.Disabled > 0 {
		parts = append(parts, plural(int(c.Disabled), "is disabled", "are disabled"))
	}
	return parts
}

// obstacles names addresses whose checks cannot be carried out, so that their
// verdict may be old.
func obstacles(facts Facts) string {
	var texts []string
	for i, t := range facts.Targets {
		if o := facts.Health[i].Obstacle; o != "" && !facts.Disabled[t.Entry] {
			texts = append(texts, fmt.Sprintf("%s (%s)", t.Addr, o))
		}
	}
	if len(texts) == 0 {
		return ""
	}
	return "; checks that cannot be carried out right now: " + naming(texts)
}
