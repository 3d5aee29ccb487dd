// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/targets"
)

var _ = Describe("Faults with a managed Service", func() {
	var s *scene
	var o *operator
	var path string // of Services
	served := endpoints{"192.0.2.10": in}
	atPort := check(v1alpha1.Check{Name: "http", Port: new(intstr.FromInt32(8080)), HTTP: &v1alpha1.HTTPCheck{}})
	selector := func(svc *corev1.Service) { svc.Spec.Selector = map[string]string{"app": "payments"} }
	externalName := func(svc *corev1.Service) {
		svc.Spec.Type, svc.Spec.ExternalName = corev1.ServiceTypeExternalName, "payments.example.com"
	}
	renamed := func(svc *corev1.Service) { svc.Spec.Ports[0].Name = "web" }
	asSpecified := And(HaveField("Spec.Selector", BeEmpty()), HaveField("Spec.Type", corev1.ServiceTypeClusterIP),
		HaveField("Spec.Ports", HaveExactElements(HaveField("Name", "http"))))
	BeforeEach(func(ctx SpecContext) {
		o = ownOperator(operatorOptions{})
		s = newScene(ctx)
		path = "/api/v1/namespaces/" + s.namespace + "/services"
		s.host("192.0.2.10")
	})
	start := func(ctx context.Context, edits ...func(*v1alpha1.ExternalBackend)) *v1alpha1.ExternalBackend {
		GinkgoHelper()
		eb := s.backend(ctx, "payments", append(edits, managed(), entry("rack", "192.0.2.10"))...)
		s.expect(ctx, "payments", served)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionHealthy, yes(v1alpha1.ReasonAllHealthy))
		return eb
	}

	DescribeTable("take no slice away while what a user did to it is undone",
		func(ctx SpecContext, change func(*corev1.Service), failures int, status metav1.Status) {
			start(ctx)
			seen := s.watch(ctx)
			o.requests.cause(answerFirst(failures, path, status))
			edit(ctx, s.serviceOf(ctx, "payments"), change)
			s.expectService(ctx, "payments", asSpecified)
			s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
			Expect(seen.all()).To(BeEmpty(), "there was nothing to write")
		},
		Entry("a selector, with a lost race", selector, 1, conflict),
		Entry("a selector, with lost races", selector, 3, conflict),
		Entry("a selector, with errors", selector, 3, internalError),
		Entry("an external name, with a lost race", externalName, 1, conflict),
		Entry("an external name, with errors", externalName, 3, internalError),
		Entry("another name of a port, with a lost race", renamed, 1, conflict),
	)

	It("are no reason to serve a Service that cannot be put right", func(ctx SpecContext) {
		start(ctx)
		o.requests.cause(answerFirst(always, path, forbidden))
		edit(ctx, s.serviceOf(ctx, "payments"), selector)
		s.expect(ctx, "payments", endpoints{})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionServiceResolved, no(v1alpha1.ReasonServiceHasSelector))
	})

	It("that keep the operator from seeing the end of its ExternalBackend do not let it take back what is left to the user", func(ctx SpecContext) {
		cache := s.slowCache(&o, func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/externalbackends") })
		eb := start(ctx)
		cache.begin()
		mark := audit.mark()
		Expect(admin.Delete(ctx, eb, client.PropagationPolicy(metav1.DeletePropagationOrphan))).To(Succeed())
		// What the garbage collector does then.
		edit(ctx, s.serviceOf(ctx, "payments"), func(svc *corev1.Service) { svc.OwnerReferences = nil })
		read := "GET /apis/externalbackend.dev/v1alpha1/namespaces/" + s.namespace + "/externalbackends/payments"
		Eventually(func() int { return o.requests.counts()[read] }).Should(BeNumerically(">", 0))
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) { eb.Finalizers = nil })
		cache.end()
		s.expect(ctx, "payments", endpoints{})
		Expect(s.serviceWrites(mark)).To(BeEmpty())
		Expect(s.serviceOf(ctx, "payments").OwnerReferences).To(BeEmpty())
	})

	It("that keep the operator from seeing its own repair take no slice away", func(ctx SpecContext) {
		cache := s.slowCache(&o, services)
		eb := start(ctx)
		o.requests.cause(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
			if r.Method == http.MethodPut && r.URL.Path == path+"/payments" {
				cache.begin()
			}
			return cache.fault(r, next)
		})
		seen := s.watch(ctx)
		edit(ctx, s.serviceOf(ctx, "payments"), selector)
		s.expectService(ctx, "payments", asSpecified)
		mark := audit.mark()
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) { eb.Spec.Targets[0].Zone = "a" })
		s.settled(ctx, eb)
		Expect(seen.gaps("payments", "192.0.2.10")).To(BeEmpty())
		Expect(s.serviceWrites(mark)).To(BeEmpty())
	})

	It("that keep the operator from seeing its own edit bring no old ports back", func(ctx SpecContext) {
		cache := s.slowCache(&o, services)
		eb := start(ctx, atPort)
		seen := s.watch(ctx)
		cache.begin()
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) { eb.Spec.Ports[0].Name = "web" })
		s.settled(ctx, eb)
		web := map[string]map[string]int32{"192.0.2.10": {"web": 8080}}
		Expect(s.portsOf(ctx, "payments")).To(Equal(web))
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) { eb.Spec.Targets[0].Zone = "a" })
		s.settled(ctx, eb)
		Expect(s.portsOf(ctx, "payments")).To(Equal(web))
		Expect(seen.all()).To(HaveLen(2), "a slice that is written for the port, and for the zone")
	})

	It("that leave a write without an answer hold up no flip", func(ctx SpecContext) {
		eb := start(ctx, hasty)
		o.requests.holdWrites(path)
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) {
			eb.Spec.Service.Template.Labels = v1alpha1.ServiceLabels{"team": "shop"}
		})
		Eventually(o.requests.heldUp).Should(Equal(1))
		for _, flip := range []struct {
			behaviour targets.Behaviour
			published string
		}{{targets.Refuse, out}, {targets.Serve, in}} {
			s.host("192.0.2.10").Set(flip.behaviour)
			s.expect(ctx, "payments", endpoints{"192.0.2.10": flip.published})
		}
		Expect(o.requests.heldUp()).To(Equal(1), "the write still waits for its answer")
		Expect(s.statusOf(ctx, "payments").ObservedGeneration).To(BeNumerically("<", eb.Generation), "it is not acted on yet")
		o.requests.release()
		s.expectService(ctx, "payments", HaveField("Labels", HaveKey("team")))
		s.settled(ctx, eb)
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
	})

	DescribeTable("that stay hold up no edit of the targets, and are told as what may pass", func(ctx SpecContext, status metav1.Status) {
		eb := start(ctx)
		s.host("192.0.2.11")
		o.requests.cause(answerFirst(always, path, status))
		edit(ctx, eb, func(eb *v1alpha1.ExternalBackend) {
			eb.Spec.Service.Template.Labels = v1alpha1.ServiceLabels{"team": "shop"}
			eb.Spec.Targets[0].IP.Addresses = []v1alpha1.IPAddress{"192.0.2.11"}
		})
		s.expect(ctx, "payments", endpoints{"192.0.2.11": in})
		s.expectCondition(ctx, "payments", v1alpha1.ConditionServiceResolved, no(v1alpha1.ReasonWriteFailed, "tried again"))
		Expect(s.condition(ctx, "payments", v1alpha1.ConditionStalled)).To(BeZero())
		o.requests.cause(nil)
		s.expectService(ctx, "payments", HaveField("Labels", HaveKey("team")))
		s.expectCondition(ctx, "payments", v1alpha1.ConditionReady, yes(v1alpha1.ReasonReady))
	},
		Entry("an error of the API server", internalError),
		Entry("an API server that is not ready", unavailable),
		Entry("a race that is always lost", conflict),
	)

	It("that an admission controller causes by always changing it cost one write", func(ctx SpecContext) {
		s.relabelServices(ctx, "team", "bank")
		mark := audit.mark()
		eb := s.backend(ctx, "payments", hasty, managed(func(t *v1alpha1.ServiceTemplate) { t.Labels = v1alpha1.ServiceLabels{"team": "shop"} }), entry("rack", "192.0.2.10"))
		s.expect(ctx, "payments", served)
		s.settled(ctx, eb)
		Expect(s.serviceOf(ctx, "payments").Labels).To(HaveKeyWithValue("team", "bank"))
		s.host("192.0.2.10").Set(targets.Refuse)
		s.expect(ctx, "payments", endpoints{"192.0.2.10": out})
		Expect(s.serviceWrites(mark)).To(HaveExactElements("create payments"))
	})
})

