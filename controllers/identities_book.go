// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/translate"
)

// IdentityBook is what is known of all AWSIdentities. It does not change.
type IdentityBook struct {
	// Readable is false if the operator may not read AWSIdentities, since it works in
	// some namespaces only: then there are none.
	Readable bool

	known map[string]*KnownIdentity
	// allowed are the names of the identities that allow each namespace, sorted.
	allowed map[string][]string
}

// KnownIdentity is what is known of an AWSIdentity. It does not change.
type KnownIdentity struct {
	translate.AWSIdentity
	// Invalid is why it cannot be used, whatever AWS says; nil: it can be.
	Invalid error
	// ExternalID is that of its role; empty if it has none.
	ExternalID string

	uid     types.UID
	spec    *v1alpha1.AWSIdentitySpec // of the cache
	allowed map[string][]string       // of the book
}

// Of returns an identity; false if there is none of that name.
func (b *IdentityBook) Of(name string) (*KnownIdentity, bool) {
	known, ok := b.known[name]
	return known, ok
}

// Knows says whether a namespace is known. One that was just made may not be yet:
// then nothing allows it so far.
func (b *IdentityBook) Knows(namespace string) bool {
	_, known := b.allowed[namespace]
	return known
}

// Allows says whether the ExternalBackends of a namespace may use the identity.
func (k *KnownIdentity) Allows(namespace string) bool {
	return slices.Contains(k.allowed[namespace], k.Name)
}

// same says whether the identities are, whatever namespaces they allow.
func (b *IdentityBook) same(other *IdentityBook) bool {
	return maps.EqualFunc(b.known, other.known, (*KnownIdentity).same)
}

func (k *KnownIdentity) same(other *KnownIdentity) bool {
	return k.uid == other.uid && k.ExternalID == other.ExternalID && equality.Semantic.DeepEqual(k.spec, other.spec)
}

// sameFor says whether the same identities allow a namespace.
func (b *IdentityBook) sameFor(other *IdentityBook, namespace string) bool {
	before, known := b.allowed[namespace]
	now, still := other.allowed[namespace]
	return known == still && slices.Equal(before, now)
}

// sameForAll says whether the same identities allow each namespace.
func (b *IdentityBook) sameForAll(other *IdentityBook) bool {
	return maps.EqualFunc(b.allowed, other.allowed, slices.Equal)
}
