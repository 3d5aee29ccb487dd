// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"cmp"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"externalbackend.dev/operator/api/v1alpha1"
)

// targetsResolved is False only if an entry yields nothing and is not meant to:
// an address that is served from elsewhere, or not wanted by the Service, is told
// but no fault.
func targetsResolved(facts Facts) metav1.Condition {
	empty := lacking(facts)
	switch {
	case slices.Contains(pendingReasons, empty.reason):
		return undecided(v1alpha1.ConditionTargetsResolved, empty.reason, empty.pendingText()+naming(empty.texts))
	case len(empty.texts) > 0:
		return condition(v1alpha1.ConditionTargetsResolved, false, empty.reason,
			plural(len(empty.texts), "target has no address that can be served (see status.sources): ", "targets have no address that can be served (see status.sources): ")+naming(empty.texts))
	}
	reason, message := v1alpha1.ReasonTargetsResolved, "every target has its addresses"
	incomplete, incompleteFor := facts.incomplete()
	switch culprits, another := lossTexts(facts); {
	case len(incomplete) > 0:
		reason, message = incompleteFor, naming(incomplete)
	case len(facts.dropped()) > 0:
		reason, message = v1alpha1.ReasonRecordsDropped, naming(facts.dropped())
	case another:
		reason, message = v1alpha1.ReasonServedByAnother, naming(culprits)
	case len(culprits) > 0:
		reason, message = v1alpha1.ReasonDuplicateAddress, naming(culprits)
	case len(facts.Excluded) > 0:
		var texts []string
		for _, t := range facts.Excluded {
			texts = append(texts, excludedText(t))
		}
		reason, message = v1alpha1.ReasonFamilyNotServed, naming(texts)
	}
	return condition(v1alpha1.ConditionTargetsResolved, true, reason, message)
}

// pendingReasons say that it is too early to tell.
var pendingReasons = []string{v1alpha1.ReasonNamesPending, v1alpha1.ReasonInstancesPending}

// lack is what of an ExternalBackend yields nothing and is not meant to.
type lack struct {
	texts []string // that name the entries
	// reason is the most telling one, of several the first; kinds has all.
	reason string
	kinds  map[string]bool
}

func lacking(facts Facts) lack {
	served := make(map[string]bool, len(facts.Backend.Entries))
	for _, t := range facts.Targets {
		served[t.Entry] = true
	}
	for _, l := range facts.Losses {
		served[l.Entry] = true
	}
	empty := lack{kinds: make(map[string]bool)}
	for _, e := range facts.Backend.Entries {
		if served[e.Name] || facts.Drain[e.Name] {
			continue
		}
		source, text := facts.Sources[e.Name], fmt.Sprintf("%q", e.Name)
		if source.Problem != "" {
			text += ": " + source.Problem
		}
		empty.add(cmp.Or(source.reason(), v1alpha1.ReasonNoAddresses), text)
	}
	return empty
}

func (l *lack) add(reason, text string) {
	l.texts = append(l.texts, text)
	l.kinds[reason] = true
	if l.reason == "" || telling(reason) > telling(l.reason) {
		l.reason = reason
	}
}

// telling ranks reasons why an entry yields nothing.
func telling(reason string) int {
	switch {
	case slices.Contains(pendingReasons, reason):
		return 0
	case reason == v1alpha1.ReasonNoAddresses:
		return 1
	}
	return 2
}

// pendingText begins the message about entries that all are pending.
func (l *lack) pendingText() string {
	names, instances := l.kinds[v1alpha1.ReasonNamesPending], l.kinds[v1alpha1.ReasonInstancesPending]
	switch {
	case names && instances:
		return fmt.Sprintf("%d targets wait for their names or instances: ", len(l.texts))
	case instances:
		return plural(len(l.texts), "target waits for its instances: ", "targets wait for their instances: ")
	}
	return plural(len(l.texts), "target has a name that nothing is known of yet: ", "targets have names that nothing is known of yet: ")
}

// partial are reasons that are told also of entries that yield something, the
// gravest first.
var partial = []string{v1alpha1.ReasonInstanceNotFound, v1alpha1.ReasonAddressKindMissing}

// incomplete names the entries that yield less than they list, in order, and says
// why.
func (f *Facts) incomplete() (texts []string, reason string) {
	rank := len(partial)
	for _, e := range f.Backend.Entries {
		source := f.Sources[e.Name]
		if i := slices.Index(partial, source.Reason); i >= 0 && !f.Drain[e.Name] {
			rank = min(rank, i)
			texts = append(texts, fmt.Sprintf("target %q: %s", e.Name, source.Problem))
		}
	}
	if len(texts) == 0 {
		return nil, ""
	}
	return texts, partial[rank]
}

// lossTexts names the losses, those to other objects first.
func lossTexts(facts Facts) (texts []string, another bool) {
	var own []string
	for _, l := range facts.Losses {
		if l.Winner == facts.Backend.Owner {
			own = append(own, lossText(facts, l))
			continue
		}
		another = true
		texts = append(texts, lossText(facts, l))
	}
	return append(texts, own...), another
}