// slowCache has another operator run, one of whose caches can be kept from learning
// what becomes of objects.
func (s *scene) slowCache(o **operator, of func(*http.Request) bool) *lag {
	GinkgoHelper()
	(*o).stop()
	cache := &lag{of: of}
	*o = ownOperator(operatorOptions{fault: cache.fault})
	DeferCleanup(cache.end)
	return cache
}

// relabelServices has the API server set a label on all Services of the namespace
// that are written.
func (s *scene) relabelServices(ctx context.Context, key, value string) {
	GinkgoHelper()
	name := "relabel-" + s.namespace
	policy := &admissionv1.MutatingAdmissionPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: admissionv1.MutatingAdmissionPolicySpec{
		MatchConstraints: &admissionv1.MatchResources{
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: s.namespace}},
			ResourceRules: []admissionv1.NamedRuleWithOperations{{RuleWithOperations: admissionv1.RuleWithOperations{
				Operations: []admissionv1.OperationType{admissionv1.Create, admissionv1.Update},
				Rule:       admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"services"}},
			}}},
		},
		ReinvocationPolicy: admissionv1.NeverReinvocationPolicy,
		Mutations: []admissionv1.Mutation{{
			PatchType: admissionv1.PatchTypeApplyConfiguration,
			ApplyConfiguration: &admissionv1.ApplyConfiguration{
				Expression: fmt.Sprintf(`Object{metadata: Object.metadata{labels: {%q: %q}}}`, key, value),
			},
		}},
	}}
	binding := &admissionv1.MutatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: admissionv1.MutatingAdmissionPolicyBindingSpec{PolicyName: name},
	}
	for _, o := range []client.Object{policy, binding} {
		Expect(admin.Create(ctx, o)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(admin.Delete(ctx, o)).To(Succeed()) })
	}
	Eventually(func(g Gomega) {
		try := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "try"}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}}}
		g.Expect(admin.Create(ctx, try, client.DryRunAll)).To(Succeed())
		g.Expect(try.Labels).To(HaveKeyWithValue(key, value))
	}).Should(Succeed())
}

// settled waits until the status tells of the last edit.
func (s *scene) settled(ctx context.Context, eb *v1alpha1.ExternalBackend) {
	GinkgoHelper()
	Eventually(s.statusOf).WithContext(ctx).WithArguments(eb.Name).Should(HaveField("ObservedGeneration", eb.Generation))
}
