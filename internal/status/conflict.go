// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"externalbackend.dev/operator/api/v1alpha1"
)

// Values of the managed-by label of slices that Kubernetes itself writes.
const (
	managedByKubernetes = "endpointslice-controller.k8s.io"
	managedByMirroring  = "endpointslicemirroring-controller.k8s.io"
)

// conflict names slices that the operator never touches, after what can be done
// about them, which must not be cut off (rule 52).
func conflict(facts Facts) metav1.Condition {
	foreign := slices.SortedFunc(slices.Values(facts.Foreign), func(a, b ForeignSlice) int { return cmp.Compare(a.Name, b.Name) })
	var culprits []string
	for _, s := range foreign {
		culprits = append(culprits, fmt.Sprintf("%q (managed by %s)", s.Name, cmp.Or(s.ManagedBy, "nobody")))
	}
	return condition(v1alpha1.ConditionConflict, true, v1alpha1.ReasonForeignEndpointSlices, fmt.Sprintf("%s. %s. Found: %s",
		plural(len(foreign),
			"EndpointSlice of the Service is not the operator's: its endpoints take traffic next to those published here",
			"EndpointSlices of the Service are not the operator's: their endpoints take traffic next to those published here"),
		strings.Join(remedies(facts), ". "), naming(culprits)))
}

// remedies has one for each kind of foreign slices that there are.
func remedies(facts Facts) []string {
	var leftOver, mirrored, others bool
	for _, s := range facts.Foreign {
		switch s.ManagedBy {
		case managedByKubernetes:
			leftOver = true
		case managedByMirroring:
			mirrored = true
		default:
			others = true
		}
	}
	var texts []string
	if leftOver {
		texts = append(texts, "Those of "+managedByKubernetes+" are left over from a selector that the Service had: delete them")
	}
	if mirrored {
		texts = append(texts, fmt.Sprintf("Those of %s are copies of the Endpoints object %q: delete that object", managedByMirroring, facts.ServiceName))
	}
	if others {
		texts = append(texts, "Those of anybody else: delete them once this ExternalBackend serves the same addresses")
	}
	return texts
}

// servedOrLost is targetsResolved, unless an older ExternalBackend leaves nothing
// to be served (rule 29).
func servedOrLost(facts Facts) metav1.Condition {
	if facts.Winner != nil {
		return condition(v1alpha1.ConditionTargetsResolved, false, v1alpha1.ReasonPassthroughConflict, winnerText(facts))
	}
	return targetsResolved(facts)
}

// winnerText says why nothing is published beside an older ExternalBackend; it is
// empty if there is none.
func winnerText(facts Facts) string {
	if facts.Winner == nil {
		return ""
	}
	if facts.Backend.Passthrough() != nil {
		return fmt.Sprintf("the Service is served by the older ExternalBackend %q, and a name (resolution: Passthrough) must be the only endpoint: use resolution: Resolve, or another Service", facts.Winner.Name)
	}
	return fmt.Sprintf("the older ExternalBackend %q publishes a name (resolution: Passthrough), which must be the only endpoint of the Service: use resolution: Resolve there, or another Service here", facts.Winner.Name)
}
