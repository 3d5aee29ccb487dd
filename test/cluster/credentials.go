// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	certutil "k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
)

// Files in the state folder.
const (
	certFile              = "apiserver.crt"
	keyFile               = "apiserver.key"
	serviceAccountKeyFile = "service-account.key"
	tokenFile             = "tokens.csv"
)

// serviceAccountTokenLife is how long ServiceAccountKubeconfig's token holds.
const serviceAccountTokenLife = 24 * time.Hour

// apiServiceIPs are the addresses of Service kubernetes, the first of each
// range, which Pods reach the API server at.
var apiServiceIPs = []string{"10.96.0.1", "fd00:96::1"}

// KubeletBinary is the kubelet's name in the folder of binaries.
const KubeletBinary = "kubelet"

type identity struct{ component, user, groups string }

// identities returns those with a static token. RBAC's bootstrap policy binds
// the users to the roles they need, and the Node authorizer knows the kubelet.
func (c *Cluster) identities() []identity {
	return []identity{
		{"admin", "admin", "system:masters"},
		{"kube-controller-manager", "system:kube-controller-manager", ""},
		{SchedulerBinary, "system:kube-scheduler", ""},
		{"kube-proxy", "system:kube-proxy", ""},
		{KubeletBinary, "system:node:" + c.cfg.NodeName, "system:nodes"},
	}
}

// prepare writes the keys, the tokens and the kubeconfigs.
func (c *Cluster) prepare() error {
	ips := []net.IP{net.IPv4(127, 0, 0, 1)}
	for _, ip := range c.cfg.NodeIPs {
		ips = append(ips, ip.AsSlice())
	}
	for _, ip := range apiServiceIPs {
		ips = append(ips, net.ParseIP(ip))
	}
	cert, key, err := certutil.GenerateSelfSignedCertKey("localhost", ips, []string{"kubernetes.default.svc"})
	if err != nil {
		return fmt.Errorf("make the API server's certificate: %w", err)
	}
	saKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	saPEM, err := keyutil.MarshalPrivateKeyToPEM(saKey)
	if err != nil {
		return fmt.Errorf("make the service account key: %w", err)
	}
	c.ca, c.token = cert, map[string]string{}
	var tokens strings.Builder
	for _, id := range c.identities() {
		c.token[id.component] = rand.Text()
		fmt.Fprintf(&tokens, "%s,%s,%s,%q\n", c.token[id.component], id.user, id.user, id.groups)
	}
	for name, content := range map[string][]byte{
		certFile: cert, keyFile: key, serviceAccountKeyFile: saPEM, tokenFile: []byte(tokens.String()),
	} {
		if err := os.WriteFile(c.file(name), content, 0o600); err != nil {
			return err
		}
	}
	for _, id := range c.identities() {
		if err := c.WriteKubeconfig(c.kubeconfig(id.component), APIServerAddress, c.token[id.component]); err != nil {
			return err
		}
	}
	return c.connect()
}

// connect makes the administrator's client.
func (c *Cluster) connect() error {
	config, err := clientcmd.BuildConfigFromFlags("", c.AdminKubeconfig())
	if err != nil {
		return err
	}
	c.clientset, err = kubernetes.NewForConfig(config)
	return err
}

// AdminKubeconfig returns the path of the administrator's kubeconfig.
func (c *Cluster) AdminKubeconfig() string { return c.kubeconfig("admin") }

// Kubeconfig returns the path of a component's kubeconfig.
func (c *Cluster) Kubeconfig(component string) string { return c.kubeconfig(component) }

// AdminToken returns the administrator's bearer token.
func (c *Cluster) AdminToken() string { return c.token["admin"] }

// WriteKubeconfig writes a self-contained kubeconfig for the API server at
// address (host:port, possibly one that forwards to it) and a bearer token.
func (c *Cluster) WriteKubeconfig(path, address, token string) error {
	const name = "externalbackend-test"
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{
		Server: "https://" + address, CertificateAuthorityData: c.ca,
		TLSServerName: "localhost", // whatever address a forwarder gives it
	}
	config.AuthInfos[name] = &clientcmdapi.AuthInfo{Token: token}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	config.CurrentContext = name
	return clientcmd.WriteToFile(*config, path)
}

// ServiceAccountKubeconfig requests a token of the ServiceAccount, good for 24
// hours, and writes a kubeconfig with it for the process called user, which the
// API server can so tell from others of the same ServiceAccount. It returns the
// file's path.
func (c *Cluster) ServiceAccountKubeconfig(ctx context.Context, namespace, name, user string) (string, error) {
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		ExpirationSeconds: new(int64(serviceAccountTokenLife / time.Second)),
	}}
	token, err := c.clientset.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, name, request, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("request a token of service account %s/%s: %w", namespace, name, err)
	}
	path := c.kubeconfig(user)
	return path, c.WriteKubeconfig(path, APIServerAddress, token.Status.Token)
}

// insecureTransport is for health endpoints only, which say nothing secret and
// are reached over the loopback; the controller manager makes its own certificate.
func (c *Cluster) insecureTransport() *http.Transport {
	return &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
}

func (c *Cluster) file(name string) string { return filepath.Join(c.cfg.StateDir, name) }

func (c *Cluster) kubeconfig(name string) string { return c.file(name + ".kubeconfig") }
