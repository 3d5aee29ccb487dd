// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package chart_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"externalbackend.dev/operator/test/apiserver"
)

const (
	chart     = "../../charts/external-backend-operator"
	release   = "externalbackend"
	namespace = "externalbackend-system"
)

// What all specs share.
var (
	admin client.Client
	// home holds the settings of kubectl and helm, and nothing of whoever runs this.
	home string
)

func TestChart(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Chart")
}

var _ = BeforeSuite(func(SpecContext) {
	ctrl.SetLogger(GinkgoLogr)
	SetDefaultEventuallyTimeout(time.Minute)
	SetDefaultEventuallyPollingInterval(50 * time.Millisecond)
	EnforceDefaultTimeoutsWhenUsingContexts()
	apiserver.ExpectNoLeaks()

	env := &envtest.Environment{}
	var err error
	admin, err = client.New(apiserver.Start(env), client.Options{Scheme: apiserver.Scheme()})
	Expect(err).NotTo(HaveOccurred())

	home = GinkgoT().TempDir()
	Expect(os.WriteFile(filepath.Join(home, "kubeconfig"), env.KubeConfig, 0o600)).To(Succeed())
}, NodeTimeout(2*time.Minute))

// run runs a program with an input and returns what it prints, on both outputs if
// it fails.
func run(ctx context.Context, input []byte, name string, arguments ...string) ([]byte, error) {
	GinkgoHelper()
	command := exec.CommandContext(ctx, apiserver.Binary(name), arguments...)
	command.Env = append(os.Environ(), "HOME="+home, "XDG_CACHE_HOME=", "XDG_CONFIG_HOME=", "XDG_DATA_HOME=", "KUBECONFIG="+filepath.Join(home, "kubeconfig"))
	var problems bytes.Buffer
	command.Stdin, command.Stderr = bytes.NewReader(input), io.MultiWriter(&problems, GinkgoWriter)
	output, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w\n%s%s", name, strings.Join(arguments, " "), err, output, problems.Bytes())
	}
	return output, nil
}

func kubectl(ctx context.Context, input []byte, arguments ...string) []byte {
	GinkgoHelper()
	output, err := run(ctx, input, "kubectl", arguments...)
	Expect(err).NotTo(HaveOccurred())
	return output
}

// helm runs helm with the values on its standard input.
func helm(ctx context.Context, values string, arguments ...string) ([]byte, error) {
	GinkgoHelper()
	return run(ctx, []byte(values), "helm", append(arguments, "--namespace", namespace)...)
}

// template renders the chart as if the CRDs were there.
func template(ctx context.Context, values string, arguments ...string) ([]*unstructured.Unstructured, error) {
	GinkgoHelper()
	output, err := helm(ctx, values, append([]string{"template", release, chart, "--values", "-", "--api-versions", "externalbackend.dev/v1alpha1/AWSIdentity"}, arguments...)...)
	if err != nil {
		return nil, err
	}
	return apiserver.Objects(output), nil
}

// find returns the one object of a kind and name, nil if there is none.
func find(objects []*unstructured.Unstructured, kind, name string) (found *unstructured.Unstructured) {
	GinkgoHelper()
	for _, object := range objects {
		if object.GetKind() == kind && object.GetName() == name {
			Expect(found).To(BeNil(), "%s %s is there twice", kind, name)
			found = object
		}
	}
	return found
}
