// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package chart_test

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"externalbackend.dev/operator/test/apiserver"
)

// helms are the labels and annotations that helm and this chart add.
var helms = []string{
	"app.kubernetes.io/instance", "app.kubernetes.io/managed-by", "app.kubernetes.io/name", "app.kubernetes.io/version",
	"helm.sh/chart", "helm.sh/resource-policy",
}

// ofCluster are the kinds without a namespace, which kustomize takes some of for
// kinds with one.
var ofCluster = []string{
	"ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding",
}

// canonical returns objects as texts by kind and name, without what cannot be
// the same: the Namespace, which helm makes itself, the hooks, and what helm adds.
func canonical(objects []*unstructured.Unstructured) map[string]string {
	GinkgoHelper()
	texts := map[string]string{}
	for _, object := range objects {
		object = object.DeepCopy()
		if object.GetKind() == "Namespace" || object.GetAnnotations()["helm.sh/hook"] != "" {
			continue
		}
		if slices.Contains(ofCluster, object.GetKind()) {
			object.SetNamespace("")
		}
		object.SetLabels(withoutHelms(object.GetLabels()))
		object.SetAnnotations(withoutHelms(object.GetAnnotations()))
		text, err := yaml.Marshal(object.Object)
		Expect(err).NotTo(HaveOccurred())
		key := strings.Join([]string{object.GetKind(), object.GetNamespace(), object.GetName()}, " ")
		Expect(texts).NotTo(HaveKey(key))
		texts[key] = string(text)
	}
	return texts
}

// withoutHelms returns the others, nil if there are none.
func withoutHelms(keys map[string]string) map[string]string {
	maps.DeleteFunc(keys, func(key, _ string) bool { return slices.Contains(helms, key) })
	if len(keys) == 0 {
		return nil
	}
	return keys
}

// kustomize renders a folder of config/.
func kustomize(ctx context.Context, folder string) []*unstructured.Unstructured {
	GinkgoHelper()
	return apiserver.Objects(kubectl(ctx, nil, "kustomize", filepath.Join("../../config", folder)))
}

var _ = Describe("The chart gives the same objects as kustomize", func() {
	DescribeTable("", func(ctx SpecContext, folder, values string) {
		rendered, err := template(ctx, values)
		Expect(err).NotTo(HaveOccurred())
		left, right := canonical(kustomize(ctx, folder)), canonical(rendered)
		maps.DeleteFunc(left, func(key, text string) bool {
			same := right[key] == text
			if same {
				delete(right, key)
			}
			return same
		})
		if len(left)+len(right) > 0 {
			Fail(fmt.Sprintf("- is config/%s, + is the chart:\n%s", folder, cmp.Diff(left, right)))
		}
	},
		Entry("with its defaults: config/default", "default", ""),
		Entry("for some namespaces: config/namespaced", "namespaced",
			"namespaces: [shop, search]\ndenyCIDRs: [10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 'fc00::/7']"),
		Entry("for several tenants: config/multi-tenant", "multi-tenant",
			"policyMode: require\nnetworkPolicy: {ingress: {enabled: true}, egress: {enabled: true}}"),
	)
})
