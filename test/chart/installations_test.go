// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package chart_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"externalbackend.dev/operator/test/apiserver"
)

// versionPattern is how versions look, as hack/release.sh wants them.
const versionPattern = `[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?`

// shippedVersion returns the one of Chart.yaml, of the chart and of the operator.
func shippedVersion() string {
	text, err := os.ReadFile(filepath.Join(chart, "Chart.yaml"))
	if err != nil {
		panic(err) // tables call it before any spec runs
	}
	var about struct{ Version, AppVersion string }
	if err := yaml.Unmarshal(text, &about); err != nil || about.AppVersion != about.Version {
		panic(fmt.Sprintf("version %q, appVersion %q: %v", about.Version, about.AppVersion, err))
	}
	return about.Version
}

var _ = Describe("What is shipped", func() {
	It("says one version in the chart, in kustomize and in its pages", func(ctx SpecContext) {
		version := shippedVersion()
		Expect(version).To(MatchRegexp("^" + versionPattern + "$"))
		image := "externalbackend-operator:" + version
		deployment := find(kustomize(ctx, "default"), "Deployment", manager)
		Expect(yaml.Marshal(deployment.Object)).To(ContainSubstring("image: " + image + "\n"))
		named := regexp.MustCompile("externalbackend-operator:v?" + versionPattern)
		for _, page := range []string{"README.md", "docs/install.md"} {
			text, err := os.ReadFile(filepath.Join("../..", page))
			Expect(err).NotTo(HaveOccurred())
			found := named.FindAllString(string(text), -1)
			Expect(found).NotTo(BeEmpty(), page)
			for _, other := range found {
				Expect(other).To(Equal(image), page)
			}
		}
	})

	It("is one file that the API server takes", func(ctx SpecContext) {
		withoutCRDs(ctx)
		const image = "registry.example.com/platform/externalbackend-operator:0.1.0"
		script := exec.CommandContext(ctx, "../../hack/install-yaml.sh", image)
		script.Stderr = GinkgoWriter
		manifest, err := script.Output()
		Expect(err).NotTo(HaveOccurred())
		objects := apiserver.Objects(manifest)
		Expect(yaml.Marshal(find(objects, "Deployment", manager).Object)).To(ContainSubstring("image: " + image + "\n"))
		DeferCleanup(func(ctx SpecContext) {
			for _, object := range objects {
				if object.GetKind() != "Namespace" { // which nobody ends here
					Expect(client.IgnoreNotFound(admin.Delete(ctx, object))).To(Succeed())
				}
			}
			withoutCRDs(ctx)
		})
		applied := strings.TrimSpace(string(kubectl(ctx, manifest, "apply", "--server-side", "--validate=strict", "-f", "-")))
		Expect(strings.Split(applied, "\n")).To(HaveLen(len(objects)))
	})

	It("passes helm's own checks", func(ctx SpecContext) {
		_, err := helm(ctx, "", "lint", "--strict", chart)
		Expect(err).NotTo(HaveOccurred())
	})
})
