// Copyright 2026 The ExternalBackend Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gleak"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"externalbackend.dev/operator/api/v1alpha1"
)

var _ = Describe("Hundreds of ExternalBackends that come and go", func() {
	It("leave neither slices nor goroutines nor metrics behind", func(ctx SpecContext) {
		o := ownOperator(operatorOptions{})
		s := newScene(ctx)
		const rounds, each = 5, 40
		name := func(i int) string { return fmt.Sprintf("payments-%d", i) }
		round := func() {
			GinkgoHelper()
			for i := range each {
				s.service(ctx, name(i))
				s.backend(ctx, name(i), hasty, entry("rack", fmt.Sprintf("192.0.2.%d", 1+i)))
			}
			Eventually(s.ours).WithContext(ctx).ShouldNot(BeEmpty())
			in := client.InNamespace(s.namespace)
			Expect(admin.DeleteAllOf(ctx, &v1alpha1.ExternalBackend{}, in)).To(Succeed())
			Expect(admin.DeleteAllOf(ctx, &corev1.Service{}, in)).To(Succeed())
			Eventually(s.ours).WithContext(ctx).Should(BeEmpty())
		}
		round()
		before := gleak.Goroutines()
		for range rounds - 1 {
			round()
		}
		Eventually(gleak.Goroutines).ShouldNot(gleak.HaveLeaked(before))
		for i := range each {
			Eventually(o.series).WithArguments("externalbackend_targets", s.namespace, name(i), "state").Should(BeEmpty())
		}
	})
})
