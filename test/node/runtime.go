// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package node

import (
	"context"
	"fmt"
	"os/exec"
	"strings"

	"externalbackend.dev/operator/test/cluster"
)

const (
	containerdName = "containerd"
	ctrName        = "ctr"
	runcName       = "runc"
)

// PauseImage is the image that holds the namespaces of a Pod.
const PauseImage = "localhost/pause:1"

// runtimeSocket is where the shims expect it, too.
const runtimeSocket = "/run/containerd/containerd.sock"

// runtimeConfig is containerd's: its folders, the socket, the image of
// pause, the folders of network plugins, and the path of runc.
const runtimeConfig = `version = 3
root = '%[1]s/containerd-root'
state = '/run/containerd'
disabled_plugins = ['io.containerd.nri.v1.nri', 'io.containerd.tracing.processor.v1.otlp']
[grpc]
  address = '` + runtimeSocket + `'
[plugins.'io.containerd.internal.v1.opt']
  path = '%[1]s/containerd-opt'
[plugins.'io.containerd.cri.v1.images']
  snapshotter = 'overlayfs'
  [plugins.'io.containerd.cri.v1.images'.pinned_images]
    sandbox = '` + PauseImage + `'
[plugins.'io.containerd.cri.v1.runtime']
  # Root in a container may lack the right to lower a score.
  restrict_oom_score_adj = true
[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = ['%[2]s/cni']
  conf_dir = '%[1]s/cni'
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
  runtime_type = 'io.containerd.runc.v2'
  runtime_path = '%[2]s/containerd-shim-runc-v2'
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
    BinaryName = '%[3]s'
    SystemdCgroup = false
`

// networkConfig is that of the Pod network: a bridge, and routes by the node.
// Nothing is masqueraded: hosts outside see the addresses of Pods.
const networkConfig = `{"cniVersion": "1.0.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "pods", "isGateway": true, "ipMasq": false, "hairpinMode": true, "ipam": {
    "type": "host-local", "dataDir": %q,
    "ranges": [[{"subnet": "` + PodCIDRv4 + `"}], [{"subnet": "` + PodCIDRv6 + `"}]],
    "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
`

// startRuntime starts containerd and waits until it answers.
func (n *Node) startRuntime(ctx context.Context) error {
	runc, err := exec.LookPath(runcName)
	if err != nil {
		return err
	}
	config := n.path("containerd.toml")
	for path, content := range map[string]string{
		config:                            fmt.Sprintf(runtimeConfig, n.cfg.StateDir, n.cfg.BinDir, runc),
		n.path("cni", "10-pods.conflist"): fmt.Sprintf(networkConfig, n.path("addresses")),
	} {
		if err := n.write(path, content); err != nil {
			return err
		}
	}
	n.runtime, err = cluster.StartProcess(containerdName, n.cfg.LogDir, n.binary(containerdName), "--config", config)
	if err != nil {
		return err
	}
	if err := n.await(ctx, "containerd does not answer", func(ctx context.Context) (bool, error) {
		err := n.Ctr(ctx, "version")
		return err == nil, err
	}); err != nil {
		return err
	}
	n.cfg.Tell("containerd answers")
	return nil
}

// Ctr runs containerd's client in the namespace of the kubelet's containers.
func (n *Node) Ctr(ctx context.Context, args ...string) error {
	all := append([]string{"--address", runtimeSocket, "--namespace", "k8s.io"}, args...)
	if out, err := exec.CommandContext(ctx, n.binary(ctrName), all...).CombinedOutput(); err != nil {
		return fmt.Errorf("ctr %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// importImages gives containerd the images of the tar files.
func (n *Node) importImages(ctx context.Context) error {
	for _, file := range n.cfg.Images {
		if err := n.Ctr(ctx, "images", "import", file); err != nil {
			return err
		}
	}
	n.cfg.Tell("%d images are imported", len(n.cfg.Images))
	return nil
}
