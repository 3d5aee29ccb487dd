// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/apiserver"
)

const (
	crdFolder = "../../config/crd/bases"
	namespace = "default"
)

// What all specs share. Each removes the objects that it created.
var (
	// api sends and reads what it is told, and asks for strict field
	// validation as kubectl does.
	api client.Client
	// kubeconfig is the file with the credentials for kubectl.
	kubeconfig string
)

func TestAPI(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "API")
}

var _ = BeforeSuite(func(ctx SpecContext) {
	ctrl.SetLogger(GinkgoLogr)
	SetDefaultEventuallyTimeout(20 * time.Second)
	apiserver.ExpectNoLeaks()

	for _, k := range kinds {
		k.schema = readSchema(filepath.Join(crdFolder, k.file))
	}
	env := &envtest.Environment{
		CRDDirectoryPaths:     []string{crdFolder},
		ErrorIfCRDPathMissing: true,
	}
	env.ControlPlane.GetAPIServer().Configure().Set("service-cluster-ip-range", "10.0.0.0/16,fd00:10::/112") // dual-stack
	config := apiserver.Start(env)
	kubeconfig = filepath.Join(GinkgoT().TempDir(), "kubeconfig")
	Expect(os.WriteFile(kubeconfig, env.KubeConfig, 0o600)).To(Succeed())

	direct, err := client.New(config, client.Options{Scheme: apiserver.Scheme()})
	Expect(err).NotTo(HaveOccurred())
	api = client.WithFieldValidation(direct, metav1.FieldValidationStrict)

	// The API server publishes the description of a new kind a while after it
	// serves the kind; kubectl explain shows it.
	published, err := discovery.NewDiscoveryClientForConfig(config)
	Expect(err).NotTo(HaveOccurred())
	Eventually(func() (string, error) {
		description, err := published.RESTClient().Get().AbsPath("/openapi/v3/apis", v1alpha1.GroupVersion.Group, v1alpha1.GroupVersion.Version).DoRaw(ctx)
		return string(description), err
	}).WithContext(ctx).WithTimeout(time.Minute).Should(And(
		ContainSubstring("/namespaces/{namespace}/externalbackends/{name}"), ContainSubstring("/externalbackendpolicies/{name}"),
		ContainSubstring("/awsidentities/{name}")))
}, NodeTimeout(2*time.Minute))

// removeLater deletes an object, if it exists, when the spec is over.
func removeLater(object client.Object) {
	DeferCleanup(func(ctx context.Context) {
		Expect(client.IgnoreNotFound(api.Delete(ctx, object))).To(Succeed())
	})
}
