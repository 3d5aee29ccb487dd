// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e && linux

package e2e

import (
	"context"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/lab"
	"externalbackend.dev/operator/test/rack"
)

// The managed-by values of kube-controller-manager's controllers.
const (
	endpointSliceController = "endpointslice-controller.k8s.io"
	mirroringController     = "endpointslicemirroring-controller.k8s.io"
)

// managers returns who manages the Service's EndpointSlices, sorted.
func (s *scene) managers(ctx context.Context, service string) []string {
	GinkgoHelper()
	var all []string
	for _, slice := range s.slices(ctx, service) {
		all = append(all, slice.Labels[discoveryv1.LabelManagedBy])
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// pod creates a Pod that stands for the host: its address is the host's.
func (s *scene) pod(ctx context.Context, h *rack.Host, labels map[string]string) {
	GinkgoHelper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: h.Name, Labels: labels},
		Spec: corev1.PodSpec{
			NodeName: lab.NodeName, AutomountServiceAccountToken: new(false), TerminationGracePeriodSeconds: new(int64(0)),
			Containers: []corev1.Container{{Name: "app", Image: "app"}},
		},
	}
	Eventually(api.Create).WithContext(ctx).WithArguments(pod).Should(Succeed()) // once the namespace has its service account
	pod.Status.Phase = corev1.PodRunning
	pod.Status.PodIP, pod.Status.PodIPs = h.IP4.String(), []corev1.PodIP{{IP: h.IP4.String()}, {IP: h.IP6.String()}}
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	Expect(api.Status().Update(ctx, pod)).To(Succeed())
}

// writes returns the writes of the resource in the namespace: those of the
// operator's replicas, and those of others. The operator's attempts to write
// Endpoints count as well, which its role does not let it do.
func (s *scene) writes(resource string) (operators, others []lab.Write) {
	GinkgoHelper()
	attempts, err := installed.Audit.Attempts(s.namespace)
	Expect(err).NotTo(HaveOccurred())
	for _, w := range attempts {
		if w.Resource != resource || !w.Done() && resource != "endpoints" {
			continue
		}
		ours := false
		for _, r := range installed.Replicas {
			wrote, err := r.Wrote(w)
			Expect(err).NotTo(HaveOccurred())
			ours = ours || wrote
		}
		if ours {
			operators = append(operators, w)
		} else {
			others = append(others, w)
		}
	}
	return operators, others
}

