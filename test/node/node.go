// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

// Package node runs a whole Kubernetes cluster of one node in a sandbox: the
// control plane of package cluster, a scheduler, a kubelet, containerd with runc
// and a Pod network of both families, and CoreDNS as a Pod. Images come from tar
// files: nothing is pulled from anywhere.
package node

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"externalbackend.dev/operator/test/cluster"
	"externalbackend.dev/operator/test/sandbox"
)

// Name is the name of the only Node, and Zone is the zone it is in.
const (
	Name = "node-1"
	Zone = "zone-a"
)

// Address ranges of the Pods.
const (
	PodCIDRv4 = "10.244.0.0/24"
	PodCIDRv6 = "fd00:244::/64"
)

// Binaries are the names of the programs that Config.BinDir must hold besides
// those of the cluster. Below CNIDir are the network plugins.
var Binaries = []string{
	cluster.SchedulerBinary, cluster.KubeletBinary, containerdName, "containerd-shim-runc-v2", ctrName,
	"cni/bridge", "cni/host-local", "cni/loopback", "cni/portmap",
}

// Tools are the programs of the system that a node needs.
var Tools = append([]sandbox.Tool{{Program: runcName, Package: "runc"}}, sandbox.IPTables...)

// Config says what to start and where. All fields are required unless they say
// otherwise.
type Config struct {
	// BinDir holds the programs of cluster.Binaries and Binaries.
	BinDir string
	// StateDir is the folder of a sandbox for containers.
	StateDir string
	// LogDir is a folder for a log of each program, see cluster.LogTail.
	LogDir string
	// IPs are the node's addresses, which this network namespace must have, with
	// a default route: IPv4, then IPv6.
	IPs []netip.Addr
	// Images are tar files with an image each. One is PauseImage and one DNSImage.
	Images []string
	// Args are further arguments of components, as in cluster.Config.
	Args map[string][]string
	// Tell is told of every step.
	Tell func(format string, args ...any)
}

// Node is a running node with its control plane. All of it ends with the sandbox.
type Node struct {
	Cluster *cluster.Cluster

	cfg     Config
	runtime *cluster.Process
}

// Start starts everything and returns when the Node is ready and CoreDNS runs.
// When it fails, the logs are in Config.LogDir.
func Start(ctx context.Context, cfg Config) (*Node, error) {
	n := &Node{cfg: cfg}
	if err := n.startRuntime(ctx); err != nil {
		return n, err
	}
	if err := n.importImages(ctx); err != nil {
		return n, err
	}
	state := n.path("cluster")
	if err := os.Mkdir(state, 0o700); err != nil {
		return n, err
	}
	var err error
	n.Cluster, err = cluster.Start(ctx, cluster.Config{
		BinDir: cfg.BinDir, StateDir: state, LogDir: cfg.LogDir, NodeName: Name, NodeIPs: cfg.IPs,
		Args: cfg.Args, RunNode: n.startKubelet,
	})
	if err != nil {
		return n, err
	}
	if err := n.awaitReady(ctx); err != nil {
		return n, err
	}
	cfg.Tell("node %s is ready", Name)
	if err := n.startDNS(ctx); err != nil {
		return n, err
	}
	cfg.Tell("CoreDNS runs as a Pod and answers")
	return n, nil
}

// Programs returns the names of the programs with a log, see cluster.LogTail.
func (n *Node) Programs() []string {
	return []string{
		containerdName, "etcd", "kube-apiserver", "kube-controller-manager",
		cluster.SchedulerBinary, "kube-proxy", cluster.KubeletBinary,
	}
}

// awaitReady waits until the Node says that it is ready.
func (n *Node) awaitReady(ctx context.Context) error {
	return n.await(ctx, "the node is not ready", func(ctx context.Context) (bool, error) {
		node, err := n.Cluster.Clientset().CoreV1().Nodes().Get(ctx, Name, metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		for _, c := range node.Status.Conditions {
			if c.Type == corev1.NodeReady {
				return c.Status == corev1.ConditionTrue, fmt.Errorf("%s: %s", c.Reason, c.Message)
			}
		}
		return false, nil
	})
}

func (n *Node) path(elements ...string) string {
	return filepath.Join(append([]string{n.cfg.StateDir}, elements...)...)
}

func (n *Node) binary(name string) string { return filepath.Join(n.cfg.BinDir, name) }

// write writes a file and makes its folder.
func (n *Node) write(path, content string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(content), 0o600)
}
