// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	certutil "k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"externalbackend.dev/operator/test/apiserver"
	programs "externalbackend.dev/operator/test/cluster"
)

// controlPlane is an etcd and an API server that a spec may stop, pause and
// kill as it likes, beside those of the suite.
type controlPlane struct {
	folder           string
	etcdURL, peerURL string
	address          string       // of the API server
	config           *rest.Config // as admin
	etcd, apiserver  *programs.Process
}

// ownControlPlane starts a control plane and makes it that of the specs: everything
// is done there until those of the container are over.
func ownControlPlane(ctx context.Context) *controlPlane {
	GinkgoHelper()
	stopSharedOperator()
	c := &controlPlane{
		folder: GinkgoT().TempDir(), address: freeAddress(),
		etcdURL: "http://" + freeAddress(), peerURL: "http://" + freeAddress(),
	}
	c.prepare()
	DeferCleanup(func() {
		c.killAPIServer()
		c.killEtcd()
	})
	c.startEtcd()
	c.startAPIServer(ctx)

	formerConfig, formerAdmin, formerKube := cluster, admin, kube
	DeferCleanup(func() { cluster, admin, kube = formerConfig, formerAdmin, formerKube })
	c.connect()
	c.installCRDs()
	shipped.install(ctx)
	return c
}

func (c *controlPlane) installCRDs() {
	GinkgoHelper()
	_, err := envtest.InstallCRDs(c.config, crds())
	Expect(err).NotTo(HaveOccurred())
}

// removeCRDs returns before they are gone.
func (c *controlPlane) removeCRDs() {
	GinkgoHelper()
	Expect(envtest.UninstallCRDs(c.config, crds())).To(Succeed())
}

// crds are those that are shipped, as they were before they were created.
func crds() (options envtest.CRDInstallOptions) {
	for _, crd := range shipped.crds {
		crd = crd.DeepCopy()
		crd.ResourceVersion, crd.UID = "", ""
		options.CRDs = append(options.CRDs, crd)
	}
	return options
}

// connect makes the clients of the suite those of this control plane.
func (c *controlPlane) connect() {
	GinkgoHelper()
	var err error
	cluster = c.config
	admin, err = client.New(c.config, client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())
	kube, err = kubernetes.NewForConfig(c.config)
	Expect(err).NotTo(HaveOccurred())
}

// prepare writes keys and the admin's token.
func (c *controlPlane) prepare() {
	GinkgoHelper()
	cert, key, err := certutil.GenerateSelfSignedCertKey("127.0.0.1", nil, nil)
	Expect(err).NotTo(HaveOccurred())
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	Expect(err).NotTo(HaveOccurred())
	saKey, err := keyutil.MarshalPrivateKeyToPEM(signer)
	Expect(err).NotTo(HaveOccurred())
	token := rand.Text()
	for name, content := range map[string][]byte{
		"apiserver.crt": cert, "apiserver.key": key, "accounts.key": saKey,
		"tokens.csv": fmt.Appendf(nil, "%s,admin,admin,system:masters\n", token),
	} {
		Expect(os.WriteFile(c.file(name), content, 0o600)).To(Succeed())
	}
	c.config = &rest.Config{
		Host: "https://" + c.address, BearerToken: token, QPS: -1,
		TLSClientConfig: rest.TLSClientConfig{CAData: cert},
	}
}

func (c *controlPlane) file(name string) string { return filepath.Join(c.folder, name) }

func (c *controlPlane) start(name string, args ...string) *programs.Process {
	GinkgoHelper()
	p, err := programs.StartProcess(name, c.folder, apiserver.Binary(name), args...)
	Expect(err).NotTo(HaveOccurred())
	return p
}

func (c *controlPlane) startEtcd() {
	GinkgoHelper()
	// What it has written outlives its being killed without that, too.
	c.etcd = c.start("etcd", "--data-dir="+c.file("etcd"), "--unsafe-no-fsync",
		"--listen-client-urls="+c.etcdURL, "--advertise-client-urls="+c.etcdURL,
		"--listen-peer-urls="+c.peerURL, "--initial-advertise-peer-urls="+c.peerURL,
		"--initial-cluster=default="+c.peerURL)
}

// startAPIServer returns when the API server is ready.
func (c *controlPlane) startAPIServer(ctx context.Context) {
	GinkgoHelper()
	host, port, err := net.SplitHostPort(c.address)
	Expect(err).NotTo(HaveOccurred())
	c.apiserver = c.start("kube-apiserver", "--etcd-servers="+c.etcdURL,
		"--bind-address="+host, "--secure-port="+port, "--authorization-mode=RBAC",
		"--tls-cert-file="+c.file("apiserver.crt"), "--tls-private-key-file="+c.file("apiserver.key"),
		"--cert-dir="+c.folder, "--token-auth-file="+c.file("tokens.csv"),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+c.file("accounts.key"), "--service-account-signing-key-file="+c.file("accounts.key"),
		"--service-cluster-ip-range=10.0.0.0/16,fd00:96::/112",
		"--disable-admission-plugins=ServiceAccount",
		"--enable-admission-plugins=OwnerReferencesPermissionEnforcement")
	c.awaitAPIServer(ctx)
}

// awaitAPIServer waits until the API server is ready, with all that belongs to it.
func (c *controlPlane) awaitAPIServer(ctx context.Context) {
	GinkgoHelper()
	impatient := rest.CopyConfig(c.config)
	impatient.Timeout = time.Second
	client, err := kubernetes.NewForConfig(impatient)
	Expect(err).NotTo(HaveOccurred())
	Eventually(func(ctx context.Context) error {
		Expect(c.apiserver.ExitError()).NotTo(HaveOccurred())
		return client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
	}).WithContext(ctx).WithTimeout(time.Minute).Should(Succeed(), "the API server is not ready")
}

func (c *controlPlane) killAPIServer() {
	if c.apiserver != nil {
		c.apiserver.Kill()
	}
}

func (c *controlPlane) killEtcd() {
	if c.etcd != nil {
		c.etcd.Kill()
	}
}
