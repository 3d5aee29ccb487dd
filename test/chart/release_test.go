// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package chart_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/api/v1alpha1"
)

// withIdentity are the values of a release that has an AWSIdentity.
const withIdentity = "awsIdentity: {create: true, regions: [eu-west-1]}"

// withRegion are the same, for --set.
const withRegion = "awsIdentity.create=true,awsIdentity.regions={eu-west-1}"

func mustHelm(ctx context.Context, values string, arguments ...string) {
	GinkgoHelper()
	_, err := helm(ctx, values, arguments...)
	Expect(err).NotTo(HaveOccurred())
}

// identityUID is that of the AWSIdentity default.
func identityUID(ctx context.Context) types.UID {
	GinkgoHelper()
	identity := &v1alpha1.AWSIdentity{}
	Expect(admin.Get(ctx, client.ObjectKey{Name: "default"}, identity)).To(Succeed())
	Expect(identity.DeletionTimestamp).To(BeNil())
	return identity.UID
}

// served waits until objects of all kinds can be listed: the API server is slow to
// delete a CRD that it has hardly begun to serve. One that is being deleted may go.
func served(ctx context.Context) {
	GinkgoHelper()
	const staying = "--output=go-template={{range .items}}{{if not .metadata.deletionTimestamp}}{{.metadata.name}} {{end}}{{end}}"
	Eventually(func(ctx context.Context) error {
		for crd := range strings.FieldsSeq(string(kubectl(ctx, nil, "get", "crd", staying))) {
			if _, err := run(ctx, nil, "kubectl", "get", crd, "--all-namespaces"); err != nil {
				return err
			}
		}
		return nil
	}).WithContext(ctx).Should(Succeed())
}

// create makes an ExternalBackend once its CRD is served, which Helm does not wait
// for.
func create(ctx context.Context, eb *v1alpha1.ExternalBackend) {
	GinkgoHelper()
	served(ctx)
	Expect(admin.Create(ctx, eb)).To(Succeed())
}

// withoutCRDs takes the CRDs away, and with them what is of their kinds.
func withoutCRDs(ctx context.Context) {
	GinkgoHelper()
	served(ctx)
	kubectl(ctx, nil, "delete", "crd", "--all", "--wait")
}

