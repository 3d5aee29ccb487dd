// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/aws/fake"
	"externalbackend.dev/operator/test/nameserver"
)

// controlPlane is a real etcd and kube-apiserver, and later the two competitors.
type controlPlane struct {
	folder     string // of logs and state
	binaries   string
	env        *envtest.Environment
	kubeconfig string
	kube       kubernetes.Interface
	client     client.Client // for ExternalBackends
	audit      *auditLog
	nameServer *nameserver.Server // the only one that the operator asks
	aws        *fake.Server       // what it takes for AWS

	operator          *operator
	controllerManager *process
}

func startControlPlane(binaries, folder string, aws *fake.Server) (_ *controlPlane, err error) {
	c := &controlPlane{
		folder: folder, binaries: binaries, kubeconfig: filepath.Join(folder, "kubeconfig"),
		audit: &auditLog{path: filepath.Join(folder, "audit.log")}, aws: aws,
	}
	policy := filepath.Join(folder, "audit-policy.yaml")
	if err := os.WriteFile(policy, []byte(auditPolicy), 0o600); err != nil {
		return nil, err
	}
	if err := os.WriteFile(c.audit.path, nil, 0o600); err != nil { // the first write makes it otherwise
		return nil, err
	}
	c.env = &envtest.Environment{
		CRDInstallOptions: envtest.CRDInstallOptions{Paths: []string{"config/crd/bases"}, ErrorIfPathMissing: true},
	}
	// Even an empty variable would win over a folder that env is given.
	if err := os.Setenv("KUBEBUILDER_ASSETS", binaries); err != nil {
		return nil, err
	}
	c.env.ControlPlane.GetAPIServer().Configure().
		Set("audit-policy-file", policy).
		Set("audit-log-path", c.audit.path)
	config, err := c.env.Start()
	if err != nil {
		return nil, fmt.Errorf("start the control plane (`make controlplane` builds it; run this at the root of the repository): %w", err)
	}
	defer func() {
		if err != nil {
			c.stop()
		}
	}()
	if err := os.WriteFile(c.kubeconfig, c.env.KubeConfig, 0o600); err != nil {
		return nil, err
	}
	if c.nameServer, err = nameserver.Listen("127.0.0.1:0"); err != nil {
		return nil, err
	}
	return c, c.connect(config)
}

// connect makes the clients of the benchmark itself, which nothing slows down.
func (c *controlPlane) connect(config *rest.Config) (err error) {
	config = rest.CopyConfig(config)
	config.QPS = -1
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return err
	}
	if c.client, err = client.New(config, client.Options{Scheme: scheme}); err != nil {
		return err
	}
	config.ContentType = runtime.ContentTypeProtobuf
	c.kube, err = kubernetes.NewForConfig(config)
	return err
}

func (c *controlPlane) startOperator() (err error) {
	c.operator, err = startOperator(c.folder, c.kubeconfig, c.nameServer.Addr().String())
	return err
}

func (c *controlPlane) stopOperator() {
	if c.operator != nil {
		c.operator.stop()
		c.operator = nil
	}
}

// startControllerManager starts kube-controller-manager with nothing but its
// EndpointSlice controller, as it is by default but for the requests that it
// may send: those are not limited.
func (c *controlPlane) startControllerManager() (err error) {
	c.controllerManager, err = startProcess(c.folder, "kube-controller-manager", exec.Command(
		filepath.Join(c.binaries, "kube-controller-manager"),
		"--kubeconfig="+c.kubeconfig, "--leader-elect=false", "--secure-port=0",
		"--controllers=endpointslice-controller", "--kube-api-qps=10000", "--kube-api-burst=10000",
	))
	return err
}

func (c *controlPlane) stop() {
	c.stopOperator()
	if c.controllerManager != nil {
		c.controllerManager.stop()
	}
	if c.nameServer != nil {
		c.nameServer.Stop()
	}
	if err := c.env.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, "bench: stop the control plane:", err)
	}
}
