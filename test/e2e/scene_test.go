// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e && linux

package e2e

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/internal/sliceplan"
	"externalbackend.dev/operator/test/cluster"
	"externalbackend.dev/operator/test/rack"
)

// scene is a namespace of its own for one case.
type scene struct{ namespace string }

// newScene makes a namespace, which is deleted after the case. If the case
// fails, it shows first what a developer needs.
func newScene(ctx context.Context) *scene {
	GinkgoHelper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "case-"}}
	Expect(api.Create(ctx, namespace)).To(Succeed())
	s := &scene{namespace.Name}
	DeferCleanup(func(ctx SpecContext) {
		if CurrentSpecReport().Failed() {
			s.show(ctx)
		}
		Expect(client.IgnoreNotFound(api.Delete(ctx, namespace))).To(Succeed())
		for _, h := range harmed {
			Expect(h.Mend(ctx, installed.LogDir())).To(Succeed())
		}
		harmed = nil
	}, NodeTimeout(waitBound))
	return s
}

// show adds the namespace's objects and the logs to the report.
func (s *scene) show(ctx context.Context) {
	for _, what := range []string{"services,externalbackends,endpointslices,endpoints", "events"} {
		args := []string{"get", what, "-n", s.namespace, "-o", "yaml"}
		if what == "events" {
			args = []string{"get", what, "-n", s.namespace}
		}
		out, err := installed.Cluster.Kubectl(ctx, nil, args...)
		if err != nil {
			out = err.Error()
		}
		AddReportEntry("kubectl "+strings.Join(args, " "), out, ReportEntryVisibilityFailureOrVerbose)
	}
	showLogs(installed.Programs())
}

// service creates a Service without a selector, of both families, whose port
// http (80) leads to 8080.
func (s *scene) service(ctx context.Context, name string, edits ...func(*corev1.Service)) *corev1.Service {
	GinkgoHelper()
	service := rack.NewService(s.namespace, name)
	for _, edit := range edits {
		edit(service)
	}
	Expect(api.Create(ctx, service)).To(Succeed())
	return service
}

// backend creates an ExternalBackend with an entry for each host, named after
// it, of both its addresses, which are checked every second.
func (s *scene) backend(ctx context.Context, name string, hosts []*rack.Host, edits ...func(*v1alpha1.ExternalBackend)) *v1alpha1.ExternalBackend {
	GinkgoHelper()
	backend := rack.NewBackend(s.namespace, name, hosts...)
	for _, edit := range edits {
		edit(backend)
	}
	Expect(api.Create(ctx, backend)).To(Succeed())
	return backend
}

// behind lets an ExternalBackend serve a Service with another name.
func behind(service string) func(*v1alpha1.ExternalBackend) {
	return func(b *v1alpha1.ExternalBackend) { b.Spec.Service.Name = service }
}

// edit changes an object that may have changed meanwhile.
func edit[T client.Object](ctx context.Context, object T, change func(T)) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		g.Expect(api.Get(ctx, client.ObjectKeyFromObject(object), object)).To(Succeed())
		change(object)
		g.Expect(api.Update(ctx, object)).To(Succeed())
	}).WithContext(ctx).Should(Succeed())
}

// slices returns the Service's EndpointSlices, whoever wrote them.
func (s *scene) slices(ctx context.Context, service string) []discoveryv1.EndpointSlice {
	GinkgoHelper()
	var list discoveryv1.EndpointSliceList
	Expect(api.List(ctx, &list, client.InNamespace(s.namespace), client.MatchingLabels{discoveryv1.LabelServiceName: service})).To(Succeed())
	return list.Items
}

// ours returns those of them that the operator wrote.
func (s *scene) ours(ctx context.Context, service string) []discoveryv1.EndpointSlice {
	GinkgoHelper()
	var ours []discoveryv1.EndpointSlice
	for _, slice := range s.slices(ctx, service) {
		if slice.Labels[discoveryv1.LabelManagedBy] == sliceplan.ManagedBy {
			ours = append(ours, slice)
		}
	}
	return ours
}

