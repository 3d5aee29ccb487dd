// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"os/exec"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"externalbackend.dev/operator/test/apiserver"
	"externalbackend.dev/operator/test/nameserver"
	"externalbackend.dev/operator/test/targets"
)

// What all specs share. The operator under test never gets the admin's
// credentials.
var (
	scheme  *runtime.Scheme
	cluster *rest.Config         // as admin
	admin   client.Client        // uncached
	kube    kubernetes.Interface // as admin
	audit   *auditLog
	// kubeconfig is that of the admin.
	kubeconfig []byte
	shipped    *installation
	network    *targets.Network
	nameServer *nameserver.Server
)

// patience is how long specs wait unless they say otherwise.
const patience = 20 * time.Second

func TestControllers(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Controllers")
}

var _ = BeforeSuite(func(ctx SpecContext) {
	ctrl.SetLogger(zap.New(zap.WriteTo(GinkgoWriter), zap.UseDevMode(true)))
	SetDefaultEventuallyTimeout(patience)
	SetDefaultEventuallyPollingInterval(20 * time.Millisecond)
	SetDefaultConsistentlyDuration(2 * time.Second)
	SetDefaultConsistentlyPollingInterval(50 * time.Millisecond)
	EnforceDefaultTimeoutsWhenUsingContexts()
	scheme = apiserver.Scheme()

	apiserver.ExpectNoLeaks()
	var err error
	network, err = targets.New()
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() error { return network.Close() })

	nameServer, err = nameserver.Listen("127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { nameServer.Stop() })

	startAWS()
	shipped = readInstallation(ctx)
	startControlPlane(shipped)
	shipped.install(ctx)
	DeferCleanup(reportPermissions) // from the log, which is about to go
	DeferCleanup(stopSharedOperator)
	DeferCleanup(func() { Expect(panics()).To(BeZero(), "passes that ended in a panic") })
}, NodeTimeout(2*time.Minute))

func startControlPlane(shipped *installation) {
	folder := GinkgoT().TempDir()
	audit = newAuditLog(folder, shipped.user())
	env := &envtest.Environment{
		CRDInstallOptions: envtest.CRDInstallOptions{CRDs: shipped.crds},
	}
	env.ControlPlane.GetAPIServer().Configure().
		Set("service-cluster-ip-range", "10.0.0.0/16,fd00:96::/112").
		// It restricts who may name an owner, as some distributions do.
		Append("enable-admission-plugins", "OwnerReferencesPermissionEnforcement").
		Set("audit-policy-file", audit.policyFile).
		Set("audit-log-path", audit.file)
	cluster = apiserver.Start(env)
	kubeconfig = env.KubeConfig
	var err error
	admin, err = client.New(cluster, client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())
	kube, err = kubernetes.NewForConfig(cluster)
	Expect(err).NotTo(HaveOccurred())
}

// kustomize renders a folder of the repository as a user would.
func kustomize(ctx context.Context, folder string) []byte {
	GinkgoHelper()
	command := exec.CommandContext(ctx, apiserver.Binary("kubectl"), "kustomize", folder)
	command.Stderr = GinkgoWriter
	out, err := command.Output()
	Expect(err).NotTo(HaveOccurred(), "kubectl kustomize %s", folder)
	return out
}

// tokenFor returns a real token of a ServiceAccount.
func tokenFor(ctx context.Context, namespace, name string) string {
	GinkgoHelper()
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: new(int64(3600))}}
	answer, err := kube.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, name, request, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred())
	return answer.Status.Token
}
