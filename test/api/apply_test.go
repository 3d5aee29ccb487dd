// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// apply sends spec.targets by server-side apply, as one of several authors of
// an object.
func apply(ctx context.Context, author, targets string, options ...client.ApplyOption) (*unstructured.Unstructured, error) {
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "externalbackend.dev/v1alpha1", "kind": "ExternalBackend",
		"metadata": map[string]any{"namespace": namespace, "name": "applied"},
		"spec":     map[string]any{"targets": parsed(targets)},
	}}
	options = append(options, client.FieldOwner(author))
	err := api.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), options...)
	return object, err
}

// active are the entries as they are stored: with the default of their state.
func active(targets string) any {
	list := parsed(targets)
	for _, entry := range list.([]any) {
		entry.(map[string]any)["state"] = "Active"
	}
	return list
}

func mustApply(ctx context.Context, author, targets string, options ...client.ApplyOption) any {
	GinkgoHelper()
	object, err := apply(ctx, author, targets, options...)
	Expect(err).NotTo(HaveOccurred())
	return at(object.Object, "spec.targets")
}

var _ = Describe("Server-side apply", func() {
	BeforeEach(func(ctx SpecContext) {
		object, err := apply(ctx, "a", "[{name: rack, ip: {addresses: [192.0.2.1, 192.0.2.2]}}]")
		Expect(err).NotTo(HaveOccurred())
		removeLater(object)
	})

	It("replaces a list of addresses as a whole", func(ctx SpecContext) {
		const changed = "[{name: rack, ip: {addresses: [192.0.2.3, 192.0.2.2]}}]"
		Expect(mustApply(ctx, "a", changed)).To(Equal(active(changed)))
	})

	It("tells two authors of a list of addresses that they are in conflict", func(ctx SpecContext) {
		_, err := apply(ctx, "b", "[{name: rack, ip: {addresses: [192.0.2.3]}}]")
		Expect(apierrors.IsConflict(err)).To(BeTrue(), "%v", err)
		Expect(err).To(MatchError(ContainSubstring(`conflict with "a": .spec.targets[name="rack"].ip.addresses`)))
	})

	It("lets the author who forces it have the whole list", func(ctx SpecContext) {
		const forced = "[{name: rack, ip: {addresses: [192.0.2.3]}}]"
		Expect(mustApply(ctx, "b", forced, client.ForceOwnership)).To(Equal(active(forced)))
	})

	It("lets authors each have entries of their own", func(ctx SpecContext) {
		Expect(mustApply(ctx, "b", "[{name: cloud, ip: {addresses: [198.51.100.1]}}]")).To(Equal(active(
			"[{name: rack, ip: {addresses: [192.0.2.1, 192.0.2.2]}}, {name: cloud, ip: {addresses: [198.51.100.1]}}]")))
		Expect(mustApply(ctx, "a", "[{name: shelf, ip: {addresses: [192.0.2.9]}}]")).To(ConsistOf(active(
			"[{name: cloud, ip: {addresses: [198.51.100.1]}}, {name: shelf, ip: {addresses: [192.0.2.9]}}]")))
	})
})
