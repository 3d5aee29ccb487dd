// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"externalbackend.dev/operator/api/v1alpha1"
)

// shownBlock is a block of YAML on a page, also within a list.
var shownBlock = regexp.MustCompile("(?ms)^( *)```yaml\n(.*?)^ *```")

// shownOn returns the objects of our group that a page shows in whole.
func shownOn(page string) (objects []*unstructured.Unstructured) {
	GinkgoHelper()
	text, err := os.ReadFile(page)
	Expect(err).NotTo(HaveOccurred())
	for _, block := range shownBlock.FindAllStringSubmatch(string(text), -1) {
		flush := strings.ReplaceAll("\n"+block[2], "\n"+block[1], "\n")
		for document := range strings.SplitSeq(flush, "\n---\n") {
			object := &unstructured.Unstructured{}
			if err := yaml.Unmarshal([]byte(document), object); err != nil { // an object has a kind
				Expect(document).NotTo(ContainSubstring("\nkind:"), "%s: %v", page, err)
				continue
			}
			if object.GroupVersionKind().Group == v1alpha1.GroupVersion.Group {
				objects = append(objects, object)
			}
		}
	}
	return objects
}

var _ = Describe("The pages", func() {
	It("show objects that the API server takes", func(ctx SpecContext) {
		pages, err := filepath.Glob("../../docs/*.md")
		Expect(err).NotTo(HaveOccurred())
		kindsShown := map[string]int{}
		for _, page := range append(pages, "../../README.md") {
			for _, object := range shownOn(page) {
				kindsShown[object.GetKind()]++
				if object.GetNamespace() != "" {
					object.SetNamespace(namespace)
				}
				Expect(api.Create(ctx, object, client.DryRunAll)).To(Succeed(), "%s: %s %s", page, object.GetKind(), object.GetName())
			}
		}
		Expect(kindsShown).To(And(HaveKey("ExternalBackend"), HaveKey("ExternalBackendPolicy"), HaveKey("AWSIdentity")))
	})
})
