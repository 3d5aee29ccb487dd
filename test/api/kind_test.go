// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"context"
	"iter"
	"slices"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// kind is a kind of the API with its cases, all changes of one valid object.
type kind struct {
	name string
	file string // of its CRD
	// schema of the CRD as generated, before the API server saw it.
	schema        schema
	valid, status string
	rejected      []rejection
	accepted      [][]edit
	// actionable expects that the operator can act on what was stored.
	actionable func(ctx context.Context, stored *unstructured.Unstructured)
}

var (
	backends = &kind{
		name: "ExternalBackend", file: "externalbackend.dev_externalbackends.yaml",
		valid: valid, status: validStatus,
		rejected:   slices.Concat(rejectedSpecs, rejectedTargets, rejectedNames, rejectedInstances, rejectedTiers, rejectedServices, rejectedChecks, rejectedStatuses),
		accepted:   slices.Concat(accepted, acceptedNames, acceptedInstances, acceptedTiers, acceptedServices),
		actionable: expectActionable,
	}
	policies = &kind{
		name: "ExternalBackendPolicy", file: "externalbackend.dev_externalbackendpolicies.yaml",
		valid: validPolicy, rejected: rejectedPolicies, accepted: acceptedPolicies,
		actionable: expectUsable,
	}
	identities = &kind{
		name: "AWSIdentity", file: "externalbackend.dev_awsidentities.yaml",
		valid: validIdentity, status: validIdentityStatus, rejected: rejectedIdentities, accepted: acceptedIdentities,
		actionable: expectAuthenticable,
	}
	kinds = []*kind{backends, policies, identities}
)

// edited returns the valid object with changes. It has a status if one of them
// is in it.
func (k *kind) edited(edits ...edit) *unstructured.Unstructured {
	object := parsed(k.valid).(map[string]any)
	for _, e := range edits {
		if _, ok := object["status"]; !ok && e.inStatus() {
			object["status"] = parsed(k.status)
		}
		e.apply(object)
	}
	return &unstructured.Unstructured{Object: object}
}

// ownPaths are the paths of the fields that the kind adds.
func (k *kind) ownPaths() (list []string) {
	for _, path := range k.schema.paths() {
		if !slices.Contains(ofEveryKind, path) {
			list = append(list, path)
		}
	}
	return list
}

// everyField goes over every field that the kinds add.
func everyField() iter.Seq2[string, *apiextensionsv1.JSONSchemaProps] {
	return func(yield func(string, *apiextensionsv1.JSONSchemaProps) bool) {
		for _, k := range kinds {
			for _, path := range k.ownPaths() {
				if !yield(path, k.schema[path]) {
					return
				}
			}
		}
	}
}
