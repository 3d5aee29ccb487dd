// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
)

// DNSBinary is CoreDNS's name in the folder of binaries.
const DNSBinary = "coredns"

// DNSDomain is the cluster's domain.
const DNSDomain = "cluster.local"

const dnsReady = "127.0.0.1:8181"

// DNSAccess is the account of CoreDNS, in kube-system, and what it may read, as YAML.
const DNSAccess = `apiVersion: v1
kind: ServiceAccount
metadata: {name: coredns, namespace: kube-system}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: system:coredns}
rules:
- {apiGroups: [""], resources: [services, namespaces], verbs: [list, watch]}
- {apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: system:coredns}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: system:coredns}
subjects: [{kind: ServiceAccount, name: coredns, namespace: kube-system}]
`

// corefile serves the cluster's names and denies that there are others. Answers
// are not to be cached.
const corefile = DNSDomain + `:53 in-addr.arpa:53 ip6.arpa:53 {
  errors
  ready ` + dnsReady + `
  kubernetes ` + DNSDomain + ` in-addr.arpa ip6.arpa {
    kubeconfig %s
    ttl 0
  }
}
.:53 {
  errors
  template ANY ANY {
    rcode NXDOMAIN
  }
}
`

// StartDNS starts CoreDNS, which listens on port 53 of all addresses here, and
// returns when it knows the cluster's Services.
func (c *Cluster) StartDNS(ctx context.Context) error {
	if _, err := c.Kubectl(ctx, strings.NewReader(DNSAccess), "apply", "--server-side", "-f", "-"); err != nil {
		return err
	}
	kubeconfig, err := c.ServiceAccountKubeconfig(ctx, "kube-system", "coredns", DNSBinary)
	if err != nil {
		return err
	}
	file := c.file("Corefile")
	if err := os.WriteFile(file, fmt.Appendf(nil, corefile, kubeconfig), 0o600); err != nil {
		return err
	}
	if err := c.start(DNSBinary, "-conf", file); err != nil {
		return err
	}
	return c.ready(ctx, DNSBinary, "http://"+dnsReady+"/ready")
}

// Resolver returns a client of the cluster's DNS, over connections that dial
// makes (as net.Dialer.DialContext does) to the node's address.
func (c *Cluster) Resolver(dial func(ctx context.Context, network, address string) (net.Conn, error)) *net.Resolver {
	server := netip.AddrPortFrom(c.cfg.NodeIPs[0], 53).String()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return dial(ctx, network, server)
	}}
}
