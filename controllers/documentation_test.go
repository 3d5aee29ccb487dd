// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"externalbackend.dev/operator/test/apiserver"
)

// documented returns the objects that a page of the documentation shows, in order.
func documented(page string) (objects []*unstructured.Unstructured) {
	GinkgoHelper()
	for _, block := range blocks(page, "yaml") {
		for document := range strings.SplitSeq(block, "---\n") {
			object := &unstructured.Unstructured{}
			Expect(yaml.Unmarshal([]byte(document), object)).To(Succeed())
			objects = append(objects, object)
		}
	}
	return objects
}

// blocks returns the blocks of a kind on a page of the documentation.
func blocks(page, kind string) (list []string) {
	GinkgoHelper()
	text, err := os.ReadFile(filepath.Join("..", "docs", page))
	Expect(err).NotTo(HaveOccurred())
	for _, block := range regexp.MustCompile("(?s)```"+kind+"\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		list = append(list, block[1])
	}
	Expect(list).NotTo(BeEmpty())
	return list
}

// walkThrough is what docs/multi-tenancy.md shows: how the operator is set up,
// what its administrator applies, and then what the teams do.
type walkThrough struct{ installation, administrators, teams []*unstructured.Unstructured }

func readWalkThrough() (w walkThrough) {
	GinkgoHelper()
	for _, object := range documented("multi-tenancy.md") {
		switch object.GetKind() {
		case "Kustomization":
			w.installation = append(w.installation, object)
		case "Service", "ExternalBackend":
			w.teams = append(w.teams, object)
		default:
			w.administrators = append(w.administrators, object)
		}
	}
	Expect(w.installation).To(HaveLen(1))
	return w
}

// teamOf returns who works in a namespace.
func teamOf(namespace string) string { return namespace + "-team" }

// shown runs the kubectl commands of the page about a namespace as its team, and
// expects the output that the page has, but for ages.
func shown(ctx context.Context, namespace string) {
	GinkgoHelper()
	words := func(text string) []string {
		return strings.Fields(regexp.MustCompile(`\b(\d+[ms])+\b`).ReplaceAllString(text, ""))
	}
	for _, block := range blocks("multi-tenancy.md", "console") {
		for session := range strings.SplitSeq(strings.TrimPrefix(block, "$ "), "\n$ ") {
			command, output, _ := strings.Cut(session, "\n")
			if !strings.Contains(command, "-n "+namespace+" ") {
				continue
			}
			arguments := strings.Fields(strings.ReplaceAll(strings.TrimPrefix(command, "kubectl "), "'", ""))
			Eventually(func(ctx context.Context) []string {
				return words(kubectlAs(ctx, teamOf(namespace), arguments...))
			}).WithContext(ctx).Should(Equal(words(output)), command)
		}
	}
}

// kubectlAs returns what kubectl prints for somebody of a group.
func kubectlAs(ctx context.Context, group string, arguments ...string) string {
	GinkgoHelper()
	folder := GinkgoT().TempDir()
	file := filepath.Join(folder, "kubeconfig")
	Expect(os.WriteFile(file, kubeconfig, 0o600)).To(Succeed())
	arguments = append([]string{"--kubeconfig", file, "--cache-dir", folder, "--as=somebody", "--as-group=" + group, "--as-group=system:authenticated"}, arguments...)
	command := exec.CommandContext(ctx, apiserver.Binary("kubectl"), arguments...)
	command.Env = append(os.Environ(), "HOME="+folder) // no preferences of whoever runs this
	command.Stderr = GinkgoWriter
	output, err := command.Output()
	Expect(err).NotTo(HaveOccurred(), "kubectl %s", strings.Join(arguments, " "))
	return string(output)
}

// flagsIn returns the arguments that a documented kustomization, which stands
// beside config/default, gives the operator.
func flagsIn(ctx context.Context, kustomization *unstructured.Unstructured) (flags []string) {
	GinkgoHelper()
	folder := GinkgoT().TempDir()
	shipped, err := filepath.Abs(filepath.Join("..", "config", "default"))
	Expect(err).NotTo(HaveOccurred())
	relative, err := filepath.Rel(folder, shipped)
	Expect(err).NotTo(HaveOccurred())
	Expect(unstructured.SetNestedStringSlice(kustomization.Object, []string{relative}, "resources")).To(Succeed())
	text, err := yaml.Marshal(kustomization.Object)
	Expect(err).NotTo(HaveOccurred())
	Expect(os.WriteFile(filepath.Join(folder, "kustomization.yaml"), text, 0o600)).To(Succeed())
	for _, object := range apiserver.Objects(kustomize(ctx, folder)) {
		if object.GetKind() == "Deployment" {
			containers, _, err := unstructured.NestedSlice(object.Object, "spec", "template", "spec", "containers")
			Expect(err).NotTo(HaveOccurred())
			flags, _, err = unstructured.NestedStringSlice(containers[0].(map[string]any), "args")
			Expect(err).NotTo(HaveOccurred())
		}
	}
	return flags
}
