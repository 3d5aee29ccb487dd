// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"externalbackend.dev/operator/api/v1alpha1"
)

// reason is why an entry with the source has no address.
func (s *Source) reason() string {
	if s.Expired {
		return v1alpha1.ReasonMaxStaleExceeded
	}
	return s.Reason
}

// staleReasons are those why there is no new answer.
var staleReasons = slices.Concat([]string{v1alpha1.ReasonNameServerFailed, v1alpha1.ReasonNameServerTimeout}, awsReasons)

// stale tells which entries are served by old answers.
func stale(facts Facts) (metav1.Condition, bool) {
	var culprits []string
	reason, fallback := "", ""
	for _, e := range facts.Backend.Entries {
		source, ok := facts.Sources[e.Name]
		if !ok || source.StaleSince.IsZero() {
			continue
		}
		consequence := "its addresses stay as they were"
		if source.Expired {
			consequence = "its addresses have been taken out, since that is longer than maxStale"
		}
		culprits = append(culprits, fmt.Sprintf("target %q (since %s): %s, and %s",
			e.Name, source.StaleSince.UTC().Format(time.RFC3339), cmp.Or(source.Problem, "no answer yet"), consequence))
		switch {
		case slices.Contains(staleReasons, source.Reason):
			reason = cmp.Or(reason, source.Reason)
		case source.Reason == v1alpha1.ReasonInstancesPending:
			fallback = cmp.Or(fallback, v1alpha1.ReasonAWSUnavailable)
		}
	}
	if len(culprits) == 0 {
		return metav1.Condition{}, false
	}
	return condition(v1alpha1.ConditionStale, true, cmp.Or(reason, fallback, v1alpha1.ReasonNameServerTimeout),
		plural(len(culprits), "target is served by its last answer: ", "targets are served by their last answers: ")+naming(culprits)), true
}

// standsBy says whether an address is healthy and takes no traffic, since its tier
// does not serve.
func (f *Facts) standsBy(address string) bool {
	addr, err := netip.ParseAddr(address)
	return err == nil && f.Standby[addr]
}

// dropped names the entries with more records or addresses than are served, in
// order.
func (f *Facts) dropped() []string {
	var texts []string
	for entry, source := range f.Sources {
		if source.Dropped > 0 {
			texts = append(texts, fmt.Sprintf("target %q: %s", entry, droppedText(source)))
		}
	}
	slices.Sort(texts)
	return texts
}
