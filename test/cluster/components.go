// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"time"
)

// The controllers that work without kubelets and that a user of Services,
// EndpointSlices, namespaces, owners and service accounts sees the work of.
var controllers = []string{
	"endpoints-controller", "endpointslice-controller", "endpointslice-mirroring-controller",
	"garbage-collector-controller", "namespace-controller", "serviceaccount-controller",
	"serviceaccount-token-controller", "root-ca-certificate-publisher-controller",
}

// SchedulerBinary is the scheduler's name in the folder of binaries.
const SchedulerBinary = "kube-scheduler"

const (
	pollEvery        = 50 * time.Millisecond
	pollTimeout      = 2 * time.Second // of one readiness request
	etcdURL          = "http://127.0.0.1:2379"
	etcdPeerURL      = "http://127.0.0.1:2380"
	controllerHealth = "https://127.0.0.1:10257/healthz"
	schedulerHealth  = "https://127.0.0.1:10259/healthz"
)

func (c *Cluster) startControlPlane(ctx context.Context) error {
	enabled, authorization := strings.Join(controllers, ","), "RBAC"
	if c.cfg.RunNode != nil {
		enabled, authorization = "*", "Node,RBAC"
	}
	if err := c.start("etcd",
		"--data-dir="+c.file("etcd"), "--unsafe-no-fsync", // the data does not outlive the cluster
		"--listen-client-urls="+etcdURL, "--advertise-client-urls="+etcdURL,
		"--listen-peer-urls="+etcdPeerURL, "--initial-advertise-peer-urls="+etcdPeerURL,
		"--initial-cluster=default="+etcdPeerURL,
	); err != nil {
		return err
	}
	if err := c.start("kube-apiserver",
		"--etcd-servers="+etcdURL,
		"--bind-address=0.0.0.0", "--secure-port=6443", "--advertise-address="+c.cfg.NodeIPs[0].String(),
		"--tls-cert-file="+c.file(certFile), "--tls-private-key-file="+c.file(keyFile), "--cert-dir="+c.cfg.StateDir,
		"--service-cluster-ip-range="+ServiceCIDRv4+","+ServiceCIDRv6,
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+c.file(serviceAccountKeyFile),
		"--service-account-signing-key-file="+c.file(serviceAccountKeyFile),
		"--token-auth-file="+c.file(tokenFile), "--authorization-mode="+authorization,
		"--enable-admission-plugins=NodeRestriction", "--allow-privileged", "--kubelet-preferred-address-types=InternalIP",
	); err != nil {
		return err
	}
	if err := c.ready(ctx, "kube-apiserver", "https://"+APIServerAddress+"/readyz"); err != nil {
		return err
	}
	kubeconfig := c.kubeconfig("kube-controller-manager")
	if err := c.start("kube-controller-manager",
		"--kubeconfig="+kubeconfig, "--authentication-kubeconfig="+kubeconfig, "--authorization-kubeconfig="+kubeconfig,
		"--controllers="+enabled, "--use-service-account-credentials",
		"--service-account-private-key-file="+c.file(serviceAccountKeyFile), "--root-ca-file="+c.file(certFile),
		"--bind-address=127.0.0.1", "--cert-dir="+c.cfg.StateDir, "--leader-elect=false",
		"--flex-volume-plugin-dir="+c.file("flex-volumes"), // the default is a folder of the machine
	); err != nil {
		return err
	}
	if c.cfg.RunNode != nil {
		if err := c.startScheduler(ctx); err != nil {
			return err
		}
	}
	return c.ready(ctx, "kube-controller-manager", controllerHealth)
}

func (c *Cluster) startScheduler(ctx context.Context) error {
	kubeconfig := c.kubeconfig(SchedulerBinary)
	if err := c.start(SchedulerBinary,
		"--kubeconfig="+kubeconfig, "--authentication-kubeconfig="+kubeconfig, "--authorization-kubeconfig="+kubeconfig,
		"--bind-address=127.0.0.1", "--cert-dir="+c.cfg.StateDir, "--leader-elect=false",
	); err != nil {
		return err
	}
	return c.ready(ctx, SchedulerBinary, schedulerHealth)
}

// start starts one component. Its arguments from Config come last and so win.
func (c *Cluster) start(name string, args ...string) error {
	p, err := StartProcess(name, c.cfg.LogDir, filepath.Join(c.cfg.BinDir, name), append(args, c.cfg.Args[name]...)...)
	if err != nil {
		return err
	}
	c.processes = append(c.processes, p)
	return nil
}

// ready polls the component's health endpoint until it answers 200 or a
// component has ended or ctx is done.
func (c *Cluster) ready(ctx context.Context, name, url string) error {
	transport := c.insecureTransport()
	defer transport.CloseIdleConnections()
	return AwaitOK(ctx, name, transport, url, c.processes...)
}

// AwaitOK polls a URL until it answers 200 or one of the processes has ended or
// ctx is done.
func AwaitOK(ctx context.Context, name string, transport http.RoundTripper, url string, processes ...*Process) error {
	client := &http.Client{Transport: transport, Timeout: pollTimeout}
	var last string
	for {
		if code, body, err := get(ctx, client, url); err != nil {
			last = err.Error()
		} else if code == http.StatusOK {
			return nil
		} else {
			last = fmt.Sprintf("%d %s", code, body)
		}
		for _, p := range processes {
			if err := p.ExitError(); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready (%s): %w", name, last, context.Cause(ctx))
		case <-time.After(pollEvery):
		}
	}
}

func get(ctx context.Context, client *http.Client, url string) (code int, body string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	return resp.StatusCode, strings.TrimSpace(string(content)), err
}
