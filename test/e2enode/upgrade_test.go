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

// presentUnderLowerVersion is the version that hack/node-images.sh gives to what is
// upgraded from when there is no earlier release.
const presentUnderLowerVersion = "0.0.9"

// eventuallyRuns waits until all Pods of the operator run a version.
func eventuallyRuns(ctx context.Context, version string) {
	GinkgoHelper()
	eventuallyReady(ctx)
	for _, p := range operators(ctx) {
		Expect(p.Spec.Containers[0].Image).To(HaveSuffix(":" + version))
	}
}

// shape is what the cluster has of the CRDs and of the roles that hack/node-images.sh
// takes out of the chart that is upgraded from, if that is not an earlier release.
type shape struct {
	column bool   // Service of kubectl get externalbackends
	may    string // the operator create TokenReviews, "yes" or "no"
}

func (s *scene) shape(ctx SpecContext) shape {
	GinkgoHelper()
	return shape{
		column: strings.Contains(kubectl(ctx, "get", "externalbackends", "-n", s.namespace), "SERVICE"),
		may:    mayOperator(ctx, "create tokenreviews.authentication.k8s.io", s.namespace),
	}
}

var _ = Describe("An upgrade", func() {
	It("disturbs nobody, and nor does going back", func(ctx SpecContext) {
		installBy(ctx, strings.Replace(readmeLine("helm install"), chart, previousChart(), 1))
		eventuallyRuns(ctx, previousVersion())
		s := newScene(ctx)
		former := eventuallyLeads(ctx, "")
		present, before := shape{true, "yes"}, s.shape(ctx)
		if previousVersion() == presentUnderLowerVersion {
			Expect(before).To(Equal(shape{false, "no"}))
		}

		By("upgrading")
		writes := s.watch(ctx)
		shell(ctx, fmt.Sprintf("helm upgrade externalbackend %s --namespace %s --wait", chart, operatorNamespace))
		eventuallyRuns(ctx, *version)
		Eventually(func() shape { return s.shape(ctx) }).WithContext(ctx).Should(Equal(present))
		former = eventuallyLeads(ctx, former)
		writes.expectUndisturbed(ctx, hosts[0])

		By("rolling back")
		mend(ctx)
		s.eventuallyServe(ctx, hosts...)
		writes = s.watch(ctx)
		shell(ctx, "helm rollback externalbackend --namespace "+operatorNamespace+" --wait")
		eventuallyRuns(ctx, previousVersion())
		Eventually(func() shape { return s.shape(ctx) }).WithContext(ctx).Should(Equal(before))
		eventuallyLeads(ctx, former)
		writes.expectUndisturbed(ctx, hosts[1])
		Expect(shell(ctx, "helm history externalbackend --namespace "+operatorNamespace)).To(ContainSubstring("Rollback to 1"))
	}, SpecTimeout(caseBound))
})
