// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e && linux

package e2enode

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	operatorNamespace = "externalbackend-system"
	deploymentName    = "externalbackend-controller-manager"
	leaseName         = "controller.externalbackend.dev"
	replicas          = 2
)

// leadBound is how long another replica may take to lead: until the Lease of one
// that is gone has run out, and a little.
const leadBound = 40 * time.Second

// readmeLine returns the one line of README.md's shell commands with this beginning.
func readmeLine(beginning string) string {
	GinkgoHelper()
	return documented("README.md", beginning)
}

// documented returns the one line of a page's shell commands with this beginning.
func documented(page, beginning string) string {
	GinkgoHelper()
	text, err := os.ReadFile(filepath.Join(*projectDir, page))
	Expect(err).NotTo(HaveOccurred())
	var found []string
	var inShell bool
	for line := range strings.Lines(strings.ReplaceAll(string(text), "\\\n", "")) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "```") {
			inShell = line == "```shell"
		} else if inShell && strings.HasPrefix(line, beginning) {
			found = append(found, line)
		}
	}
	Expect(found).To(HaveLen(1), "lines of %s's commands that begin with %q", page, beginning)
	return found[0]
}

// install installs the operator with README's line for Helm and waits until one
// leads. After the case nothing is left of it.
func install(ctx SpecContext) {
	GinkgoHelper()
	installBy(ctx, readmeLine("helm install"))
}

// installBy installs the operator with a line.
func installBy(ctx SpecContext, line string) {
	GinkgoHelper()
	DeferCleanup(uninstall, NodeTimeout(cleanBound))
	shell(ctx, line)
	eventuallyReady(ctx)
	eventuallyLeads(ctx, "")
}

// uninstall removes all that any installation made.
func uninstall(ctx SpecContext) {
	if CurrentSpecReport().Failed() {
		show(ctx)
	}
	shell(ctx, "helm uninstall externalbackend --namespace "+operatorNamespace+" --ignore-not-found --wait")
	shell(ctx, "kubectl delete --ignore-not-found --wait -k config/default")
	eventuallyGone(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: operatorNamespace}})
}

// eventuallyReady waits until the Deployment is rolled out.
func eventuallyReady(ctx context.Context) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		var deployment appsv1.Deployment
		key := client.ObjectKey{Namespace: operatorNamespace, Name: deploymentName}
		g.Expect(api.Get(ctx, key, &deployment)).To(Succeed())
		s := deployment.Status
		g.Expect(s.ObservedGeneration).To(Equal(deployment.Generation))
		g.Expect([]int32{s.Replicas, s.UpdatedReplicas, s.ReadyReplicas}).To(HaveEach(int32(replicas)))
		g.Expect(operators(ctx)).To(HaveLen(replicas))
	}).WithContext(ctx).Should(Succeed())
}

// operators returns the operator's Pods that are not being deleted.
func operators(ctx context.Context) []corev1.Pod {
	GinkgoHelper()
	var pods corev1.PodList
	Expect(api.List(ctx, &pods, client.InNamespace(operatorNamespace), client.MatchingLabels{"control-plane": "controller-manager"})).To(Succeed())
	var alive []corev1.Pod
	for _, p := range pods.Items {
		if p.DeletionTimestamp == nil && p.Status.Phase != corev1.PodFailed {
			alive = append(alive, p)
		}
	}
	return alive
}

// holder returns the identity that holds the Lease, "" if none does: that of a Pod
// begins with its name.
func holder(ctx context.Context) (string, error) {
	var lease coordinationv1.Lease
	if err := api.Get(ctx, client.ObjectKey{Namespace: operatorNamespace, Name: leaseName}, &lease); err != nil {
		return "", client.IgnoreNotFound(err)
	}
	if lease.Spec.HolderIdentity == nil {
		return "", nil
	}
	return *lease.Spec.HolderIdentity, nil
}

// eventuallyHolds waits until another identity holds the Lease than the given
// one, "" for any, and returns it.
func eventuallyHolds(ctx context.Context, former string) (identity string) {
	GinkgoHelper()
	Eventually(func() (_ string, err error) {
		identity, err = holder(ctx)
		return identity, err
	}).WithContext(ctx).WithTimeout(leadBound).ShouldNot(Or(BeEmpty(), Equal(former)))
	return identity
}

// eventuallyLeads waits until another Pod leads than the given one, "" for any,
// and returns its name. A Lease of a Pod that is gone does not count.
func eventuallyLeads(ctx context.Context, former string) (name string) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		identity, err := holder(ctx)
		g.Expect(err).NotTo(HaveOccurred())
		name, _, _ = strings.Cut(identity, "_")
		g.Expect(name).NotTo(Equal(former))
		g.Expect(operators(ctx)).To(ContainElement(HaveField("Name", name)))
	}).WithContext(ctx).WithTimeout(leadBound).Should(Succeed())
	return name
}