var _ = Describe("Beside kube-controller-manager", func() {
	It("rule 2, rule 53: has slices that only the operator writes, and writes no Endpoints", func(ctx SpecContext) {
		s := newScene(ctx)
		s.service(ctx, "web")
		s.backend(ctx, "web", installed.Hosts)
		s.eventuallyPublished(ctx, "web", map[string][]*rack.Host{healthy: installed.Hosts})
		harm(installed.Hosts[0], (*rack.Host).Sicken)
		s.eventuallyPublished(ctx, "web", map[string][]*rack.Host{notReady: installed.Hosts[:1], healthy: installed.Hosts[1:]})
		// kube-controller-manager has seen the Service too: it serves another
		// that came later.
		s.service(ctx, "pods", func(service *corev1.Service) { service.Spec.Selector = map[string]string{"app": "pods"} })
		// Its slices, one a family, get their names only when they are created.
		Eventually(func() []lab.Write { _, others := s.writes("endpointslices"); return others }).WithContext(ctx).
			Should(SatisfyAll(HaveLen(2), HaveEach(HaveField("Verb", "create"))))
		Expect(s.managers(ctx, "pods")).To(Equal([]string{endpointSliceController}))

		Expect(s.managers(ctx, "web")).NotTo(ContainElements(endpointSliceController, mirroringController))
		operators, others := s.writes("endpointslices")
		Expect(operators).NotTo(BeEmpty())
		Expect(others).To(HaveLen(2))
		operators, _ = s.writes("endpoints")
		Expect(operators).To(BeEmpty())
		Expect(gone(ctx, &corev1.Endpoints{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "web"}})).To(BeTrue()) //nolint:staticcheck // deprecated, and must not be there
	})

	It("rule 51: leaves a Service that gains a selector to kube-controller-manager", func(ctx SpecContext) {
		s := newScene(ctx)
		service := s.service(ctx, "web")
		out, in := installed.Hosts[0], installed.Hosts[1]
		s.backend(ctx, "web", []*rack.Host{out})
		s.eventuallyRouted(ctx, "web", "http", out.Addresses()...)
		s.pod(ctx, in, map[string]string{"app": "web"})
		edit(ctx, service, func(service *corev1.Service) { service.Spec.Selector = map[string]string{"app": "web"} })
		s.eventuallyCondition(ctx, "web", v1alpha1.ConditionServiceResolved, "False", v1alpha1.ReasonServiceHasSelector)
		Eventually(s.managers).WithContext(ctx).WithArguments("web").Should(Equal([]string{endpointSliceController}))
		s.eventuallyRouted(ctx, "web", "http", in.Addresses()...)
	})

	It("rule 52: tells of the slices that kube-controller-manager leaves behind with a lost selector, and touches none of them", func(ctx SpecContext) {
		s := newScene(ctx)
		out, in := installed.Hosts[0], installed.Hosts[1]
		service := s.service(ctx, "web", func(service *corev1.Service) { service.Spec.Selector = map[string]string{"app": "web"} })
		s.pod(ctx, in, map[string]string{"app": "web"})
		s.eventuallyRouted(ctx, "web", "http", in.Addresses()...)
		s.backend(ctx, "web", []*rack.Host{out})
		s.eventuallyCondition(ctx, "web", v1alpha1.ConditionServiceResolved, "False", v1alpha1.ReasonServiceHasSelector)

		edit(ctx, service, func(service *corev1.Service) { service.Spec.Selector = nil })
		s.eventuallyPublished(ctx, "web", map[string][]*rack.Host{healthy: {out}})
		s.eventuallyRouted(ctx, "web", "http", addresses(out, in)...) // the union
		s.eventuallyCondition(ctx, "web", v1alpha1.ConditionConflict, "True", v1alpha1.ReasonForeignEndpointSlices)
		Eventually(s.message).WithContext(ctx).WithArguments("web", v1alpha1.ConditionConflict).Should(ContainSubstring(endpointSliceController))
		Expect(s.managers(ctx, "web")).To(ContainElement(endpointSliceController))

		for _, slice := range s.slices(ctx, "web") {
			if slice.Labels[discoveryv1.LabelManagedBy] == endpointSliceController {
				Expect(api.Delete(ctx, &slice)).To(Succeed())
			}
		}
		Expect(client.IgnoreNotFound(api.Delete(ctx, &corev1.Endpoints{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "web"}}))).To(Succeed()) //nolint:staticcheck // what kube-controller-manager writes
		s.eventuallyRouted(ctx, "web", "http", out.Addresses()...)
		// Whoever leads looks for them once a minute, and a new leader at once.
		bothAgain()
		leads, _ := leader(ctx)
		Expect(leads.Stop()).To(Succeed())
		Eventually(s.conditionTypes).WithContext(ctx).WithArguments("web").ShouldNot(ContainElement(v1alpha1.ConditionConflict))
	})

	It("rule 52: tells of mirrored Endpoints on the Service; ours are not mirrored", func(ctx SpecContext) {
		s := newScene(ctx)
		s.service(ctx, "web")
		out, by := installed.Hosts[0], installed.Hosts[1]
		s.backend(ctx, "web", []*rack.Host{out})
		s.eventuallyPublished(ctx, "web", map[string][]*rack.Host{healthy: {out}})
		endpoints := &corev1.Endpoints{ //nolint:staticcheck // what somebody's old manifest still has
			ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "web"},
			Subsets: []corev1.EndpointSubset{{ //nolint:staticcheck // as above
				Addresses: []corev1.EndpointAddress{{IP: by.IP4.String()}},
				Ports:     []corev1.EndpointPort{{Name: "http", Port: 8080}},
			}},
		}
		Expect(api.Create(ctx, endpoints)).To(Succeed())
		s.eventuallyRouted(ctx, "web", "http", append(out.Addresses(), by.IP4)...)
		edit(ctx, endpoints, func(e *corev1.Endpoints) { e.Subsets[0].Addresses[0].IP = installed.Hosts[2].IP4.String() }) //nolint:staticcheck // as above
		s.eventuallyRouted(ctx, "web", "http", append(out.Addresses(), installed.Hosts[2].IP4)...)
		s.eventuallyCondition(ctx, "web", v1alpha1.ConditionConflict, "True", v1alpha1.ReasonForeignEndpointSlices)
		mirrored := 0
		for _, slice := range s.slices(ctx, "web") {
			if slice.Labels[discoveryv1.LabelManagedBy] == mirroringController {
				mirrored++
				Expect(slice.Endpoints).To(HaveLen(1), "only the Endpoints object is mirrored")
			}
		}
		Expect(mirrored).To(Equal(1))
		s.eventuallyPublished(ctx, "web", map[string][]*rack.Host{healthy: {out}})

		Expect(api.Delete(ctx, endpoints)).To(Succeed())
		s.eventuallyRouted(ctx, "web", "http", out.Addresses()...)
		Eventually(s.conditionTypes).WithContext(ctx).WithArguments("web").ShouldNot(ContainElement(v1alpha1.ConditionConflict))
	})
})

// conditionTypes returns the types of the ExternalBackend's conditions.
func (s *scene) conditionTypes(ctx context.Context, name string) []string {
	GinkgoHelper()
	var backend v1alpha1.ExternalBackend
	Expect(api.Get(ctx, client.ObjectKey{Namespace: s.namespace, Name: name}, &backend)).To(Succeed())
	var types []string
	for _, c := range backend.Status.Conditions {
		types = append(types, c.Type)
	}
	return types
}

// message returns what a condition of the ExternalBackend says in words.
func (s *scene) message(ctx context.Context, name, condition string) string {
	GinkgoHelper()
	var backend v1alpha1.ExternalBackend
	Expect(api.Get(ctx, client.ObjectKey{Namespace: s.namespace, Name: name}, &backend)).To(Succeed())
	if c := meta.FindStatusCondition(backend.Status.Conditions, condition); c != nil {
		return c.Message
	}
	return ""
}
