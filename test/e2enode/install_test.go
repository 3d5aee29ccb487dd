// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e && linux

package e2enode

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/api/v1alpha1"
)

const enforce = "pod-security.kubernetes.io/enforce"

// expectRestricted checks that the operator's namespace refuses Pods that are
// not restricted.
func expectRestricted(ctx context.Context) {
	GinkgoHelper()
	refused := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespace, Name: "privileged"},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "client", Image: "localhost/client:1", SecurityContext: &corev1.SecurityContext{Privileged: new(true)},
		}}},
	}
	Eventually(func() error { // once the API server has noticed the label
		return api.Create(ctx, refused.DeepCopy(), client.DryRunAll)
	}).WithContext(ctx).Should(MatchError(ContainSubstring(`violates PodSecurity "restricted`)))
}

// expectSample applies the sample of an ExternalBackend, one of whose two
// addresses is a host here, and checks what comes of it.
func expectSample(ctx SpecContext) {
	GinkgoHelper()
	namespace := newNamespace(ctx)
	shell(ctx, "kubectl apply --server-side --namespace "+namespace+" -f config/samples/v1alpha1_externalbackend.yaml")
	Eventually(func(g Gomega) {
		var backend v1alpha1.ExternalBackend
		g.Expect(api.Get(ctx, client.ObjectKey{Namespace: namespace, Name: serviceName}, &backend)).To(Succeed())
		g.Expect(backend.Status.Targets).To(HaveField("Healthy", int32(1)))
	}).WithContext(ctx).Should(Succeed())
	GinkgoWriter.Println(kubectl(ctx, "get", "externalbackends,endpointslices", "-n", namespace))
	Eventually(func() (string, error) {
		answer, err := pod.Fetch(ctx, serviceName+"."+namespace+":80")
		return answer.Host, err
	}).WithContext(ctx).Should(Equal("rack-a"))
}

var _ = Describe("The installation", func() {
	It("takes README's line for Helm", func(ctx SpecContext) {
		install(ctx)
		shell(ctx, "helm test externalbackend --namespace "+operatorNamespace+" --logs")
		expectSample(ctx)

		By("enforcing the security standard in the namespace that Helm made")
		kubectl(ctx, "label", "namespace", operatorNamespace, enforce+"=restricted")
		expectRestricted(ctx)
		kubectl(ctx, "rollout", "restart", "-n", operatorNamespace, "deployment/"+deploymentName)
		eventuallyReady(ctx)
		shell(ctx, "helm test externalbackend --namespace "+operatorNamespace+" --logs")
	}, SpecTimeout(caseBound))

	It("takes README's line for kustomize", func(ctx SpecContext) {
		installBy(ctx, readmeLine("kubectl apply --server-side -k config/default"))
		expectRestricted(ctx)
		expectSample(ctx)

		By("deleting all of it at once")
		s := newScene(ctx)
		eventuallyCollected(ctx, s)
		shell(ctx, "kubectl delete -k config/default")
		s.eventuallyOut(ctx)
	}, SpecTimeout(caseBound))
})
