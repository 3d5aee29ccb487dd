// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e && linux

package e2enode

import (
	"context"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/api/v1alpha1"
	"externalbackend.dev/operator/test/rack"
)

// collectBound is how long the garbage collector may take to notice new CRDs.
const collectBound = 2 * time.Minute

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

// eventuallyCollected waits until the garbage collector sees ExternalBackends come
// and go, without which nobody deletes what they own when the CRDs go: it looks
// every 30 s for new CRDs. A deletion in the foreground ends only then.
func eventuallyCollected(ctx context.Context, s *scene) {
	GinkgoHelper()
	seen := s.backend()
	seen.Name = "seen"
	Expect(api.Create(ctx, seen)).To(Succeed())
	Expect(api.Delete(ctx, seen, client.PropagationPolicy(metav1.DeletePropagationForeground))).To(Succeed())
	Eventually(func() error { return api.Get(ctx, client.ObjectKeyFromObject(seen), seen) }).
		WithContext(ctx).WithTimeout(collectBound).Should(MatchError(apierrors.IsNotFound, "that it is gone"))
}

// eventuallyOut waits until nothing is published any more, and clients are refused.
func (s *scene) eventuallyOut(ctx context.Context) {
	GinkgoHelper()
	Eventually(func() int { return len(s.slices(ctx)) }).WithContext(ctx).Should(BeZero())
	// The kernel refuses only about one connection a second, and ignores the rest.
	Expect(pod.FinishFlow(ctx)).To(Succeed())
	Eventually(func() error {
		_, err := pod.Fetch(ctx, clusterIPs(s.service, 80)[0].String())
		return err
	}).WithContext(ctx).Should(MatchError(ContainSubstring("refused")))
}

// mayOperator says yes or no to whether the operator's account may do something.
func mayOperator(ctx context.Context, act, namespace string) string {
	GinkgoHelper()
	arguments := append([]string{"auth", "can-i"}, strings.Fields(act)...)
	answer, err := running.Cluster.Kubectl(ctx, nil, append(arguments, "-n", namespace,
		"--as=system:serviceaccount:"+operatorNamespace+":"+deploymentName)...)
	if err != nil {
		Expect(err).To(MatchError(ContainSubstring("exit status 1")), "which stands for no")
		return "no"
	}
	return strings.TrimSpace(answer)
}

var _ = Describe("Uninstalling", func() {
	It("leaves what is served until ExternalBackends and CRDs are deleted", func(ctx SpecContext) {
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

		By("deleting the ExternalBackends")
		shell(ctx, uninstallLine)
		eventuallyNoOperator(ctx)
		shell(ctx, documented("docs/install.md", "kubectl delete externalbackends"))
		shell(ctx, documented("docs/install.md", "kubectl wait --for=delete endpointslices"))
		Expect(s.slices(ctx)).To(BeEmpty())
		s.eventuallyOut(ctx)

		By("deleting the CRDs")
		shell(ctx, documented("docs/install.md", "kubectl delete crd"))
		shell(ctx, documented("docs/install.md", "kubectl delete namespace"))
		for _, kinds := range []string{"crds,namespaces", "clusterroles,clusterrolebindings", "validatingadmissionpolicies,validatingadmissionpolicybindings"} {
			Expect(kubectl(ctx, "get", kinds, "-o", "name")).NotTo(ContainSubstring("externalbackend"), kinds)
		}
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
			Expect(api.Create(ctx, rack.NewService(namespace, serviceName))).To(Succeed())
			Expect(api.Create(ctx, s.backend())).To(Succeed())
		}
		served := &scene{namespace: let}
		served.eventuallyServe(ctx, hosts...)
		Expect((&scene{namespace: others}).slices(ctx)).To(BeEmpty())

		By("acting as the operator")
		for _, act := range []string{"update services", "create endpointslices.discovery.k8s.io", "list externalbackends.externalbackend.dev"} {
			for namespace, may := range map[string]string{let: "yes", others: "no"} {
				Expect(mayOperator(ctx, act, namespace)).To(Equal(may), "%s in %s", act, namespace)
			}
		}
		Expect(mayOperator(ctx, "get secrets", others)).To(Equal("no"))
	}, SpecTimeout(caseBound))
})
