// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e && linux

package e2enode

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// processOf returns the process of the operator in a Pod. This program is the
// first process of the namespace that all processes of the node are in.
func processOf(p corev1.Pod) *os.Process {
	GinkgoHelper()
	commands, err := filepath.Glob("/proc/[0-9]*/cmdline")
	Expect(err).NotTo(HaveOccurred())
	for _, path := range commands {
		dir := filepath.Dir(path)
		command, err := os.ReadFile(path)
		if err != nil || !strings.HasPrefix(string(command), "/manager\x00") {
			continue
		}
		groups, err := os.ReadFile(filepath.Join(dir, "cgroup"))
		if err != nil || !strings.Contains(string(groups), string(p.UID)) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(dir))
		Expect(err).NotTo(HaveOccurred())
		process, err := os.FindProcess(pid)
		Expect(err).NotTo(HaveOccurred())
		return process
	}
	Fail("no process of Pod " + p.Name)
	return nil
}

// evict asks for the eviction of a Pod, as a drained node does.
func evict(ctx context.Context, name string) error {
	return running.Cluster.Clientset().PolicyV1().Evictions(operatorNamespace).Evict(ctx, &policyv1.Eviction{
		ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespace, Name: name},
	})
}

// podCalled returns the operator's Pod with the name.
func podCalled(ctx context.Context, name string) corev1.Pod {
	GinkgoHelper()
	var p corev1.Pod
	Expect(api.Get(ctx, client.ObjectKey{Namespace: operatorNamespace, Name: name}, &p)).To(Succeed())
	return p
}

var _ = Describe("Nothing is withdrawn", func() {
	It("when the leader's Pod is deleted at once", func(ctx SpecContext) {
		install(ctx)
		s := newScene(ctx)
		former := eventuallyLeads(ctx, "")
		writes := s.watch(ctx)
		kubectl(ctx, "delete", "pod", "-n", operatorNamespace, former, "--grace-period=0", "--force")
		eventuallyLeads(ctx, former)
		eventuallyReady(ctx)
		writes.expectUndisturbed(ctx, hosts[0])
	}, SpecTimeout(caseBound))

	It("when the leader's process is killed", func(ctx SpecContext) {
		install(ctx)
		s := newScene(ctx)
		former := eventuallyHolds(ctx, "")
		name, _, _ := strings.Cut(former, "_")
		writes := s.watch(ctx)
		Expect(processOf(podCalled(ctx, name)).Signal(syscall.SIGKILL)).To(Succeed())
		Eventually(func() int32 {
			statuses := podCalled(ctx, name).Status.ContainerStatuses
			return statuses[0].RestartCount
		}).WithContext(ctx).Should(Equal(int32(1)))
		eventuallyHolds(ctx, former)
		eventuallyReady(ctx)
		writes.expectUndisturbed(ctx, hosts[0])
	}, SpecTimeout(caseBound))

	It("when the node's Pods are evicted, one after the other or all at once", func(ctx SpecContext) {
		install(ctx)
		s := newScene(ctx)
		former := eventuallyLeads(ctx, "")
		writes := s.watch(ctx)
		// Without the one that comes next: no budget protects what is not ready yet.
		pods := operators(ctx)
		// Once the budget has counted both.
		Eventually(func() error { return evict(ctx, former) }).WithContext(ctx).Should(Succeed())
		for _, p := range pods {
			if p.Name == former {
				continue
			}
			Expect(evict(ctx, p.Name)).To(MatchError(apierrors.IsTooManyRequests, "that the budget is used up"))
		}
		leads := eventuallyLeads(ctx, former)
		eventuallyReady(ctx)
		Eventually(func() error { return evict(ctx, leads) }).WithContext(ctx).Should(Succeed())
		eventuallyLeads(ctx, leads)
		eventuallyReady(ctx)

		By("deleting both at once, which no budget prevents")
		before := operators(ctx)
		kubectl(ctx, "delete", "pods", "-n", operatorNamespace, "-l", "control-plane=controller-manager", "--grace-period=0", "--force")
		eventuallyReady(ctx)
		for _, p := range before {
			Expect(operators(ctx)).NotTo(ContainElement(HaveField("Name", p.Name)))
			eventuallyLeads(ctx, p.Name)
		}
		writes.expectUndisturbed(ctx, hosts[0])
	}, SpecTimeout(caseBound))
})
