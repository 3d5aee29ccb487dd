// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package translate_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/translate"
)

// TestKeysOfTheTemplate: keys that leave the template leave the Service, and
// only those.
func TestKeysOfTheTemplate(t *testing.T) {
	type texts = map[string]string
	rules := translate.AnnotationRules{"example.com/*"}
	both := func(keys texts) func(*v1alpha1.ServiceTemplate) {
		return func(t *v1alpha1.ServiceTemplate) {
			t.Labels, t.Annotations = v1alpha1.ServiceLabels(keys), v1alpha1.ServiceAnnotations(keys)
		}
	}
	old, mine := texts{"example.com/old": "1", "example.com/both": "1"}, texts{"example.com/mine": "yes"}
	for _, tt := range []struct {
		name   string
		record *string // that somebody wrote instead; "" removes it
		rules  translate.AnnotationRules
		next   texts
		want   texts // besides those of the user
		wantAn texts // annotations where they differ
	}{
		{name: "one leaves, one changes, one comes", rules: rules, next: texts{"example.com/both": "2", "example.com/new": "3"}, want: texts{"example.com/both": "2", "example.com/new": "3"}},
		{name: "all leave", rules: rules},
		{name: "one becomes the template's that was the user's", rules: rules, next: texts{"example.com/mine": "ours"}, want: texts{"example.com/mine": "ours"}},
		{name: "annotations are no longer allowed", next: old, want: old, wantAn: texts{}},
		{
			name: "the record is garbled", rules: rules, record: new(`{"labels":["example.com/mine"],"annotations":"x"}`),
			next: texts{"example.com/both": "2"}, want: texts{"example.com/old": "1", "example.com/both": "2"},
		},
		{
			name: "the record is gone", rules: rules, record: new(""),
			next: texts{"example.com/both": "2"}, want: texts{"example.com/old": "1", "example.com/both": "2"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			live := liveOf(t, managed(both(old)))
			maps.Copy(live.Labels, mine)
			maps.Copy(live.Annotations, mine)
			if tt.record != nil {
				live.Annotations[translate.ManagedKeysAnnotation] = *tt.record
			}
			if tt.wantAn == nil {
				tt.wantAn = tt.want
			}
			got, problem := translate.ManagedService(managed(both(tt.next)), live, tt.rules)
			checkProblem(t, problem, "")
			// Slices mirror the labels: none of them is the operator's own.
			checkTexts(t, "labels", got.Labels, mine, tt.want)
			delete(got.Annotations, translate.ManagedKeysAnnotation)
			checkTexts(t, "annotations", got.Annotations, mine, tt.wantAn)
		})
	}
}

func checkTexts(t *testing.T, what string, got map[string]string, parts ...map[string]string) {
	t.Helper()
	want := make(map[string]string)
	for _, part := range parts {
		maps.Copy(want, part)
	}
	if !maps.Equal(want, got) {
		t.Errorf("%s %v, want %v", what, got, want)
	}
}

// TestAnnotationRules: the keys that an administrator allows get onto the
// Service, the others are named.
func TestAnnotationRules(t *testing.T) {
	for _, tt := range []struct {
		rules translate.AnnotationRules
		keys  []string
		deny  []string
	}{
		{keys: []string{"b", "example.com/a"}, deny: []string{"b", "example.com/a"}},
		{rules: translate.AnnotationRules{"example.com/a"}, keys: []string{"example.com/a", "example.com/ab"}, deny: []string{"example.com/ab"}},
		{
			rules: translate.AnnotationRules{"example.com/*", "b"}, keys: []string{"b", "bb", "example.com/", "example.com/x", "example.org/x"},
			deny: []string{"bb", "example.org/x"},
		},
		{rules: translate.AnnotationRules{"*"}, keys: []string{"b", "example.com/a"}},
		{rules: translate.AnnotationRules{"", "ex*ample"}, keys: []string{"b", "example", "exXample"}, deny: []string{"b", "exXample", "example"}},
		{ // by which the operator knows its own keys
			rules: translate.AnnotationRules{"*", translate.ManagedKeysAnnotation}, keys: []string{"b", translate.ManagedKeysAnnotation},
			deny: []string{translate.ManagedKeysAnnotation},
		},
	} {
		t.Run(strings.Join(tt.rules, " "), func(t *testing.T) {
			eb := managed(func(tpl *v1alpha1.ServiceTemplate) {
				tpl.Annotations = make(v1alpha1.ServiceAnnotations)
				for _, key := range tt.keys {
					tpl.Annotations[key] = "of the template"
				}
			})
			reason := ""
			if tt.deny != nil {
				reason = v1alpha1.ReasonAnnotationDenied
			}
			checkProblem(t, tt.rules.Problem(eb), reason,
				"spec.service.template.annotations", strings.Join(tt.deny, ", "), "--managed-service-annotations")
			svc, problem := translate.ManagedService(eb, nil, tt.rules)
			checkProblem(t, problem, "")
			for _, key := range tt.keys {
				if set := svc.Annotations[key] == "of the template"; set == slices.Contains(tt.deny, key) {
					t.Errorf("annotation %q: set %t", key, set)
				}
			}
			eb.Spec.Service.Management = v1alpha1.ServiceReferenced // which has no use for its template
			checkProblem(t, tt.rules.Problem(eb), "")
		})
	}
	checkProblem(t, translate.AnnotationRules{}.Problem(managed()), "")
}
