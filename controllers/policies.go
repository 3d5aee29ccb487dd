// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/guard"
	"externalbackend.dev/operator/internal/translate"
)

// policies lists all policies, and the names of those that select each namespace.
// One that makes no sense denies everything to those that it selects, or to all if
// that is what makes none, and keeps no other from being acted on.
func (r *Reach) policies(ctx context.Context) ([]guard.Policy, map[string][]string, error) {
	var list v1alpha1.ExternalBackendPolicyList
	var namespaces corev1.NamespaceList
	if err := r.caches[0].List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return nil, nil, fmt.Errorf("listing ExternalBackendPolicies: %w", err)
	}
	if err := r.caches[0].List(ctx, &namespaces, client.UnsafeDisableDeepCopy); err != nil {
		return nil, nil, fmt.Errorf("listing Namespaces: %w", err)
	}
	slices.SortFunc(list.Items, func(a, b v1alpha1.ExternalBackendPolicy) int { return cmp.Compare(a.Name, b.Name) })
	policies := make([]guard.Policy, len(list.Items))
	selectors := make([]namedSelector, len(list.Items))
	problems := make(map[string]string)
	for i := range list.Items {
		policy := &list.Items[i]
		var err error
		policies[i], err = translate.Policy(policy)
		selector, selectorErr := policy.Spec.NamespaceSelector.Selector()
		if selectorErr != nil {
			policies[i], selector = guard.DenyEverything(policy.Name), labels.Everything()
			err = fmt.Errorf("ExternalBackendPolicy %s, which denies everything to all namespaces until it is corrected: spec.namespaceSelector: %w", policy.Name, selectorErr)
		}
		selectors[i] = namedSelector{policy.Name, selector.String(), selector}
		if err != nil {
			problems[policy.Name] = err.Error()
			if r.problems[policy.Name] != err.Error() {
				logf.FromContext(ctx).Error(err, "Failed to understand an ExternalBackendPolicy", "policy", policy.Name)
			}
		}
	}
	r.problems = problems
	return policies, r.selection.update(selectors, namespaces.Items), nil
}

// namedSelector is the selector of a policy.
type namedSelector struct {
	policy, text string
	selector     labels.Selector
}

// selections remember which policies select each namespace, so that one namespace
// that comes or goes costs no look at all the others by every policy.
type selections struct {
	selectors []namedSelector
	chosen    map[string]chosen // by namespace
}

type chosen struct {
	labels   map[string]string
	policies []string
}

// update returns the names of the policies that select each namespace, sorted as
// the selectors are.
func (s *selections) update(selectors []namedSelector, namespaces []corev1.Namespace) map[string][]string {
	same := slices.EqualFunc(s.selectors, selectors, func(a, b namedSelector) bool { return a.policy == b.policy && a.text == b.text })
	next := make(map[string]chosen, len(namespaces))
	selects := make(map[string][]string, len(namespaces))
	for i := range namespaces {
		name, of := namespaces[i].Name, namespaces[i].Labels
		known, ok := s.chosen[name]
		if !same || !ok || !maps.Equal(known.labels, of) {
			known = chosen{labels: of}
			for _, candidate := range selectors {
				if candidate.selector.Matches(labels.Set(of)) {
					known.policies = append(known.policies, candidate.policy)
				}
			}
		}
		next[name], selects[name] = known, known.policies
	}
	s.selectors, s.chosen = selectors, next
	return selects
}
