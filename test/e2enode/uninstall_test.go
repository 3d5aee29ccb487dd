// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e && linux

package e2enode

import (
	"context"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/api/v1alpha1"
)

const uninstallLine = "helm uninstall externalbackend --namespace " + operatorNamespace + " --wait"

// eventuallyNoOperator waits until no Pod of the operator is left.
func eventuallyNoOperator(ctx context.Context) {
	GinkgoHelper()
	Eventually(func() ([]corev1.Pod, error) {
		var pods corev1.PodList
		err := api.List(ctx, &pods, client.InNamespace(operatorNamespace))
		return pods.Items, err
	}).WithContext(ctx).Should(BeEmpty())
}

var _ = Describe("Uninstalling", func() {
	It("leaves what is served until the CRDs are deleted", func(ctx SpecContext) {
		install(ctx)
		s := newScene(ctx)
		before := s.versions(ctx)
		writes := s.watch(ctx)
		Expect(shell(ctx, uninstallLine)).To(ContainSubstring("externalbackends.externalbackend.dev"), "what is kept")
		eventuallyNoOperator(ctx)
		s.flow.expectNoFailure(ctx, writes.began)
		var backend v1alpha1.ExternalBackend
		Expect(api.Get(ctx, client.ObjectKey{Namespace: s.namespace, Name: serviceName}, &backend)).To(Succeed())
		Expect(s.versions(ctx)).To(Equal(before))

		By("installing it again over what was kept")
		shell(ctx, readmeLine("helm install"))
		eventuallyReady(ctx)
		eventuallyLeads(ctx, "")
		writes.expectUndisturbed(ctx, hosts[0])

		By("deleting the CRDs")
		shell(ctx, uninstallLine)
		eventuallyNoOperator(ctx)
		shell(ctx, "kubectl delete --wait -k config/crd")
		Eventually(func() int { return len(s.slices(ctx)) }).WithContext(ctx).Should(BeZero())
		Eventually(func() error {
			_, err := pod.Fetch(ctx, clusterIPs(s.service, 80)[0].String())
			return err
		}).WithContext(ctx).Should(MatchError(ContainSubstring("refused")))
	}, SpecTimeout(caseBound))
})

var _ = Describe("An operator for some namespaces", func() {
	It("serves these and has no rights in others", func(ctx SpecContext) {
		let := newNamespace(ctx)
		values := fmt.Sprintf(" --set 'namespaces={%s}' --set 'denyCIDRs={10.96.0.0/16,fd00:96::/112,10.244.0.0/24,fd00:244::/64}'", let)
		installBy(ctx, readmeLine("helm install")+values)
		shell(ctx, "helm test externalbackend --namespace "+operatorNamespace+" --logs")

		others := newNamespace(ctx)
		for _, namespace := range []string{others, let} {
			s := &scene{namespace: namespace}
			Expect(api.Create(ctx, newService(namespace))).To(Succeed())
			Expect(api.Create(ctx, s.backend())).To(Succeed())
		}
		served := &scene{namespace: let}
		served.eventuallyServe(ctx, hosts...)
		Expect((&scene{namespace: others}).slices(ctx)).To(BeEmpty())

		By("acting as the operator")
		for namespace, may := range map[string]bool{let: true, others: false} {
			_, err := running.Cluster.Kubectl(ctx, nil, "get", "services", "-n", namespace,
				"--as=system:serviceaccount:"+operatorNamespace+":"+deploymentName)
			if may {
				Expect(err).NotTo(HaveOccurred())
			} else {
				Expect(err).To(MatchError(ContainSubstring("forbidden")))
			}
		}
	}, SpecTimeout(caseBound))
})
