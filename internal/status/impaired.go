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

// Impairment is why an instance is impaired or about to be. An instance may have
// several.
type Impairment struct {
	Entry, Instance string
	// Reason is one of those of the condition InstancesImpaired.
	Reason string
	// Text is what AWS says of the instance, such as: status checks say impaired.
	Text string
	// Drains is true if the entry has it taken out for that.
	Drains bool
}

// impairments has the gravest first.
var impairments = []string{v1alpha1.ReasonSpotInterruption, v1alpha1.ReasonStatusImpaired, v1alpha1.ReasonScheduledEvent}

// rank of an impairment; that of one that is not known is the last.
func (i Impairment) rank() int {
	if rank := slices.Index(impairments, i.Reason); rank >= 0 {
		return rank
	}
	return len(impairments) - 1
}

func compareImpairments(a, b Impairment) int {
	return cmp.Or(cmp.Compare(a.rank(), b.rank()), cmp.Compare(a.Entry, b.Entry), cmp.Compare(a.Instance, b.Instance), cmp.Compare(a.Text, b.Text))
}

// impaired names the instances, those with the gravest impairments first.
func impaired(facts Facts) metav1.Condition {
	type instance struct{ entry, id string }
	var order []instance
	texts, drains := make(map[instance][]string), make(map[instance]bool)
	sorted := slices.SortedFunc(slices.Values(facts.Impaired), compareImpairments)
	for _, i := range sorted {
		key := instance{i.Entry, i.Instance}
		if texts[key] == nil {
			order = append(order, key)
		}
		if !slices.Contains(texts[key], i.Text) {
			texts[key] = append(texts[key], i.Text)
		}
		drains[key] = drains[key] || i.Drains
	}
	culprits := make([]string, len(order))
	for n, key := range order {
		consequence := "it is served all the same"
		if drains[key] {
			consequence = "it drains"
		}
		culprits[n] = fmt.Sprintf("%s of target %q (%s): %s", key.id, key.entry, consequence, strings.Join(texts[key], ", "))
	}
	return condition(v1alpha1.ConditionInstancesImpaired, true, impairments[sorted[0].rank()],
		plural(len(culprits), "instance is impaired or about to be: ", "instances are impaired or about to be: ")+naming(culprits))
}
