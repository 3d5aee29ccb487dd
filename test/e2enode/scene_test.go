// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e && linux

package e2enode

import (
	"context"
	"fmt"
	"net/netip"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/sliceplan"
	"externalbackend.dev/operator/test/cluster"
	"externalbackend.dev/operator/test/rack"
)

// scene is a namespace of its own for one case, with Service payments.
type scene struct {
	namespace string
	service   *corev1.Service // of both families: port http (80) leads to 8080
	flow      *flow           // to the Service, all the while
}

const serviceName = "payments"

// newNamespace makes a namespace, which is deleted after the case.
func newNamespace(ctx context.Context) string {
	GinkgoHelper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "case-"}}
	Expect(api.Create(ctx, namespace)).To(Succeed())
	DeferCleanup(func(ctx SpecContext) {
		if CurrentSpecReport().Failed() {
			show(ctx, namespace.Name)
		}
		Expect(client.IgnoreNotFound(api.Delete(ctx, namespace))).To(Succeed())
		eventuallyGone(ctx, namespace)
	}, NodeTimeout(cleanBound))
	return namespace.Name
}

// newScene makes a Service with all hosts behind it, waits until the Pod's
// requests reach them all, and keeps them coming.
func newScene(ctx context.Context) *scene {
	GinkgoHelper()
	s := &scene{namespace: newNamespace(ctx)}
	s.service = rack.NewService(s.namespace, serviceName)
	Expect(api.Create(ctx, s.service)).To(Succeed())
	Expect(api.Create(ctx, s.backend())).To(Succeed())
	DeferCleanup(mend, NodeTimeout(cleanBound))
	s.eventuallyServe(ctx, hosts...)
	s.flow = startFlow(ctx, clusterIPs(s.service, 80)...)
	return s
}

// backend returns an ExternalBackend with all hosts, which are checked every second.
func (s *scene) backend() *v1alpha1.ExternalBackend {
	return rack.NewBackend(s.namespace, serviceName, hosts...)
}

// slices returns the operator's EndpointSlices of the Service.
func (s *scene) slices(ctx context.Context) []discoveryv1.EndpointSlice {
	GinkgoHelper()
	var list discoveryv1.EndpointSliceList
	Expect(api.List(ctx, &list, client.InNamespace(s.namespace), client.MatchingLabels{
		discoveryv1.LabelServiceName: serviceName, discoveryv1.LabelManagedBy: sliceplan.ManagedBy,
	})).To(Succeed())
	return list.Items
}

// versions returns the resource version of every slice: it is another one after
// every write.
func (s *scene) versions(ctx context.Context) map[string]string {
	GinkgoHelper()
	all := map[string]string{}
	for _, slice := range s.slices(ctx) {
		all[slice.Name] = slice.ResourceVersion
	}
	return all
}

// eventuallyServe waits until exactly these hosts are ready in the slices, and
// kube-proxy leads to them alone.
func (s *scene) eventuallyServe(ctx context.Context, serving ...*rack.Host) {
	GinkgoHelper()
	want := map[string]bool{}
	var routed, all []netip.Addr
	for _, h := range hosts {
		all = append(all, h.Addresses()...)
		for _, addr := range h.Addresses() {
			want[addr.String()] = false
		}
	}
	for _, h := range serving {
		routed = append(routed, h.Addresses()...)
		for _, addr := range h.Addresses() {
			want[addr.String()] = true
		}
	}
	Eventually(func() map[string]bool {
		published := map[string]bool{}
		for _, slice := range s.slices(ctx) {
			for _, endpoint := range slice.Endpoints {
				published[endpoint.Addresses[0]] = endpoint.Conditions.Ready != nil && *endpoint.Conditions.Ready
			}
		}
		return published
	}).WithContext(ctx).Should(Equal(want), "which addresses are ready")
	rules := cluster.ProxyRules{Mode: cluster.NFTables, ServicePort: cluster.ServicePort{
		Namespace: s.namespace, Service: serviceName, Protocol: "tcp", Port: "http",
	}}
	Eventually(func() ([]netip.Addr, error) { return rules.LeadTo(ctx, all) }).
		WithContext(ctx).Should(ConsistOf(routed), "where kube-proxy leads to")
}

// harm does something to a host, which is mended after the case.
func harm(h *rack.Host, do func(*rack.Host) error) {
	GinkgoHelper()
	harmed = append(harmed, h)
	Expect(do(h)).To(Succeed())
}

// mend makes the harmed hosts as good as new.
func mend(ctx SpecContext) {
	for _, h := range harmed {
		Expect(h.Mend(ctx, logDir())).To(Succeed())
	}
	harmed = nil
}

// eventuallyGone waits until an object is no more.
func eventuallyGone(ctx context.Context, object client.Object) {
	GinkgoHelper()
	Eventually(func() error {
		return api.Get(ctx, client.ObjectKeyFromObject(object), object)
	}).WithContext(ctx).Should(MatchError(apierrors.IsNotFound, "that it is gone"))
}

// show adds what a developer needs to the report of a failed case.
func show(ctx context.Context, namespaces ...string) {
	commands := [][]string{{"get", "pods", "-A", "-o", "wide"}, {"get", "nodes,namespaces"}}
	for _, namespace := range append(namespaces, operatorNamespace) {
		commands = append(commands,
			[]string{"get", "services,endpointslices", "-n", namespace, "-o", "yaml"},
			[]string{"describe", "pods", "-n", namespace},
			[]string{"get", "events", "-n", namespace})
	}
	var pods corev1.PodList
	if err := api.List(ctx, &pods, client.InNamespace(operatorNamespace)); err == nil {
		for _, p := range pods.Items {
			commands = append(commands, []string{"logs", "-n", p.Namespace, p.Name, "--tail=40"})
		}
	}
	for _, args := range commands {
		out, err := running.Cluster.Kubectl(ctx, nil, args...)
		if err != nil {
			out = err.Error()
		}
		AddReportEntry("kubectl "+fmt.Sprint(args), out, ReportEntryVisibilityFailureOrVerbose)
	}
	showLogs()
}
