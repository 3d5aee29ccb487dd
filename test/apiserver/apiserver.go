// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

// Package apiserver starts a real API server for a Ginkgo suite, and reads the
// manifests that are applied to it. What goes wrong fails the suite.
package apiserver

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gleak"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	"externalbackend.dev/operator/api/v1alpha1"
)

// Binary returns the path of a program in the folder KUBEBUILDER_ASSETS.
func Binary(name string) string {
	GinkgoHelper()
	folder := os.Getenv("KUBEBUILDER_ASSETS")
	Expect(folder).NotTo(BeEmpty(), "KUBEBUILDER_ASSETS is not set: run the suite with `make test`, which builds what it needs first")
	path := filepath.Join(folder, name)
	Expect(path).To(BeAnExistingFile(), "%s is missing in KUBEBUILDER_ASSETS: run `make test`, which builds it", name)
	return path
}

// Start starts the control plane, which ends with the suite. It limits no requests
// of clients that are made of what it returns: specs poll.
func Start(env *envtest.Environment) *rest.Config {
	GinkgoHelper()
	env.BinaryAssetsDirectory = filepath.Dir(Binary("kube-apiserver"))
	// Several start at a time, on a machine that compiles besides.
	env.ControlPlaneStartTimeout, env.ControlPlaneStopTimeout, env.CRDInstallOptions.MaxTime = time.Minute, time.Minute, time.Minute
	config, err := env.Start()
	DeferCleanup(func() error { return env.Stop() })
	Expect(err).NotTo(HaveOccurred(), "the control plane did not start")
	config.QPS = -1
	return config
}

// Scheme returns the types of Kubernetes and of the operator.
func Scheme() *runtime.Scheme {
	GinkgoHelper()
	scheme := runtime.NewScheme()
	Expect(clientgoscheme.AddToScheme(scheme)).To(Succeed())
	Expect(v1alpha1.AddToScheme(scheme)).To(Succeed())
	return scheme
}

// ExpectNoLeaks checks at the end of the suite that all goroutines have ended
// which are started from now on.
func ExpectNoLeaks() {
	before := gleak.Goroutines()
	DeferCleanup(func() { Eventually(gleak.Goroutines).ShouldNot(gleak.HaveLeaked(before)) })
}

// Objects reads the documents of a manifest, none of which may have a key twice.
func Objects(manifest []byte) (objects []*unstructured.Unstructured) {
	GinkgoHelper()
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(manifest)))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return objects
		}
		Expect(err).NotTo(HaveOccurred())
		object := &unstructured.Unstructured{}
		Expect(yaml.UnmarshalStrict(document, &object.Object)).To(Succeed(), string(document))
		if len(object.Object) > 0 {
			objects = append(objects, object)
		}
	}
}
