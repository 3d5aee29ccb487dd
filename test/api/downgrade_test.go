// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// later returns the CRD as a version to come may have it, with a field more.
func later() *unstructured.Unstructured {
	object := definition()
	spec := at(object.Object, "spec.versions[0].schema.openAPIV3Schema.properties.spec.properties").(map[string]any)
	spec["future"] = map[string]any{"type": "string"}
	return object
}

// install replaces the CRD.
func install(ctx context.Context, object *unstructured.Unstructured) {
	GinkgoHelper()
	live := definition()
	Expect(api.Get(ctx, client.ObjectKeyFromObject(live), live)).To(Succeed())
	object.SetResourceVersion(live.GetResourceVersion())
	Expect(api.Update(ctx, object)).To(Succeed())
}

// What docs/upgrading.md says about going back to an earlier version.
var _ = Describe("An object that has a field of a later version", func() {
	stored := func() *unstructured.Unstructured {
		return storedBackend("payments", `{future: "yes", targets: [{name: rack, ip: {addresses: [192.0.2.10]}}]}`)
	}
	future := func(ctx context.Context) func() (string, error) {
		return func() (string, error) {
			read := stored()
			err := api.Get(ctx, client.ObjectKeyFromObject(read), read)
			value, _, _ := unstructured.NestedString(read.Object, "spec", "future")
			return value, err
		}
	}
	BeforeEach(func(ctx SpecContext) {
		newer := later()
		Expect(api.Create(ctx, newer)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) {
			Expect(api.Delete(ctx, newer)).To(Succeed())
			Eventually(func() bool {
				return apierrors.IsNotFound(api.Get(ctx, client.ObjectKeyFromObject(newer), newer))
			}).WithContext(ctx).Should(BeTrue())
		}, NodeTimeout(time.Minute))
		Eventually(func() error { return applyUser(ctx, stored()) }).WithContext(ctx).Should(Succeed())
		Expect(future(ctx)()).To(Equal("yes"))

		install(ctx, definition())
		Eventually(future(ctx)).WithContext(ctx).Should(BeEmpty(), "the field is shown though the CRD does not have it")
	}, NodeTimeout(time.Minute))

	It("has it again after going forward, if it was not written meanwhile", func(ctx SpecContext) {
		install(ctx, later())
		Eventually(future(ctx)).WithContext(ctx).Should(Equal("yes"))
	}, SpecTimeout(time.Minute))

	It("has lost it once it was written, be it its status alone", func(ctx SpecContext) {
		read := stored()
		Expect(api.Get(ctx, client.ObjectKeyFromObject(read), read)).To(Succeed())
		Expect(unstructured.SetNestedField(read.Object, int64(1), "status", "observedGeneration")).To(Succeed())
		Expect(api.Status().Update(ctx, read)).To(Succeed())

		install(ctx, later())
		// That the later CRD is in force shows in an object that can have the field.
		other := storedBackend("other", `{future: "yes", targets: [{name: rack, ip: {addresses: [192.0.2.11]}}]}`)
		Eventually(func() error { return applyUser(ctx, other) }).WithContext(ctx).Should(Succeed())
		Expect(future(ctx)()).To(BeEmpty())
	}, SpecTimeout(time.Minute))
})
