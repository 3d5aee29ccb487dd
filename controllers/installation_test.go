// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"externalbackend.dev/operator/test/apiserver"
)

// installation is what config/default ships, but for the Deployment: the
// operator under test runs inside the suite.
type installation struct {
	crds    []*apiextensionsv1.CustomResourceDefinition
	objects []*unstructured.Unstructured // all others, as rendered
	account corev1.ServiceAccount        // that the operator runs as
	roles   map[string][]rbacv1.PolicyRule
}

const (
	managerRole        = "externalbackend-manager-role"
	leaderElectionRole = "externalbackend-leader-election-role"
	metricsReaderRole  = "externalbackend-metrics-reader"
	credentialsRole    = "externalbackend-check-credentials-reader"
	accessKeyRole      = "externalbackend-access-key-reader"
	namespacedRole     = "externalbackend-namespaced-manager-role"
)

func readInstallation(ctx context.Context) *installation {
	GinkgoHelper()
	i := &installation{roles: make(map[string][]rbacv1.PolicyRule)}
	i.read(kustomize(ctx, filepath.Join("..", "config", "default")))
	Expect(i.crds).NotTo(BeEmpty())
	Expect(i.account.Name).NotTo(BeEmpty())
	for _, role := range []string{managerRole, leaderElectionRole, metricsReaderRole, credentialsRole, accessKeyRole} {
		Expect(i.roles).To(HaveKeyWithValue(role, Not(BeEmpty())))
	}
	return i
}

// read adds what kustomize has rendered.
func (i *installation) read(rendered []byte) {
	GinkgoHelper()
	for _, object := range apiserver.Objects(rendered) {
		i.add(object)
	}
}

func (i *installation) add(object *unstructured.Unstructured) {
	GinkgoHelper()
	convert := func(into any) {
		Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, into)).To(Succeed())
	}
	switch object.GetKind() {
	case "Deployment":
		return
	case "CustomResourceDefinition":
		crd := &apiextensionsv1.CustomResourceDefinition{}
		convert(crd)
		i.crds = append(i.crds, crd)
		return
	case "ServiceAccount":
		Expect(i.account.Name).To(BeEmpty(), "config/default has more than one ServiceAccount")
		convert(&i.account)
	case "ClusterRole", "Role":
		var role rbacv1.ClusterRole // both kinds have their rules in the same place
		convert(&role)
		i.roles[role.Name] = role.Rules
	}
	i.objects = append(i.objects, object)
}

// user returns the name by which the API server knows the operator.
func (i *installation) user() string {
	return "system:serviceaccount:" + i.account.Namespace + ":" + i.account.Name
}

func (i *installation) install(ctx context.Context) {
	GinkgoHelper()
	for _, object := range i.objects {
		Expect(admin.Create(ctx, object.DeepCopy())).To(Succeed(), "%s %s", object.GetKind(), object.GetName())
	}
}
