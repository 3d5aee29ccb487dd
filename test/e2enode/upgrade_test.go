// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e && linux

package e2enode

import (
	"context"
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

const chart = "charts/" + chartName

// eventuallyRuns waits until all Pods of the operator run a version.
func eventuallyRuns(ctx context.Context, version string) {
	GinkgoHelper()
	eventuallyReady(ctx)
	for _, p := range operators(ctx) {
		Expect(p.Spec.Containers[0].Image).To(HaveSuffix(":" + version))
	}
}

var _ = Describe("An upgrade", func() {
	It("disturbs nobody, and nor does going back", func(ctx SpecContext) {
		installBy(ctx, strings.Replace(readmeLine("helm install"), chart, previousChart(), 1))
		eventuallyRuns(ctx, previousVersion())
		s := newScene(ctx)
		former := eventuallyLeads(ctx, "")

		By("upgrading")
		writes := s.watch(ctx)
		shell(ctx, fmt.Sprintf("helm upgrade externalbackend %s --namespace %s --wait", chart, operatorNamespace))
		eventuallyRuns(ctx, *version)
		former = eventuallyLeads(ctx, former)
		writes.expectUndisturbed(ctx, hosts[0])

		By("rolling back")
		mend(ctx)
		s.eventuallyServe(ctx, hosts...)
		writes = s.watch(ctx)
		shell(ctx, "helm rollback externalbackend --namespace "+operatorNamespace+" --wait")
		eventuallyRuns(ctx, previousVersion())
		eventuallyLeads(ctx, former)
		writes.expectUndisturbed(ctx, hosts[1])
		Expect(shell(ctx, "helm history externalbackend --namespace "+operatorNamespace)).To(ContainSubstring("Rollback to 1"))
	}, SpecTimeout(caseBound))
})