var _ = Describe("A release", func() {
	var shop *corev1.Namespace
	BeforeEach(func(ctx SpecContext) {
		withoutCRDs(ctx)
		shop = &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "shop-"}}
		Expect(admin.Create(ctx, shop)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) {
			_, err := helm(ctx, "", "uninstall", release, "--ignore-not-found")
			Expect(err).NotTo(HaveOccurred())
			withoutCRDs(ctx)
		})
	})

	backend := func() *v1alpha1.ExternalBackend {
		return &v1alpha1.ExternalBackend{
			ObjectMeta: metav1.ObjectMeta{Namespace: shop.Name, Name: "payments"},
			Spec:       v1alpha1.ExternalBackendSpec{Targets: []v1alpha1.Target{{Name: "rack", IP: &v1alpha1.IPTarget{Addresses: []v1alpha1.IPAddress{"192.0.2.10"}}}}},
		}
	}

	It("keeps its AWSIdentity, from the first installation on, and every ExternalBackend", func(ctx SpecContext) {
		install := []string{"install", release, chart, "--create-namespace", "--values", "-"}
		upgrade := []string{"upgrade", release, chart, "--values", "-"}
		mustHelm(ctx, withIdentity, install...)
		uid := identityUID(ctx)
		payments := backend()
		create(ctx, payments)

		By("upgrading twice")
		mustHelm(ctx, withIdentity, upgrade...)
		Expect(identityUID(ctx)).To(Equal(uid))
		mustHelm(ctx, "replicas: 3\nawsIdentity: {create: true, regions: [eu-west-1, us-east-1]}", upgrade...)
		Expect(identityUID(ctx)).To(Equal(uid))
		identity := &v1alpha1.AWSIdentity{}
		Expect(admin.Get(ctx, client.ObjectKey{Name: "default"}, identity)).To(Succeed())
		Expect(identity.Spec.Regions).To(ConsistOf(v1alpha1.Region("eu-west-1"), v1alpha1.Region("us-east-1")))
		Expect(identity.Annotations).NotTo(HaveKey("helm.sh/hook"))

		By("rolling back to the first installation")
		mustHelm(ctx, "", "rollback", release, "1")
		Expect(identityUID(ctx)).To(Equal(uid))

		By("taking the AWSIdentity out of the values, and back in")
		mustHelm(ctx, "replicas: 2", upgrade...)
		Expect(identityUID(ctx)).To(Equal(uid))
		mustHelm(ctx, withIdentity, upgrade...)
		Expect(identityUID(ctx)).To(Equal(uid))

		By("uninstalling and installing again")
		mustHelm(ctx, "", "uninstall", release)
		Expect(identityUID(ctx)).To(Equal(uid))
		Expect(admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: manager}, &appsv1.Deployment{})).To(Satisfy(apierrors.IsNotFound))
		mustHelm(ctx, withIdentity, install...)
		Expect(identityUID(ctx)).To(Equal(uid))
		kept := backend()
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(kept), kept)).To(Succeed())
		Expect(kept.UID).To(Equal(payments.UID))
	})

	It("upgrades its CRDs", func(ctx SpecContext) {
		old := filepath.Join(GinkgoT().TempDir(), "chart")
		Expect(os.CopyFS(old, os.DirFS(chart))).To(Succeed())
		file := filepath.Join(old, "files", "crds", "externalbackend.dev_externalbackends.yaml")
		text, err := os.ReadFile(file)
		Expect(err).NotTo(HaveOccurred())
		Expect(os.WriteFile(file, bytes.Replace(text, []byte("    - eb\n"), []byte("    - older\n"), 1), 0o600)).To(Succeed())

		mustHelm(ctx, "", "install", release, old, "--create-namespace", "--values", "-")
		payments := backend()
		create(ctx, payments)
		name := "--output=jsonpath={.spec.names.shortNames}"
		Expect(kubectl(ctx, nil, "get", "crd", "externalbackends.externalbackend.dev", name)).To(BeEquivalentTo(`["older"]`))
		mustHelm(ctx, "", "upgrade", release, chart, "--values", "-")
		Expect(kubectl(ctx, nil, "get", "crd", "externalbackends.externalbackend.dev", name)).To(BeEquivalentTo(`["eb"]`))
		kept := backend()
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(kept), kept)).To(Succeed())
		Expect(kept.UID).To(Equal(payments.UID))
	})

	It("takes the CRDs along where it shall, and everything with them", func(ctx SpecContext) {
		mustHelm(ctx, "crds: {keep: false}", "install", release, chart, "--create-namespace", "--values", "-")
		create(ctx, backend())
		mustHelm(ctx, "", "uninstall", release)
		Eventually(func(ctx context.Context) string {
			return string(kubectl(ctx, nil, "get", "crd", "--output=name"))
		}).WithContext(ctx).Should(BeEmpty())
	})

	It("has room for another beside it, which takes the CRDs over when it is gone", func(ctx SpecContext) {
		blue := func(ctx context.Context, values string, arguments ...string) {
			GinkgoHelper()
			_, err := run(ctx, []byte(values), "helm", append(arguments, "--namespace", "blue")...)
			Expect(err).NotTo(HaveOccurred())
		}
		mustHelm(ctx, "", "install", release, chart, "--create-namespace", "--values", "-")
		some := "fullnameOverride: blue\ndenyCIDRs: [10.0.0.0/8]\nnamespaces: [" + shop.Name + "]\n"
		_, err := helm(ctx, some+"crds: {enabled: false}", "install", "blue", chart, "--values", "-")
		Expect(err).To(MatchError(ContainSubstring("install each release in a namespace of its own")))
		blue(ctx, some+"crds: {enabled: false}", "install", "blue", chart, "--create-namespace", "--values", "-")
		DeferCleanup(func(ctx SpecContext) { blue(ctx, "", "uninstall", "blue") })
		create(ctx, backend())

		mustHelm(ctx, "", "uninstall", release)
		Expect(admin.Get(ctx, client.ObjectKey{Namespace: "blue", Name: "blue-controller-manager"}, &appsv1.Deployment{})).To(Succeed())
		blue(ctx, some, "upgrade", "blue", chart, "--take-ownership", "--values", "-")
		kept := backend()
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(kept), kept)).To(Succeed())
	})

	It("installs into a namespace whose name is a number", func(ctx SpecContext) {
		mustHelm := func(ctx context.Context, arguments ...string) {
			GinkgoHelper()
			_, err := run(ctx, nil, "helm", append(arguments, "--namespace", "2026")...)
			Expect(err).NotTo(HaveOccurred())
		}
		mustHelm(ctx, "install", "7", chart, "--create-namespace", "--set", withRegion)
		mustHelm(ctx, "upgrade", "7", chart, "--set", withRegion)
		mustHelm(ctx, "uninstall", "7")
	})

	It("leaves newer CRDs as they are when the operator goes back alone", func(ctx SpecContext) {
		mustHelm(ctx, "", "install", release, chart, "--create-namespace", "--values", "-")
		payments := backend()
		create(ctx, payments)
		mustHelm(ctx, "", "upgrade", release, chart, "--reset-then-reuse-values", "--set", "crds.enabled=false")
		mustHelm(ctx, "", "upgrade", release, chart, "--reset-then-reuse-values", "--set", "crds.enabled=true")
		kept := backend()
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(kept), kept)).To(Succeed())
		Expect(kept.UID).To(Equal(payments.UID))
	})

	It("goes from one way of applying to the next without a conflict", func(ctx SpecContext) {
		kubectl(ctx, nil, "apply", "-k", "../../config/default")
		kubectl(ctx, nil, "apply", "--server-side", "-k", "../../config/default")
		mustHelm(ctx, "", "install", release, chart, "--take-ownership")
		kubectl(ctx, nil, "apply", "--server-side", "--dry-run=server", "-k", "../../config/default")
		mustHelm(ctx, "", "upgrade", release, chart)
	})

	It("takes over what kustomize has installed", func(ctx SpecContext) {
		kubectl(ctx, nil, "apply", "--server-side", "-k", "../../config/default")
		account := &corev1.ServiceAccount{}
		key := client.ObjectKey{Namespace: namespace, Name: manager}
		Expect(admin.Get(ctx, key, account)).To(Succeed())
		uid := account.UID
		mustHelm(ctx, "", "install", release, chart, "--take-ownership", "--force-conflicts", "--values", "-")
		Expect(admin.Get(ctx, key, account)).To(Succeed())
		Expect(account.UID).To(Equal(uid))
	})
})