// The conditions of an endpoint: ready, serving, terminating.
const (
	healthy           = "ttf"
	notReady          = "fff"
	toldReady         = "tff" // publishNotReadyAddresses
	draining          = "ftt"
	drainingFailing   = "fft"
	drainingToldReady = "ttt" // publishNotReadyAddresses
)

// published returns the conditions of every address in our slices of the
// Service, "-" for an unset one.
func (s *scene) published(ctx context.Context, service string) map[string]string {
	GinkgoHelper()
	all := map[string]string{}
	for _, slice := range s.ours(ctx, service) {
		for _, endpoint := range slice.Endpoints {
			c := endpoint.Conditions
			all[endpoint.Addresses[0]] = letter(c.Ready) + letter(c.Serving) + letter(c.Terminating)
		}
	}
	return all
}

func letter(b *bool) string {
	if b == nil {
		return "-"
	}
	return fmt.Sprintf("%t", *b)[:1]
}

// eventuallyPublished waits until our slices of the Service hold exactly the
// addresses of these hosts, by condition.
func (s *scene) eventuallyPublished(ctx context.Context, service string, want map[string][]*rack.Host) {
	GinkgoHelper()
	byAddress := map[string]string{}
	for conditions, hosts := range want {
		for _, addr := range addresses(hosts...) {
			byAddress[addr.String()] = conditions
		}
	}
	Eventually(s.published).WithContext(ctx).WithArguments(service).Should(Equal(byAddress))
}

// eventuallyRouted waits until kube-proxy's rules for the Service port lead to
// exactly these addresses, of those of all hosts.
func (s *scene) eventuallyRouted(ctx context.Context, service, port string, addrs ...netip.Addr) {
	GinkgoHelper()
	s.eventuallyRoutedBy(ctx, service, "tcp", port, addrs...)
}

func (s *scene) eventuallyRoutedBy(ctx context.Context, service, protocol, port string, addrs ...netip.Addr) {
	GinkgoHelper()
	rules := cluster.ProxyRules{
		Mode:        installed.Cluster.ProxyMode(),
		ServicePort: cluster.ServicePort{Namespace: s.namespace, Service: service, Protocol: protocol, Port: port},
	}
	Eventually(func() ([]string, error) {
		led, err := rules.LeadTo(ctx, addresses(installed.Hosts...))
		return texts(led), err
	}).WithContext(ctx).Should(Equal(texts(addrs)), "where kube-proxy sends connections to %s, port %s", service, port)
}

// eventuallyCondition waits for a condition of the ExternalBackend.
func (s *scene) eventuallyCondition(ctx context.Context, name, condition string, status metav1.ConditionStatus, reason string) {
	GinkgoHelper()
	Eventually(func(g Gomega) string {
		var backend v1alpha1.ExternalBackend
		g.Expect(api.Get(ctx, client.ObjectKey{Namespace: s.namespace, Name: name}, &backend)).To(Succeed())
		for _, c := range backend.Status.Conditions {
			if c.Type == condition && c.ObservedGeneration == backend.Generation {
				return string(c.Status) + " " + c.Reason
			}
		}
		return "absent"
	}).WithContext(ctx).Should(Equal(string(status) + " " + reason))
}

// addresses returns the addresses of the hosts.
func addresses(hosts ...*rack.Host) []netip.Addr {
	var addrs []netip.Addr
	for _, h := range hosts {
		addrs = append(addrs, h.Addresses()...)
	}
	return addrs
}

// texts returns the addresses in text form, sorted.
func texts(addrs []netip.Addr) []string {
	all := make([]string, 0, len(addrs))
	for _, addr := range addrs {
		all = append(all, addr.String())
	}
	slices.Sort(all)
	return all
}

// harm does something to a host, which is mended after the case.
func harm(h *rack.Host, do func(*rack.Host) error) {
	GinkgoHelper()
	harmed = append(harmed, h)
	Expect(do(h)).To(Succeed())
}
