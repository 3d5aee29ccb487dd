// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package admission_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	"externalbackend.dev/operator/test/apiserver"
)

const namespace = "default"

// What all specs share.
var (
	scheme  *runtime.Scheme
	cluster *rest.Config // as admin
	admin   client.Client
	// kubeconfig is that of the admin.
	kubeconfig []byte
	// operator acts as the shipped ServiceAccount; unfenced as another account
	// that has the same role.
	operator, unfenced client.Client
)

func TestAdmission(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Admission")
}

var _ = BeforeSuite(func(ctx SpecContext) {
	ctrl.SetLogger(GinkgoLogr)
	SetDefaultEventuallyTimeout(time.Minute)
	SetDefaultEventuallyPollingInterval(50 * time.Millisecond)
	EnforceDefaultTimeoutsWhenUsingContexts()
	apiserver.ExpectNoLeaks()

	env := &envtest.Environment{}
	env.ControlPlane.GetAPIServer().Configure().Set("service-cluster-ip-range", "10.0.0.0/16,fd00:10::/112")
	cluster, scheme = apiserver.Start(env), apiserver.Scheme()
	var err error
	admin, err = client.New(cluster, client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())

	shipped := render(ctx, filepath.Join("..", "..", "config", "default"))
	kubeconfig = env.KubeConfig
	install(ctx, kubeconfig, shipped)
	account := only(shipped, "ServiceAccount")
	operator = withToken(ctx, account.GetNamespace(), account.GetName())
	mustCreate(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "unfenced"}})
	unfenced = withToken(ctx, namespace, "unfenced")
	grant(ctx, "unfenced", "externalbackend-manager-role", "system:serviceaccount:default:unfenced")
	for kind, refused := range map[string]func() error{
		"EndpointSlices": func() error { return client.NewDryRunClient(operator).Create(ctx, slice("probe", unlabelled)) },
		"Services":       func() error { return client.NewDryRunClient(operator).Create(ctx, service("probe", disowned)) },
	} {
		Eventually(refused).WithContext(ctx).Should(MatchError(ContainSubstring("ValidatingAdmissionPolicy")), "the fence of %s is not in force", kind)
	}
}, NodeTimeout(2*time.Minute))

func kubectl(ctx context.Context, input []byte, arguments ...string) []byte {
	GinkgoHelper()
	command := exec.CommandContext(ctx, apiserver.Binary("kubectl"), arguments...)
	command.Env = append(os.Environ(), "HOME="+GinkgoT().TempDir()) // no preferences of whoever runs this
	command.Stdin, command.Stderr = bytes.NewReader(input), GinkgoWriter
	output, err := command.Output()
	Expect(err).NotTo(HaveOccurred(), "kubectl %s", strings.Join(arguments, " "))
	return output
}

// render returns what a kustomize folder holds.
func render(ctx context.Context, folder string) []*unstructured.Unstructured {
	GinkgoHelper()
	return apiserver.Objects(kubectl(ctx, nil, "kustomize", folder))
}

// install applies objects as the documentation says, but for what runs as a Pod.
func install(ctx context.Context, kubeconfig []byte, objects []*unstructured.Unstructured) {
	GinkgoHelper()
	file := filepath.Join(GinkgoT().TempDir(), "kubeconfig")
	Expect(os.WriteFile(file, kubeconfig, 0o600)).To(Succeed())
	var manifest bytes.Buffer
	for _, object := range objects {
		if object.GetKind() == "Deployment" {
			continue
		}
		document, err := yaml.Marshal(object.Object)
		Expect(err).NotTo(HaveOccurred())
		manifest.WriteString("---\n")
		manifest.Write(document)
	}
	kubectl(ctx, manifest.Bytes(), "--kubeconfig", file, "apply", "--server-side", "-f", "-")
	kubectl(ctx, nil, "--kubeconfig", file, "wait", "--for=condition=Established", "crd", "--all", "--timeout=1m")
}

// of returns the objects of a kind.
func of(objects []*unstructured.Unstructured, kind string) (list []*unstructured.Unstructured) {
	for _, object := range objects {
		if object.GetKind() == kind {
			list = append(list, object)
		}
	}
	return list
}

func only(objects []*unstructured.Unstructured, kind string) *unstructured.Unstructured {
	GinkgoHelper()
	list := of(objects, kind)
	Expect(list).To(HaveLen(1), kind)
	return list[0]
}

// withToken acts as a ServiceAccount, with a real token.
func withToken(ctx context.Context, namespace, name string) client.Client {
	GinkgoHelper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	token := &authenticationv1.TokenRequest{}
	Expect(admin.SubResource("token").Create(ctx, account, token)).To(Succeed())
	config := rest.AnonymousClientConfig(cluster)
	config.QPS, config.BearerToken = -1, token.Status.Token
	c, err := client.New(config, client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())
	return c
}

// as acts as a user.
func as(user string, groups ...string) client.Client {
	GinkgoHelper()
	config := rest.CopyConfig(cluster)
	config.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: groups}
	c, err := client.New(config, client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())
	return c
}

// grant binds a ClusterRole to a user, until the spec, or the suite, is over.
func grant(ctx context.Context, name, role, user string) {
	GinkgoHelper()
	mustCreate(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	})
}

// mustCreate creates an object as admin, until the spec is over.
func mustCreate(ctx context.Context, object client.Object) {
	GinkgoHelper()
	Expect(admin.Create(ctx, object)).To(Succeed())
	DeferCleanup(func(ctx SpecContext) {
		Expect(client.IgnoreNotFound(admin.Delete(ctx, object))).To(Succeed())
	}, NodeTimeout(time.Minute))
}
