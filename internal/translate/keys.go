// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"externalbackend.dev/operator/api/v1alpha1"
)

// ManagedKeysAnnotation records on a Service which ExternalBackend manages it, so
// that an owner reference that somebody removes is restored, and which of its
// labels and annotations come from the template, so that those that leave it can
// be removed: JSON, an object named owner, with name and uid, and lists of keys
// named labels and annotations.
const ManagedKeysAnnotation = "externalbackend.dev/managed-keys"

type managedKeys struct {
	Owner       ServiceOwner `json:"owner"`
	Labels      []string     `json:"labels,omitempty"`
	Annotations []string     `json:"annotations,omitempty"`
}

// stampKeys sets the labels and annotations of the template and removes those
// that were set from it before.
func stampKeys(svc *corev1.Service, owner ServiceOwner, labels, annotations map[string]string) {
	var before managedKeys
	if json.Unmarshal([]byte(svc.Annotations[ManagedKeysAnnotation]), &before) != nil {
		before = managedKeys{} // somebody garbled it: whose a key is cannot be known, so all stay
	}
	svc.Labels = merged(svc.Labels, before.Labels, labels)
	svc.Annotations = merged(svc.Annotations, before.Annotations, annotations)
	delete(svc.Annotations, ManagedKeysAnnotation)
	now := managedKeys{owner, slices.Sorted(maps.Keys(labels)), slices.Sorted(maps.Keys(annotations))}
	text, err := json.Marshal(now)
	if err == nil { // strings always can be
		svc.Annotations = merged(svc.Annotations, nil, map[string]string{ManagedKeysAnnotation: string(text)})
	}
}

func merged(live map[string]string, remove []string, set map[string]string) map[string]string {
	next := make(map[string]string, len(live)+len(set))
	maps.Copy(next, live)
	for _, key := range remove {
		delete(next, key)
	}
	maps.Copy(next, set)
	if len(next) == 0 {
		return nil
	}
	return next
}

// AnnotationRules are the keys of annotations that a template may have: whole
// keys, or prefixes that end in *.
type AnnotationRules []string

func (rules AnnotationRules) allows(key string) bool {
	return key != ManagedKeysAnnotation && slices.ContainsFunc(rules, func(rule string) bool {
		prefix, isPrefix := strings.CutSuffix(rule, "*")
		return isPrefix && strings.HasPrefix(key, prefix) || key == rule
	})
}

// split returns the annotations that are allowed, and the keys of the others.
func (rules AnnotationRules) split(annotations map[string]string) (allowed map[string]string, denied []string) {
	allowed = make(map[string]string, len(annotations))
	for key, value := range annotations {
		if rules.allows(key) {
			allowed[key] = value
		} else {
			denied = append(denied, key)
		}
	}
	slices.Sort(denied)
	return allowed, denied
}

// Problem names annotations of an ExternalBackend's template that are not
// allowed; nil if all are.
func (rules AnnotationRules) Problem(eb *v1alpha1.ExternalBackend) *Problem {
	if !IsManaged(eb) || eb.Spec.Service.Template == nil {
		return nil
	}
	_, denied := rules.split(eb.Spec.Service.Template.Annotations)
	if len(denied) == 0 {
		return nil
	}
	return &Problem{v1alpha1.ReasonAnnotationDenied, fmt.Sprintf(
		"spec.service.template.annotations has %s, which the operator's administrator does not allow: remove them, or have them added to the flag --managed-service-annotations",
		strings.Join(denied, ", "))}
}
