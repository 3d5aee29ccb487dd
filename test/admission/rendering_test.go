// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package admission_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// expectFenced expects of a rendered installation that both fences are about the
// ServiceAccount that it runs the operator as, and that it brings every policy
// into force.
func expectFenced(objects []*unstructured.Unstructured) {
	GinkgoHelper()
	account := only(objects, "ServiceAccount")
	pod, _, err := unstructured.NestedString(only(objects, "Deployment").Object, "spec", "template", "spec", "serviceAccountName")
	Expect(err).NotTo(HaveOccurred())
	Expect(pod).To(Equal(account.GetName()))

	bound := map[string]map[string]any{} // name of the policy and what its binding says
	for _, binding := range of(objects, "ValidatingAdmissionPolicyBinding") {
		spec := binding.Object["spec"].(map[string]any)
		Expect(spec["validationActions"]).To(ConsistOf("Deny"))
		bound[spec["policyName"].(string)] = spec
	}
	var fences int
	for _, policy := range of(objects, "ValidatingAdmissionPolicy") {
		Expect(bound).To(HaveKey(policy.GetName()))
		spec := policy.Object["spec"].(map[string]any)
		Expect(spec["failurePolicy"]).To(Equal("Fail"))
		if spec["paramKind"] == nil {
			continue
		}
		fences++
		Expect(spec["paramKind"]).To(Equal(map[string]any{"apiVersion": "v1", "kind": "ServiceAccount"}))
		Expect(bound[policy.GetName()]["paramRef"]).To(Equal(map[string]any{
			"name": account.GetName(), "namespace": account.GetNamespace(), "parameterNotFoundAction": "Allow",
		}))
	}
	Expect(fences).To(Equal(2))
	Expect(bound).To(HaveLen(3))
}

// overlay renders a kustomization that builds on a folder of config.
func overlay(ctx context.Context, on, settings string) []*unstructured.Unstructured {
	GinkgoHelper()
	folder := GinkgoT().TempDir()
	shipped, err := filepath.Abs(filepath.Join("..", "..", "config", on))
	Expect(err).NotTo(HaveOccurred())
	relative, err := filepath.Rel(folder, shipped)
	Expect(err).NotTo(HaveOccurred())
	Expect(os.WriteFile(filepath.Join(folder, "kustomization.yaml"), fmt.Appendf(nil, "resources: [%s]\n%s", relative, settings), 0o600)).To(Succeed())
	return render(ctx, folder)
}

var _ = Describe("The fences are about the account that the operator runs as", func() {
	It("as shipped", func(ctx SpecContext) {
		objects := overlay(ctx, "default", "")
		expectFenced(objects)
		Expect(only(objects, "ServiceAccount").GetNamespace()).To(Equal("externalbackend-system"))
	})

	It("though kustomize takes policies and their bindings for objects of a namespace, which the API server does not", func(ctx SpecContext) {
		for _, kind := range []string{"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"} {
			for _, object := range of(overlay(ctx, "default", ""), kind) {
				stored := object.DeepCopy()
				Expect(admin.Get(ctx, client.ObjectKey{Name: object.GetName()}, stored)).To(Succeed())
				Expect(stored.GetNamespace()).To(BeEmpty())
			}
		}
	})

	DescribeTable("in an overlay with", func(ctx SpecContext, settings, account, namespace string) {
		objects := overlay(ctx, "default", settings)
		expectFenced(objects)
		Expect(only(objects, "ServiceAccount").GetName()).To(Equal(account))
		Expect(only(objects, "ServiceAccount").GetNamespace()).To(Equal(namespace))
	},
		Entry("another namespace", "namespace: platform", "externalbackend-controller-manager", "platform"),
		Entry("another prefix", "namePrefix: blue-", "blue-externalbackend-controller-manager", "externalbackend-system"),
		Entry("everything else", "namespace: platform\nnamePrefix: blue-\nnameSuffix: -b", "blue-externalbackend-controller-manager-b", "platform"),
	)
})
