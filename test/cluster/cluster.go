// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

// Package cluster runs a real Kubernetes control plane with kube-proxy from a
// folder of binaries, and waits until each part is ready.
//
// The components listen on fixed ports and kube-proxy programs the packet
// filter of the network namespace that it runs in, so a Cluster wants a network
// namespace of its own, with the node's addresses and a default route in it.
// There is no kubelet, unless Config.RunNode starts one: the Node is an API
// object only and no Pod ever runs.
package cluster

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// Binaries are the names of the programs that Config.BinDir must hold.
var Binaries = []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-proxy", "kubectl"}

// Service address ranges of the cluster: IPv4 is the primary family.
const (
	ServiceCIDRv4 = "10.96.0.0/16"
	ServiceCIDRv6 = "fd00:96::/112"
)

// APIServerAddress is where the API server listens inside the namespace, on
// the loopback and on the node's addresses.
const APIServerAddress = "127.0.0.1:6443"

// Config says what to start and where. All fields are required unless they say
// otherwise.
type Config struct {
	// BinDir holds the programs named in Binaries.
	BinDir string
	// StateDir is an empty folder for data, keys and kubeconfigs: it holds
	// credentials for the whole cluster.
	StateDir string
	// LogDir is a folder for a log of each component, see LogTail.
	LogDir string
	// NodeName is the name of the Node that kube-proxy runs for.
	NodeName string
	// NodeIPs are the Node's InternalIPs, which this network namespace must
	// have; at least one, and the first is the address that the API server
	// advertises.
	NodeIPs []netip.Addr
	// NodeLabels are labels of the Node, such as its zone; none is required.
	NodeLabels map[string]string
	// ProxyMode is kube-proxy's; NFTables if empty.
	ProxyMode ProxyMode
	// Args are further arguments by program name, if any; they override the
	// built-in ones.
	Args map[string][]string
	// RunNode starts what registers the Node and runs its Pods, and returns when
	// the Node is there. With it there are a scheduler, so that BinDir must hold
	// SchedulerBinary too, and all controllers. None is required.
	RunNode func(ctx context.Context, c *Cluster) error
	// OperatorEnv is what the operator has in its environment besides that of this
	// process, each as NAME=value; none is required.
	OperatorEnv []string
}

// Cluster is a running control plane with one kube-proxy.
type Cluster struct {
	cfg       Config
	ca        []byte // PEM, also the API server's own certificate
	token     map[string]string
	clientset *kubernetes.Clientset
	processes []*Process // in the order of their start
}

// Start starts etcd, the API server, the controller manager and kube-proxy,
// creates the Node, and returns when all are ready. When it fails it stops what
// it started; the error is or wraps an *ExitError if a component ended.
func Start(ctx context.Context, cfg Config) (_ *Cluster, err error) {
	cfg.ProxyMode = cmp.Or(cfg.ProxyMode, NFTables)
	c := &Cluster{cfg: cfg}
	defer func() {
		if err != nil {
			c.Stop()
		}
	}()
	if err := c.prepare(); err != nil {
		return nil, fmt.Errorf("prepare the control plane: %w", err)
	}
	if err := c.startControlPlane(ctx); err != nil {
		return nil, fmt.Errorf("start the control plane: %w", err)
	}
	runNode := cfg.RunNode
	if runNode == nil {
		runNode = createNode
	}
	if err := runNode(ctx, c); err != nil {
		return nil, fmt.Errorf("create node %s: %w", cfg.NodeName, err)
	}
	if err := c.startProxy(ctx); err != nil {
		return nil, fmt.Errorf("start the node: %w", err)
	}
	return c, nil
}

// Stop ends all processes, the last started first.
func (c *Cluster) Stop() {
	for len(c.processes) > 0 {
		last := len(c.processes) - 1
		_ = c.processes[last].Stop() // nothing of it is used any more, however it ended
		c.processes = c.processes[:last]
	}
}

// StartComponent starts a program of BinDir that ends with the cluster.
func (c *Cluster) StartComponent(name string, args ...string) error { return c.start(name, args...) }

// AwaitComponent waits until the URL of a health endpoint on the loopback
// answers 200. It returns an *ExitError if a component has ended.
func (c *Cluster) AwaitComponent(ctx context.Context, name, url string) error {
	return c.ready(ctx, name, url)
}

// Processes returns the running components in the order of their start.
func (c *Cluster) Processes() []*Process { return c.processes }

// Clientset returns a client that acts as the cluster's administrator.
func (c *Cluster) Clientset() *kubernetes.Clientset { return c.clientset }

// Kubectl runs kubectl as the cluster's administrator with the given input
// (nil for none) and returns what it printed. An error contains kubectl's own
// message.
func (c *Cluster) Kubectl(ctx context.Context, stdin io.Reader, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(c.cfg.BinDir, "kubectl"), args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+c.AdminKubeconfig())
	cmd.Stdin = stdin
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

// createNode stands in for a kubelet's registration: kube-proxy reads the
// node's address families from the Node's status.
func createNode(ctx context.Context, c *Cluster) error {
	nodes := c.clientset.CoreV1().Nodes()
	node, err := nodes.Create(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: c.cfg.NodeName, Labels: c.cfg.NodeLabels}}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	for _, ip := range c.cfg.NodeIPs {
		node.Status.Addresses = append(node.Status.Addresses, corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: ip.String()})
	}
	_, err = nodes.UpdateStatus(ctx, node, metav1.UpdateOptions{})
	return err
}
