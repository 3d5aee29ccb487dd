// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package node

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"externalbackend.dev/operator/test/cluster"
)

// kubeletConfig trusts everybody who reaches the kubelet, which is in a network
// namespace of its own. Memory and disk belong to the machine: nothing is
// evicted for them before there is nearly nothing left.
const kubeletConfig = `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
cgroupDriver: cgroupfs
failCgroupV1: false
failSwapOn: false
containerRuntimeEndpoint: unix://` + runtimeSocket + `
clusterDNS: [` + DNSIP + `]
clusterDomain: ` + cluster.DNSDomain + `
resolvConf: %[1]s/resolv.conf
podLogsDir: %[1]s/pod-logs
volumePluginDir: %[1]s/flex-volumes
staticPodPath: ""
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
nodeStatusUpdateFrequency: 2s
syncFrequency: 5s
evictionHard: {memory.available: 50Mi, nodefs.available: 1%%, imagefs.available: 1%%, nodefs.inodesFree: 0%%, imagefs.inodesFree: 0%%}
imageGCHighThresholdPercent: 100
maxOpenFiles: 4096
`

const kubeletHealth = "http://127.0.0.1:10248/healthz"

// startKubelet starts the kubelet and waits until its Node is there.
func (n *Node) startKubelet(ctx context.Context, c *cluster.Cluster) error {
	config := n.path("kubelet.yaml")
	for path, content := range map[string]string{
		config:                fmt.Sprintf(kubeletConfig, n.cfg.StateDir),
		n.path("resolv.conf"): "", // there is nothing to resolve but the cluster's names
	} {
		if err := n.write(path, content); err != nil {
			return err
		}
	}
	ips := make([]string, 0, len(n.cfg.IPs))
	for _, ip := range n.cfg.IPs {
		ips = append(ips, ip.String())
	}
	if err := c.StartComponent(cluster.KubeletBinary,
		"--config="+config, "--kubeconfig="+c.Kubeconfig(cluster.KubeletBinary), "--root-dir="+n.path("kubelet"),
		"--cert-dir="+n.path("kubelet-certificates"), "--hostname-override="+Name, "--node-ip="+strings.Join(ips, ","),
		"--node-labels="+corev1.LabelTopologyZone+"="+Zone,
	); err != nil {
		return err
	}
	if err := c.AwaitComponent(ctx, cluster.KubeletBinary, kubeletHealth); err != nil {
		return err
	}
	return n.await(ctx, "there is no Node", func(ctx context.Context) (bool, error) {
		node, err := c.Clientset().CoreV1().Nodes().Get(ctx, Name, metav1.GetOptions{})
		return err == nil && len(node.Status.Addresses) > 0, err
	})
}
