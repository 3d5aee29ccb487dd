// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e && linux

package e2enode

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"externalbackend.dev/operator/test/cluster"
	podclient "externalbackend.dev/operator/test/node/client"
	"externalbackend.dev/operator/test/rack"
	"externalbackend.dev/operator/test/traffic"
)

// entrance is where Traefik takes requests.
const entrance = "127.0.0.1:8000"

// routes lead to the Service by an Ingress and by a Gateway, each for a host name
// of its own. The placeholder is the namespace.
const routes = `apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: payments, namespace: %[1]s}
spec:
  rules:
  - host: ingress.example
    http:
      paths:
      - path: /
        pathType: Prefix
        backend: {service: {name: payments, port: {name: http}}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: traefik}
spec: {controllerName: traefik.io/gateway-controller}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: entrance, namespace: %[1]s}
spec:
  gatewayClassName: traefik
  listeners: [{name: http, protocol: HTTP, port: 8000}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: payments, namespace: %[1]s}
spec:
  parentRefs: [{name: entrance}]
  hostnames: [gateway.example]
  rules:
  - backendRefs: [{name: payments, port: 80}]
`

// startTraefik starts it as a process on the node until the case ends.
func startTraefik(ctx context.Context) {
	GinkgoHelper()
	process, err := cluster.StartProcess("traefik", logDir(), filepath.Join(*binDir, "traefik"),
		"--entrypoints.web.address="+entrance, "--entrypoints.traefik.address=127.0.0.1:9099", "--ping",
		"--providers.kubernetesingress", "--providers.kubernetesgateway", "--providers.providersthrottleduration=100ms",
		"--global.checknewversion=false", "--global.sendanonymoususage=false")
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() {
		if CurrentSpecReport().Failed() {
			tail, err := cluster.LogTail(logDir(), "traefik", logLines)
			AddReportEntry("the end of the log of traefik", fmt.Sprint(strings.Join(tail, "\n"), err))
		}
		_ = process.Stop() // however it ends
	})
	Expect(cluster.AwaitOK(ctx, "traefik", http.DefaultTransport, "http://127.0.0.1:9099/ping", process)).To(Succeed())
}

// answerersFor returns who answers enough requests to the entrance for a host name.
func answerersFor(ctx context.Context, name string) ([]string, error) {
	client := traffic.NewClient(func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, entrance)
	})
	client.Timeout = podclient.Patience
	return collect(func() (traffic.Answer, error) { return traffic.FetchFrom(ctx, client, name) })
}

var _ = Describe("Traefik", func() {
	It("routes to the hosts outside, by an Ingress and by a Gateway", func(ctx SpecContext) {
		install(ctx)
		s := newScene(ctx)
		definitions := filepath.Join(*binDir, "gateway-api")
		kubectl(ctx, "apply", "--server-side", "-f", definitions)
		DeferCleanup(func(ctx SpecContext) {
			kubectl(ctx, "delete", "--ignore-not-found", "--wait", "-f", definitions)
		}, NodeTimeout(cleanBound))
		Eventually(func() error { // until all of them are served
			_, err := running.Cluster.Kubectl(ctx, strings.NewReader(fmt.Sprintf(routes, s.namespace)), "apply", "--server-side", "-f", "-")
			return err
		}).WithContext(ctx).Should(Succeed())
		startTraefik(ctx)

		all := []string{"rack-a", "rack-b", "rack-c", "rack-d"}
		entrances := []string{"ingress.example", "gateway.example"}
		for _, name := range entrances {
			Eventually(answerersFor).WithContext(ctx).WithArguments(name).Should(Equal(all), name)
		}

		harm(hosts[0], (*rack.Host).Kill)
		s.eventuallyServe(ctx, hosts[1:]...)
		for _, name := range entrances {
			Eventually(answerersFor).WithContext(ctx).WithArguments(name).Should(Equal(all[1:]), name)
			Expect(answerersFor(ctx, name)).To(Equal(all[1:]), name)
		}
	}, SpecTimeout(caseBound))
})
