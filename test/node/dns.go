// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package node

import (
	"context"
	"net"
	"strings"
	"time"

	"externalbackend.dev/operator/test/cluster"
)

// DNSImage is the image of CoreDNS.
const DNSImage = "localhost/coredns:1"

// DNSIP is the ClusterIP of the DNS Service.
const DNSIP = "10.96.0.10"

// lookUpBound is how long a look-up may take: a question that was lost is asked again.
const lookUpBound = time.Second

// dnsManifest is CoreDNS. Answers hold for a second, so that nobody waits long for
// a new one.
const dnsManifest = cluster.DNSAccess + `---
apiVersion: v1
kind: ConfigMap
metadata: {name: coredns, namespace: kube-system}
data:
  Corefile: |
    ` + cluster.DNSDomain + `:53 in-addr.arpa:53 ip6.arpa:53 {
      errors
      ready :8181
      kubernetes ` + cluster.DNSDomain + ` in-addr.arpa ip6.arpa {
        ttl 1
      }
    }
    .:53 {
      errors
      template ANY ANY {
        rcode NXDOMAIN
      }
    }
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: coredns, namespace: kube-system}
spec:
  replicas: 1
  selector: {matchLabels: {k8s-app: kube-dns}}
  template:
    metadata: {labels: {k8s-app: kube-dns}}
    spec:
      serviceAccountName: coredns
      dnsPolicy: Default
      containers:
      - name: coredns
        image: ` + DNSImage + `
        imagePullPolicy: Never
        args: [-conf, /etc/coredns/Corefile]
        securityContext:
          runAsNonRoot: true
          allowPrivilegeEscalation: false
          readOnlyRootFilesystem: true
          capabilities: {drop: [ALL], add: [NET_BIND_SERVICE]}
          seccompProfile: {type: RuntimeDefault}
        volumeMounts: [{name: corefile, mountPath: /etc/coredns}]
        readinessProbe: {httpGet: {path: /ready, port: 8181}, periodSeconds: 1}
      volumes: [{name: corefile, configMap: {name: coredns}}]
---
apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system}
spec:
  clusterIP: ` + DNSIP + `
  selector: {k8s-app: kube-dns}
  ports: [{name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53, protocol: TCP}]
`

// startDNS starts CoreDNS and waits until its Service answers: a question that
// comes before kube-proxy knows the Pod is lost, and some wait 5 s for it.
func (n *Node) startDNS(ctx context.Context) error {
	if _, err := n.Cluster.Kubectl(ctx, strings.NewReader(dnsManifest), "apply", "--server-side", "-f", "-"); err != nil {
		return err
	}
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort(DNSIP, "53"))
	}}
	return n.await(ctx, "the cluster's DNS does not answer", func(ctx context.Context) (bool, error) {
		ctx, cancel := context.WithTimeout(ctx, lookUpBound)
		defer cancel()
		_, err := resolver.LookupNetIP(ctx, "ip4", "kubernetes.default.svc."+cluster.DNSDomain+".")
		return err == nil, err
	})
}
