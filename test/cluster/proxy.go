// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"slices"
)

// ProxyMode is how kube-proxy programs the packet filter.
type ProxyMode string

// kube-proxy's modes on Linux. IPTables needs Debian's package iptables.
const (
	NFTables ProxyMode = "nftables"
	IPTables ProxyMode = "iptables"
)

const (
	proxyName   = "kube-proxy"
	proxyHealth = "http://127.0.0.1:10256/healthz"
)

// ProxyMode returns the mode that kube-proxy runs in.
func (c *Cluster) ProxyMode() ProxyMode { return c.cfg.ProxyMode }

// SetProxyMode runs kube-proxy in the mode, in place of the one that runs, and
// returns when it is ready. Its rules in the other mode are gone then.
func (c *Cluster) SetProxyMode(ctx context.Context, mode ProxyMode) error {
	if mode == c.cfg.ProxyMode {
		return nil
	}
	c.processes = slices.DeleteFunc(c.processes, func(p *Process) bool {
		if p.Name() != proxyName {
			return false
		}
		_ = p.Stop() // however it ended: it is gone
		return true
	})
	c.cfg.ProxyMode = mode
	return c.startProxy(ctx)
}

func (c *Cluster) startProxy(ctx context.Context) error {
	if err := c.start(proxyName,
		"--kubeconfig="+c.kubeconfig(proxyName), "--hostname-override="+c.cfg.NodeName, "--proxy-mode="+string(c.cfg.ProxyMode),
		"--healthz-bind-address=127.0.0.1:10256", "--metrics-bind-address=127.0.0.1:10249",
		// Zero leaves the machine's conntrack settings alone; most are not ours to set in a namespace.
		"--conntrack-max-per-core=0", "--conntrack-min=0",
		"--conntrack-tcp-timeout-established=0", "--conntrack-tcp-timeout-close-wait=0",
	); err != nil {
		return err
	}
	return c.ready(ctx, proxyName, proxyHealth)
}
